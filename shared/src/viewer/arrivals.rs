//! What arrives for a pane, and what following its epoch leads to.

use std::sync::Arc;

use super::epoch::{Epoch, Step};
use super::pane::{Pane, Stage};
use super::update::Effect;
use super::uplink::Uplink;
use super::view::{Closed, State};
use crate::chain::ChainPoint;
use crate::keys::owner::Signed;
use crate::pages::Head;
use crate::time::UnixMs;
use crate::wire::close::EndedBecause;
use crate::wire::frame::Frame;
use crate::wire::viewer::{RelayToViewer, ViewerToRelay};

impl Pane {
    /// Takes a control message on this pane's channel.
    pub(super) fn handle_control(&mut self, uplink: &mut Uplink, message: RelayToViewer) {
        let joining = matches!(self.stage, Stage::Joining { .. });
        let joined = self.stage == Stage::Joined;
        match message {
            RelayToViewer::JoinedSuccessfully { header, resumed, away_ms, viewers, .. } if joining => {
                self.joined(uplink, &header, resumed);
                self.viewers = viewers;
                self.set_away(uplink, away_ms);
            }
            RelayToViewer::FailedToJoin { reason, .. } if joining => self.refused(uplink, &reason),
            RelayToViewer::HeaderUpdated { header, .. } if joined => {
                let before = self.epoch.as_ref().map(|epoch| epoch.header.epoch);
                let taken = self.take_header(uplink, &header);
                if taken && before != self.epoch.as_ref().map(|epoch| epoch.header.epoch) {
                    // A new epoch has a new challenge to answer, and new keys for input.
                    self.rejoin(uplink);
                }
            }
            RelayToViewer::Answer { answer, .. } if joined => self.handle_answer(uplink, &answer),
            RelayToViewer::SharerPresence { away_ms, .. } if joined => self.set_away(uplink, away_ms),
            RelayToViewer::ParticipantListUpdated { revision, viewers, .. } => {
                if revision >= self.viewers_revision {
                    self.viewers_revision = revision;
                    self.viewers = viewers;
                }
            }
            RelayToViewer::Resyncing { .. } if joined => {
                if let Some(epoch) = &mut self.epoch {
                    epoch.lost();
                    uplink.effect(Effect::Skip { pane: self.id });
                }
            }
            RelayToViewer::InputRefused { reason, .. } if joined => self.input_refused(uplink, reason),
            RelayToViewer::SessionEnded { reason, end, kept_ms, .. } if joined => {
                self.kept_ms = kept_ms;
                self.session_ended(uplink, &reason, end.as_ref());
            }
            // Out of its turn, or nothing that concerns a viewer of one session.
            RelayToViewer::JoinedSuccessfully { .. }
            | RelayToViewer::FailedToJoin { .. }
            | RelayToViewer::HeaderUpdated { .. }
            | RelayToViewer::Answer { .. }
            | RelayToViewer::SharerPresence { .. }
            | RelayToViewer::UpdateSourceTaskId { .. }
            | RelayToViewer::TasksUpdated { .. }
            | RelayToViewer::Resyncing { .. }
            | RelayToViewer::InputRefused { .. }
            | RelayToViewer::SessionEnded { .. } => {}
        }
    }

    fn set_away(&mut self, uplink: &mut Uplink, away_ms: Option<u64>) {
        if self.stage != Stage::Joined {
            return;
        }
        self.away_since = away_ms.map(|ms| UnixMs(uplink.now().wall.0.saturating_sub(ms)));
        if self.away_since.is_none() {
            // Its first beat is due within 20 s.
            uplink.listen();
        }
    }

    fn handle_answer(&mut self, uplink: &mut Uplink, signed: &Signed) {
        let challenge = self.challenge;
        if let Some(answer) = self.epoch.as_mut().and_then(|epoch| epoch.handle_answer(signed, challenge)) {
            self.sharer_heard = (uplink.now().wall, uplink.now().mono);
            self.owner_heard = uplink.now().mono;
            self.open_input(uplink, &answer);
        }
    }

    fn session_ended(&mut self, uplink: &mut Uplink, reason: &EndedBecause, end: Option<&Signed>) {
        let signed = end.and_then(|end| self.epoch.as_mut()?.handle_end(end));
        self.run_steps(uplink);
        let seen = self.epoch.as_ref().and_then(Epoch::end_reason);
        let state = match (signed.or(seen), reason) {
            (Some(why), _) => {
                uplink.send(&ViewerToRelay::EndSeen { channel: self.channel });
                State::Ended(why)
            }
            (None, EndedBecause::Revoked) => State::ClosedByRelay(Closed::Revoked),
            (None, EndedBecause::SharerAway) => State::ClosedByRelay(Closed::SharerAway),
            (None, EndedBecause::Sharer | EndedBecause::Relay | EndedBecause::Unknown) => {
                State::ClosedByRelay(Closed::Relay)
            }
        };
        self.end(uplink, state);
    }

    /// Takes a frame on this pane's channel.
    pub(super) fn handle_frame(&mut self, uplink: &mut Uplink, frame: Frame) {
        let now = uplink.now();
        let Some(epoch) = self.epoch.as_mut().filter(|_| self.stage == Stage::Joined) else { return };
        if matches!(frame, Frame::Event { .. } | Frame::SnapshotManifest { .. } | Frame::SnapshotPart { .. })
        {
            self.progress = now.mono;
        }
        match frame {
            Frame::Event { event, .. } => epoch.handle_event(now, event),
            Frame::SnapshotManifest { id, number, manifest, .. } => {
                epoch.handle_manifest(id, number, &manifest);
            }
            Frame::SnapshotPart { id, part, index, body, .. } => {
                epoch.handle_part(now, id, part, index, body);
            }
            Frame::Attestation { number, beat, hash, cards, signature, .. } => {
                if epoch.handle_attestation(ChainPoint { number, hash }, beat, cards, &signature) {
                    self.owner_heard = now.mono;
                }
            }
            Frame::Beat { number, body, .. } => {
                if epoch.handle_beat(number, &body) {
                    self.sharer_heard = (now.wall, now.mono);
                }
            }
            Frame::TranscriptHead { head, .. } => {
                if let Some(head) = Head::verify(&head, &epoch.header.owner)
                    && head.epoch == epoch.header.epoch
                {
                    self.talk.head(&head);
                }
            }
            Frame::TranscriptPage { page, .. } => {
                let scope = epoch.scope();
                self.talk.page(&page, &epoch.opened.content, scope);
            }
            Frame::Taken { body, .. } => {
                if !self.keyboard.taken(&body) {
                    self.rejoin(uplink);
                }
            }
            // The relay's other directions; nothing a viewer is sent.
            Frame::NextEvent { .. }
            | Frame::Input { .. }
            | Frame::InputFrom { .. }
            | Frame::TakenFor { .. }
            | Frame::Acknowledged { .. }
            | Frame::Credit { .. } => {}
        }
    }

    /// Turns what the epoch found into effects.
    pub(super) fn run_steps(&mut self, uplink: &mut Uplink) {
        while let Some(step) = self.epoch.as_mut().and_then(Epoch::poll) {
            if self.over.is_some() {
                continue;
            }
            match step {
                Step::Rebuild(window, bytes) => {
                    self.filled = true;
                    self.old_deadline = None;
                    self.resync_due = false;
                    self.window = Some(window);
                    uplink.rebuild(self.id, window, bytes);
                }
                Step::Write(bytes) => uplink.write(self.id, bytes),
                Step::Resize(window) => {
                    self.window = Some(window);
                    uplink.effect(Effect::Resize { pane: self.id, window });
                }
                Step::Title(title) => self.set_title(&title),
                Step::Command(told, there) => self.command(uplink, told, there),
                Step::Recalled(commands) => Arc::make_mut(&mut self.commands).know(commands),
                Step::Agent(change) => self.talk.change(change),
                Step::Doubted => {
                    self.title = None;
                    self.talk.begin_anew();
                }
                Step::DoubtedCommands(first) => Arc::make_mut(&mut self.commands).forget_from(first),
                Step::Transcript(revision) => self.talk.stands_at(revision),
                // The owner's signature follows at once, or the relay's word; until then the event itself stands.
                Step::Ended(_) => uplink.send(&ViewerToRelay::EndSeen { channel: self.channel }),
                Step::Resync => self.resync(uplink),
                Step::Diverged(how) => self.diverge(uplink, how),
            }
        }
    }
}
