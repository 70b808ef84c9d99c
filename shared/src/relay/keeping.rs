//! A room and the archive: that it is to be kept, what of it is, and a room made of that.

use super::archive::SETTLE_MS;
use super::content::{Attested, Content, Ended, NewestBeat};
use super::frozen::{Frozen, KeptHead, Standing};
use super::room::{Room, Wakes};
use crate::chain::End;
use crate::event::EndReason;
use crate::id::Channel;
use crate::keys::epoch::Header;
use crate::keys::keeper::Keep;
use crate::keys::owner::{OwnerPublic, Signed};
use crate::seal::SealedEvent;
use crate::time::{Moment, UnixMs};
use crate::wire::frame::Frame;
use crate::wire::sharer::NotKept;
use crate::wire::viewer::RelayToViewer;
use crate::wire::{self, Packet};

/// That a session is to be kept, and how that stands.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) signed: Signed,
    pub(super) keep: Keep,
    /// Settled when it is written first.
    pub(super) until: Option<UnixMs>,
    /// When it is to be written, again if it was.
    pub(super) due: Option<Moment>,
}

impl Keeping {
    /// The owner's word on it, if it is one.
    pub(super) fn new(signed: Signed, owner: &OwnerPublic) -> Option<Self> {
        let keep = Keep::verify(&signed, owner)?;
        Some(Self { signed, keep, until: None, due: None })
    }
}

impl Room {
    /// Something of it changed: if it has ended and is kept, it is written again.
    pub(super) fn keep_again(&mut self) {
        let settled = self.content.clock.after(SETTLE_MS);
        if let Some(keeping) = self.keeping.as_mut().filter(|_| self.content.ended.is_some()) {
            keeping.due = keeping.due.or(Some(settled));
        }
    }

    /// Its sharer is taken for lost, if it was away for so long and the session was to be kept; whether it is.
    pub(super) fn lose(&mut self, away_keep_ms: u64, wakes: &mut Wakes) -> bool {
        let content = &self.content;
        let away = content.away_since.is_some_and(|since| content.clock >= since.after(away_keep_ms));
        if !away || content.ended.is_some() || self.keeping.is_none() || content.store.stored().is_none() {
            return false;
        }
        let (final_number, at) = (content.log.latest(), content.clock);
        self.end(Ended { end: None, final_number, stays: false, withdrawn: false, at }, wakes);
        true
    }

    /// Whether it was made of an archive's object.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// What the archive is to know of it, if it is to be kept.
    pub(super) fn kept_head(&self, wall: UnixMs) -> Option<KeptHead> {
        let keeping = self.keeping.as_ref()?;
        let from_now = UnixMs(wall.0.saturating_add(keeping.keep.for_ms));
        Some(KeptHead {
            session: self.owner.session_id(),
            owner: self.owner,
            epoch: self.claim.0,
            claim: self.claim.1,
            grants: self.grants.clone(),
            keep: keeping.signed.clone(),
            until: keeping.until.unwrap_or(from_now),
            live: self.content.ended.is_none(),
            removed: false,
        })
    }

    /// Everything that somebody who comes late would be given, and its size; not more than `most` bytes.
    pub(super) fn freeze(&self, until: UnixMs, most: u64) -> Result<(Frozen, u64), NotKept> {
        let content = &self.content;
        let head = self.kept_head(until).ok_or(NotKept::Unknown)?;
        let head = KeptHead { until, epoch: content.epoch, ..head };
        let ended = content.ended.as_ref();
        let number = content.store.number().filter(|number| content.log.continues(*number));
        let number = number.ok_or(NotKept::NoScreen)?;
        if content.held() > most {
            return Err(NotKept::TooLarge);
        }
        let standing = Standing {
            header: content.header.clone(),
            source: content.source.clone(),
            end: ended.and_then(|ended| ended.end.clone()),
            final_number: ended.map_or(content.log.latest(), |ended| ended.final_number),
        };
        let lost = ended.is_some_and(|ended| ended.end.is_none());
        let mut packets = vec![Packet::Text(wire::encode(&standing))];
        let channel = Channel(0);
        let binary = |frame: Frame| Packet::Binary(frame.encode());
        packets.extend(content.store.frames(channel).into_iter().map(binary));
        // What nobody will sign any more would be hidden from whoever sees it.
        let signed = content.attestations().map(|attested| attested.number).max().unwrap_or(0);
        let newest = if lost { signed.min(content.log.latest()) } else { content.log.latest() };
        for number in number + 1..=newest {
            let entry = content.log.get(number).ok_or(NotKept::NoScreen)?;
            let event = SealedEvent { number, kind: entry.kind, body: entry.body.clone() };
            packets.push(binary(Frame::Event { channel, event }));
        }
        packets.extend(content.pages.frames(channel).map(binary));
        packets.extend(content.attestations().map(|attested| binary(attested.frame(channel))));
        if let Some(beat) = &content.beat {
            packets.push(binary(Frame::Beat { channel, number: beat.number, body: beat.body.clone() }));
        }
        let mut position = 0;
        while let Some(rows) = content.rows.message(channel, &mut position) {
            packets.push(Packet::Text(rows));
        }
        Ok((Frozen { head, packets }, content.held()))
    }

    /// The room that was frozen, without its sharer, who is away since `since` if it did not end; `None`: it is not what its
    /// owner signed.
    pub(super) fn thaw(frozen: Frozen, clock: Moment, until: Moment, since: Moment) -> Option<Self> {
        let Frozen { head, packets } = frozen;
        let mut packets = packets.into_iter();
        let Some(Packet::Text(standing)) = packets.next() else { return None };
        let Standing { header, source, end, final_number } = wire::decode(&standing).ok()?;
        let genuine = Header::verify(&header, head.session).is_ok_and(|header| header.epoch == head.epoch);
        let mut withdrawn = false;
        if let Some(end) = &end {
            let said = End::verify(end, &head.owner).filter(|end| end.epoch == head.epoch)?;
            withdrawn = said.reason == EndReason::Unshared;
        }
        if !genuine {
            return None;
        }
        let content = Content::new(header, head.epoch, source, clock);
        let mut room = Self::new(head.owner, (head.epoch, head.claim), content);
        room.grants = head.grants;
        let mut wakes = Wakes::default();
        for packet in packets {
            match packet {
                Packet::Text(text) => {
                    let RelayToViewer::TasksUpdated { rows, .. } = wire::decode(&text).ok()? else {
                        return None;
                    };
                    if !room.update_rows(&rows, &mut wakes) {
                        return None;
                    }
                }
                Packet::Binary(bytes) => room.take(clock, Frame::decode(&bytes).ok()?, &mut wakes)?,
            }
        }
        room.content.store.stored()?;
        if head.live {
            room.content.away_since = Some(since);
            room.keeping = Keeping::new(head.keep, &head.owner);
        } else {
            room.content.ended = Some(Ended { end, final_number, stays: false, withdrawn, at: clock });
        }
        (room.content.kept_until, room.frozen) = (Some(until), true);
        // Nobody is to be told that anything arrived.
        (room.unacknowledged, room.acknowledge_at) = (0, None);
        Some(room)
    }

    /// Takes a frame of the archive's as it was taken from the sharer.
    fn take(&mut self, clock: Moment, frame: Frame, wakes: &mut Wakes) -> Option<()> {
        match frame {
            Frame::SnapshotManifest { manifest, .. } => self.manifest(manifest),
            Frame::SnapshotPart { id, part, index, body, .. } => {
                self.part(clock, id, part, index, body, wakes);
            }
            Frame::Event { event, .. } => self.event(clock, event, wakes),
            Frame::Attestation { number, beat, hash, cards, signature, .. } => {
                self.attest(Attested { order: 0, number, beat, hash, cards, signature }, wakes);
            }
            Frame::Beat { number, body, .. } => self.beat(NewestBeat { number, body }, wakes),
            Frame::TranscriptPage { page, .. } => self.content.pages.page(page),
            Frame::TranscriptHead { head, .. } => self.transcript_head(head, wakes),
            Frame::NextEvent { .. }
            | Frame::Input { .. }
            | Frame::InputFrom { .. }
            | Frame::TakenFor { .. }
            | Frame::Taken { .. }
            | Frame::Acknowledged { .. }
            | Frame::Credit { .. } => return None,
        }
        Some(())
    }
}
