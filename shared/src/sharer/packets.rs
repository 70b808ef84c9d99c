//! What comes from the connection: the socket's life, and the relay's messages for sessions.

use super::{Effect, Sharer};
use crate::time::Now;
use crate::wire::close::CloseCode;
use crate::wire::frame::Frame;
use crate::wire::hello::Greeting;
use crate::wire::sharer::RelayToSharer;
use crate::wire::{ControlError, Packet, decode};

impl Sharer {
    /// The socket to the relay is open; `host` is the authority that was dialled.
    pub fn handle_connected(&mut self, now: Now, host: &str) {
        self.begin(now);
        if !self.uplink.handle_connected(now, host) {
            self.step.effect(Effect::Close(CloseCode::GoingAway));
        }
        self.advance();
    }

    /// The socket closed, or could not be opened.
    pub fn handle_disconnected(&mut self, now: Now, code: Option<u16>) {
        self.begin(now);
        self.uplink.handle_disconnected(now, code);
        self.go_away();
        self.advance();
    }

    /// A message came.
    pub fn handle_packet(&mut self, now: Now, packet: &Packet) {
        self.begin(now);
        match packet {
            _ if self.uplink.is_away() => {}
            Packet::Text(text) if self.uplink.is_greeted() => match decode(text) {
                Ok(message) => self.handle_message(message),
                Err(ControlError::Unknown(_)) => {}
                Err(ControlError::Malformed) => self.step.give_up(CloseCode::ProtocolError, 0),
            },
            Packet::Text(text) => match decode(text) {
                Ok(Greeting::Hello(hello)) if self.uplink.greet(&hello) => self.claim_all(),
                Ok(Greeting::Hello(_)) => self.step.give_up(CloseCode::VersionMismatch, 0),
                Err(ControlError::Unknown(_)) => {}
                Err(ControlError::Malformed) => self.step.give_up(CloseCode::ProtocolError, 0),
            },
            Packet::Binary(bytes) => match Frame::decode(bytes) {
                Ok(frame) => self.handle_frame(frame),
                Err(_) => self.step.give_up(CloseCode::ProtocolError, 0),
            },
        }
        self.advance();
    }

    fn claim_all(&mut self) {
        self.each(|_, _| {});
        self.groups.say_all();
        self.uplink.expect_answers();
    }

    fn handle_message(&mut self, message: RelayToSharer) {
        if let RelayToSharer::GroupEnded { session_ids } = &message {
            return self.groups.acknowledge(session_ids);
        }
        let Some(channel) = message.channel() else { return };
        let refused = matches!(message, RelayToSharer::FailedToInitialize { .. });
        self.on(channel, |session, step| session.handle_message(message, step));
        if refused {
            self.uplink.close_channel(channel);
        }
    }

    fn handle_frame(&mut self, frame: Frame) {
        match frame {
            Frame::Credit { consumed } => {
                // Credit for what was never sent.
                if !self.uplink.handle_credit(consumed) {
                    self.step.give_up(CloseCode::ProtocolError, 0);
                }
            }
            Frame::Acknowledged { channel, number } => {
                self.on(channel, |session, _| session.handle_acknowledged(number));
            }
            Frame::InputFrom { channel, participant, seen, beat, body } => {
                let typed = self.on(channel, |session, step| {
                    session.handle_input(participant, (seen, beat), &body, step)
                });
                if typed == Some(true)
                    && let Some(session) = self.uplink.session(channel)
                {
                    self.turns.favour(session);
                }
            }
            // In the wrong direction: they mean nothing here.
            Frame::Event { .. }
            | Frame::NextEvent { .. }
            | Frame::SnapshotManifest { .. }
            | Frame::SnapshotPart { .. }
            | Frame::Attestation { .. }
            | Frame::Beat { .. }
            | Frame::Input { .. }
            | Frame::TakenFor { .. }
            | Frame::TranscriptPage { .. }
            | Frame::TranscriptHead { .. }
            | Frame::Taken { .. } => {}
        }
    }
}
