//! The whole of it without a browser: the binary, its embedded relay, and a viewer that speaks the protocol.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test panics when it fails")]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use shared::chain::{Answer, ChainPoint, ViewerChallenge};
use shared::event::{Event, Note};
use shared::id::Channel;
use shared::input::{Input, InputSealer, View};
use shared::keys::epoch::{AgreementKey, Header, Opened, PROTOCOL_VERSION};
use shared::link::Link;
use shared::seal::EventOpener;
use shared::snapshot::{Manifest, Part, PartReader};
use shared::wire::frame::Frame;
use shared::wire::viewer::{JoinPayload, RelayToViewer, ViewerToRelay};
use shared::wire::{Packet, decode, encode};
use sharer_native::ws::{RelayUrl, Socket, Step, connect};
use tempfile::TempDir;

const CHANNEL: Channel = Channel(1);

struct Sharing {
    child: Child,
    events: Receiver<String>,
    read: Link,
    write: Link,
    _home: TempDir,
}

fn sharer(home: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharer"));
    command
        .env_remove("SHARER_SESSION")
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn home() -> TempDir {
    tempfile::Builder::new().prefix("sharer-").tempdir().unwrap()
}

impl Sharing {
    fn start(command: &[&str]) -> Self {
        Self::start_with(&["--listen", "127.0.0.1:0"], command)
    }

    fn start_with(options: &[&str], command: &[&str]) -> Self {
        let home = home();
        let mut child = sharer(&home)
            .args(["--headless", "--quiet", "--events", "-"])
            .args(options)
            .arg("--")
            .args(command)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let link =
            |name: &str| Link::parse(first.pointer(&format!("/links/{name}")).unwrap().as_str().unwrap());
        let (read, write) = (link("read").unwrap(), link("write").unwrap());
        let (tell, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                drop(tell.send(line));
            }
        });
        let sharing = Self { child, events, read, write, _home: home };
        sharing.is("connected");
        sharing
    }

    /// Waits for a state of the connection.
    fn is(&self, state: &str) {
        let state = format!(r#""state":"{state}""#);
        loop {
            let line = self.events.recv_timeout(Duration::from_secs(20));
            if line.unwrap().contains(&state) {
                return;
            }
        }
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `sharer relay`, killed when this is dropped.
struct Alone {
    child: Child,
    url: String,
    _home: TempDir,
}

impl Alone {
    fn start(address: &str) -> Self {
        let home = home();
        let mut child = sharer(&home).args(["relay", "--listen", address]).spawn().unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http")).unwrap().to_owned();
        Self { child, url, _home: home }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Viewer {
    socket: Socket,
    link: Link,
    own: AgreementKey,
    out: VecDeque<Packet>,
    header: Option<Header>,
    opened: Option<Opened>,
    point: Option<ChainPoint>,
    reader: Option<(Manifest, PartReader)>,
    screen: Vec<u8>,
    answer: Option<Answer>,
    sealer: Option<InputSealer>,
    consumed: u64,
    ended: bool,
}

impl Viewer {
    async fn join(link: &Link, types: bool) -> Self {
        let url = RelayUrl::parse(&link.base).unwrap();
        let socket = connect(&url).await.unwrap();
        let own = AgreementKey::generate(&mut sharer_native::clock::entropy().unwrap());
        let payload = JoinPayload {
            protocol: PROTOCOL_VERSION,
            session_id: link.session,
            token: link.secret.token(link.session),
            challenge: ViewerChallenge([1; 16]),
            resume: None,
            agreement: types.then(|| own.public()),
            previous: None,
        };
        let join = ViewerToRelay::Join { channel: CHANNEL, payload: Box::new(payload) };
        Self {
            socket,
            link: link.clone(),
            own,
            out: VecDeque::from([Packet::Text(encode(&join))]),
            header: None,
            opened: None,
            point: None,
            reader: None,
            screen: Vec::new(),
            answer: None,
            sealer: None,
            consumed: 0,
            ended: false,
        }
    }

    /// Goes on until `holds`.
    async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let going = async {
            while !holds(self) {
                let Self { socket, out, .. } = self;
                match poll_fn(|cx| socket.poll(cx, || out.pop_front())).await {
                    Step::Sent => {}
                    Step::Got(packet) => self.handle(&packet),
                    Step::Closed(code) => panic!("closed: {code:?}"),
                }
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(20), going).await;
        let screen = String::from_utf8_lossy(&self.screen);
        assert!(done.is_ok(), "waited in vain: {what}\n{screen}");
    }

    fn handle(&mut self, packet: &Packet) {
        match packet {
            Packet::Text(text) => match decode::<RelayToViewer>(text) {
                Ok(RelayToViewer::JoinedSuccessfully { header, .. }) => {
                    let header = Header::verify(&header, self.link.session).unwrap();
                    self.opened = Some(header.open_box(&self.link.secret).unwrap());
                    self.header = Some(header);
                }
                Ok(RelayToViewer::Answer { answer, .. }) => {
                    let header = self.header.as_ref().unwrap();
                    let answer = Answer::verify(&answer, &header.owner).unwrap();
                    if let (true, Some(input)) = (answer.input, &self.opened.as_ref().unwrap().input) {
                        let (agreement, scope) = (header.agreement, header.scope());
                        self.sealer = InputSealer::new(&self.own, agreement, &input.secret, scope);
                    }
                    self.answer = Some(answer);
                }
                Ok(RelayToViewer::SessionEnded { .. }) => self.ended = true,
                Ok(RelayToViewer::FailedToJoin { reason, .. }) => panic!("{reason:?}"),
                _ => {}
            },
            Packet::Binary(bytes) => {
                self.consumed += bytes.len() as u64;
                self.frame(Frame::decode(bytes).unwrap());
                self.out.push_back(Packet::Binary(Frame::Credit { consumed: self.consumed }.encode()));
            }
        }
    }

    fn frame(&mut self, frame: Frame) {
        let (header, opened) = (self.header.as_ref().unwrap(), self.opened.as_ref().unwrap());
        let scope = header.scope();
        match frame {
            Frame::Event { event, .. } => {
                let point = self.point.unwrap_or_else(|| ChainPoint::start(scope));
                if event.number != point.number + 1 {
                    return;
                }
                let opener = EventOpener::new(&opened.content, scope);
                let plain = opener.open(event.number, event.kind, &event.body).unwrap();
                self.point = Some(point.then(event.kind, &event.body));
                match Event::decode(event.kind, &plain).unwrap() {
                    Event::Output(bytes) => self.screen.extend(bytes),
                    Event::Note(Note::Ended(_)) => {
                        self.out
                            .push_back(Packet::Text(encode(&ViewerToRelay::EndSeen { channel: CHANNEL })));
                    }
                    _ => {}
                }
            }
            Frame::SnapshotManifest { manifest, .. } => {
                let manifest = Manifest::verify(&manifest, &header.owner).unwrap();
                self.reader = Some((manifest, PartReader::new(&manifest, Part::Screen).unwrap()));
            }
            Frame::SnapshotPart { part: Part::Screen, index, body, .. } => {
                let (manifest, reader) = self.reader.as_mut().unwrap();
                if let Some(screen) = reader.add(index, body, &opened.content, scope).unwrap() {
                    self.screen = screen;
                    self.point = Some(manifest.point);
                }
            }
            _ => {}
        }
    }

    fn shows(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.screen).contains(text)
    }

    fn keys(&mut self, text: &str) {
        let view = View { seen: self.point.unwrap(), beat: self.answer.as_ref().unwrap().beat };
        let body = self.sealer.as_mut().unwrap().seal(&view, &Input::Keys(text.into())).into();
        let (seen, beat) = (view.seen.number, view.beat);
        let frame = Frame::Input { channel: CHANNEL, seen, beat, consumed: 0, body };
        self.out.push_back(Packet::Binary(frame.encode()));
    }
}

#[tokio::test]
async fn a_viewer_sees_the_shell_types_into_it_and_sees_its_end() {
    let mut sharing = Sharing::start(&["sh", "-c", "PS1='$ ' exec sh -i"]);
    let mut typist = Viewer::join(&sharing.write, true).await;
    typist.until("an answer", |viewer| viewer.sealer.is_some() && viewer.shows("$ ")).await;
    typist.keys("echo $((40+2))-typed\r");
    typist.until("the echo", |viewer| viewer.shows("42-typed")).await;

    let mut reader = Viewer::join(&sharing.read, false).await;
    reader.until("the same", |viewer| viewer.shows("42-typed") && viewer.answer.is_some()).await;
    assert!(reader.sealer.is_none() && reader.opened.as_ref().unwrap().input.is_none());

    typist.keys("exit 6\r");
    typist.until("the end", |viewer| viewer.ended).await;
    reader.until("the end", |viewer| viewer.ended).await;
    assert_eq!(sharing.child.wait().unwrap().code(), Some(6));
}

#[tokio::test]
async fn a_flood_arrives_whole() {
    let sharing = Sharing::start(&["sh", "-c", "read go; seq 1 200000; echo RE''ADY; read stop"]);
    let mut typist = Viewer::join(&sharing.write, true).await;
    typist.until("an answer", |viewer| viewer.sealer.is_some() && viewer.point.is_some()).await;
    typist.keys("\r");
    typist.until("the last line", |viewer| viewer.shows("200000\r\nREADY")).await;
}

#[tokio::test]
async fn a_killed_relay_comes_back_and_the_session_with_it() {
    let relay = Alone::start("127.0.0.1:0");
    let url = relay.url.clone();
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let sharing = Sharing::start_with(&["--relay", &url], &["sh", "-c", "PS1='$ ' exec sh -i"]);
    let mut before = Viewer::join(&sharing.write, true).await;
    before.until("an answer", |viewer| viewer.sealer.is_some() && viewer.shows("$ ")).await;
    before.keys("echo be''fore; sleep 1; echo wh''ile\r");
    before.until("output", |viewer| viewer.shows("before")).await;
    drop(relay);
    sharing.is("waiting");
    let _again = Alone::start(&address);
    sharing.is("connected");
    let mut after = Viewer::join(&sharing.write, true).await;
    after.until("what was written meanwhile", |viewer| viewer.shows("before") && viewer.shows("while")).await;
    after.until("an answer", |viewer| viewer.sealer.is_some()).await;
    after.keys("echo $((6*7))-again\r");
    after.until("typing", |viewer| viewer.shows("42-again")).await;
}
