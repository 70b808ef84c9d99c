//! What a program may do to the page that shows it: name itself, link, ask for the clipboard. What it may not: anything else.

use e2e::harness::{Browser, LONG, Recording, SHORT, Sandbox, Sharer, until};
use serde_json::{Value, json};

/// Lets the page read the clipboard, as a person does who presses "Allow"; headless browsers ask nobody.
async fn allow_clipboard(browser: &Browser) {
    let allowed = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.cdp("Browser.grantPermissions", allowed).await;
}

const CLIPBOARD: &str = "(async () => navigator.clipboard.readText())()";

#[tokio::test]
async fn a_link_shows_where_it_leads_before_it_opens() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let origin = sharer.read_link().split("/s/").next().unwrap().to_owned();
    let browser = Browser::watching(&sharer.read_link()).await;
    // Links whose text is not their target, one of them no link at all, and one that is what it says.
    recording.feed(&format!(
        "\x1b]8;;{origin}/?elsewhere\x07https://bank.example/\x1b]8;;\x07\r\n\
         \x1b]8;;javascript:document.title='owned'\x07run-me\x1b]8;;\x07\r\n\
         \x1b]8;;file:///etc/passwd\x07read-me\x1b]8;;\x07\r\n\
         \x1b]8;;mailto:somebody@example.org\x07write-me\x1b]8;;\x07\r\n\
         plain {origin}/?as-it-says text\r\n"
    ));
    browser.mirrors(&recording, "as-it-says").await;

    // What says where it leads opens at once; the new page knows nothing of this one.
    browser.click("/?as-it-says").await;
    let opened = async || {
        let targets = browser.cdp("Target.getTargets", json!({})).await;
        let all = targets["targetInfos"].as_array().cloned().unwrap_or_default();
        let there = |target: &Value| target["url"].as_str().is_some_and(|url| url.ends_with("/?as-it-says"));
        all.into_iter().find(there).ok_or(targets)
    };
    let opened = until("a second page", SHORT, opened).await;
    assert_eq!(opened["canAccessOpener"], false, "{opened}");
    browser.cdp("Target.closeTarget", json!({"targetId": opened["targetId"]})).await;
    browser.cdp("Page.bringToFront", json!({})).await;
    let target = "document.querySelector('.target').innerText";
    browser.point("https://bank.example/").await;
    browser.until("the real target", &format!("{target}.endsWith('/?elsewhere')")).await;
    browser.screenshot("link-hover").await;
    browser.point("write-me").await;
    browser.until("a target for mail", &format!("{target} === 'mailto:somebody@example.org'")).await;
    for harmful in ["run-me", "read-me"] {
        browser.click(harmful).await;
        browser.until("no target", &format!("{target} === ''")).await;
        assert_eq!(browser.run("return document.querySelector('[aria-label=Link]')").await, json!(null));
    }

    // A press asks, and names the target.
    browser.click("https://bank.example/").await;
    browser.shown("[role=alertdialog][aria-label=Link]").await;
    browser.says("/?elsewhere").await;
    let open = "document.querySelector('[role=alertdialog][aria-label=Link] a')";
    assert_eq!(browser.run(&format!("return {open}.rel")).await, "noopener noreferrer");
    assert_eq!(browser.run(&format!("return {open}.target")).await, "_blank");
    browser.press("Cancel").await;
    browser.until("the question to go", "!document.querySelector('[role=alertdialog]')").await;

    assert_eq!(browser.run("return document.title").await, "sharer");
    browser.close().await;
}

/// Waits until the clipboard holds this text. A promise, as the page has it, is true whatever it will hold.
async fn clipboard_has(browser: &Browser, wanted: &str) {
    let look = async || {
        let text = browser.run(&format!("return {CLIPBOARD}")).await;
        if text == wanted { Ok(()) } else { Err(text) }
    };
    until(&format!("the clipboard to hold {wanted:?}"), LONG, look).await;
}

#[tokio::test]
async fn a_program_writes_the_clipboard_only_where_the_person_allows_it_and_never_reads_it() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let browser = Browser::watching(&sharer.write_link()).await;
    allow_clipboard(&browser).await;
    browser.press("Type here").await;
    browser.run("return navigator.clipboard.writeText('mine')").await;

    // Nothing reaches the clipboard before the person says so.
    recording.feed("\x1b]52;c;Zmlyc3Q=\x07asked\r\n");
    browser.shown("[role=alertdialog][aria-label=Clipboard]").await;
    browser.screenshot("clipboard-asks").await;
    assert_eq!(browser.run(&format!("return {CLIPBOARD}")).await, "mine");
    browser.press("Allow").await;
    clipboard_has(&browser, "first").await;
    // From now on it is told, not asked.
    recording.feed("\x1b]52;c;c2Vjb25k\x07");
    clipboard_has(&browser, "second").await;
    browser.says("The program wrote to your clipboard").await;
    // More than 64 KiB is refused whole: the short one behind it arrives, the long one never did.
    let long = "QUFB".repeat(64 * 1024 / 3 + 2);
    recording.feed(&format!("\x1b]52;c;{long}\x07\x1b]52;c;c2hvcnQ=\x07"));
    clipboard_has(&browser, "short").await;

    // A program that asks for the clipboard's text gets none, though typing is on and its other question is answered.
    browser.run("document.querySelector('.xterm-helper-textarea').focus()").await;
    browser
        .type_text("stty raw -echo; printf '\\e]52;c;?\\a\\e[5n'; head -c 4 | od -An -c; stty sane\u{E007}")
        .await;
    // The first that arrives is the answer to the second question.
    recording.wrote("033   [   0   n").await;

    // The answer holds for one page.
    browser.reload().await;
    browser.status("live").await;
    recording.feed("\x1b]52;c;dGhpcmQ=\x07");
    browser.shown("[role=alertdialog][aria-label=Clipboard]").await;
    browser.press("No").await;
    browser.until("the question to go", "!document.querySelector('[role=alertdialog]')").await;
    recording.feed("\x1b]52;c;Zm91cnRo\x07after all that\r\n");
    browser.mirrors(&recording, "after all that").await;
    assert_eq!(browser.run("return document.querySelector('[role=alertdialog]')").await, json!(null));
    assert_eq!(browser.run(&format!("return {CLIPBOARD}")).await, "short");
    browser.close().await;
}

#[tokio::test]
async fn no_viewer_answers_a_programs_questions() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let (one, other) = tokio::join!(Browser::start(), Browser::sized(900, 600));
    for browser in [&one, &other] {
        browser.live(&sharer.write_link()).await;
        browser.press("Type here").await;
    }
    // Status, attributes, cursor: three answers, all by the sharer.
    one.run("document.querySelector('.xterm-helper-textarea').focus()").await;
    one.type_text(
        "stty -icanon -echo; printf '\\e[5n\\e[c\\e[6n'; sed -u '/stop/q' | od -An -c | tr -d ' \\n'; \
         echo; echo end of $((1+1)) answers; stty sane\u{E007}",
    )
    .await;
    recording.feed("asked\r\n");
    for browser in [&one, &other] {
        browser.mirrors(&recording, "asked").await;
    }
    // Both have parsed the questions. What a person types does arrive, behind whatever was answered.
    one.type_text("stop\u{E007}").await;
    recording.wrote("end of 2 answers").await;
    let text = String::from_utf8_lossy(&recording.bytes()).into_owned();
    assert!(text.contains("Rstop"), "{text}");
    assert_eq!(text.matches("033[").count(), 3, "{text}");
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_hostile_title_is_text_and_never_the_windows() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let browser = Browser::watching(&sharer.read_link()).await;
    let titles = [
        "<img src=x onerror=document.title='owned'>".to_owned(),
        "</h1><script>document.title='owned'</script>".to_owned(),
        "safe\u{202e}gpj.exe".to_owned(),
        "long ".repeat(2000),
    ];
    for (turn, title) in titles.iter().enumerate() {
        recording.feed(&format!("\x1b]0;{title}\x07title {turn}\r\n"));
        browser.mirrors(&recording, &format!("title {turn}")).await;
        // What turns the direction of text is left out.
        let start: String = title.chars().filter(|c| *c != '\u{202e}').take(20).collect();
        browser
            .until(
                "the title as text",
                &format!("document.querySelector('h1').textContent.startsWith({})", json!(start)),
            )
            .await;
        assert_eq!(browser.run("return document.title").await, "sharer");
        assert_eq!(browser.run("return document.querySelectorAll('img, h1 *').length").await, 0);
    }
    assert_eq!(browser.run("return document.documentElement.scrollWidth <= innerWidth").await, true);
    browser.close().await;
}

/// Has a page take the software that draws here for a graphics card.
const CARD: &str = "const { getParameter } = WebGL2RenderingContext.prototype;
    WebGL2RenderingContext.prototype.getParameter = function (name) {
      return name === 37446 ? 'A graphics card' : getParameter.call(this, name);
    };";

#[tokio::test]
async fn without_a_graphics_card_the_page_shows_the_same() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "printf '\\e[7mturned\\e[0m \\e[38;5;208m┌──┐\\e[0m\\n'");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let (with, software, without) = tokio::join!(
        Browser::start(),
        Browser::start(),
        Browser::with_flags(1280, 800, &["--disable-3d-apis"])
    );
    with.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": CARD })).await;
    for browser in [&with, &software, &without] {
        browser.live(&sharer.read_link()).await;
        recording.feed("一 two \x1b[1mthree\x1b[0m\r\n");
        browser.mirrors(&recording, "three").await;
    }
    let rows = "document.querySelector('.xterm-rows')?.innerText ?? ''";
    for browser in [&software, &without] {
        browser.until("the text in the page", &format!("({rows}).includes('three')")).await;
    }
    assert_eq!(with.run(&format!("return {rows}")).await, "", "a card draws by WebGL");
    without.screenshot("without-webgl").await;
    with.close().await;
    software.close().await;
    without.close().await;
}
