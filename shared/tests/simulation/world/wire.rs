//! What goes over the network between machines.

use shared::relay::{Outgoing, PeerId, PeerInfo, Relay};
use shared::viewer::Event;
use shared::wire::Packet;
use shared::wire::viewer::RelayToViewer;

use super::{HOST, Job, World, brief};
use crate::network::{End, Item, Way};
use crate::screen::Screen;

impl<S: Screen> World<S> {
    pub(super) fn connect(&mut self, end: End) {
        let peer = self.peer(end);
        peer.attempt += 1;
        let attempt = peer.attempt;
        if let Some(id) = peer.socket.take() {
            self.network.close(id, Way::Up, None, self.ms);
        }
        let wait = self.random.within(1, 30);
        self.later(wait, Job::Attempt(end, attempt));
    }

    pub(super) fn attempt(&mut self, end: End, attempt: u64) {
        let ms = self.ms;
        let offline = self.peer(end).offline_until > ms;
        if self.peer(end).attempt != attempt {
            return;
        }
        if offline || self.relay.is_none() {
            return self.later(20, Job::Failed(end, attempt));
        }
        if self.relay_frozen_until > ms {
            return self.later(self.relay_frozen_until - ms, Job::Attempt(end, attempt));
        }
        let latency = self.random.within(1, 40);
        let pace = if self.slow_network { self.random.within(100, 2_000) } else { 50_000 };
        let id = self.network.open(end, latency, pace);
        self.peer(end).socket = Some(id);
        let now = self.now(0);
        let info = PeerInfo { host: HOST.into(), address: format!("{end:?}") };
        if let Some(relay) = &mut self.relay {
            relay.handle_connected(now, PeerId(id), info);
        }
        self.drain_relay();
        let now = self.now_of(end);
        match end {
            End::Sharer(index) => {
                self.sharers[index].machine.handle_connected(now, HOST);
                self.drain_sharer(index);
            }
            End::Viewer(index) => self.update(index, Event::Connected),
        }
    }

    pub(super) fn disconnected(&mut self, end: End, code: Option<u16>) {
        self.peer(end).socket = None;
        self.peer(end).attempt += 1;
        let now = self.now_of(end);
        match end {
            End::Sharer(index) => {
                self.sharers[index].machine.handle_disconnected(now, code);
                self.drain_sharer(index);
            }
            End::Viewer(index) => self.update(index, Event::Disconnected { code }),
        }
    }

    pub(super) fn send(&mut self, id: u64, way: Way, packet: Packet) {
        let Some(end) = self.network.end(id) else { return };
        if way == Way::Up {
            self.watch_seals(id, end, &packet);
        }
        if self.loud {
            println!("{}", brief(self.ms, end, way, &packet));
        }
        if let Some(trace) = &mut self.trace {
            trace.push((self.ms, end, way, packet.clone()));
        }
        match &mut self.tamper {
            None => self.network.send(id, way, Item::Packet(packet), self.ms, 0),
            Some(tamper) => {
                for (extra, packet) in tamper(self.ms, end, way, &packet) {
                    self.network.send(id, way, Item::Packet(packet), self.ms, extra);
                }
            }
        }
    }

    /// A hostile relay says something of its own.
    pub(crate) fn inject(&mut self, end: End, way: Way, packet: Packet) {
        if let Some(id) = self.peer(end).socket {
            self.network.inject(id, way, Item::Packet(packet), self.ms);
        }
    }

    pub(super) fn deliver(&mut self, id: u64, end: End, way: Way, item: Item) {
        let now = self.now(0);
        match (way, item) {
            (Way::Up, item) => {
                let Some(relay) = &mut self.relay else { return };
                match item {
                    Item::Packet(packet) => relay.handle_packet(now, PeerId(id), packet),
                    Item::Close(_) => relay.handle_disconnected(now, PeerId(id)),
                }
                let log = relay.stats().log_bytes;
                assert!(log <= 3 * 1024 * 1024, "the relay holds {log} bytes of events");
                self.drain_relay();
            }
            (Way::Down, _) if self.peer(end).socket != Some(id) => {}
            (Way::Down, Item::Close(code)) => self.disconnected(end, code),
            (Way::Down, Item::Packet(packet)) => {
                let now = self.now_of(end);
                match end {
                    End::Sharer(index) => {
                        self.sharers[index].machine.handle_packet(now, &packet);
                        self.drain_sharer(index);
                    }
                    End::Viewer(index) => {
                        self.note_control(&packet);
                        self.update(index, Event::Packet(packet));
                    }
                }
            }
        }
    }

    pub(super) fn note_control(&mut self, packet: &Packet) {
        let Packet::Text(text) = packet else { return };
        match shared::wire::decode::<RelayToViewer>(text) {
            Ok(RelayToViewer::Resyncing { .. }) => self.faults.note("resync"),
            Ok(RelayToViewer::JoinedSuccessfully { resumed: true, .. }) => self.faults.note("resumed"),
            Ok(RelayToViewer::InputRefused { .. }) => self.faults.note("input refused"),
            _ => {}
        }
    }

    pub(super) fn drain_relay(&mut self) {
        let now = self.now(0);
        loop {
            let Some(peer) = self.relay.as_mut().and_then(Relay::poll_ready) else { return };
            while let Some(outgoing) = self.relay.as_mut().and_then(|relay| relay.poll_transmit(peer)) {
                let packet = match outgoing {
                    Outgoing::Text(text) => Packet::Text(text),
                    Outgoing::Binary { head, body } => Packet::Binary([&head[..], &body].concat().into()),
                    Outgoing::Close(code) => {
                        self.network.close(peer.0, Way::Down, Some(code.code()), self.ms);
                        if let Some(relay) = &mut self.relay {
                            relay.handle_disconnected(now, peer);
                        }
                        break;
                    }
                };
                self.send(peer.0, Way::Down, packet);
            }
        }
    }
}
