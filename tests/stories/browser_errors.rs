//! Links that lead nowhere: each its own sentence, and nothing else.

use e2e::harness::{Browser, Recording, Sandbox, Sharer};

/// The text with another first character, of the same alphabets: the link stays well formed.
fn altered(text: &str) -> String {
    let mut all = text.chars();
    let first = if all.next() == Some('a') { 'b' } else { 'a' };
    format!("{first}{}", all.as_str())
}

/// The text without its last character.
fn cut(text: &str) -> &str {
    let mut all = text.chars();
    all.next_back();
    all.as_str()
}

#[tokio::test]
async fn a_damaged_link_says_what_is_wrong_with_it() {
    let sandbox = Sandbox::new();
    let sharer = Sharer::share(&sandbox, ["--", "cat"]).await;
    let link = sharer.read_link();
    let (address, secret) = link.split_once('#').unwrap();
    let browser = Browser::start().await;
    for (link, sentence) in [
        (format!("{address}#{}", cut(secret)), "the part after # is not whole. Copy the whole link."),
        (format!("{address}#"), "the part after # is missing. Copy the whole link."),
        (format!("{}#{secret}", cut(address)), "the part before # is not a session. Ask for it again."),
    ] {
        browser.open(&link).await;
        browser.says("This link cannot be opened").await;
        browser.says(sentence).await;
        assert_eq!(browser.run("return document.querySelectorAll('.xterm, [role=status]').length").await, 0);
    }
    browser.screenshot("error-damaged").await;

    // The page without a link has a field for one, and lists nothing.
    browser.open(address.split("/s/").next().unwrap()).await;
    browser.shown("input[aria-label=Link]").await;
    browser.screenshot("start").await;
    let page = browser.run("return document.body.innerText").await.to_string();
    assert!(!page.contains(&sharer.session_id()), "{page}");
    browser.run("document.querySelector('input[aria-label=Link]').focus()").await;
    browser.type_text("no link\u{E007}").await;
    browser.says("This is not a sharer link").await;
    browser.run("document.querySelector('input[aria-label=Link]').select()").await;
    browser.type_text(&format!("{link}\u{E007}")).await;
    browser.status("live").await;
    browser.close().await;
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_session_get_one_answer() {
    let sandbox = Sandbox::new();
    let sharer = Sharer::share(&sandbox, ["--", "cat"]).await;
    let link = sharer.read_link();
    let (address, secret) = link.split_once('#').unwrap();
    let wrong = format!("{address}#{}", altered(secret));
    let id = sharer.session_id();
    let foreign = link.replace(&id, &altered(&id));
    let (one, two) = tokio::join!(Browser::start(), Browser::start());
    // A relay does not tell which of the two is wrong; being young, it may have lost its memory, and is asked again.
    for (browser, link) in [(&one, &wrong), (&two, &foreign)] {
        browser.open(link).await;
        browser.status("not found").await;
        browser.says("There is no such session at this relay, or the link is not whole.").await;
        browser.says("The relay was started a moment ago").await;
    }
    one.screenshot("error-unknown").await;
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn an_ended_session_says_so_and_keeps_its_last_screen() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "printf '\\e[33mthe last words\\e[0m\\r\\n'");
    let mut sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let browser = Browser::watching(&sharer.write_link()).await;
    browser.mirrors(&recording, "the last words").await;
    browser.press("Type here").await;
    browser.type_text("exit 3\u{E007}").await;
    assert_eq!(sharer.exit().await.code(), Some(3));
    browser.status("ended").await;
    browser.says("The program has finished with status 3. This is its last screen.").await;
    browser.mirrors(&recording, "exit").await;
    assert_eq!(browser.run("return document.body.innerText.includes('Type here')").await, false);
    browser.screenshot("ended").await;
    browser.close().await;
}
