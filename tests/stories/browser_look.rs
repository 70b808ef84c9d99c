//! The page for fingers, for the keyboard alone, for ears, by day and by night.

use e2e::harness::{Browser, Recording, Sandbox, Screen, Sharer};

const ENTER: char = '\u{E007}';
const TAB: char = '\u{E004}';

const START: &str = r"
printf '\e[1m~/src/sharer\e[0m on \e[35mmain\e[0m\r\n'
printf '\e[32m✓\e[0m %-40s \e[2m%s\e[0m\r\n' 'formatting' '1 s' 'clippy, warnings denied' '28 s' 'tests' '3 min 40 s'
printf '\e[3%dm████\e[0m ' 1 2 3 4 5 6 7; printf '\r\n'
printf '\e[9%dm████\e[0m ' 1 2 3 4 5 6 7; printf '\r\n'
";

#[tokio::test]
async fn a_phone_has_the_keys_its_keyboard_lacks() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, START).sized(80, 24);
    let sharer = Sharer::share(&sandbox, recording.shared(&["--title", "On the way"])).await;
    let browser = Browser::phone().await;
    browser.live(&sharer.write_link()).await;
    browser.mirrors(&recording, "tests").await;
    browser.screenshot("phone-watching").await;
    browser.press("Type here").await;
    for key in ["Escape", "Tab", "Control", "Alt", "Arrow left", "Arrow up", "Paste", "Keyboard"] {
        browser.shown(&format!("[role=toolbar][aria-label=Keys] button[aria-label='{key}']")).await;
    }
    // As a phone's keyboard writes: text without keys.
    browser.run("document.querySelector('.xterm-helper-textarea').focus()").await;
    browser.insert_text("echo up-$((3*3))").await;
    recording.wrote("echo up-$((3*3))").await;
    browser.type_text(&ENTER.to_string()).await;
    browser.mirrors(&recording, "up-9").await;
    // The line again, by the arrow; then the sticky modifier makes ^C of a c.
    browser.press("Arrow up").await;
    browser.press("Control").await;
    browser.shown("button[aria-label=Control][aria-pressed=true]").await;
    browser.screenshot("phone-typing").await;
    browser.insert_text("c").await;
    browser.mirrors(&recording, "^C").await;
    browser.shown("button[aria-label=Control][aria-pressed=false]").await;
    // The page never asks the sharer for another size, and never scrolls sideways as a whole.
    assert_eq!(Screen::shown(&browser).await.unwrap().size(), (80, 24));
    assert_eq!(browser.run("return document.documentElement.scrollWidth <= innerWidth").await, true);
    browser.close().await;
}

#[tokio::test]
async fn the_keyboard_alone_reaches_everything() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, START);
    let sharer = Sharer::share(&sandbox, recording.shared(&["--title", "By keyboard"])).await;
    let browser = Browser::watching(&sharer.write_link()).await;
    browser.shown("button.primary").await;
    let focused = "const e = document.activeElement; return e.ariaLabel || e.innerText || e.tagName";
    let mut seen = Vec::new();
    for _ in 0..12 {
        browser.type_text(&TAB.to_string()).await;
        seen.push(browser.run(focused).await.as_str().unwrap_or_default().to_owned());
        if seen.last().is_some_and(|name| name == "Type here") {
            break;
        }
    }
    for name in ["Find in terminal", "Copy link", "Link and QR code", "Full screen", "Settings", "Type here"]
    {
        assert!(seen.iter().any(|seen| seen == name), "{name} is not among {seen:?}");
    }
    browser.screenshot("keyboard-focus").await;
    browser.type_text(&ENTER.to_string()).await;
    browser
        .until(
            "the terminal to have the keyboard",
            "document.activeElement.className.includes('xterm-helper')",
        )
        .await;
    // In the terminal, Tab is the program's.
    browser.type_text(&format!("echo by-$((8*8)){TAB}{ENTER}")).await;
    browser.mirrors(&recording, "by-64").await;
    let keys = fantoccini_leave();
    browser.client.perform_actions(keys).await.unwrap();
    browser
        .until(
            "the keyboard to leave the terminal",
            "document.activeElement.ariaLabel === 'Find in terminal'",
        )
        .await;
    // Panels open and close by keyboard, and the terminal has it back.
    browser.type_text(&ENTER.to_string()).await;
    browser.until("the field to find", "document.activeElement.matches('input[type=search]')").await;
    browser.type_text("by-64").await;
    browser
        .until(
            "what was found to be counted",
            "/^\\d+ of \\d+$/.test(document.querySelector('.count').innerText)",
        )
        .await;
    browser.screenshot("find").await;
    browser.type_text("\u{E00C}").await;
    browser.until("the find bar to close", "!document.querySelector('[role=search]')").await;
    browser.close().await;
}

/// Ctrl+Shift+↑, the way out of the terminal.
fn fantoccini_leave() -> fantoccini::actions::KeyActions {
    use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
    let mut keys = KeyActions::new("keyboard".into());
    let held = ['\u{E009}', '\u{E008}', '\u{E013}'];
    for value in held {
        keys = keys.then(KeyAction::Down { value });
    }
    for value in held {
        keys = keys.then(KeyAction::Up { value });
    }
    keys
}

#[tokio::test]
async fn a_screen_reader_finds_the_text() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, START);
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let browser = Browser::watching(&sharer.read_link()).await;
    browser.mirrors(&recording, "tests").await;
    let tree = "document.querySelector('.xterm-accessibility-tree')?.innerText ?? ''";
    assert_eq!(browser.run(&format!("return {tree}")).await, "", "off unless asked for");
    browser.run("localStorage.setItem('sharer.settings', JSON.stringify({screenReader: true}))").await;
    browser.reload().await;
    browser.status("live").await;
    browser
        .until("the text where screen readers look", &format!("({tree}).includes('clippy, warnings denied')"))
        .await;
    recording.feed("read this aloud\r\n");
    browser.until("new text too", &format!("({tree}).includes('read this aloud')")).await;
    // The switch in the settings turns it off again.
    browser.press("Settings").await;
    browser.shown("input[role=switch]").await;
    browser.run("document.querySelector('input[role=switch]').click()").await;
    browser.until("the tree to go", "!document.querySelector('.xterm-accessibility-tree')").await;
    let kept = browser.run("return localStorage.getItem('sharer.settings')").await;
    assert!(kept.as_str().unwrap().contains("\"screenReader\":false"), "{kept}");
    browser.close().await;
}

#[tokio::test]
async fn by_day_and_by_night() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, START);
    let sharer = Sharer::share(&sandbox, recording.shared(&["--title", "Colours"])).await;
    let browser = Browser::start().await;
    browser.prefer("light").await;
    browser.live(&sharer.write_link()).await;
    browser.mirrors(&recording, "tests").await;
    let paper = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]";
    browser.until("a light page", &format!("{paper} > 200")).await;
    browser.screenshot("light").await;
    browser.press("Link and QR code").await;
    browser.shown("[role=dialog] svg.qr").await;
    browser.screenshot("light-share").await;
    browser.press("Link and QR code").await;
    browser.prefer("dark").await;
    browser.until("a dark page", &format!("{paper} < 60")).await;
    browser.press("Settings").await;
    browser.shown("[role=dialog]").await;
    browser.screenshot("dark-settings").await;
    // The person's choice outlasts the system's, and a reload.
    browser.press("Light").await;
    browser.until("a light page again", &format!("{paper} > 200")).await;
    browser.reload().await;
    browser.status("live").await;
    browser.until("a light page still", &format!("{paper} > 200")).await;
    browser.close().await;
}
