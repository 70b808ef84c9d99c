//! The owner's own terminal: what `sharer` does to it, and what it leaves.

use std::time::Duration;

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

fn runs(pid: &str) -> bool {
    std::fs::exists(format!("/proc/{pid}")).unwrap_or(true)
}

/// A shell in a nested `sharer`, itself a job of the shell that is shared.
#[tokio::test]
async fn a_nested_sharer_follows_the_window_and_survives_being_stopped() {
    let sandbox = Sandbox::new();
    let events = sandbox.path().join("events");
    let bash = ["bash", "--norc", "--noprofile", "-i"];
    let seat = Seat::sharer(&sandbox, &[&["--events", events.to_str().unwrap(), "--"], &bash[..]].concat());
    let (parent, _) = links(&sandbox).await;
    seat.types(&format!("$SHARER_BIN --title nest -- {}\r", bash.join(" ")));
    let look = async || {
        let text = std::fs::read_to_string(&events).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut links = lines.filter(|line| line["name"] == "nest").map(|line| line["links"]["read"].clone());
        links.find_map(|link| link.as_str().map(str::to_owned)).ok_or(text)
    };
    let child = until("the nested one's link", LONG, look).await;
    let mut child = Viewer::new(&child, None, Log::default());
    let mut parent = Viewer::new(&parent, None, Log::default());
    seat.types("echo $PPID > ~/nest; echo at first $(stty size)\r");
    child.until("the first size", |viewer| viewer.screen.has("at first 30 100")).await;
    let size = WindowSize { cols: 132, rows: 43 };
    seat.resize(size);
    child.until("the new size", |viewer| viewer.screen.window == Some(size)).await;
    seat.types("echo now $(stty size)\r");
    child.until("its program's new size", |viewer| viewer.screen.has("now 43 132")).await;

    let stopped = async |name: &str, wanted: bool| {
        let look = async || {
            let pid = std::fs::read_to_string(sandbox.path().join(name)).unwrap_or_default();
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            if state.is_some() && (state == Some('T')) == wanted { Ok(()) } else { Err(state) }
        };
        until(&format!("{name}: stopped: {wanted}"), LONG, look).await;
    };

    // Ctrl-Z stops the job in there, as without sharer.
    seat.types("sh -c 'echo $$ > ~/job; echo run''ning; exec sleep 1000'\r");
    child.until("the job", |viewer| viewer.screen.has("running")).await;
    seat.types("\x1a");
    stopped("job", true).await;
    seat.types("fg\r");
    stopped("job", false).await;
    seat.types("\x03");
    child.until("the end of it", |viewer| viewer.screen.has("^C")).await;
    seat.types("echo back-$((1+1))\r");
    child.until("the shell again", |viewer| viewer.screen.has("back-2")).await;

    // The nested sharer itself, as its own shell stops it, and by `fg` again.
    seat.types("kill -TSTP $PPID\r");
    stopped("nest", true).await;
    parent.until("the shell above to know", |viewer| viewer.screen.has("Stopped")).await;
    seat.types("echo above-$((3+4))\r");
    parent.until("the shell above", |viewer| viewer.screen.has("above-7")).await;
    seat.types("fg\r");
    stopped("nest", false).await;
    seat.types("echo again-$((2+3))\r");
    child.until("the shell below", |viewer| viewer.screen.has("again-5")).await;
    assert!(!child.screen.has("above-7"), "that was the other's");
    let smaller = WindowSize { cols: 90, rows: 25 };
    seat.resize(smaller);
    child.until("another size", |viewer| viewer.screen.window == Some(smaller)).await;
    let nest = std::fs::read_to_string(sandbox.path().join("nest")).unwrap();
    seat.types("exit 7\r");
    // What is typed before would be the nested shell's.
    let gone = async || if runs(nest.trim()) { Err(()) } else { Ok(()) };
    until("the nested one to end", LONG, gone).await;
    seat.types("echo ended-$?\r");
    parent.until("its status", |viewer| viewer.screen.has("ended-7")).await;
}

/// Says so many bytes, and that it is done. Linux keeps 11 to 14 KiB of a terminal that nobody reads, and who copies has
/// 4 KiB in hand.
fn floods(bytes: u32) -> String {
    format!("head -c {bytes} /dev/zero | tr '\\0' x; echo the-last-word; : > \"$HOME/done\"")
}

/// Runs `sharer` in a terminal that nobody reads before the program is done; what the terminal was given in the end.
async fn read_late(arguments: &[&str]) -> (String, Option<i32>) {
    let sandbox = Sandbox::new();
    let pty = Seat::terminal_of(&sandbox, arguments);
    let done = sandbox.path().join("done");
    until("the program to be done", LONG, async || if done.exists() { Ok(()) } else { Err(()) }).await;
    let end = pty.pid();
    let ends = async || sharer_native::pty::ended(end).ok_or(());
    let gave_up = tokio::time::timeout(Duration::from_millis(1_500), until("its end", LONG, ends)).await;
    let seat = Seat::around(pty);
    assert!(gave_up.is_err(), "it does not end while output waits");
    let ended = seat.ended().await;
    (String::from_utf8_lossy(&seat.bytes()).into_owned(), ended.code)
}

#[tokio::test]
async fn a_terminal_that_is_slow_gets_every_byte_of_a_program_that_has_ended() {
    let (text, code) = read_late(&["--quiet", "--", "sh", "-c", &floods(22_000)]).await;
    assert_eq!((text.matches('x').count() >= 22_000, code), (true, Some(0)));
    assert!(text.contains("the-last-word"), "{}", text.len());
}

#[tokio::test]
async fn a_nested_program_loses_nothing_to_a_slow_terminal_either() {
    let nested = format!("\"$SHARER_BIN\" -- sh -c '{}'", floods(39_000).replace('\'', "'\\''"));
    let (text, code) = read_late(&["--quiet", "--", "sh", "-c", &nested]).await;
    assert_eq!((text.matches('x').count() >= 39_000, code), (true, Some(0)));
    assert!(text.contains("the-last-word"), "{}", text.len());
}
