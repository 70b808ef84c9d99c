//! Whose turn it is: what comes next for a viewer.

use super::super::Outgoing;
use super::super::content::Content;
use super::{Allowance, BOUND, Full, Phase, Step, Viewer, counted};
use crate::seal::SealedEvent;
use crate::snapshot::Part;
use crate::wire;
use crate::wire::close::EndedBecause;
use crate::wire::frame::Frame;
use crate::wire::viewer::RelayToViewer;

impl Viewer {
    /// What comes next for it.
    pub(in crate::relay) fn next(&mut self, content: &mut Content, allowance: Allowance) -> Step {
        // Every turn but the last moves the phase on: lost, screen, following.
        for _ in 0..8 {
            if let Some(message) = self.control(content) {
                return Step::Send(Outgoing::Text(wire::encode(&message)));
            }
            if self.is_shut_out(content) || (content.is_withdrawn() && content.forgets_at().is_none()) {
                return self.end(content).unwrap_or(Step::Idle);
            }
            if !self.rows.went_last
                && let Some(step) = self.tasks(content)
            {
                return step;
            }
            if let Some(step) = self.people(content) {
                return step;
            }
            if !std::mem::take(&mut self.pages.went_last)
                && let Some(step @ Step::Send(_)) = self.transcript(content, allowance)
            {
                return step;
            }
            let step = self.aside(content, allowance).or_else(|| match &self.phase {
                Phase::Lost => self.begin(content, allowance),
                Phase::Screen { .. } => self.screen(allowance),
                Phase::Following => self.follow(content, allowance),
            });
            match step {
                Some(Step::Send(frame)) => {
                    self.rows.went_last = false;
                    return Step::Send(frame);
                }
                // Rows need no credit.
                Some(rest) => {
                    let rows = self.tasks(content);
                    return rows.or_else(|| self.transcript(content, allowance)).unwrap_or(rest);
                }
                None => {}
            }
        }
        Step::Idle
    }

    fn control(&mut self, content: &Content) -> Option<RelayToViewer> {
        let channel = self.channel;
        let due = &mut self.due;
        let take = std::mem::take::<bool>;
        if let Some(resumed) = due.joined.take() {
            (due.header, due.source, due.presence) = (false, false, false);
            return Some(RelayToViewer::JoinedSuccessfully {
                channel,
                header: content.header.clone(),
                latest: content.log.latest(),
                resumed,
                source_type: content.source.source_type(),
                source_task_id: content.source.task_id.clone(),
                away_ms: content.away_ms(),
                viewers: content.people.viewers,
            });
        }
        if take(&mut due.header) {
            return Some(RelayToViewer::HeaderUpdated { channel, header: content.header.clone() });
        }
        if let Some(answer) = due.answer.take() {
            return Some(RelayToViewer::Answer { channel, answer });
        }
        if take(&mut due.source) {
            return Some(RelayToViewer::UpdateSourceTaskId {
                channel,
                source_type: content.source.source_type(),
                source_task_id: content.source.task_id.clone(),
            });
        }
        if take(&mut due.presence) {
            return Some(RelayToViewer::SharerPresence { channel, away_ms: content.away_ms() });
        }
        if take(&mut due.resyncing) {
            return Some(RelayToViewer::Resyncing { channel });
        }
        if let Some(reason) = due.refused.take() {
            return Some(RelayToViewer::InputRefused { channel, reason });
        }
        None
    }

    /// How many there are, which nobody waits for.
    fn people(&mut self, content: &Content) -> Option<Step> {
        let people = content.people;
        let message = RelayToViewer::ParticipantListUpdated {
            channel: self.channel,
            revision: people.revision,
            viewers: people.viewers,
            executors: people.executors,
        };
        let due = std::mem::take(&mut self.due.people);
        due.then(|| Step::Send(Outgoing::Text(wire::encode(&message))))
    }

    /// Rows that it does not have in their latest value.
    fn tasks(&mut self, content: &Content) -> Option<Step> {
        let text = content.rows.message(self.channel, &mut self.rows.position)?;
        self.rows.went_last = true;
        Some(Step::Send(Outgoing::Text(text)))
    }

    /// Pages of the transcript that it asked for.
    fn transcript(&mut self, content: &Content, allowance: Allowance) -> Option<Step> {
        let frame = self.pages.frame(self.channel, &content.pages)?;
        Some(counted(&frame, allowance).map_or(Step::Blocked, |step| {
            self.pages.sent(&content.pages);
            step
        }))
    }

    /// Frames that belong to no place among the events.
    fn aside(&mut self, content: &Content, allowance: Allowance) -> Option<Step> {
        let channel = self.channel;
        if let Some(body) = self.taken.front() {
            let step = counted(&Frame::Taken { channel, body: body.clone() }, allowance);
            return Some(step.map_or(Step::Blocked, |step| {
                self.taken.pop_front();
                step
            }));
        }
        let beat = content.beat.as_ref().filter(|beat| beat.number > self.beat)?;
        let frame = Frame::Beat { channel, number: beat.number, body: beat.body.clone() };
        Some(counted(&frame, allowance).map_or(Step::Blocked, |step| {
            self.beat = beat.number;
            step
        }))
    }

    fn begin(&mut self, content: &mut Content, allowance: Allowance) -> Option<Step> {
        if !allowance.is_roomy() {
            return Some(Step::Blocked);
        }
        let Some(generation) = content.serve() else {
            if let Some(end) = self.end(content).filter(|_| content.store.stored().is_none()) {
                return Some(end);
            }
            content.wait();
            return Some(Step::Idle);
        };
        self.cursor = generation.number;
        self.base = generation.number;
        self.attested = 0;
        self.offset = content.log.offset(generation.number);
        self.phase = Phase::Screen { generation, next: None, stale: false };
        None
    }

    fn screen(&mut self, allowance: Allowance) -> Option<Step> {
        let channel = self.channel;
        let Phase::Screen { generation, next, stale } = &mut self.phase else { return None };
        let id = generation.id;
        let index = next.unwrap_or(0);
        let frame = match generation.screen.get(index) {
            _ if next.is_none() => Frame::SnapshotManifest {
                channel,
                id,
                number: generation.number,
                manifest: generation.manifest.clone(),
            },
            Some(body) => Frame::SnapshotPart {
                channel,
                id,
                part: Part::Screen,
                index: u32::try_from(index).unwrap_or(u32::MAX),
                last: index + 1 == generation.screen.len(),
                body: body.clone(),
            },
            None if *stale => {
                self.lose();
                return None;
            }
            None => {
                self.phase = Phase::Following;
                return None;
            }
        };
        Some(counted(&frame, allowance).map_or(Step::Blocked, |step| {
            if next.is_none() {
                self.manifest = id;
            }
            *next = Some(next.map_or(0, |next| next + 1));
            step
        }))
    }

    fn follow(&mut self, content: &mut Content, allowance: Allowance) -> Option<Step> {
        let channel = self.channel;
        if !content.log.continues(self.cursor) {
            self.lose();
            return None;
        }
        if let Some(attestation) = content.attestation(self.base, self.cursor, self.attested) {
            return Some(counted(&attestation.frame(channel), allowance).map_or(Step::Blocked, |step| {
                self.attested = attestation.order;
                step
            }));
        }
        let number = self.cursor.saturating_add(1);
        if let Some(entry) = content.log.get(number) {
            let event = SealedEvent { number, kind: entry.kind, body: entry.body.clone() };
            return Some(counted(&Frame::Event { channel, event }, allowance).map_or(
                Step::Blocked,
                |step| {
                    self.cursor = number;
                    self.offset = content.log.offset(number);
                    step
                },
            ));
        }
        if self.wants_full(content) {
            match self.history(content, allowance) {
                Some(Step::Idle) => {}
                other => return other,
            }
        }
        Some(self.end(content).unwrap_or(Step::Idle))
    }

    /// History comes when the events are through, only while it belongs to the stored generation, and not so late that
    /// the viewer may not remember what followed.
    fn history(&mut self, content: &mut Content, allowance: Allowance) -> Option<Step> {
        let channel = self.channel;
        let Some(stored) = content.store.stored() else {
            content.wants_full = true;
            return Some(Step::Idle);
        };
        let generation = &stored.generation;
        let (id, number) = (generation.id, generation.number);
        let Some(frames) = stored.full() else {
            if stored.is_arriving() {
                return Some(Step::Idle);
            }
            // Even a sharer that gave none when asked may have meant an earlier request: if one comes, it is wanted.
            self.full = None;
            content.wants_full |= !content.has_no_history;
            return Some(Step::Idle);
        };
        let is_late = self.offset.saturating_sub(content.log.offset(number)) > BOUND;
        match self.full {
            Some(full) if full.id == id => {
                let Some(body) = frames.get(full.next) else {
                    self.full = None;
                    self.history = if is_late { 0 } else { number };
                    return None;
                };
                let frame = Frame::SnapshotPart {
                    channel,
                    id,
                    part: Part::Full,
                    index: u32::try_from(full.next).unwrap_or(u32::MAX),
                    last: full.next + 1 == frames.len(),
                    body: body.clone(),
                };
                Some(counted(&frame, allowance).map_or(Step::Blocked, |step| {
                    self.full = Some(Full { id, next: full.next + 1 });
                    step
                }))
            }
            _ if self.manifest == id && !is_late => {
                self.full = Some(Full { id, next: 0 });
                None
            }
            // A later generation fits only exactly where the viewer is: it keeps no older events.
            _ if self.cursor == number => {
                let manifest = generation.manifest.clone();
                let frame = Frame::SnapshotManifest { channel, id, number, manifest };
                Some(counted(&frame, allowance).map_or(Step::Blocked, |step| {
                    self.manifest = id;
                    self.full = Some(Full { id, next: 0 });
                    step
                }))
            }
            _ => {
                self.full = None;
                content.wants_full = true;
                Some(Step::Idle)
            }
        }
    }

    fn end(&mut self, content: &Content) -> Option<Step> {
        let ended = content.ended.as_ref().filter(|_| !self.end_told)?;
        self.end_told = true;
        let message = RelayToViewer::SessionEnded {
            channel: self.channel,
            reason: if ended.end.is_some() { EndedBecause::Sharer } else { EndedBecause::SharerAway },
            end: ended.end.clone(),
            final_number: ended.final_number,
            kept_ms: content.kept_until.map(|until| until.since(content.clock)),
        };
        Some(Step::Send(Outgoing::Text(wire::encode(&message))))
    }
}
