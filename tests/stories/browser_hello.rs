//! The shortest whole story: the optimised build, from a program in a PTY to pixels.

use e2e::harness::{Browser, Sandbox, Screen, Sharer};

#[tokio::test]
async fn the_page_says_hello_from_the_optimised_build() {
    let sandbox = Sandbox::new();
    let program = "printf '\\033[1;32mhello\\033[0m from a terminal\\r\\n'; exec cat";
    let mut sharer = Sharer::share(&sandbox, ["--size", "80x24", "--", "sh", "-c", program]).await;
    let browser = Browser::watching(&sharer.read_link()).await;
    let expected = Screen::reference(80, 24, 1000, b"\x1b[1;32mhello\x1b[0m from a terminal\r\n").await;
    browser.shows(&expected).await;
    sharer.viewers(1).await;
    browser.screenshot("hello").await;
    browser.close().await;
    sharer.viewers(0).await;
}
