//! The owner's own terminal: what `sharer` does to it, and what it leaves.

use e2e::harness::{LONG, Log, SHORT, Sandbox, Seat, until};
use e2e::viewer::Viewer;
use rustix::process::Signal;
use serde_json::Value;
use shared::event::WindowSize;

/// The links of a `sharer` that writes its events into a file of the sandbox.
async fn links(sandbox: &Sandbox) -> (String, String) {
    let path = sandbox.path().join("events");
    let look = async || {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let first: Value = serde_json::from_str(text.lines().next().unwrap_or_default())
            .map_err(|error| error.to_string())?;
        let link = |name: &str| first["links"][name].as_str().unwrap_or_default().to_owned();
        Ok::<_, String>((link("read"), link("write")))
    };
    until("the links", LONG, look).await
}

/// `sharer` in a terminal, and its links.
async fn share(sandbox: &Sandbox, options: &[&str], script: &str) -> (Seat, String, String) {
    let events = sandbox.path().join("events");
    let program = ["--", "sh", "-c", script];
    let all = [options, &["--events", events.to_str().unwrap()][..], &program[..]].concat();
    let seat = Seat::sharer(sandbox, &all);
    let (read, write) = links(sandbox).await;
    (seat, read, write)
}

#[tokio::test]
async fn the_link_goes_to_the_owners_clipboard_and_to_no_viewer() {
    use base64::Engine as _;
    let sandbox = Sandbox::new();
    // The second command is in the middle of a sequence when the link is asked for: it must not be broken.
    let script = r#"
        read go; "$SHARER_BIN" link
        read go; printf '\033]0;unfinished'; "$SHARER_BIN" link >/dev/null; printf ' title\007after-it'
        read go; "$SHARER_BIN" status; "$SHARER_BIN" revoke read; echo d''one; read go"#;
    let (seat, read, write) = share(&sandbox, &[], script).await;
    let mut viewer = Viewer::new(&write, None, Log::default());
    viewer.live().await;
    let copied = format!("\x1b]52;c;{}\x1b\\", base64::prelude::BASE64_STANDARD.encode(&read));
    assert!(!seat.has(&copied));
    seat.types("\r");
    seat.got(&copied).await;
    viewer.until("the word about it", |viewer| viewer.screen.has("sent to your terminal's clipboard")).await;
    seat.types("\r");
    seat.got("unfinished title\x07after-it").await;
    let look = async || {
        let text = String::from_utf8_lossy(&seat.bytes()).into_owned();
        if text.matches(&copied).count() == 2 { Ok(()) } else { Err(text) }
    };
    until("the link a second time, behind the sequence", LONG, look).await;
    seat.types("\r");
    seat.got("done").await;
    viewer.until("the end of it", |viewer| viewer.screen.has("done")).await;
    let refused = String::from_utf8_lossy(&viewer.screen.bytes).matches("only you can do this").count();
    assert_eq!(refused, 2, "status and revoke are for terminals that are not shared");
    assert!(!viewer.screen.has("\x1b]52;"), "the clipboard is the owner's");
    for link in [&read, &write] {
        let secret = link.rsplit_once('#').unwrap().1;
        assert!(seat.has(secret), "the banner shows it to the owner");
        assert!(!viewer.screen.has(secret), "and nothing to viewers");
    }
}

#[tokio::test]
async fn show_viewers_tells_in_the_title_and_touches_no_screen() {
    let sandbox = Sandbox::new();
    let script = r"echo RE''ADY; read go; printf '\033]0;my title\007'; read go; echo by''e";
    let (seat, read, _) = share(&sandbox, &["--show-viewers", "--title", "work"], script).await;
    seat.got("READY").await;
    assert!(!seat.has("\x1b]2;"), "nobody has watched yet");
    let mut viewer = Viewer::new(&read, None, Log::default());
    viewer.live().await;
    seat.got("\x1b[22;2t\x1b]2;1 watching: work\x1b\\").await;
    viewer.until("the title that was given", |viewer| viewer.screen.has("\x1b]2;work\x1b\\")).await;
    seat.types("\r");
    seat.got("\x1b]2;1 watching: my title\x1b\\").await;
    viewer.until("the program's title", |viewer| viewer.screen.has("my title")).await;
    assert!(!viewer.screen.has("watching"), "viewers see none of it");
    drop(viewer);
    seat.got("\x1b]2;my title\x1b\\").await;
    assert!(!seat.screen().contains("watching"), "nothing of it is on the screen");
    seat.types("\r");
    assert_eq!(seat.ended().await.status(), 0);
    seat.got("At most 1 watched at once.").await;
    assert!(seat.has("\x1b[23;2t"), "the window has its own title again");
}

#[tokio::test]
async fn a_resize_of_the_owners_terminal_reaches_program_and_viewers() {
    let sandbox = Sandbox::new();
    let script =
        "trap 'echo now $(stty size)' WINCH; echo at first $(stty size); while :; do sleep 0.05; done";
    let (seat, read, _) = share(&sandbox, &[], script).await;
    let mut viewer = Viewer::new(&read, None, Log::default());
    viewer.until("the first size", |viewer| viewer.screen.has("at first 30 100")).await;
    assert_eq!(viewer.screen.window, Some(WindowSize { cols: 100, rows: 30 }));
    let size = WindowSize { cols: 132, rows: 43 };
    seat.resize(size);
    viewer.until("the new size", |viewer| viewer.screen.window == Some(size)).await;
    viewer.until("the program's answer", |viewer| viewer.screen.has("now 43 132")).await;
    viewer.until("a fresh snapshot", |viewer| viewer.screen.rebuilt == Some(size)).await;
}

/// What an editor switches on: another screen, no cursor, the mouse, bracketed pastes, the keypad, a region.
const FULL_SCREEN: &str = r"printf '\033[?1049h\033[?25l\033[?1000h\033[?1006h\033[?2004h\033=\033[3;9r\033[1;7m\033[5;1HFULL SCREEN'";
/// How a dump of the terminal names these.
const ON: [&str; 5] = ["\x1b[?1047h", "\x1b[?25l", "\x1b[?1000h", "\x1b[?2004h", "\x1b[3;9r"];

/// Which of [`ON`] a terminal is in.
fn on(seat: &Seat) -> Vec<&'static str> {
    let dump = String::from_utf8(seat.terminal().screen()).unwrap();
    ON.into_iter().filter(|mode| dump.contains(mode)).collect()
}

#[tokio::test]
async fn a_program_that_leaves_its_own_screen_on_leaves_the_owners_terminal_calm() {
    for (end, signal, status) in [
        ("read go; exit 3", None, 3),
        ("read go; kill -9 $$", None, 137),
        // In the middle of a string, which would swallow everything behind it.
        (r"read go; printf '\033]0;unfinished'; kill -9 $$", None, 137),
        ("exec sleep 100", Some(Signal::TERM), 143),
        ("exec sleep 100", Some(Signal::HUP), 129),
    ] {
        let sandbox = Sandbox::new();
        let (seat, ..) = share(&sandbox, &[], &format!("{FULL_SCREEN}; {end}")).await;
        seat.got("FULL SCREEN").await;
        assert_eq!(on(&seat), ON, "the control: the program has them on");
        assert!(seat.is_raw());
        match signal {
            Some(signal) => seat.signal(signal),
            None => seat.types("\r"),
        }
        assert_eq!(seat.ended().await.status(), status, "{end}");
        seat.got("no longer sharing").await;
        assert_eq!(on(&seat), [""; 0], "{end}");
        assert!(!seat.is_raw());
        let screen = seat.screen();
        let (sharing, ended) = (screen.find("sharer: sharing"), screen.find("sharer: no longer sharing"));
        assert!(
            sharing.is_some() && sharing < ended,
            "the screen from before, and the banner below: {screen}"
        );
        assert!(!screen.contains("FULL SCREEN"), "{screen}");
    }
}

#[tokio::test]
async fn a_stopped_editor_leaves_the_owners_terminal_calm_and_comes_back() {
    let sandbox = Sandbox::new();
    let (seat, ..) = share(&sandbox, &[], &format!("{FULL_SCREEN}; read go; echo got-$go; read go")).await;
    seat.got("FULL SCREEN").await;
    let look = async || if seat.is_raw() { Ok(()) } else { Err("cooked") };
    for _ in 0..2 {
        until("a raw terminal", LONG, look).await;
        until("the program's modes", LONG, async || if on(&seat) == ON { Ok(()) } else { Err(on(&seat)) })
            .await;
        seat.signal(Signal::TSTP);
        seat.stopped().await;
        // What it wrote before it stopped may still be on its way to the terminal.
        let before = async || {
            let calm = on(&seat).is_empty() && !seat.is_raw() && seat.screen().contains("sharer: sharing");
            if calm { Ok(()) } else { Err((on(&seat), seat.screen())) }
        };
        until("everything as before while it is stopped", SHORT, before).await;
        seat.signal(Signal::CONT);
    }
    until("a raw terminal", LONG, look).await;
    seat.types("keys\r");
    seat.got("got-keys").await;
    assert_eq!(on(&seat), ON);
}
