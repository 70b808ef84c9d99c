//! Controls of the browser harness: what other stories find absent is found here, where it belongs.

use e2e::harness::{Browser, Screen, root};

#[tokio::test]
async fn a_quiet_page_has_no_complaints_and_a_picture() {
    let browser = Browser::sized(640, 400).await;
    browser.open("data:text/html,<h1>quiet</h1><button>Press</button>").await;
    browser.says("quiet").await;
    browser.run("document.querySelector('button').onclick = () => document.body.append('pressed')").await;
    browser.press("Press").await;
    browser.says("pressed").await;
    assert_eq!(browser.run("return [innerWidth, innerHeight]").await, serde_json::json!([640, 400]));
    let picture = std::fs::read(browser.screenshot("control").await).unwrap();
    assert_eq!(&picture[..4], b"\x89PNG");
    browser.close().await;
}

#[tokio::test]
async fn an_error_and_a_violation_of_the_content_policy_are_found() {
    let mut browser = Browser::start().await;
    let page = "<meta http-equiv='Content-Security-Policy' content=\"script-src 'none'\">\
                <script>document.title = 'ran'</script>shown";
    browser.open(&format!("data:text/html,{page}")).await;
    browser.says("shown").await;
    assert_ne!(browser.client.title().await.unwrap(), "ran");
    let complaints = browser.complaints().await;
    assert!(complaints.iter().any(|line| line.contains("Content Security Policy")), "{complaints:?}");
    browser.open("data:text/html,error").await;
    browser.run("console.error('canary')").await;
    let complaints = browser.complaints().await;
    assert!(complaints.iter().any(|line| line.contains("canary")), "{complaints:?}");
}

#[tokio::test]
async fn a_phone_has_touch_and_a_narrow_page() {
    let browser = Browser::phone().await;
    browser.open("data:text/html,<meta name=viewport content=width=device-width>phone").await;
    let seen = browser.run("return [innerWidth, devicePixelRatio, navigator.maxTouchPoints]").await;
    assert_eq!(seen, serde_json::json!([390, 3, 5]));
    browser.prefer("dark").await;
    assert_eq!(browser.run("return matchMedia('(prefers-color-scheme: dark)').matches").await, true);
    browser.close().await;
}

/// Colours, attributes, wide and combined characters, a wrapped line, another screen's cursor and history.
const STREAM: &str = "\x1b[?2004h\x1b]0;title\x07\x1b[1;3;38;5;208mbold\x1b[0m \x1b[48;2;1;2;3mtrue\x1b[K\x1b[0m\r\n中文 e\u{301} 👍🏽 \x1b[4munder\x1b[9mstruck\x1b[0m\r\n\
    a line that is longer than the forty columns which this terminal has\r\n\x1b[7minverse blank: \x1b[0m\r\n1\r\n2\r\n3\r\n4\r\n\x1b[?25l\x1b[2;5H";

#[tokio::test]
async fn the_page_and_the_reference_agree_on_a_screen_and_see_one_wrong_cell() {
    let reference = Screen::reference(40, 6, 100, STREAM.as_bytes()).await;
    assert_eq!(reference.size(), (40, 6));
    assert_eq!(reference.history().len(), 4, "{:?}", reference.history());

    let browser = Browser::start().await;
    browser.open("data:text/html,<div style=height:600px><div id=host></div></div>").await;
    let bundle = std::fs::read_to_string(root().join("viewer-web/js/term.bundle.js")).unwrap();
    // The viewer's own terminal, without the rest of the viewer.
    let start = format!(
        "const text = {}; const stream = {};
         import(URL.createObjectURL(new Blob([text], {{type: 'text/javascript'}}))).then(({{mount}}) => {{
           const screen = mount(document.getElementById('host'), () => {{}}, true);
           screen.resize(40, 6);
           screen.write(1, new TextEncoder().encode(stream));
         }})",
        serde_json::json!(bundle),
        serde_json::json!(STREAM)
    );
    browser.run(&start).await;
    browser.shows(&reference).await;

    // Each differs in one thing only, and that is what must be told.
    let back = "\x1b[2;5H";
    for (told, stream) in [
        ("row 0, column 0:", format!("{STREAM}\x1b[1;1H\x1b[mX{back}")),
        ("row 1, column 0:", format!("{STREAM}\x1b[2;1H\x1b[38;5;209mi{back}")),
        ("row 1, column 15:", format!("{STREAM}\x1b[2;16H\x1b[4m {back}")),
        ("cursor:", format!("{STREAM}\x1b[2;6H")),
        ("cursor_hidden:", format!("{STREAM}\x1b[?25h")),
        ("modes:", format!("{STREAM}\x1b[?2004l")),
        ("history:", STREAM.replace("bold", "bald")),
    ] {
        let other = Screen::reference(40, 6, 100, stream.as_bytes()).await;
        let difference = other.difference(&reference).unwrap_or_default();
        assert!(difference.starts_with(told), "{told} {difference} {}", other.text());
    }
    browser.close().await;
}
