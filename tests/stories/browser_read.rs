//! A link that watches: the page shows the shell exactly, and keeps to itself what it must.

use e2e::harness::{Browser, Recording, Sandbox, Sharer};

/// What a person might see: a title that only the terminal may show, colours, and a prompt.
const START: &str = r"
printf '\e]0;canary-title\a'
printf '\e[1m~/src/sharer\e[0m on \e[35mmain\e[0m\r\n'
printf '\e[32m✓\e[0m %-40s \e[2m%s\e[0m\r\n' 'formatting' '1 s' 'clippy, warnings denied' '28 s' 'tests' '3 min 40 s'
printf '\e[31;1merror\e[0m\e[1m: canary-text\e[0m \e[4m/src/lib.rs:12\e[0m \e[48;2;40;60;90m true colour \e[0m\r\n'
PS1='\[\e[1;34m\]~/src\[\e[0m\] $ '
";

#[tokio::test]
async fn a_read_link_shows_the_shell_exactly() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, START);
    let mut sharer = Sharer::share(&sandbox, recording.shared(&["--title", "A shell"])).await;
    let browser = Browser::watching(&sharer.read_link()).await;
    browser.mirrors(&recording, "canary-text").await;
    sharer.viewers(1).await;

    // Live, past the screen's end, with characters that terminals count differently.
    let lines: Vec<String> =
        (0..120).map(|n| format!("\x1b[3{}mline {n}\x1b[0m 中文 e\u{301} 👍\r\n", n % 8)).collect();
    recording.feed(&format!("{}first marker\r\n", lines.concat()));
    browser.mirrors(&recording, "first marker").await;
    recording.feed("\x1b[?1049h\x1b[2J\x1b[5;5Hanother screen");
    browser.mirrors(&recording, "another screen").await;
    recording.feed("\x1b[?1049l\x1b[?25lsecond marker");
    browser.mirrors(&recording, "second marker").await;

    // One who comes late sees the same, history included.
    browser.reload().await;
    browser.status("live").await;
    browser.mirrors(&recording, "second marker").await;
    browser.screenshot("read-shell").await;
    browser.close().await;
    sharer.viewers(0).await;
}

#[tokio::test]
async fn a_read_link_cannot_type_and_the_page_tells_no_secret() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, START);
    let sharer = Sharer::share(&sandbox, recording.shared(&["--title", "A shell"])).await;
    let mut browser = Browser::watching(&sharer.read_link()).await;
    browser.mirrors(&recording, "canary-text").await;

    // The program's title is text in the page; the window's is the page's own.
    browser.says("canary-title").await;
    let buttons = browser
        .run("return [...document.querySelectorAll('button')].map((b) => b.innerText + b.ariaLabel)")
        .await;
    let buttons = buttons.to_string();
    assert!(buttons.contains("Settings"), "{buttons}");
    assert!(!buttons.contains("Type here"), "{buttons}");
    // Keys in the terminal go nowhere, and the shell proves that it would have shown them.
    browser.run("document.querySelector('.xterm')?.parentElement.__term.focus()").await;
    browser.type_text("echo typed-by-a-reader\u{E007}").await;
    recording.feed("after the keys\r\n");
    browser.mirrors(&recording, "after the keys").await;
    assert!(!recording.has("typed-by-a-reader"));

    let link = sharer.read_link();
    let (address, secret) = link.split_once('#').unwrap();
    let page = browser
        .run(
            "return {
               location: location.origin + location.pathname, fragment: location.hash, title: document.title,
               kept: JSON.stringify({...localStorage}) + JSON.stringify({...sessionStorage}) + document.cookie,
               asked: performance.getEntriesByType('resource').map((entry) => entry.name).join(' '),
               worker: Boolean(navigator.serviceWorker?.controller),
               page: document.documentElement.outerHTML,
             }",
        )
        .await;
    let text = |name: &str| page[name].as_str().unwrap().to_owned();
    assert_eq!(text("location"), address);
    assert_eq!(text("fragment"), format!("#{secret}"), "where the secret belongs");
    assert_eq!(text("title"), "sharer");
    assert_eq!(page["worker"], false);
    assert!(text("kept").contains("sharer.settings"), "{}", text("kept"));
    assert!(text("asked").contains(".wasm"), "{}", text("asked"));
    for (place, text) in [("storage", text("kept")), ("requests", text("asked")), ("page", text("page"))] {
        assert!(!text.contains(secret), "the secret is in the {place}");
    }
    assert!(!text("kept").contains("canary"));
    // The console keeps what is written there: see the control beside this story.
    browser.run("console.info('console-control')").await;
    // Chromium names the page by its address, in warnings of its own; that is not the page's doing.
    let console = browser.console().await.join("\n").replace(&link, "the page");
    assert!(console.contains("console-control"), "{console}");
    assert!(!console.contains(secret) && !console.contains("canary"), "{console}");
    browser.close().await;
}
