//! A link that types: the press that starts typing, keys, pastes, and where the secret goes.

use e2e::harness::{Browser, Recording, SHORT, Sandbox, Sharer};
use serde_json::json;

const ENTER: char = '\u{E007}';
const CONTROL: char = '\u{E009}';

/// A paste as a browser gives it to a page.
async fn paste(browser: &Browser, text: &str) {
    browser
        .run(&format!(
            "const data = new DataTransfer(); data.setData('text/plain', {});
             document.querySelector('.xterm-helper-textarea').dispatchEvent(
               new ClipboardEvent('paste', {{clipboardData: data, bubbles: true, cancelable: true}}))",
            json!(text)
        ))
        .await;
}

#[tokio::test]
async fn a_write_link_types_into_the_shell() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&["--title", "Together"])).await;
    let browser = Browser::watching(&sharer.write_link()).await;
    browser.mirrors(&recording, "$ ").await;

    // It opens watching; the secret that types is out of sight at once.
    let (_, secret) = sharer.write_link().split_once('#').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    browser
        .until(
            "the address bar to hold the watch link",
            &format!("location.href === {}", json!(sharer.read_link())),
        )
        .await;
    let kept =
        browser.run("return [JSON.stringify({...sessionStorage}), JSON.stringify({...localStorage})]").await;
    assert!(kept[0].as_str().unwrap().contains(&secret), "sessionStorage keeps the grant");
    assert!(!kept[1].as_str().unwrap().contains(&secret), "localStorage does not");
    browser.type_text("echo too-early").await;

    browser.press("Type here").await;
    browser.says("what you enter runs there").await;
    browser.type_text(&format!("echo one-$((40+2))-µ{ENTER}")).await;
    recording.wrote("one-42-µ").await;
    assert!(!recording.has("too-early"), "nothing is typed before the press");
    browser.mirrors(&recording, "one-42-µ").await;
    browser.press("Understood").await;

    // Bash asks for bracketed pastes: lines arrive as one, and nothing runs by itself.
    paste(&browser, "echo pasted-$((1+1))\necho pasted-$((2+1))").await;
    recording.wrote("echo pasted-$((2+1))").await;
    assert!(!recording.has("pasted-2"));
    browser.type_text(&ENTER.to_string()).await;
    recording.wrote("pasted-3").await;
    browser.mirrors(&recording, "pasted-2").await;

    // `cat` does not: more than one line is asked about, and typed only if the person says so.
    browser.type_text(&format!("cat{ENTER}")).await;
    browser
        .until(
            "cat to run",
            "!document.querySelector('.xterm').parentElement.__term.modes.bracketedPasteMode",
        )
        .await;
    paste(&browser, "refused one\nrefused two\n").await;
    browser.shown("[role=alertdialog][aria-label=Paste]").await;
    browser.screenshot("write-paste").await;
    browser.press("Do not paste").await;
    paste(&browser, "wanted one\nwanted two\n").await;
    browser.shown("[role=alertdialog][aria-label=Paste]").await;
    browser.run("document.querySelector('[role=alertdialog][aria-label=Paste] button.strong').click()").await;
    recording.wrote("wanted two").await;
    assert!(!recording.has("refused"));
    browser.run("document.querySelector('.xterm-helper-textarea').focus()").await;
    browser.chord(CONTROL, 'c').await;
    recording.wrote("^C").await;
    browser.mirrors(&recording, "^C").await;
    browser.screenshot("write-typed").await;

    browser.press("Stop typing").await;
    browser
        .until_within("typing to be offered again", SHORT, "document.body.innerText.includes('Type here')")
        .await;
    browser.run("document.querySelector('.xterm-helper-textarea').focus()").await;
    browser.type_text("too-late").await;

    // The tab keeps its right over a reload; what was typed before is not typed again.
    browser.reload().await;
    browser.status("live").await;
    browser.press("Type here").await;
    browser.type_text(&format!("echo after-$((5+5)){ENTER}")).await;
    browser.mirrors(&recording, "after-10").await;
    assert!(!recording.has("too-late"));
    assert_eq!(recording.bytes().windows(8).filter(|part| part == b"one-42-\xc2").count(), 1);
    browser.close().await;
}

#[tokio::test]
async fn two_browsers_see_each_other_type() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let mut sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let (writer, reader) = tokio::join!(Browser::start(), Browser::sized(900, 600));
    writer.open(&sharer.write_link()).await;
    reader.open(&sharer.read_link()).await;
    writer.status("live").await;
    reader.status("live").await;
    sharer.viewers(2).await;
    writer.press("Type here").await;
    writer.type_text(&format!("echo both-$((2*21)){ENTER}")).await;
    writer.mirrors(&recording, "both-42").await;
    reader.mirrors(&recording, "both-42").await;
    reader
        .until("the page to count two", "document.querySelector('.viewers')?.ariaLabel === '2 watching'")
        .await;
    writer.close().await;
    reader
        .until("the page to count one", "document.querySelector('.viewers')?.ariaLabel === '1 watching'")
        .await;
    reader.close().await;
}

#[tokio::test]
async fn a_headless_terminal_takes_the_size_of_the_page_that_types() {
    let sandbox = Sandbox::new();
    let program = r#"while :; do now=$(stty size); [ "$now" = "$was" ] || echo "size-$now-"; was=$now; sleep 0.05; done"#;
    let sharer = Sharer::share_as_seen(&sandbox, ["--", "bash", "-c", program]).await;
    let reader = Browser::watching(&sharer.read_link()).await;
    let writer = Browser::watching(&sharer.write_link()).await;
    let size =
        "(() => { const term = document.querySelector('.screen').__term; return [term.cols, term.rows]; })()";
    for browser in [&reader, &writer] {
        browser.until("the first size", &format!("`${{{size}}}` === '120,40'")).await;
    }
    writer.press("Type here").await;
    let wide = writer.until("the page's own size", &format!("`${{{size}}}` !== '120,40' && {size}")).await;
    // The others see it as it is; in the page that types the letters have their size, and hardly any room is left.
    reader.until("the same size", &format!("`${{{size}}}` === {:?}", spoken(&wide))).await;
    let fills = "(() => { const [one, all] = ['.screen', '.stage'].map((name) => document.querySelector(name).getBoundingClientRect());
        return one.width <= all.width && one.width > 0.9 * all.width && one.height > 0.9 * all.height; })()";
    writer.until("the terminal to fill its place", fills).await;
    writer
        .cdp(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": 700, "height": 500, "deviceScaleFactor": 1, "mobile": false}),
        )
        .await;
    let small =
        writer.until("a smaller size", &format!("`${{{size}}}` !== {:?} && {size}", spoken(&wide))).await;
    assert!(small[0].as_u64() < wide[0].as_u64() && small[1].as_u64() < wide[1].as_u64(), "{wide} {small}");
    let told = format!("size-{} {}-", small[1], small[0]);
    writer
        .until(
            "the program to know",
            &format!(
                "(() => {{ const buffer = document.querySelector('.screen').__term.buffer.active;
                   for (let y = 0; y < buffer.length; y += 1) if (buffer.getLine(y).translateToString().includes({told:?})) return true; }})()"
            ),
        )
        .await;
    writer.close().await;
    reader.close().await;
}

/// A size as the page writes an array.
fn spoken(size: &serde_json::Value) -> String {
    format!("{},{}", size[0], size[1])
}
