//! `sharer join`: a link in a terminal, with pills, typing, the transcript, and the terminal as it was afterwards.

use e2e::harness::{LONG, Relay, Sandbox, Seat, Sharer, sharer_bin, until};
use shared::event::WindowSize;

/// A parent with two children; each says its name, and echoes what it is told.
const PROGRAM: &str = r#"stty -echo
"$SHARER_BIN" spawn --name one -- sh -c 'stty -echo; echo one-$((40+2)); while read line; do echo "one heard $line"; done' > /dev/null
"$SHARER_BIN" spawn --name two -- sh -c 'echo two-$((40+2)); sleep 600' > /dev/null
printf '\033]2;the title\033\\\033[31mred\033[0m \346\274\242 parent-%s\n' $((40+2)); while read line; do echo "parent heard $line"; done"#;

/// A row of the screen that holds these words.
async fn shows(seat: &Seat, words: &[&str]) {
    let look = async || {
        let screen = seat.screen();
        let has = screen.lines().any(|row| words.iter().all(|word| row.contains(word)));
        if has { Ok(()) } else { Err(screen) }
    };
    until(&format!("a row with {words:?}"), LONG, look).await;
}

#[tokio::test]
async fn a_link_in_a_terminal_shows_pills_and_types_where_one_looks() {
    let sandbox = Sandbox::new();
    let sharer = Sharer::share(&sandbox, ["--title", "lead", "--", "sh", "-c", PROGRAM]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["red 漢 parent-42"]).await;
    shows(&seat, &["◆ Orchestrator", "one", "two"]).await;
    shows(&seat, &["● Live", "the title", "i types"]).await;
    // The next pill, by its arrow; keys go nowhere before one types.
    seat.types("xyz\x1b[C");
    shows(&seat, &["one-42"]).await;
    assert!(!seat.screen().contains("parent-42"), "another session's content");
    seat.types("i");
    shows(&seat, &["TYPING"]).await;
    seat.types("question\r");
    shows(&seat, &["one heard question"]).await;
    assert!(!seat.has("heard xyz") && !seat.has("parent heard"), "what was typed before goes nowhere");
    // Out of typing, back to the parent, and to what is told of its children.
    seat.types("\x1d\x1b[Ht");
    shows(&seat, &["one started: sh -c"]).await;
    seat.types("t");
    shows(&seat, &["parent-42"]).await;
    seat.types("q");
    assert_eq!(seat.ended().await.code, Some(0));
    let as_before = async || {
        let left = seat.terminal();
        let calm = left.text().trim().is_empty() && left.cursor().is_some() && !left.wants_paste();
        if calm { Ok(()) } else { Err(left.text()) }
    };
    until("the terminal to be as before", LONG, as_before).await;
    assert!(!seat.is_raw());
}

#[tokio::test]
async fn in_a_narrow_terminal_one_sees_that_one_types_how_to_leave_and_all_keys() {
    let sandbox = Sandbox::new();
    let sharer = Sharer::share(&sandbox, ["--size", "80x20", "--", "sh", "-c", PROGRAM]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["parent-42"]).await;
    seat.resize(WindowSize { cols: 40, rows: 15 });
    shows(&seat, &["● Live", "i types", "q leaves"]).await;
    seat.types("i");
    shows(&seat, &["● Live", "TYPING"]).await;
    seat.types("\x1d?");
    shows(&seat, &["leave; the session goes on"]).await;
    assert!(!seat.screen().contains("selects text"), "{}", seat.screen());
    shows(&seat, &["scroll", "q closes"]).await;
    seat.types(&"\x1b[6~".repeat(3));
    shows(&seat, &["selects text"]).await;
    seat.types("\x1b[5~\x1b[5~");
    shows(&seat, &["leave; the session goes on"]).await;
    seat.types("q");
    shows(&seat, &["parent-42"]).await;
    seat.types("q");
    assert_eq!(seat.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_watching_link_types_nothing_and_each_bad_link_has_its_sentence() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let sharer = Sharer::share(&sandbox, ["--relay", &relay.url(), "--", "sh", "-c", PROGRAM]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.read_link()]);
    shows(&seat, &["parent-42"]).await;
    seat.types("i");
    shows(&seat, &["This link only watches."]).await;
    seat.types("?");
    shows(&seat, &["this page"]).await;
    seat.types("qq");
    assert_eq!(seat.ended().await.code, Some(0));

    for (link, sentence) in [
        ("nonsense", "this is not a sharer link"),
        (&format!("{}/s/abc#AAAA", relay.url()), "the link is damaged"),
        (&sharer.read_link().replace('#', "?"), "not a session"),
    ] {
        let seat = Seat::sharer(&sandbox, &["join", link]);
        seat.got(sentence).await;
        assert_eq!(seat.ended().await.code, Some(125), "{link}");
    }
}

#[tokio::test]
async fn a_session_that_ends_says_so_and_its_terminal_is_given_back() {
    let sandbox = Sandbox::new();
    let script = "echo last-$((40+2)); read line; exit 3";
    let sharer = Sharer::share(&sandbox, ["--", "sh", "-c", script]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["last-42"]).await;
    seat.types("i");
    shows(&seat, &["TYPING"]).await;
    seat.types("\r");
    shows(&seat, &["finished with status 3"]).await;
    shows(&seat, &["last-42"]).await;
    seat.types("\x1d");
    assert_eq!(seat.ended().await.code, Some(0));
    seat.got("sharer: The program has finished with status 3.").await;
    assert!(!seat.is_raw());
}

/// Says its terminal's size whenever it changes, and every line it reads.
const SIZES: &str = r#"stty -echo; exec 3<&0
(while :; do now=$(stty size <&3); [ "$now" = "$was" ] || echo "size-$now-"; was=$now; sleep 0.05; done) &
while read -r line; do echo "got $line"; done"#;

#[tokio::test]
async fn a_headless_terminal_takes_the_size_of_who_types_and_an_owners_stays() {
    let sandbox = Sandbox::new();
    let sharer = Sharer::share_as_seen(&sandbox, ["--", "bash", "-c", SIZES]).await;
    // Who only watches has no say.
    let reader = Seat::sharer(&sandbox, &["join", &sharer.read_link()]);
    shows(&reader, &["size-40 120-"]).await;
    reader.types("i");
    shows(&reader, &["only watches"]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["size-40 120-"]).await;
    seat.types("i");
    // Thirty rows but the one below.
    shows(&seat, &["size-29 100-"]).await;
    seat.resize(WindowSize { cols: 60, rows: 20 });
    shows(&seat, &["size-19 60-"]).await;
    drop((reader, seat));
    // Where the owner said a size, it has that one.
    let sharer = Sharer::share(&sandbox, ["--size", "70x20", "--", "bash", "-c", SIZES]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["size-20 70-"]).await;
    seat.types("i");
    shows(&seat, &["TYPING"]).await;
    seat.types("one\r");
    shows(&seat, &["got one"]).await;
    assert!(!seat.has("size-29"), "{}", seat.screen());
    drop(seat);

    // The same program in somebody's own terminal has that one's size.
    let events = sandbox.path().join("events");
    let owner = Seat::sharer(&sandbox, &["--events", &events.to_string_lossy(), "--", "bash", "-c", SIZES]);
    owner.got("size-30 100-").await;
    let link = until("the links", LONG, async || {
        let text = std::fs::read_to_string(&events).unwrap_or_default();
        let mut shared = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let links =
            shared.find(|event| event["event"] == "shared").map(|event| event["links"]["write"].clone());
        links.and_then(|link| link.as_str().map(str::to_owned)).ok_or(text)
    })
    .await;
    let seat = Seat::sharer(&sandbox, &["join", &link]);
    shows(&seat, &["size-30 100-"]).await;
    seat.types("i");
    shows(&seat, &["TYPING"]).await;
    for word in ["one", "two", "three"] {
        seat.types(&format!("{word}\r"));
        shows(&seat, &["got", word]).await;
    }
    owner.resize(WindowSize { cols: 90, rows: 25 });
    owner.got("size-25 90-").await;
    assert!(!owner.has("size-29"), "what a viewer would like");
}

/// What the mouse says at this place of the screen, from 0.
fn mouse(code: u16, column: usize, row: usize) -> String {
    format!("\x1b[<{code};{};{}M", column + 1, row + 1)
}

#[tokio::test]
async fn the_mouse_presses_pills_scrolls_and_is_the_programs_while_one_types() {
    let sandbox = Sandbox::new();
    let sharer = Sharer::share(&sandbox, ["--size", "80x20", "--", "sh", "-c", PROGRAM]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["◆ Orchestrator", "one", "two"]).await;
    let bar = seat.screen().lines().next().unwrap().to_owned();
    let column = bar.split("one").next().unwrap().chars().count();
    seat.types(&mouse(0, column, 0));
    shows(&seat, &["one-42"]).await;
    // The wheel over the bar goes on; over a terminal it looks back.
    seat.types(&mouse(65, column, 0));
    shows(&seat, &["two-42"]).await;
    drop(seat);

    // A program that asks for the mouse has it, in its own cells and words, from who types; from nobody else.
    let program = r"stty raw -echo; seq 100; printf '\033[?1002h\033[?1006h\033[5 qready\r\n'; cat -v";
    let sharer = Sharer::share(&sandbox, ["--size", "80x20", "--", "sh", "-c", program]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["ready"]).await;
    seat.types(&mouse(0, 4, 2));
    // What scrolled off comes behind the screen: a wheel that turns before finds nothing.
    let look = async || {
        let screen = seat.screen();
        if screen.contains(" lines back") {
            return Ok(());
        }
        seat.types(&mouse(64, 4, 2));
        Err(screen)
    };
    until("the lines before", LONG, look).await;
    assert!(!seat.has("[<0;5;3M"), "who watches presses nothing");
    assert!(!seat.has("\x1b[5 q"), "its own cursor");
    seat.types("i");
    shows(&seat, &["TYPING"]).await;
    seat.types(&mouse(0, 4, 2));
    shows(&seat, &["^[[<0;5;3M"]).await;
    seat.got("\x1b[5 q").await;
    // Left to the person's terminal, and put back at the end.
    seat.types("\x1dm");
    shows(&seat, &["your terminal's again"]).await;
    seat.got("\x1b[?1002l").await;
    seat.types("q");
    assert_eq!(seat.ended().await.code, Some(0));
}

#[tokio::test]
async fn text_is_found_and_commands_are_stepped_through() {
    let sandbox = Sandbox::new();
    let command = |line: &str, lines: usize, status: u8| {
        format!(
            r"printf '\033]133;A\007$ \033]133;B\007{line}\r\n\033]133;C\007'; seq -f 'line %g of {line}' {lines}; printf '\033]133;D;{status}\007';"
        )
    };
    let program = [command("first", 60, 0), command("second", 60, 3), "read line;".to_owned()].concat();
    let third = format!("{} printf '$ '; read line", command("third", 60, 0));
    let program = format!("stty -echo; {program} {third}");
    let sharer = Sharer::share(&sandbox, ["--size", "80x20", "--", "bash", "-c", &program]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["line 60 of second"]).await;
    // One more behind the snapshot.
    seat.types("i");
    shows(&seat, &["TYPING"]).await;
    seat.types("\r");
    shows(&seat, &["line 60 of third"]).await;
    seat.types("\x1d/LINE 7 of\r");
    shows(&seat, &["1 of 3 lines"]).await;
    shows(&seat, &["line 7 of third"]).await;
    seat.types("nn");
    shows(&seat, &["3 of 3 lines"]).await;
    shows(&seat, &["line 7 of first"]).await;
    seat.types("N");
    shows(&seat, &["line 7 of second"]).await;
    seat.types("/nowhere to be seen\r");
    shows(&seat, &["not found"]).await;
    // Commands, from the newest up.
    seat.types("\x1bG");
    seat.types("\x1b");
    shows(&seat, &["? help"]).await;
    seat.types(&"\x1b[6~".repeat(20));
    shows(&seat, &["line 60 of third"]).await;
    seat.types("[");
    shows(&seat, &["$ third", "done in"]).await;
    seat.types("[");
    shows(&seat, &["$ second", "status 3"]).await;
    shows(&seat, &["line 2 of second"]).await;
    seat.types("\x1b[5;7~");
    shows(&seat, &["$ first", "done in"]).await;
    shows(&seat, &["line 2 of first"]).await;
    seat.types("[");
    shows(&seat, &["none further"]).await;
    seat.types("]]");
    shows(&seat, &["$ third", "done in"]).await;
}

#[tokio::test]
async fn a_terminal_whose_relay_was_killed_says_so_and_comes_back() {
    let sandbox = Sandbox::new();
    let mut relay = Relay::start(&sandbox, [""; 0]).await;
    let program = "stty -echo; echo ready; while read line; do echo heard-$line; done";
    let sharer = Sharer::share(&sandbox, ["--relay", &relay.url(), "--", "sh", "-c", program]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["ready"]).await;
    shows(&seat, &["● Live"]).await;
    seat.types("i");
    shows(&seat, &["TYPING"]).await;
    seat.types("before\r");
    shows(&seat, &["heard-before"]).await;
    relay.kill().await;
    shows(&seat, &["● Reconnecting"]).await;
    assert!(seat.screen().contains("heard-before"), "the last screen stays");
    relay.restart(&sandbox).await;
    shows(&seat, &["● Live"]).await;
    shows(&seat, &["TYPING"]).await;
    seat.types("after\r");
    shows(&seat, &["heard-after"]).await;
}

#[tokio::test]
async fn a_link_is_read_from_stdin_or_chosen_of_what_is_shared_here() {
    let sandbox = Sandbox::new();
    let none = Seat::sharer(&sandbox, &["join"]);
    shows(&none, &["nothing that can be joined is shared on this computer"]).await;
    let share = async |title: &str| {
        let program = format!("echo {title}-$((40+2)); read line");
        Sharer::share(&sandbox, ["--title", title, "--", "sh", "-c", &program]).await
    };
    let one = share("one").await;
    let seat = Seat::sharer(&sandbox, &["join"]);
    shows(&seat, &["one-42"]).await;
    let _two = share("two").await;
    let seat = Seat::sharer(&sandbox, &["join"]);
    shows(&seat, &["Which one"]).await;
    let screen = seat.screen();
    // Its place, its id, its title and its process.
    let offered = |title: &str| {
        let mut rows = screen.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.find(|words| words.get(2) == Some(&title) && words.get(3) == Some(&"(process")).expect(&screen)
    };
    let two = offered("two");
    seat.types(&format!("{}\r", two[0]));
    shows(&seat, &["two-42"]).await;
    // By its id, since the title may be another one's too.
    let seat = Seat::sharer(&sandbox, &["join"]);
    shows(&seat, &["Which one"]).await;
    seat.types(&format!("{}\r", offered("one")[1]));
    shows(&seat, &["one-42"]).await;
    let seat = Seat::sharer(&sandbox, &["join"]);
    shows(&seat, &["Which one"]).await;
    seat.types("\r");
    shows(&seat, &["that is none of them"]).await;
    // From a pipe; keys come from the terminal all the same.
    let seat = Seat::shell(&sandbox, &format!("echo '{}' | \"$0\" join -; echo status-$?", one.read_link()));
    shows(&seat, &["one-42"]).await;
    seat.types("q");
    shows(&seat, &["status-0"]).await;
}

#[tokio::test]
async fn a_session_does_not_show_itself_in_itself() {
    let sandbox = Sandbox::new();
    let program = r#"until [ -e "$HOME/link" ]; do sleep 0.05; done
"$SHARER_BIN" join "$(cat "$HOME/link")"; echo "status-$?"; read line"#;
    let sharer = Sharer::share(&sandbox, ["--", "sh", "-c", program]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.read_link()]);
    shows(&seat, &["● Live"]).await;
    std::fs::write(sandbox.path().join("link.new"), sharer.read_link()).unwrap();
    std::fs::rename(sandbox.path().join("link.new"), sandbox.path().join("link")).unwrap();
    shows(&seat, &["it would show itself in itself"]).await;
    shows(&seat, &["status-125"]).await;

    // Nor does a child, where its parent's link shows it as a pill.
    let kid = r#"until [ -e "$HOME/parent" ]; do sleep 0.05; done; exec "$SHARER_BIN" join "$(cat "$HOME/parent")""#;
    std::fs::write(sandbox.path().join("kid"), kid).unwrap();
    let program = r#""$SHARER_BIN" spawn --name kid -- sh "$HOME/kid"; echo top-$((40+2)); read line"#;
    let sharer = Sharer::share(&sandbox, ["--size", "70x15", "--", "sh", "-c", program]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.write_link()]);
    shows(&seat, &["Orchestrator", "kid"]).await;
    shows(&seat, &["top-42"]).await;
    std::fs::write(sandbox.path().join("parent.new"), sharer.read_link()).unwrap();
    std::fs::rename(sandbox.path().join("parent.new"), sandbox.path().join("parent")).unwrap();
    seat.types("\x1b2");
    // Its screen is the parent's, in a viewer of its own: its row of pills is below the seat's.
    until("two viewers, one in the other", LONG, async || {
        let screen = seat.screen();
        let rows = |words: &str| screen.lines().filter(|row| row.contains(words)).count();
        if rows("Orchestrator") == 2 && rows("top-42") == 1 { Ok(()) } else { Err(screen) }
    })
    .await;
    seat.types("i");
    shows(&seat, &["TYPING"]).await;
    seat.types("\x1b[C");
    shows(&seat, &["it would show itself in itself"]).await;

    // Another one may be shown there.
    let other = Sharer::share(&sandbox, ["--", "sh", "-c", "echo other-$((40+2)); read line"]).await;
    let program = format!(r#""$SHARER_BIN" join '{}'"#, other.read_link());
    let sharer = Sharer::share(&sandbox, ["--", "sh", "-c", &program]).await;
    let seat = Seat::sharer(&sandbox, &["join", &sharer.read_link()]);
    shows(&seat, &["other-42"]).await;
}

/// What a terminal that is none of ours shows: tmux, asked row by row.
#[tokio::test]
async fn tmux_shows_the_sessions_own_rows_under_the_pills() {
    let sandbox = Sandbox::new();
    let sharer = Sharer::share(&sandbox, ["--size", "70x15", "--", "sh", "-c", PROGRAM]).await;
    let text = r"printf '\033[7mreverse\033[0m \346\274\242\345\255\227|\n\033[5;10Hplaced\n'; sleep 600";
    let other = Sharer::share(&sandbox, ["--size", "70x15", "--", "sh", "-c", text]).await;
    let socket = sandbox.path().join("tmux");
    let tmux = async |arguments: &[&str]| {
        let output = sandbox.command("tmux").arg("-S").arg(&socket).args(arguments).output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let bin = sharer_bin().to_string_lossy().into_owned();
    let link = sharer.read_link().clone();
    tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "90", "-y", "24", &bin, "join", &link]).await;
    let rows = async |want: &[(usize, &str)]| {
        let look = async || {
            let screen = tmux(&["capture-pane", "-p"]).await;
            let all: Vec<&str> = screen.lines().collect();
            let same = |(at, text): &(usize, &str)| all.get(*at).is_some_and(|row| row.trim_end() == *text);
            if want.iter().all(same) { Ok(()) } else { Err(screen) }
        };
        until(&format!("{want:?}"), LONG, look).await;
    };
    rows(&[(1, "red 漢 parent-42"), (2, "")]).await;
    // The child's rows, and nothing of the parent's.
    tmux(&["send-keys", "Right"]).await;
    rows(&[(1, "one-42"), (2, "")]).await;
    tmux(&["send-keys", "q"]).await;
    let gone = async || {
        let output = sandbox.command("tmux").arg("-S").arg(&socket).arg("ls").output().await.unwrap();
        if output.status.success() { Err("it runs") } else { Ok(()) }
    };
    until("tmux to end with its program", LONG, gone).await;
    // A session without children has no row of pills; in a window that is too small its cursor is in sight.
    let link = other.read_link().clone();
    tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "40", "-y", "10", &bin, "join", &link]).await;
    rows(&[(0, "reverse 漢字|"), (4, "         placed")]).await;
    tmux(&["send-keys", "q"]).await;
}
