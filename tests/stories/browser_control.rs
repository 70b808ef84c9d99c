//! Controls of the browser harness: what other stories find absent is found here, where it belongs.

use e2e::harness::Browser;

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
