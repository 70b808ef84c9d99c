//! The command line of `sharer`: each option does what its line in `--help` says, and nothing else.

use std::process::Output;

use e2e::harness::{LONG, Log, Relay, Sandbox, Seat, Sharer, sharer_bin, until};
use e2e::viewer::Viewer;
use shared::event::WindowSize;
use shared::viewer::Event;

async fn run(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut command = sandbox.command(sharer_bin());
    command.env("SHARER_LISTEN", "127.0.0.1:0").args(arguments).output().await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn secret(link: &str) -> &str {
    link.rsplit_once('#').unwrap().1
}

/// The one line on standard error, without its newline.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "one sentence: {text}");
    text.trim_end().to_owned()
}

#[tokio::test]
async fn open_gives_the_browser_a_private_file_and_no_link_in_arguments() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "xdg-open",
        r#"printf '%s\n' "$@" >arguments; stat -c %a "$1" >mode; cat "$1" >page; mv page opened"#,
    );
    let mut sharer =
        Sharer::share(&sandbox, ["--open", "--", "sh", "-c", "while [ ! -e stop ]; do sleep 0.05; done"])
            .await;
    let file =
        |name: &str| std::fs::read_to_string(sandbox.path().join(name)).map_err(|error| error.to_string());
    let page = until("the browser to be opened", LONG, async || file("opened")).await;
    assert!(page.contains(&sharer.read_link()), "the page leads to the link that watches");
    assert!(!page.contains(secret(&sharer.write_link())), "and not to the one that types");
    assert_eq!(file("mode").unwrap().trim(), "600");
    let arguments = file("arguments").unwrap();
    assert_eq!(arguments.lines().count(), 1);
    assert!(!arguments.contains('#') && !arguments.contains(secret(&sharer.read_link())), "{arguments}");
    assert!(std::fs::exists(arguments.trim()).unwrap(), "the control: it is there while the session is");
    std::fs::write(sandbox.path().join("stop"), "").unwrap();
    assert!(sharer.exit().await.success());
    assert!(!std::fs::exists(arguments.trim()).unwrap(), "the secret does not stay on the disk");
}

#[tokio::test]
async fn a_browser_that_cannot_be_opened_is_told_and_harms_nothing() {
    let sandbox = Sandbox::new();
    sandbox.script("xdg-open", "exit 3");
    assert!(run(&sandbox, &["--headless", "--open", "--", "true"]).await.status.success());
    let mut command = sandbox.command(sharer_bin());
    command.env("SHARER_LISTEN", "127.0.0.1:0").env("PATH", "/nowhere");
    let output =
        command.args(["--headless", "--open", "--", "/bin/sh", "-c", "exit 4"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output).contains("cannot open a browser"), "{}", said(&output));
}

#[tokio::test]
async fn quiet_prints_no_links() {
    let sandbox = Sandbox::new();
    let loud = said(&run(&sandbox, &["--headless", "--", "true"]).await);
    assert!(loud.matches("/s/").count() == 4, "the control: two links before, two after: {loud}");
    assert!(!loud.contains('█') && !loud.contains('▀'), "no QR code unasked: {loud}");
    let quiet = run(&sandbox, &["--headless", "--quiet", "--", "sh", "-c", "exit 6"]).await;
    assert_eq!((quiet.status.code(), said(&quiet)), (Some(6), String::new()));
    let code = said(&run(&sandbox, &["--headless", "--qr", "--", "true"]).await);
    assert!(code.contains('█') || code.contains('▀'), "{code}");
}

#[tokio::test]
async fn titles_are_what_was_said_or_the_command() {
    for (options, title) in [(&["--title", "my work"][..], "my work"), (&[], "sh -c 'sleep 1000'")] {
        let sandbox = Sandbox::new();
        let all = [options, &["--", "sh", "-c", "sleep 1000"][..]].concat();
        let sharer = Sharer::share(&sandbox, all).await;
        let mut viewer = Viewer::new(&sharer.read_link(), None, Log::default());
        viewer.until("the title", |viewer| viewer.screen.has(&format!("\x1b]2;{title}\x1b\\"))).await;
    }
}

#[tokio::test]
async fn read_only_makes_no_link_that_types() {
    let sandbox = Sandbox::new();
    let mut sharer = Sharer::share(&sandbox, ["--read-only", "--", "sleep", "1000"]).await;
    let shared = sharer.event("the links", |event| event["event"] == "shared").await;
    assert!(shared["links"]["write"].is_null());
    let status = until("the session to be found", LONG, async || {
        let status = said(&run(&sandbox, &["status", "--secrets"]).await);
        if status.starts_with("sleep 1000\n") { Ok(status) } else { Err(status) }
    })
    .await;
    assert!(status.contains(&sharer.read_link()) && !status.contains("  can type\n"), "{status}");
    let refused = run(&sandbox, &["revoke", "write"]).await;
    assert_eq!(refused.status.code(), Some(125));
    assert_eq!(complaint(&refused), "sharer: the session has no link that can type");
    let mut viewer = Viewer::new(&sharer.read_link(), None, Log::default());
    viewer.live().await;
    viewer.act(Event::StartTyping).await;
    assert!(!viewer.types());
}

#[tokio::test]
async fn a_headless_terminal_has_the_size_that_was_said_and_keeps_the_scrollback_that_was_said() {
    let sandbox = Sandbox::new();
    let script = "stty size; seq -f 'number-%g.' 300; echo ready; sleep 1000";
    let options = ["--size", "101x17", "--scrollback", "50", "--", "sh", "-c", script];
    let sharer = Sharer::share(&sandbox, options).await;
    let whole = Sharer::share(&sandbox, ["--size", "101x17", "--", "sh", "-c", script]).await;
    for (link, first) in [(whole.read_link(), Some("17 101")), (sharer.read_link(), None)] {
        // When the output is over, one who comes gets a snapshot of all of it.
        Viewer::new(&link, None, Log::default())
            .until("the output", |viewer| viewer.screen.has("ready"))
            .await;
        // 300 numbers and 2 lines more; 17 rows and 50 lines of history. Who comes at once may get an older snapshot, and
        // all that was printed since.
        let look = async || {
            let mut late = Viewer::new(&link, None, Log::default());
            late.until("the history", |viewer| viewer.screen.has("number-240.") && viewer.rebuilds > 1).await;
            late.live().await;
            assert_eq!(late.screen.window, Some(WindowSize { cols: 101, rows: 17 }));
            let bytes = String::from_utf8_lossy(&late.screen.bytes).into_owned();
            let good = match first {
                Some(first) => bytes.contains(first) && bytes.contains("number-1."),
                None => !bytes.contains("number-200."),
            };
            if good { Ok(()) } else { Err(bytes) }
        };
        until("a snapshot of what is there", LONG, look).await;
    }
}

#[tokio::test]
async fn without_compression_every_byte_travels() {
    let mut sent = Vec::new();
    for options in [&["--no-compress"][..], &[]] {
        let sandbox = Sandbox::new();
        let script =
            "stty -echo -opost; read go; yes 'the same line again' | head -n 20000; echo r''eady; read stop";
        let all = [options, &["--", "sh", "-c", script][..]].concat();
        let sharer = Sharer::share(&sandbox, all).await;
        let mut viewer = Viewer::new(&sharer.write_link(), None, Log::default());
        viewer.typing().await;
        let before = viewer.passed.down;
        viewer.keys(b"\n").await;
        viewer.until("all of it", |viewer| viewer.screen.bytes.ends_with(b"ready\n")).await;
        sent.push(viewer.passed.down - before);
    }
    let (plain, packed) = (sent[0], sent[1]);
    assert!(plain > 400_000, "20,000 lines of 20 bytes as they are: {plain}");
    assert!(packed < plain / 4, "the control: {packed} of {plain}");
}

#[tokio::test]
async fn the_base_of_a_link_is_chosen_by_who_shares() {
    let sandbox = Sandbox::new();
    for (given, base) in
        [("https://share.example/x/", "https://share.example/x"), ("http://h:8080", "http://h:8080")]
    {
        let sharer = Sharer::share(&sandbox, ["--public-url", given, "--", "sleep", "1000"]).await;
        for link in [sharer.read_link(), sharer.write_link()] {
            assert!(link.starts_with(&format!("{base}/s/{}#", sharer.session_id())), "{link}");
        }
    }
    // A relay that calls itself something else does not lead people there: whoever serves the page is trusted with its key.
    let relay = Relay::start(&sandbox, ["--public-url", "https://elsewhere.example"]).await;
    let url = relay.url();
    let mut sharer = Sharer::share(&sandbox, ["--relay", &url, "--", "sleep", "1000"]).await;
    sharer.event("the connection", |event| event["state"] == "connected").await;
    assert!(sharer.read_link().starts_with(&format!("{url}/s/")), "{}", sharer.read_link());
    let status = said(&run(&sandbox, &["status", "--json", "--secrets"]).await);
    assert!(status.contains(&url) && !status.contains("elsewhere"), "{status}");
    let wrong = run(&sandbox, &["--public-url", "share.example", "--headless", "--", "true"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("looks like https://host/path"), "{}", said(&wrong));
}

#[tokio::test]
async fn a_wrong_value_is_blamed_on_where_it_stands() {
    let sandbox = Sandbox::new();
    let run = async |variable: Option<(&str, &str)>, arguments: &[&str]| {
        let mut command = sandbox.command(sharer_bin());
        command.envs(variable).args(arguments).args(["--headless", "--", "true"]);
        let output = command.output().await.unwrap();
        (output.status.code(), said(&output))
    };
    for (variable, option, wrong, right) in [
        ("SHARER_LISTEN", "--listen", "localhost:1", "127.0.0.1:4777"),
        ("SHARER_RELAY", "--relay", "relay.example", "https://host"),
        ("SHARER_PUBLIC_URL", "--public-url", "share.example", "https://host/path"),
    ] {
        let (code, said) = run(Some((variable, wrong)), &[]).await;
        assert!(code == Some(2) && said.contains(variable) && said.contains(right), "{said}");
        assert!(!said.contains(option), "nobody typed it: {said}");
        let (code, said) = run(None, &[option, wrong]).await;
        assert!(code == Some(2) && said.contains(&format!("'{option} ")) && said.contains(right), "{said}");
        assert!(!said.contains(variable), "{said}");
    }
    // What is typed wins over what is in the environment; of two that are typed none is dropped in silence.
    let (code, said) = run(Some(("SHARER_RELAY", "http://127.0.0.1:9")), &["--listen", "127.0.0.1:0"]).await;
    assert!(code == Some(0) && !said.contains("127.0.0.1:9/") && said.contains("/s/"), "{said}");
    let (code, said) = run(Some(("SHARER_LISTEN", "127.0.0.1:0")), &["--relay", "http://127.0.0.1:9"]).await;
    assert!(code == Some(0) && said.contains("http://127.0.0.1:9/s/"), "{said}");
    let (code, said) = run(None, &["--relay", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"]).await;
    assert!(code == Some(2) && said.contains("leave one of them out"), "{said}");
}

#[tokio::test]
async fn links_are_shown_on_a_terminal_or_to_who_asks_for_them() {
    let sandbox = Sandbox::new();
    let sharer = Sharer::share(&sandbox, ["--", "sleep", "1000"]).await;
    let (read, write) = (sharer.read_link(), sharer.write_link());
    let shows = |text: &str| [&read, &write].map(|link| text.contains(secret(link)));
    until("the session to be found", LONG, async || {
        let status = said(&run(&sandbox, &["status"]).await);
        if status.starts_with("sleep 1000\n") { Ok(()) } else { Err(status) }
    })
    .await;
    for (hidden, shown) in [
        (&["status"][..], &["status", "--secrets"][..]),
        (&["status", "--json"], &["status", "--json", "--secrets"]),
    ] {
        let text = said(&run(&sandbox, hidden).await);
        assert_eq!(shows(&text), [false; 2], "{text}");
        assert!(text.contains("left") && text.contains("--secrets"), "and how to get them: {text}");
        let text = said(&run(&sandbox, shown).await);
        assert!(shows(&text) == [true; 2] && !text.contains("left"), "{text}");
        let seat = Seat::sharer(&sandbox, hidden);
        assert_eq!(seat.ended().await.code, Some(0));
        seat.got(secret(&write)).await;
    }
    for command in [&["ls"][..], &["ls", "--json"]] {
        let text = said(&run(&sandbox, command).await);
        assert!(shows(&text) == [false; 2] && text.contains("sleep 1000"), "{text}");
    }
}

#[tokio::test]
async fn a_relay_that_is_away_is_told_at_once_and_again_when_it_is_there() {
    let sandbox = Sandbox::new();
    let mut relay = Relay::start(&sandbox, [] as [&str; 0]).await;
    let url = relay.url();
    let arguments =
        ["--relay", &url, "--title", "work", "--", "sh", "-c", "echo RE''ADY; read go; echo by''e"];
    let seat = Seat::sharer(&sandbox, &arguments);
    seat.got("READY").await;
    assert!(!seat.has("nobody can watch"), "the control: {}", seat.screen());
    assert!(seat.has("work on this computer only") && !seat.has("--public-url"), "{}", seat.screen());
    relay.kill().await;
    drop(seat);

    let quiet = [&["--quiet"], &arguments[..]].concat();
    let (seat, quiet) = (Seat::sharer(&sandbox, &arguments), Seat::sharer(&sandbox, &quiet));
    for seat in [&seat, &quiet] {
        seat.got("READY").await;
    }
    seat.got("nobody can watch yet").await;
    let shown = String::from_utf8_lossy(&seat.bytes()).into_owned();
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text}: {shown}"));
    assert!(at("/s/") < at("nobody can watch yet"), "{shown}");
    // On a slow machine the program does not wait for the answer: then the window's title tells.
    if !shown.contains("\x1b]2;nobody can watch yet: work\x1b\\") {
        assert!(at("goes on trying") < at("READY"), "{shown}");
        assert!(at("cannot be reached") < at("sharer unshare"), "what, and how to stop: {shown}");
    }
    let before = seat.screen();
    relay.restart(&sandbox).await;
    seat.got("\x1b]2;links work now: work\x1b\\").await;
    assert_eq!(seat.screen(), before, "the program's screen is its own");
    let status = async || {
        let status = said(&run(&sandbox, &["status"]).await);
        if status.matches(", connected").count() == 2 { Ok(()) } else { Err(status) }
    };
    until("both to be connected", LONG, status).await;
    for (seat, says) in [(seat, true), (quiet, false)] {
        seat.types("\r");
        seat.got("bye").await;
        assert_eq!(seat.ended().await.code, Some(0));
        assert_eq!(
            [seat.has("nobody can watch"), seat.has("links work now")],
            [says; 2],
            "{}",
            seat.screen()
        );
    }
}

#[tokio::test]
async fn a_relay_that_says_nothing_keeps_no_program_waiting() {
    let sandbox = Sandbox::new();
    // The kernel takes connections; nobody ever reads from them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let seat = Seat::sharer(
        &sandbox,
        &["--relay", &url, "--title", "work", "--", "sh", "-c", "echo RE''ADY; read go"],
    );
    seat.got("READY").await;
    assert!(!seat.has("nobody can watch"), "nothing is known yet: {}", seat.screen());
    drop(silent);
    seat.got("\x1b]2;nobody can watch yet: work\x1b\\").await;
    seat.types("\r");
    assert_eq!(seat.ended().await.code, Some(0));
}

#[tokio::test]
async fn status_link_and_revoke_say_what_is_wrong() {
    let sandbox = Sandbox::new();
    for command in [&["link"][..], &["revoke", "all"]] {
        let output = run(&sandbox, command).await;
        assert_eq!(
            (output.status.code(), complaint(&output)),
            (
                Some(125),
                "sharer: nothing runs under sharer: start something with `sharer -- COMMAND`".to_owned()
            )
        );
    }
    let output = run(&sandbox, &["status"]).await;
    assert_eq!((output.status.code(), said(&output)), (Some(0), "Nothing is shared.\n".to_owned()));
    assert_eq!(run(&sandbox, &["revoke"]).await.status.code(), Some(2));
    assert_eq!(run(&sandbox, &["revoke", "neither"]).await.status.code(), Some(2));

    let one = Sharer::share(&sandbox, ["--", "sleep", "1000"]).await;
    let mut two = Sharer::share(&sandbox, ["--", "sleep", "1000"]).await;
    let controlled = async || {
        let status = said(&run(&sandbox, &["status"]).await);
        if status.matches("  session ").count() == 2 { Ok(()) } else { Err(status) }
    };
    until("both to be found", LONG, controlled).await;
    let output = run(&sandbox, &["link"]).await;
    assert_eq!(
        complaint(&output),
        "sharer: several programs run: name one with --session ID (`sharer ls` lists them)"
    );
    let output = run(&sandbox, &["link", "--session", "zzzz"]).await;
    assert_eq!(complaint(&output), "sharer: nothing runs under that id (`sharer ls` lists what does)");
    let beginning: String = one.session_id().chars().take(6).collect();
    let links = said(&run(&sandbox, &["link", "--session", &beginning]).await);
    assert!(links.contains(&one.read_link()) && !links.contains(&two.read_link()), "{links}");
    let revoked = run(&sandbox, &["revoke", "all", "--session", &two.session_id()]).await;
    assert!(revoked.status.success());
    let links = two.next_event("new links", |event| event["event"] == "links").await;
    for (right, old) in [("read", two.read_link()), ("write", two.write_link())] {
        let new = links["links"][right].as_str().unwrap();
        assert!(new != old && said(&revoked).contains(new), "{right}");
    }
}
