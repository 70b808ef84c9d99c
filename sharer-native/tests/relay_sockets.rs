//! The relay's rules on a real socket, each with a positive control.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::{Duration, Instant};

use shared::card::SealedCard;
use shared::encoding::Blob;
use shared::entropy::Entropy;
use shared::id::{Channel, TaskId};
use shared::keys::epoch::{AgreementKey, EpochId, Header, PROTOCOL_VERSION};
use shared::keys::grant::{Grant, GrantRow, Right, Token};
use shared::keys::owner::{Claim, OwnerKey, Signature};
use shared::orchestration::task::Task;
use shared::time::UnixMs;
use shared::wire::hello::Greeting;
use shared::wire::sharer::{InitPayload, SharerToRelay};
use shared::wire::source::{SessionSource, SourceKind};
use shared::wire::task::{RunsAnswer, TaskRow};
use shared::wire::{decode, encode};
use sharer_native::relay::{Config, Handle, ServeError, Timings, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn relay(config: Config) -> Handle {
    let listen = Some(([127, 0, 0, 1], 0).into());
    serve(Config { listen, ..config }).await.expect("serves")
}

async fn ask(relay: &Handle, head: &str) -> String {
    knock(relay, head).await.1
}

async fn knock(relay: &Handle, head: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    let head = head.replace("HOST", &relay.address().to_string()).replace('\n', "\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    // Until the head is whole; a socket stays open behind it.
    while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
        }
    }
    (stream, String::from_utf8_lossy(&answer).into_owned())
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("")
}

fn socket(host: &str, rest: &str) -> String {
    format!(
        "GET /api/v1/socket HTTP/1.1\nHost: {host}\nConnection: Upgrade\nUpgrade: websocket\n\
         Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n{rest}\n"
    )
}

const NATIVE: &str = "Sec-WebSocket-Protocol: sharer.native.v1\n";
const BROWSER: &str = "Sec-WebSocket-Protocol: sharer.browser.v1\n";

#[tokio::test]
async fn host_origin_and_subprotocol_decide_who_gets_a_socket() {
    let relay =
        relay(Config { dev_origins: vec!["http://localhost:8080".into()], ..Config::default() }).await;
    let port = relay.address().port();
    for (what, head, expected) in [
        ("native", socket("HOST", NATIVE), "101"),
        ("own page", socket("HOST", &format!("Origin: http://HOST\n{BROWSER}")), "101"),
        ("development page", socket("HOST", &format!("Origin: http://localhost:8080\n{BROWSER}")), "101"),
        ("localhost", socket(&format!("localhost:{port}"), NATIVE), "101"),
        ("foreign host", socket("evil.example", NATIVE), "421"),
        ("foreign page", socket("HOST", &format!("Origin: https://evil.example\n{BROWSER}")), "403"),
        ("foreign page as native", socket("HOST", &format!("Origin: https://evil.example\n{NATIVE}")), "403"),
        ("null", socket("HOST", &format!("Origin: null\n{BROWSER}")), "403"),
        ("other scheme", socket("HOST", &format!("Origin: https://HOST\n{BROWSER}")), "403"),
        ("no origin, no subprotocol", socket("HOST", ""), "403"),
        ("no origin, browser", socket("HOST", BROWSER), "403"),
    ] {
        assert_eq!(status(&ask(&relay, &head).await), expected, "{what}");
    }
    let opened = ask(&relay, &socket("HOST", NATIVE)).await.to_ascii_lowercase();
    assert!(opened.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{opened}");
    relay.shutdown().await;
}

#[tokio::test]
async fn an_address_has_so_many_sockets_also_behind_a_proxy_and_others_have_theirs() {
    let trusted_proxies = vec![[127, 0, 0, 1].into()];
    let relay = relay(Config { trusted_proxies, max_per_address: 2, ..Config::default() }).await;
    let from = |address: &str| socket("HOST", &format!("{NATIVE}X-Forwarded-For: {address}\n"));
    let (first, answer) = knock(&relay, &from("192.0.2.1")).await;
    assert_eq!(status(&answer), "101");
    let mut others = Vec::new();
    for (address, expected) in [
        ("192.0.2.1", "101"),
        ("192.0.2.1", "503"),
        ("192.0.2.2", "101"),
        ("2001:db8::1", "101"),
        ("2001:db8::2", "101"),
        ("2001:db8::3", "503"),
        ("2001:db8:0:1::3", "101"),
    ] {
        let (stream, answer) = knock(&relay, &from(address)).await;
        assert_eq!(status(&answer), expected, "{address}");
        assert_eq!(answer.contains("too many connections from your address"), expected == "503");
        others.push(stream);
    }
    // The proxy itself, and who is on this computer, are not one address of many.
    for _ in 0..5 {
        others.push(knock(&relay, &socket("HOST", NATIVE)).await.0);
    }
    assert_eq!(status(&ask(&relay, &socket("HOST", NATIVE)).await), "101");
    drop(first);
    tokio::time::timeout(Duration::from_secs(20), async {
        while status(&ask(&relay, &from("192.0.2.1")).await) != "101" {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a place that was left is free");
    relay.shutdown().await;
}

#[tokio::test]
async fn pages_carry_every_header_and_nothing_else_is_there() {
    let relay = relay(Config::default()).await;
    let page = ask(&relay, "GET /s/abc HTTP/1.1\nHost: HOST\n\n").await.to_ascii_lowercase();
    assert_eq!(status(&page), "200");
    for header in [
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "cross-origin-opener-policy: same-origin",
        "x-robots-tag: noindex",
        "x-content-type-options: nosniff",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
    ] {
        assert!(page.contains(header), "{header}: {page}");
    }
    assert!(!page.contains("set-cookie") && !page.contains("'unsafe-eval'"));
    for (path, expected) in [
        ("/healthz", "200"),
        ("/metrics", "200"),
        ("/nothing", "404"),
        ("/../Cargo.toml", "404"),
        ("/api/v1/x", "404"),
    ] {
        let head = format!("GET {path} HTTP/1.1\nHost: HOST\n\n");
        assert_eq!(status(&ask(&relay, &head).await), expected, "{path}");
    }
    assert_eq!(status(&ask(&relay, "GET / HTTP/1.1\nHost: evil.example\n\n").await), "421");
    assert_eq!(status(&ask(&relay, "POST / HTTP/1.1\nHost: HOST\nContent-Length: 0\n\n").await), "405");
}

fn masked(opcode: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 126);
    let len = u8::try_from(body.len()).unwrap();
    [&[0x80 | opcode, 0x80 | len, 0, 0, 0, 0], body].concat()
}

async fn open(relay: &Handle) -> TcpStream {
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    let head = socket(&relay.address().to_string(), NATIVE).replace('\n', "\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("\"Hello\"") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0);
        seen.extend_from_slice(&buffer[..read]);
    }
    stream
}

/// All bytes until the relay closes, and after how long it did.
async fn until_closed(mut stream: TcpStream) -> (Vec<u8>, Duration) {
    let (start, mut rest) = (Instant::now(), Vec::new());
    tokio::time::timeout(Duration::from_mins(1), stream.read_to_end(&mut rest)).await.expect("closed").ok();
    (rest, start.elapsed())
}

fn close_code(bytes: &[u8]) -> Option<u16> {
    let at = bytes.windows(2).rposition(|pair| pair == [0x88, 2])?;
    Some(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]))
}

#[tokio::test]
async fn limits_act_on_the_announced_size() {
    let relay = relay(Config::default()).await;
    let mut stream = open(&relay).await;
    // A header that announces 2 GiB, and not one byte of them.
    stream.write_all(&[0x82, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 1, 2, 3, 4]).await.unwrap();
    assert_eq!(close_code(&until_closed(stream).await.0), Some(4302));

    let mut stream = open(&relay).await;
    stream.write_all(&masked(2, &[99])).await.unwrap();
    assert_eq!(close_code(&until_closed(stream).await.0), Some(4101));

    // The control: a small well-formed frame is answered by nothing, and a ping by a pong.
    let mut stream = open(&relay).await;
    stream.write_all(&[masked(2, &[13, 0]), masked(9, b"hi")].concat()).await.unwrap();
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\x8a\x02hi");
}

#[tokio::test]
async fn slow_handshakes_and_half_open_sockets_time_out() {
    let secs = Duration::from_secs;
    // A computer may be busy: who answers at once is heard within seconds.
    let timings = Timings { handshake: secs(3), ping: secs(3), silent: secs(9) };
    let relay = relay(Config { timings, ..Config::default() }).await;
    let slow = async {
        let mut slow = TcpStream::connect(relay.address()).await.unwrap();
        slow.write_all(b"GET / HT").await.unwrap();
        until_closed(slow).await;
    };
    let half_open = async {
        let (bytes, after) = until_closed(open(&relay).await).await;
        assert_eq!(close_code(&bytes), Some(4103));
        assert!(after >= secs(5), "{after:?}");
        assert!(bytes.starts_with(&[0x89, 0]), "pinged first: {bytes:?}");
    };
    // The control: one that answers stays.
    let answers = async {
        let mut stream = open(&relay).await;
        let start = Instant::now();
        while start.elapsed() < secs(11) {
            let mut ping = [0; 2];
            stream.read_exact(&mut ping).await.unwrap();
            assert_eq!(ping, [0x89, 0]);
            stream.write_all(&masked(10, &[])).await.unwrap();
        }
    };
    tokio::join!(slow, half_open, answers);
}

#[tokio::test]
async fn beyond_loopback_only_with_tls_or_on_purpose() {
    let listen = Some(([0, 0, 0, 0], 0).into());
    let refused = serve(Config { listen, ..Config::default() }).await;
    assert!(matches!(refused, Err(ServeError::Insecure(_))));
    assert!(serve(Config { listen, allow_insecure: true, ..Config::default() }).await.is_ok());
}

#[tokio::test]
async fn stopping_tells_peers_to_come_back() {
    let relay = relay(Config::default()).await;
    let stream = open(&relay).await;
    let closed = tokio::spawn(until_closed(stream));
    relay.shutdown().await;
    assert_eq!(close_code(&closed.await.unwrap().0), Some(4100));
}

/// A sharer's side of a socket, by hand: enough to open a room and say its rows.
struct Room {
    stream: TcpStream,
    owner: OwnerKey,
    grant: Grant,
}

impl Room {
    async fn open(relay: &Handle, seed: u8, task: &str, rows: Vec<TaskRow>) -> Self {
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        let head = socket(&relay.address().to_string(), NATIVE).replace('\n', "\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let hello = text_with(&mut stream, "\"Hello\"").await;
        let Greeting::Hello(hello) =
            decode(&format!("{{\"Hello{}", hello.split_once("{\"Hello").unwrap().1)).unwrap();

        let mut entropy = Entropy::from_seed([seed; 32]);
        let owner = OwnerKey::generate(&mut entropy);
        let grant = Grant::generate(Right::Watch, &mut entropy);
        let epoch = EpochId { start: UnixMs(1), random: 1 };
        let header = Header {
            protocol: PROTOCOL_VERSION,
            features: vec![],
            owner: owner.public(),
            epoch,
            revision: 1,
            agreement: AgreementKey::generate(&mut entropy).public(),
            boxes: vec![],
        };
        let host = relay.address().to_string();
        let payload = Box::new(InitPayload {
            protocol: PROTOCOL_VERSION,
            session_id: owner.session_id(),
            claim: Claim::sign(&owner, epoch, 1, &hello.challenge, &host),
            header: header.sign(&owner),
            grants: vec![GrantRow {
                token_hash: grant.secret.token(owner.session_id()).hash(),
                right: Right::Watch,
            }],
            latest: 0,
            source: SessionSource { kind: SourceKind::User, task_id: Some(TaskId(task.into())) },
            keep: None,
        });
        let channel = Channel(1);
        say(&mut stream, &SharerToRelay::Initialize { channel, payload }).await;
        say(&mut stream, &SharerToRelay::UpdateTasks { channel, rows }).await;
        // Whoever hears of the group's end knows that the relay has read all before it.
        say(&mut stream, &SharerToRelay::EndGroup { ends: vec![] }).await;
        text_with(&mut stream, "GroupEnded").await;
        Self { stream, owner, grant }
    }

    fn token(&self) -> String {
        self.grant.secret.token(self.owner.session_id()).to_base64()
    }
}

async fn text_with(stream: &mut TcpStream, word: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(word) {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "{seen}");
        seen.extend(buffer[..read].iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { ' ' }));
    }
    seen
}

async fn say(stream: &mut TcpStream, message: &SharerToRelay) {
    let text = encode(message);
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    let header = [0x81, 0xfe, length[0], length[1], 0, 0, 0, 0];
    stream.write_all(&[&header, text.as_bytes()].concat()).await.unwrap();
}

fn task_row(n: usize) -> TaskRow {
    let task = Task::new(TaskId(format!("child {n}")), Some(TaskId("p".into())), "", UnixMs(0));
    let card = SealedCard { body: Blob(vec![1; 20]), typing: None, signature: Signature([1; 64]) };
    TaskRow::new(&task, card)
}

#[tokio::test]
async fn runs_are_told_to_who_shows_a_token_of_the_parents_session() {
    let relay = relay(Config::default()).await;
    let parent = Room::open(&relay, 1, "the parent/é", (0..3).map(task_row).collect()).await;
    let child = Room::open(&relay, 2, "child 1", vec![]).await;
    let path = "/api/v1/agent/runs?ancestor_run_id=the%20parent%2F%C3%A9";
    let get = |path: &str, token: &str, more: &str| {
        format!("GET {path} HTTP/1.1\nHost: HOST\nConnection: close\nAuthorization: Bearer {token}\n{more}\n")
    };
    let body = |answer: &str| -> RunsAnswer {
        assert!(answer.to_ascii_lowercase().contains("cache-control: no-store"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let own_page = "Origin: http://HOST\n";
    for more in ["", own_page] {
        let answer = ask_all(&relay, &get(path, &parent.token(), more)).await;
        assert_eq!(status(&answer), "200");
        let answer = body(&answer);
        assert_eq!(answer.session_id, parent.owner.session_id());
        assert_eq!(answer.source.task_id, Some(TaskId("the parent/é".into())));
        assert_eq!(answer.runs, (0..3).map(task_row).collect::<Vec<_>>());
    }
    let first = body(&ask_all(&relay, &get(&format!("{path}&limit=2"), &parent.token(), "")).await);
    let cursor = first.page_info.next_cursor.unwrap().0.replace(' ', "+");
    let path_on = format!("{path}&limit=2&cursor={cursor}");
    let rest = body(&ask_all(&relay, &get(&path_on, &parent.token(), "")).await);
    assert_eq!([first.runs, rest.runs].concat(), (0..3).map(task_row).collect::<Vec<_>>());
    assert!(first.page_info.has_next_page && !rest.page_info.has_next_page);

    // Everything that may not be known has one answer, to the byte.
    let unknown =
        ask_all(&relay, &get("/api/v1/agent/runs?ancestor_run_id=nobody", &parent.token(), "")).await;
    assert_eq!(status(&unknown), "404");
    let none = format!("GET {path} HTTP/1.1\nHost: HOST\nConnection: close\n\n");
    for (what, head) in [
        ("a child's token", get(path, &child.token(), "")),
        ("a token of nobody's", get(path, &Token([9; 32]).to_base64(), "")),
        ("no token", none),
        ("no task", get("/api/v1/agent/runs", &parent.token(), "")),
        ("a token in the query", get(&format!("{path}&token={}", parent.token()), "", "")),
    ] {
        let answer = ask_all(&relay, &head).await;
        let undated = |text: &str| text.lines().filter(|line| !line.starts_with("date:")).collect::<String>();
        assert_eq!(undated(&answer), undated(&unknown), "{what}");
    }
    // The rules of all of /api.
    let foreign = get(path, &parent.token(), "Origin: https://evil.example\n");
    assert_eq!(status(&ask_all(&relay, &foreign).await), "403");
    let host = get(path, &parent.token(), "").replace("HOST", "evil.example");
    assert_eq!(status(&ask_all(&relay, &host).await), "421");
    let post = get(path, &parent.token(), "Content-Length: 0\n").replace("GET", "POST");
    assert_eq!(status(&ask_all(&relay, &post).await), "405");
    // Counts without ids.
    let metrics = ask_all(&relay, "GET /metrics HTTP/1.1\nHost: HOST\nConnection: close\n\n").await;
    assert!(metrics.contains("\nsharer_relay_rows 3\n"), "{metrics}");
    assert!(!metrics.contains("child") && !metrics.contains(&parent.owner.session_id().to_string()));
    drop((parent.stream, child.stream));
}

async fn ask_all(relay: &Handle, head: &str) -> String {
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    let head = head.replace("HOST", &relay.address().to_string()).replace('\n', "\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
