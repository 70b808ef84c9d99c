//! Commands in the page: a real bash marks them, and a person goes from one to the next.

use std::fs;

use e2e::harness::{Browser, Sandbox, Sharer};
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use serde_json::json;

const ENTER: char = '\u{E007}';
const CTRL: char = '\u{E009}';
const ALT: char = '\u{E00A}';
const PAGE_UP: char = '\u{E00E}';
const PAGE_DOWN: char = '\u{E00F}';

/// Goes on until it is interrupted, and says when it can be.
const SLEEPS: &str = "sh -c 'echo as''leep; exec sleep 600'";

/// What a person who uses command marks has in a start-up file.
const MARKS: &str = r#"
HISTFILE=
PS1='\[\e[34m\]\W\[\e[m\] $ '
PS0='\e]133;C\a'
PROMPT_COMMAND='printf "\e]133;D;%s\a\e]133;A\a\e]7;file://%s%s\a" "$?" "$HOSTNAME" "$PWD"'
"#;

async fn shared(sandbox: &Sandbox) -> Sharer {
    let rc = sandbox.path().join("marks.sh");
    fs::write(&rc, MARKS).unwrap();
    Sharer::share(
        sandbox,
        ["--title", "Release 1.4", "--size", "80x24", "--", "bash", "--rcfile", rc.to_str().unwrap(), "-i"],
    )
    .await
}

/// What is drawn beside lines, from the top: its kind, and the text of its line.
const SIGNS: &str = "(() => {
  const { __term: term } = document.querySelector('.screen:not([hidden])');
  const signs = [...document.querySelectorAll('.command')].filter((sign) => sign.checkVisibility());
  const top = (sign) => Math.round(parseFloat(sign.style.top) / parseFloat(sign.style.height));
  return signs.sort((a, b) => top(a) - top(b)).map((sign) => [sign.classList[2],
    term.buffer.active.getLine(term.buffer.active.viewportY + top(sign)).translateToString(true)]);
})()";

/// Waits until these are drawn.
async fn drawn(browser: &Browser, signs: &[(&str, &str)]) {
    let signs = json!(signs).to_string();
    browser.until(&format!("signs {signs}"), &format!("JSON.stringify({SIGNS}) === {}", json!(signs))).await;
}

/// Waits until the bar says so of the command that is looked at, which is in sight and marked.
async fn looks(browser: &Browser, says: &str, line: &str) {
    let bar = "document.querySelector('[aria-label=Commands][role=group]')";
    browser
        .until(
            &format!("{line:?}: {says:?}"),
            &format!(
                "{bar}?.innerText.includes({}) && {bar}.querySelector('bdi').textContent === {} \
                 && document.querySelectorAll('.command.looked').length === 1",
                json!(says),
                json!(line)
            ),
        )
        .await;
}

async fn runs(browser: &Browser, line: &str) {
    browser.type_text(&format!("{line}{ENTER}")).await;
}

async fn chord(browser: &Browser, key: char) {
    let mut keys = KeyActions::new("keyboard".into());
    for value in [CTRL, ALT, key] {
        keys = keys.then(KeyAction::Down { value });
    }
    for value in [key, ALT, CTRL] {
        keys = keys.then(KeyAction::Up { value });
    }
    browser.client.perform_actions(keys).await.unwrap();
}

#[tokio::test]
async fn one_goes_from_command_to_command() {
    let sandbox = Sandbox::new();
    let sharer = shared(&sandbox).await;
    let browser = Browser::watching(&sharer.write_link()).await;
    browser.press("Type here").await;
    assert_eq!(browser.run("return document.querySelector('[aria-label=Commands]')").await, json!(null));
    let line = |command: &str| format!("~ $ {command}");
    // Each behind a prompt: what is typed ahead of one is echoed twice.
    browser.cell("~ $").await;
    for (command, signs) in
        [("true", &[("done", "~ $ true")][..]), ("seq 100", &[]), ("(exit 3)", &[("error", "~ $ (exit 3)")])]
    {
        runs(&browser, command).await;
        drawn(&browser, signs).await;
    }
    runs(&browser, SLEEPS).await;
    // Before that, the shell and nobody else would hear of an interrupt.
    browser.cell("asleep").await;
    drawn(&browser, &[("error", &line("(exit 3)")), ("running", &line(SLEEPS))]).await;

    // By keys, while typing: nothing of it reaches the program, and the keyboard stays where it is.
    chord(&browser, PAGE_UP).await;
    looks(&browser, "running", &line(SLEEPS)).await;
    chord(&browser, PAGE_UP).await;
    looks(&browser, "status 3 after", &line("(exit 3)")).await;
    browser.screenshot("commands-failed").await;
    chord(&browser, PAGE_UP).await;
    looks(&browser, "done in", &line("seq 100")).await;
    drawn(&browser, &[("done", &line("true")), ("done", &line("seq 100"))]).await;
    // By buttons, as far as it goes.
    browser.press("Earlier command").await;
    looks(&browser, "done in", &line("true")).await;
    browser.shown("button[aria-label='Earlier command']:disabled").await;
    browser.screenshot("commands-scrollback").await;
    browser.press("Later command").await;
    looks(&browser, "done in", &line("seq 100")).await;
    chord(&browser, PAGE_DOWN).await;
    chord(&browser, PAGE_DOWN).await;
    looks(&browser, "running", &line(SLEEPS)).await;
    // Behind the last is the present.
    chord(&browser, PAGE_DOWN).await;
    browser.until("no command to be looked at", "!document.querySelector('.command.looked')").await;
    browser.until("the end", "(({ viewportY, baseY }) => viewportY === baseY)(document.querySelector('.screen').__term.buffer.active)").await;

    // What a person types goes to the program, Escape too, and a command that ends says so at once.
    browser.run("document.querySelector('.xterm-helper-textarea').focus()").await;
    browser.chord(CTRL, 'c').await;
    drawn(&browser, &[("error", &line("(exit 3)")), ("error", &line(SLEEPS))]).await;
    browser.until("the prompt", "(({ active }) => active.getLine(active.baseY + active.cursorY).translateToString(true) === '~ $ ')(document.querySelector('.screen').__term.buffer)").await;
    runs(&browser, "read -sn1 key; printf '%q\\n' \"$key\"").await;
    browser.type_text("\u{E00C}").await;
    browser.cell("$'\\E'").await;
    browser.shown("[aria-label=Commands][role=group]").await;

    // The screen is drawn anew for who comes back, and for who comes late: signs, words and places are there.
    browser.reload().await;
    browser.status("live").await;
    let phone = Browser::phone().await;
    phone.prefer("dark").await;
    phone.live(&sharer.read_link()).await;
    for late in [&browser, &phone] {
        let last = line("read -sn1 key; printf '%q\\n' \"$key\"");
        drawn(late, &[("error", &line("(exit 3)")), ("error", &line(SLEEPS)), ("done", &last)]).await;
        late.press("Commands").await;
        looks(late, "done in", &last).await;
        late.press("Earlier command").await;
        looks(late, "status 130 after", &line(SLEEPS)).await;
        late.press("Earlier command").await;
        late.press("Earlier command").await;
        looks(late, "done in", &line("seq 100")).await;
    }
    phone.screenshot("commands-phone").await;
    // A sign leads to its command, under the bar that says how it ended; and a cleared screen has none.
    browser.press("Close commands").await;
    let bar = "document.querySelector('[aria-label=Commands][role=group]')";
    browser
        .until("the bar to be closed", &format!("!{bar} && !document.querySelector('.command.looked')"))
        .await;
    let sign = browser
        .run(
            "const signs = [...document.querySelectorAll('.command')].filter((sign) => sign.checkVisibility()); \
             const [top] = signs.map((sign) => sign.getBoundingClientRect()).sort((a, b) => a.top - b.top); \
             return [top.left - 7, top.top + top.height / 2]",
        )
        .await;
    browser.click_at(sign[0].as_f64().unwrap(), sign[1].as_f64().unwrap(), 1).await;
    looks(&browser, "done in", &line("true")).await;
    browser.press("Close commands").await;
    browser.press("Type here").await;
    runs(&browser, "clear").await;
    drawn(&browser, &[]).await;
    browser.close().await;
    phone.close().await;
}
