//! `sharer open`: the page from one's own binary, the relay's socket passed on.

use std::net::SocketAddr;

use e2e::harness::http::{ask, get, status};
use e2e::harness::process::Process;
use e2e::harness::{Browser, Relay, Sandbox, Screen, Sharer, sharer_bin, wait};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const ENTER: char = '\u{E007}';

fn secret(link: &str) -> &str {
    link.split('#').nth(1).unwrap()
}

#[tokio::test]
async fn the_page_comes_from_ones_own_binary_and_the_relay_passes_sealed_frames() {
    let sandbox = Sandbox::new();
    let mut relay = Relay::start(&sandbox, [""; 0]).await;
    let program = "stty -echo; echo here-$((40+2)); while read line; do echo \"heard $line\"; done";
    let sharer =
        Sharer::share(&sandbox, ["--relay", &relay.url(), "--size", "80x24", "--", "sh", "-c", program])
            .await;
    let mut command = sandbox.command(sharer_bin());
    command.args(["open", "--no-browser", &sharer.write_link()]);
    let (mut open, stdout) = Process::start("open", &sandbox, command);
    let mut lines = BufReader::new(stdout).lines();
    let here = loop {
        let line = wait::within("its link", wait::LONG, lines.next_line()).await.unwrap().expect("it runs");
        if let Some(link) = line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1")) {
            break link.to_owned();
        }
    };
    assert_ne!(here.split("/s/").next(), sharer.write_link().split("/s/").next(), "not the relay's origin");
    let mut browser = Browser::watching(&here).await;
    browser.shows(&Screen::reference(80, 24, 1000, b"here-42\r\n").await).await;
    browser.press("Type here").await;
    browser.says("what you enter runs there").await;
    browser.press("Understood").await;
    browser.type_text(&format!("a question{ENTER}")).await;
    let echoed = Screen::reference(80, 24, 1000, b"here-42\r\nheard a question\r\n").await;
    browser.shows(&echoed).await;
    assert_eq!(browser.complaints().await, [""; 0]);

    // What is handed on leads to the relay; the page's own address stays here.
    browser.press("Link and QR code").await;
    let copied =
        browser.until("the link to copy", "document.querySelector('.panel input.link')?.value").await;
    assert_eq!(copied, sharer.read_link());
    browser.press("Close").await;
    assert!(
        browser
            .run("return location.href")
            .await
            .as_str()
            .unwrap()
            .starts_with(here.split("/s/").next().unwrap())
    );

    // Nobody else's page gets at the socket, under no name but this computer's, and nothing of the relay's but that is here.
    let door: SocketAddr = here.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
    assert!(door.ip().is_loopback());
    let host = door.to_string();
    let knock = async |host: &str, origin: &str, path: &str| {
        let headers = [("Host", host), ("Origin", origin)];
        status(&ask(door, path, &headers).await).to_owned()
    };
    let (socket, own) = (shared::wire::SOCKET_PATH, format!("http://{host}"));
    for origin in ["http://evil.example", "null", relay.url().as_str()] {
        assert_eq!(knock(&host, origin, socket).await, "403", "{origin}");
    }
    assert_eq!(knock(&host, &own, socket).await, "426", "its own page gets further");
    // A name that somebody else points to this computer.
    for path in [socket, "/s/x", "/"] {
        assert_eq!(knock("evil.example", "http://evil.example", path).await, "421", "{path}");
    }
    assert_eq!(
        status(&ask(door, socket, &[("Host", host.as_str())]).await),
        "403",
        "other programs have the relay"
    );
    for path in ["/metrics", "/healthz", "/", "/api/v1/agent/runs"] {
        assert_eq!(status(&get(door, path).await), "404", "{path}");
    }
    assert!(get(door, "/s/x").await.to_ascii_lowercase().contains("content-security-policy"));
    assert!(!relay.process.stderr().contains(secret(&here)) && !open.stderr().contains(secret(&here)));

    // The relay goes and comes back: the page finds the session again.
    relay.kill().await;
    browser.status("reconnecting").await;
    let headers = [
        ("Host", host.as_str()),
        ("Origin", own.as_str()),
        ("Connection", "close, upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", shared::wire::BROWSER_SUBPROTOCOL),
    ];
    assert_eq!(status(&ask(door, socket, &headers).await), "502", "no socket without the relay behind it");
    relay.restart(&sandbox).await;
    browser.status("live").await;
    browser.shows(&echoed).await;
    // That nobody was there is all it has to complain of.
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|line| line.contains("response code: 502")), "{complaints:#?}");
    drop(browser);
    open.signal(rustix::process::Signal::INT);
    assert!(open.exit().await.success());
}
