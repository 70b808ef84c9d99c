//! The command line of `sharer relay`, and the addresses a relay is reached under.

use e2e::harness::http::{ask, get, status};
use e2e::harness::server::free_address;
use e2e::harness::{Log, Relay, Sandbox, Sharer, sharer_bin};
use e2e::viewer::Viewer;
use shared::viewer::{Closed, State};

const SLEEP: [&str; 3] = ["--", "sleep", "1000"];

async fn share(sandbox: &Sandbox, relay: &Relay) -> Sharer {
    let url = relay.url();
    Sharer::share(sandbox, ["--relay", &url].into_iter().chain(SLEEP)).await
}

async fn is(sharer: &mut Sharer, state: &str) {
    sharer.event(state, |event| event["state"] == state).await;
}

fn viewer(sharer: &Sharer) -> Viewer<Log> {
    Viewer::new(&sharer.read_link(), None, Log::default())
}

#[tokio::test]
async fn no_more_viewers_than_said_and_the_next_when_there_is_room() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, ["--max-viewers", "2"]).await;
    let mut sharer = share(&sandbox, &relay).await;
    is(&mut sharer, "connected").await;
    let (mut one, mut two, mut three) = (viewer(&sharer), viewer(&sharer), viewer(&sharer));
    one.live().await;
    two.live().await;
    three.until("a refusal", |viewer| viewer.state() != State::Connecting).await;
    assert_ne!(three.state(), State::Live);
    sharer.viewers(2).await;
    drop(one);
    sharer.viewers(1).await;
    viewer(&sharer).live().await;
}

#[tokio::test]
async fn a_full_relay_is_said_and_asked_again_while_the_program_runs() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, ["--max-sessions", "1", "--away-keep", "1s"]).await;
    let mut first = share(&sandbox, &relay).await;
    is(&mut first, "connected").await;
    let mut second = share(&sandbox, &relay).await;
    let refused = second.event("a refusal", |event| event["state"] == "refused").await;
    assert!(refused["reason"].as_str().unwrap().contains("as many sessions as it will"), "{refused}");
    let status = ask_status(&sandbox).await;
    assert!(status.contains(", refused: the relay holds as many sessions as it will"), "{status}");
    assert!(second.process.ended().is_none(), "the program runs on");
    first.process.kill().await;
    // When the relay has forgotten the first one; and not before was anybody told of a connection.
    second.next_event("the room", |event| event["state"] == "connected").await;
    viewer(&second).live().await;
}

async fn ask_status(sandbox: &Sandbox) -> String {
    let output = sandbox.command(sharer_bin()).arg("status").output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_session_is_kept_for_as_long_as_said() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, ["--away-keep", "1s"]).await;
    let mut sharer = share(&sandbox, &relay).await;
    let mut watching = viewer(&sharer);
    watching.live().await;
    sharer.process.kill().await;
    let away = |viewer: &Viewer<Log>| matches!(viewer.state(), State::SharerAway { .. });
    watching.until("word that the sharer is away", away).await;
    let closed = State::ClosedByRelay(Closed::SharerAway);
    watching.until("the end", |viewer| viewer.state() == closed).await;
}

#[tokio::test]
async fn hosts_and_development_origins_are_those_said() {
    let sandbox = Sandbox::new();
    let options = ["--allow-host", "box.test", "--dev-origin", "http://127.0.0.1:8080"];
    let relay =
        Relay::start(&sandbox, options.into_iter().chain(["--public-url", "https://relay.test/x"])).await;
    let plain = Relay::start(&sandbox, [""; 0]).await;
    for (host, expected, without) in [
        ("box.test", "200", "421"),
        ("relay.test", "200", "421"),
        ("localhost:1", "200", "200"),
        ("evil.test", "421", "421"),
    ] {
        let headers = [("Host", host)];
        assert_eq!(status(&ask(relay.address(), "/", &headers).await), expected, "{host}");
        assert_eq!(status(&ask(plain.address(), "/", &headers).await), without, "{host}");
    }
    let (host, origin) = (relay.address().to_string(), "http://127.0.0.1:8080");
    let page = [("Host", &*host), ("Origin", origin)];
    assert_eq!(
        status(&ask(relay.address(), "/api/v1/socket", &page).await),
        "426",
        "a page of `trunk serve`"
    );
    let host = plain.address().to_string();
    let page = [("Host", &*host), ("Origin", origin)];
    assert_eq!(status(&ask(plain.address(), "/api/v1/socket", &page).await), "403", "the control");
}

#[tokio::test]
async fn metrics_are_for_this_computer_and_not_for_those_behind_a_proxy() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, ["--trusted-proxy", "127.0.0.1"]).await;
    assert_eq!(status(&get(relay.address(), "/metrics").await), "404");
    assert_eq!(status(&get(relay.address(), "/healthz").await), "200");
    let plain = Relay::start(&sandbox, [""; 0]).await;
    assert_eq!(status(&get(plain.address(), "/metrics").await), "200", "the control");
}

#[tokio::test]
async fn wrong_options_get_one_sentence() {
    let sandbox = Sandbox::new();
    let none = sandbox.path().join("none.pem");
    std::fs::write(&none, "no certificate").unwrap();
    let none = none.to_str().unwrap();
    for (options, code, sentence) in [
        (&["--listen", "0.0.0.0:0"][..], 125, "add --tls-cert and --tls-key"),
        (&["--tls-cert", none, "--tls-key", none], 125, "cannot use the certificate in"),
        (&["--dev-origin", "http://evil.test"], 125, "must be http(s) on this computer"),
        (&["--public-url", "relay.test"], 2, "looks like https://host/path"),
        (&["--listen", "127.0.0.1"], 2, "write 127.0.0.1:4777"),
        (&["--tls-cert", none], 2, "--tls-key"),
        (&["--away-keep", "long"], 2, "90s, 10m, 2h or 7d"),
    ] {
        let output = sandbox.command(sharer_bin()).arg("relay").args(options).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{options:?}: {said}");
        assert!(said.contains(sentence), "{options:?}: {said}");
        assert!(code == 2 || said.lines().count() == 1, "{said}");
    }
}

#[tokio::test]
async fn on_all_addresses_links_name_one_that_others_reach() {
    let sandbox = Sandbox::new();
    let port = free_address().port();
    let listen = format!("0.0.0.0:{port}");
    let open = ["--listen", &*listen, "--allow-insecure"];
    let mut sharer = Sharer::share(&sandbox, open.into_iter().chain(SLEEP)).await;
    is(&mut sharer, "connected").await;
    let link = sharer.read_link();
    let host = link.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    assert!(!host.starts_with("0.0.0.0") && host.ends_with(&format!(":{port}")), "{host}");
    // By way of loopback, as everything in tests; the relay hears the name that the link has.
    let loopback = ([127, 0, 0, 1], port).into();
    Viewer::new(&link, Some(loopback), Log::default()).live().await;
    assert_eq!(status(&ask(loopback, "/", &[("Host", &host)]).await), "200");
    assert_eq!(status(&ask(loopback, "/", &[("Host", "evil.test")]).await), "421", "the control");

    // The same on one address of this computer, and with a name of one's choice.
    for (listen, public) in [("127.0.0.2", None), ("0.0.0.0", Some("http://127.0.0.3"))] {
        let port = free_address().port();
        let (listen, public) = (format!("{listen}:{port}"), public.map(|host| format!("{host}:{port}")));
        let mut all = vec!["--listen", &listen, "--allow-insecure"];
        all.extend(public.iter().flat_map(|url| ["--public-url", url.as_str()]));
        let sharer = Sharer::share(&sandbox, all.into_iter().chain(SLEEP)).await;
        viewer(&sharer).live().await;
    }
}
