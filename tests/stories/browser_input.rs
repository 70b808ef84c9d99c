//! Ways of typing besides keys: input methods, a phone's sticky modifiers, what is dropped; and looking around meanwhile.

use std::time::Duration;

use e2e::harness::{Browser, Recording, Sandbox, Screen, Sharer};
use e2e::proxy::{Faults, Proxy};
use serde_json::json;

const ENTER: char = '\u{E007}';

/// Opens the link and starts to type.
async fn typing(browser: &Browser, link: &str) {
    browser.open(link).await;
    browser.status("live").await;
    browser.press("Type here").await;
    browser.run("document.querySelector('.xterm-helper-textarea').focus()").await;
}

#[tokio::test]
async fn an_input_method_types_what_was_composed_once() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let browser = Browser::start().await;
    typing(&browser, &sharer.write_link()).await;
    browser.type_text("echo ").await;
    // Pinyin on its way to two characters: what stands below the cursor meanwhile is not typed.
    for text in ["n", "ni", "ni h", "ni hao"] {
        let composing = json!({"text": text, "selectionStart": text.len(), "selectionEnd": text.len()});
        browser.cdp("Input.imeSetComposition", composing).await;
    }
    browser
        .until(
            "what is being composed, at the cursor",
            "document.querySelector('.composition-view.active')?.textContent === 'ni hao'",
        )
        .await;
    browser.screenshot("input-method").await;
    browser.insert_text("你好").await;
    recording.wrote("echo 你好").await;
    browser.type_text(&format!("-$((3*7)){ENTER}")).await;
    browser.mirrors(&recording, "你好-21").await;
    assert!(!recording.has("ni"), "nothing of the composition itself");
    // One that is given up types nothing.
    browser
        .cdp("Input.imeSetComposition", json!({"text": "wo", "selectionStart": 2, "selectionEnd": 2}))
        .await;
    browser.cdp("Input.imeSetComposition", json!({"text": "", "selectionStart": 0, "selectionEnd": 0})).await;
    browser.type_text(&format!("echo after-$((3*8)){ENTER}")).await;
    browser.mirrors(&recording, "after-24").await;
    assert!(!recording.has("wo"));
    browser.close().await;
}

#[tokio::test]
async fn a_dropped_file_inserts_nothing_and_leaves_the_page() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let browser = Browser::start().await;
    typing(&browser, &sharer.write_link()).await;
    let file = sandbox.path().join("dropped.txt");
    std::fs::write(&file, "canary-inside").unwrap();
    let place = browser
        .run("const r = document.querySelector('.xterm-screen').getBoundingClientRect(); return [r.left + 50, r.top + 50]")
        .await;
    // A file from the desktop and a piece of text from another window, as the browser itself drops them.
    let drops = [
        json!({"items": [], "files": [file], "dragOperationsMask": 1}),
        json!({"items": [{"mimeType": "text/plain", "data": "canary-text"}], "dragOperationsMask": 1}),
    ];
    for data in drops {
        for kind in ["dragEnter", "dragOver", "drop"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "data": data});
            browser.cdp("Input.dispatchDragEvent", event).await;
        }
    }
    browser.type_text(&format!("echo still-$((5*5)){ENTER}")).await;
    browser.mirrors(&recording, "still-25").await;
    assert!(!recording.has("canary") && !recording.has("dropped"), "nothing was inserted");
    assert_eq!(browser.client.windows().await.unwrap().len(), 1);
    browser.close().await;
}

#[tokio::test]
async fn sticky_modifiers_hold_for_one_key() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let browser = Browser::phone().await;
    typing(&browser, &sharer.write_link()).await;
    browser.insert_text("cat -v").await;
    browser.type_text(&ENTER.to_string()).await;
    recording.wrote("cat -v\r\n").await;
    // Alt, then both at once, each gone after one key.
    browser.press("Alt").await;
    browser.insert_text("x").await;
    browser.insert_text("y").await;
    browser.press("Control").await;
    browser.press("Alt").await;
    browser.insert_text("b").await;
    browser.insert_text("z").await;
    browser.type_text(&ENTER.to_string()).await;
    recording.wrote("^[xy^[^Bz\r\n^[xy^[^Bz\r\n").await;
    // All keys are in sight, and large enough for a thumb.
    let keys = browser
        .run(
            "return [...document.querySelectorAll('[role=toolbar][aria-label=Keys] button')].map((key) => {
               const place = key.getBoundingClientRect();
               return place.left >= 0 && place.right <= innerWidth && place.width >= 32 && place.height >= 40; })",
        )
        .await;
    assert_eq!(keys.as_array().unwrap().len(), 10);
    assert!(keys.as_array().unwrap().iter().all(|fits| fits == true), "{keys}");
    browser.close().await;
}

#[tokio::test]
async fn where_one_looks_and_what_is_selected_survive_a_rebuild() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "seq -f 'line %g of many' 300");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let link = sharer.read_link();
    let address = link.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap();
    let proxy = Proxy::to(address.parse().unwrap()).await;
    let browser = Browser::watching(&link.replacen(&format!("http://{address}"), &proxy.url(), 1)).await;
    browser.mirrors(&recording, "line 300 of many").await;
    // The wheel leads into the scrollback; a double click selects a word there.
    let term = "document.querySelector('.xterm').parentElement.__term";
    for _ in 0..5 {
        let wheel = json!({"type": "mouseWheel", "x": 640, "y": 400, "deltaX": 0, "deltaY": -400});
        browser.cdp("Input.dispatchMouseEvent", wheel).await;
    }
    let place = format!("({term}.buffer.active.baseY - {term}.buffer.active.viewportY)");
    browser.until("the view to be in the scrollback", &format!("{place} > 5")).await;
    let (x, y) = browser.cell("of many").await;
    browser.click_at(x, y, 2).await;
    browser.until("a word to be selected", &format!("{term}.getSelection().length > 1")).await;
    let look = format!("JSON.stringify([{place}, {term}.getSelection()])");
    let before = browser.run(&format!("return {look}")).await;
    browser.screenshot("scrolled-and-selected").await;

    // Cut off while a program floods the other screen, it gets a snapshot instead of all that: drawn anew.
    let rebuilt = "window.__rebuilt";
    browser
        .run(&format!(
            "{term}.parser.registerEscHandler({{final: 'c'}}, () => {{ {rebuilt} = true; return false; }})"
        ))
        .await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.cut();
    browser.status("reconnecting").await;
    recording.feed("\x1b[?1049h");
    let mut seed = 1u64;
    for _ in 0..40 {
        let line = |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{seed:020}{:020}\r\n", seed.rotate_left(17))
        };
        recording.feed(&(0..2_500).map(line).collect::<String>());
    }
    recording.feed("after the flood\x1b[?1049l");
    recording.wrote("after the flood").await;
    proxy.heal();
    let live = format!("document.querySelector('[role=status]')?.innerText.trim() === 'Live' && {rebuilt}");
    browser.until_within("the page to be drawn anew", Duration::from_mins(2), &live).await;
    browser.until("the same place and selection", &format!("{look} === {}", json!(before))).await;
    browser.mirrors(&recording, "after the flood").await;
}

#[tokio::test]
async fn a_window_of_any_size_shows_all_columns() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let browser = Browser::watching(&sharer.read_link()).await;
    recording.feed("resized\r\n");
    for (width, height) in [(1440, 900), (700, 500), (1024, 400)] {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        browser
            .until(
                "the terminal to fit its frame",
                &format!(
                    "(() => {{ const [one, all] = ['.xterm-screen', '.frame'].map((name) => document.querySelector(name).getBoundingClientRect());
                       return innerWidth === {width} && one.left >= all.left && one.right <= all.right && one.top >= all.top && one.bottom <= all.bottom
                         && (one.width > all.width * .7 || one.height > all.height * .7); }})()"
                ),
            )
            .await;
        assert_eq!(Screen::shown(&browser).await.unwrap().size(), (120, 40), "the sharer's size stays");
    }
    browser.mirrors(&recording, "resized").await;
    browser.close().await;
}

#[tokio::test]
async fn a_page_that_was_out_of_sight_is_live_again_as_soon_as_it_is_looked_at() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let link = sharer.read_link();
    let address = link.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap();
    let proxy = Proxy::to(address.parse().unwrap()).await;
    let mut browser = Browser::watching(&link.replacen(&format!("http://{address}"), &proxy.url(), 1)).await;
    // The phone is locked, its radio sleeps, and attempts to connect have become rare.
    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.cut();
    browser.status("reconnecting").await;
    let failed = async |browser: &mut Browser| {
        browser.console().await.iter().filter(|line| line.contains("WebSocket connection")).count()
    };
    // Behind so many, the next attempt is at least 7.5 s away.
    while failed(&mut browser).await < 7 {
        browser.run("return new Promise((later) => setTimeout(later, 50))").await;
    }
    recording.feed("meanwhile\r\n");
    recording.wrote("meanwhile").await;
    proxy.heal();
    // Looking is what counts: no waiting for the next attempt.
    browser.run("document.dispatchEvent(new Event('visibilitychange'))").await;
    let live = "document.querySelector('[role=status]')?.innerText.trim() === 'Live'";
    browser.until_within("the page to be live", Duration::from_secs(7), live).await;
    browser.mirrors(&recording, "meanwhile").await;
}
