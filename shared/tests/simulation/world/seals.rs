//! What the network must never see.

use shared::wire::Packet;
use shared::wire::frame::Frame;
use shared::wire::sharer::SharerToRelay;
use shared::wire::viewer::ViewerToRelay;

use super::World;
use crate::network::End;
use crate::screen::Screen;

impl<S: Screen> World<S> {
    /// Law 11: a number of an epoch is always the same bytes, and no key for input is drawn twice.
    pub(super) fn watch_seals(&mut self, id: u64, end: End, packet: &Packet) {
        match (end, packet) {
            (End::Sharer(index), Packet::Binary(bytes)) => {
                let frame =
                    self.numbering.entry(id).or_default().put_back(Frame::decode(bytes).unwrap()).unwrap();
                let channel = frame.channel();
                let (kind, number, body) = match frame {
                    Frame::Event { event, .. } => (event.kind.byte(), event.number, event.body),
                    Frame::Beat { number, body, .. } => (7, number, body),
                    Frame::SnapshotPart { body, .. } => {
                        // Nonces are random: the first 24 bytes never come again with another body.
                        let nonce = u64::from_be_bytes(*body.first_chunk::<8>().unwrap());
                        (4, nonce, body)
                    }
                    _ => return,
                };
                let kind = if kind == 2 { 1 } else { kind };
                let epoch = self.epochs[&(id, channel.unwrap())];
                let before = self.sealed.entry((index, epoch, kind, number)).or_insert_with(|| body.clone());
                assert_eq!(before, &body, "{kind} {number} of {epoch:?} was sealed twice");
            }
            (End::Sharer(_), Packet::Text(text)) => {
                match shared::wire::decode::<SharerToRelay>(text).unwrap() {
                    SharerToRelay::Initialize { channel, payload } => {
                        self.epochs.insert((id, channel), payload.claim.epoch);
                    }
                    SharerToRelay::UpdateHeader { channel, epoch, .. } => {
                        self.epochs.insert((id, channel), epoch);
                    }
                    _ => {}
                }
            }
            (End::Viewer(_), Packet::Text(text)) => {
                if let ViewerToRelay::Join { payload, .. } = shared::wire::decode(text).unwrap()
                    && let Some(agreement) = payload.agreement
                {
                    assert!(self.agreements.insert(agreement.0), "a key for input was drawn twice");
                }
            }
            (End::Viewer(_), Packet::Binary(_)) => {}
        }
    }
}
