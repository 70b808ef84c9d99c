//! A viewer that speaks the protocol: what a link shows.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use shared::chain::{ChainPoint, ViewerChallenge};
use shared::event::{Event, Note};
use shared::id::Channel;
use shared::keys::epoch::{Header, Opened, PROTOCOL_VERSION};
use shared::link::Link;
use shared::seal::EventOpener;
use shared::snapshot::{Manifest, Part, PartReader};
use shared::wire::frame::Frame;
use shared::wire::viewer::{JoinPayload, RelayToViewer, ViewerToRelay};
use shared::wire::{Packet, decode, encode};
use sharer_native::ws::{RelayUrl, Socket, Step, connect};

use super::sharing::until;

const CHANNEL: Channel = Channel(1);

/// What a link has shown.
pub(crate) struct Watcher {
    link: Link,
    out: VecDeque<Packet>,
    header: Option<Header>,
    opened: Option<Opened>,
    manifest: Option<Manifest>,
    readers: Vec<(Part, PartReader)>,
    consumed: u64,
    refused: bool,
    pub(crate) point: Option<ChainPoint>,
    /// Bytes that were written to its terminal since the newest screen.
    screen: Vec<u8>,
    /// The newest history with its screen.
    pub(crate) full: Option<Vec<u8>>,
    pub(crate) ended: bool,
}

impl Watcher {
    /// Joins, again while the relay does not know the session yet, and goes on until `holds`.
    pub(crate) fn run(link: &Link, what: &str, holds: impl Fn(&Self) -> bool) -> Self {
        until(what, || {
            let mut watcher = Self::new(link);
            let done = watcher.go(Duration::from_secs(30), |watcher| watcher.refused || holds(watcher));
            (done && !watcher.refused).then_some(watcher)
        })
    }

    /// Whether the link opens nothing that goes on: it is not known, or its session is over.
    pub(crate) fn is_refused(link: &Link) -> bool {
        let mut watcher = Self::new(link);
        watcher.go(Duration::from_secs(2), |watcher| watcher.refused || watcher.ended)
    }

    pub(crate) fn shows(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen).into_owned()
    }

    pub(crate) fn full_text(&self) -> String {
        String::from_utf8_lossy(self.full.as_deref().unwrap_or_default()).into_owned()
    }

    fn new(link: &Link) -> Self {
        Self {
            link: link.clone(),
            out: VecDeque::new(),
            header: None,
            opened: None,
            manifest: None,
            readers: Vec::new(),
            consumed: 0,
            refused: false,
            point: None,
            screen: Vec::new(),
            full: None,
            ended: false,
        }
    }

    fn go(&mut self, patience: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let going = async {
                let Ok(mut socket) = connect(&RelayUrl::parse(&self.link.base).unwrap()).await else {
                    self.refused = true;
                    return;
                };
                let payload = JoinPayload {
                    protocol: PROTOCOL_VERSION,
                    session_id: self.link.session,
                    token: self.link.secret.token(self.link.session),
                    challenge: ViewerChallenge([1; 16]),
                    resume: None,
                    agreement: None,
                    previous: None,
                };
                let join = ViewerToRelay::Join { channel: CHANNEL, payload: Box::new(payload) };
                self.out.push_back(Packet::Text(encode(&join)));
                while !holds(self) && self.step(&mut socket).await {}
            };
            drop(tokio::time::timeout(patience, going).await);
        });
        holds(self)
    }

    async fn step(&mut self, socket: &mut Socket) -> bool {
        let out = &mut self.out;
        match poll_fn(|cx| socket.poll(cx, || out.pop_front())).await {
            Step::Sent => {}
            Step::Got(Packet::Text(text)) => self.message(&text),
            Step::Got(Packet::Binary(bytes)) => {
                self.consumed += bytes.len() as u64;
                self.frame(Frame::decode(&bytes).unwrap());
                self.out.push_back(Packet::Binary(Frame::Credit { consumed: self.consumed }.encode()));
            }
            Step::Closed(_) => self.refused = true,
        }
        !self.refused
    }

    fn message(&mut self, text: &str) {
        let message = decode::<RelayToViewer>(text);
        if let Ok(RelayToViewer::JoinedSuccessfully { header, .. }) = message {
            let header = Header::verify(&header, self.link.session).unwrap();
            self.opened = Some(header.open_box(&self.link.secret).unwrap());
            self.header = Some(header);
        } else if let Ok(RelayToViewer::SessionEnded { .. }) = message {
            self.ended = true;
        } else if let Ok(RelayToViewer::FailedToJoin { .. }) = message {
            self.refused = true;
        }
    }

    fn frame(&mut self, frame: Frame) {
        let (Some(header), Some(opened)) = (&self.header, &self.opened) else { return };
        let scope = header.scope();
        if let Frame::Event { event, .. } = frame {
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
                    let seen = encode(&ViewerToRelay::EndSeen { channel: CHANNEL });
                    self.out.push_back(Packet::Text(seen));
                    self.ended = true;
                }
                Event::Note(_) | Event::Unknown => {}
            }
        } else if let Frame::SnapshotManifest { manifest, .. } = frame {
            let manifest = Manifest::verify(&manifest, &header.owner).unwrap();
            let readers = [Part::Screen, Part::Full];
            self.readers = readers
                .into_iter()
                .filter_map(|part| Some((part, PartReader::new(&manifest, part)?)))
                .collect();
            self.manifest = Some(manifest);
        } else if let Frame::SnapshotPart { part, index, body, .. } = frame {
            let Some((_, reader)) = self.readers.iter_mut().find(|(known, _)| *known == part) else { return };
            let Some(whole) = reader.add(index, body, &opened.content, scope).unwrap() else { return };
            if part == Part::Screen {
                self.screen = whole;
                self.point = self.manifest.as_ref().map(|manifest| manifest.point);
            } else {
                self.full = Some(whole);
            }
        }
    }
}
