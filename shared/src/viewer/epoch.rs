//! One epoch as a viewer follows it: events in order, snapshots, and the owner's word on both.

use std::collections::VecDeque;

use bytes::Bytes;

use super::proof::Proof;
use super::tail::Tail;
use crate::chain::{Answer, Attestation, ChainPoint, End, ViewerChallenge};
use crate::command::{Commands, Told};
use crate::conversation::Change;
use crate::event::{EndReason, Event, Note, WindowSize};
use crate::keys::epoch::{Header, Opened, Scope};
use crate::keys::owner::{Signature, Signed};
use crate::seal::{EventOpener, SealedEvent, open_beat};
use crate::snapshot::{Manifest, Part, PartReader};
use crate::time::{Moment, Now, UnixMs};
use crate::wire::hello::EVENT_COST;

/// The most sealed bytes kept of events that arrive before the snapshot they follow.
const MAX_WAITING: usize = 512 * 1024;

/// Events about commands that are remembered until they are covered: the first one is what matters.
const MAX_UNPROVEN: usize = 256;

/// What following leads to, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The terminal begins anew with this size and these bytes, in one go.
    Rebuild(WindowSize, Vec<u8>),
    /// More bytes for the terminal.
    Write(Vec<u8>),
    /// The terminal's new size.
    Resize(WindowSize),
    /// The title that the program set.
    Title(String),
    /// A command began or ended; whether the terminal stands at that place.
    Command(Told, bool),
    /// What a snapshot tells of commands.
    Recalled(Commands),
    /// The transcript changed.
    Agent(Change),
    /// The transcript stands at this change where the events go on.
    Transcript(u64),
    /// Title and transcript may hold what nobody can prove any more.
    Doubted,
    /// Nobody can prove the commands from this number on.
    DoubtedCommands(u64),
    /// The last event: the session ended.
    Ended(EndReason),
    /// What arrived does not fit together: a snapshot is needed.
    Resync,
    /// What arrived is not what the sharer sent.
    Diverged(Divergence),
}

/// How the relay's version of the session differs from the sharer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Divergence {
    /// The owner signed other events than those that arrived.
    Chain,
    /// An event does not open.
    Seal,
    /// The relay gave a header that the owner did not sign.
    Header,
}

/// An epoch in progress.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each set and read by itself")]
pub(super) struct Epoch {
    pub(super) header: Header,
    pub(super) opened: Opened,
    opener: EventOpener,
    /// The newest event that was opened; kept while lost, because input may still name it.
    chain: Option<ChainPoint>,
    /// Whether the next event continues `chain`.
    following: bool,
    tail: Tail,
    pub(super) proof: Proof,
    waiting: VecDeque<SealedEvent>,
    waiting_bytes: usize,
    /// The terminal shows the session at `chain`.
    screen: bool,
    /// The event of the snapshot whose scrollback the terminal holds.
    history: Option<u64>,
    /// A snapshot should replace the screen when one comes, though what is shown is true: engines reflow differently.
    reflowed: bool,
    /// Output was left out before this event: only a snapshot at or after it shows what followed.
    skipped: Option<u64>,
    snapshot: Option<Manifest>,
    readers: [Option<PartReader>; 2],
    /// The newest event that is known to exist.
    target: u64,
    /// The digest of all cards that the owner signed last, until somebody takes it, and the beat of that word.
    attested: Option<[u8; 32]>,
    attested_beat: u64,
    answered: bool,
    answer: Option<Answer>,
    pub(super) beat: u64,
    pub(super) beat_wall: Option<UnixMs>,
    /// The last event, and what it says.
    ended: Option<(u64, EndReason)>,
    /// The newest event that changed title or transcript.
    told: u64,
    /// The oldest events about commands that no signature covered yet, with the commands' numbers.
    commands: VecDeque<(u64, u64)>,
    steps: VecDeque<Step>,
}

impl Epoch {
    pub(super) fn new(header: Header, opened: Opened) -> Self {
        let opener = EventOpener::new(&opened.content, header.scope());
        Self {
            header,
            opened,
            opener,
            chain: None,
            following: false,
            tail: Tail::default(),
            proof: Proof::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            screen: false,
            history: None,
            reflowed: false,
            skipped: None,
            snapshot: None,
            readers: [None, None],
            target: 0,
            attested: None,
            attested_beat: 0,
            answered: false,
            answer: None,
            beat: 0,
            beat_wall: None,
            ended: None,
            told: 0,
            commands: VecDeque::new(),
            steps: VecDeque::new(),
        }
    }

    pub(super) fn scope(&self) -> Scope {
        self.header.scope()
    }

    /// The newest event that was seen, and h there.
    pub(super) fn seen(&self) -> Option<ChainPoint> {
        self.chain
    }

    /// Where to continue after a break, if what is shown can be continued.
    pub(super) fn resume(&self) -> Option<u64> {
        (self.screen && self.following && self.skipped.is_none())
            .then_some(self.chain)
            .flatten()
            .map(|p| p.number)
    }

    /// The event of the snapshot whose scrollback the terminal holds; 0: none.
    pub(super) fn history(&self) -> u64 {
        self.history.unwrap_or(0)
    }

    /// Everything that is known to exist has been seen and is shown.
    pub(super) fn caught_up(&self) -> bool {
        let reached = self.chain.is_some_and(|chain| chain.number >= self.target);
        self.screen && self.following && self.skipped.is_none() && reached
    }

    /// The digest of all cards that the owner signed since the last call.
    pub(super) fn take_attested(&mut self) -> Option<[u8; 32]> {
        self.attested.take()
    }

    /// The sharer answered, and there is more than what is shown.
    pub(super) fn is_behind(&self) -> bool {
        self.answered && !(self.caught_up() && self.answered())
    }

    /// The sharer answered this connection's challenge, and its answer's point was reached.
    pub(super) fn answered(&self) -> bool {
        self.answered && self.answer.is_none()
    }

    pub(super) fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// A join succeeded: what follows continues at our number, or a snapshot comes. How far there is to go, the
    /// sharer's answer says; what the relay says of that counts for nothing.
    pub(super) fn joined(&mut self, resumed: bool) {
        self.target = 0;
        self.answered = false;
        self.answer = None;
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.snapshot = None;
        self.readers = [None, None];
        self.following = resumed && self.resume().is_some();
        if !self.following {
            self.doubt();
        }
        if resumed && !self.following {
            self.resync();
        }
    }

    /// The epoch goes on under another revision of its header.
    pub(super) fn revise(&mut self, header: Header, opened: Opened) {
        self.header = header;
        self.opened = opened;
    }

    /// What follows does not continue what we have; a snapshot comes.
    pub(super) fn lost(&mut self) {
        self.doubt();
        self.following = false;
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// The chain is given up where it stands. What its events said and no signature covers will never be proven: it
    /// may be a reader's and the relay's, who would otherwise have it stay behind a snapshot that is true.
    pub(super) fn doubt(&mut self) {
        let covered = self.proof.covered();
        self.ended.take_if(|(number, _)| *number > covered);
        if self.told > covered {
            self.told = 0;
            self.steps.push_back(Step::Doubted);
        }
        let unproven = self.commands.iter().find(|(event, _)| *event > covered);
        if let Some((_, command)) = unproven {
            self.steps.push_back(Step::DoubtedCommands(*command));
        }
        self.commands.clear();
    }

    /// The terminal shows the session, and what comes next continues it.
    pub(super) fn is_shown(&self) -> bool {
        self.screen && self.following
    }

    fn resync(&mut self) {
        self.lost();
        self.steps.push_back(Step::Resync);
    }

    fn diverged(&mut self, how: Divergence) {
        self.steps.push_back(Step::Diverged(how));
    }

    pub(super) fn handle_event(&mut self, now: Now, event: SealedEvent) {
        let Some(chain) = self.chain.filter(|_| self.following) else {
            return self.wait(event);
        };
        if event.number <= chain.number {
            return self.duplicate(&event);
        }
        if event.number > chain.number + 1 {
            return self.resync();
        }
        self.accept(now, chain, &event);
    }

    /// Keeps an event for the snapshot it follows: a contiguous run, bounded.
    fn wait(&mut self, event: SealedEvent) {
        let continues = self.waiting.back().is_none_or(|last| last.number + 1 == event.number);
        let cost = event.body.len() + EVENT_COST;
        if !continues || self.waiting_bytes + cost > MAX_WAITING {
            self.waiting.clear();
            self.waiting_bytes = 0;
        }
        if cost <= MAX_WAITING {
            self.waiting_bytes += cost;
            self.waiting.push_back(event);
        }
    }

    /// The same event again is nothing new; another one under the same number is a broken relay.
    fn duplicate(&mut self, event: &SealedEvent) {
        let before = event.number.checked_sub(1).and_then(|number| self.tail.point(number));
        let (Some(before), Some(known)) = (before, self.tail.point(event.number)) else { return };
        if before.then(event.kind, &event.body) != known {
            self.resync();
        }
    }

    fn accept(&mut self, now: Now, chain: ChainPoint, sealed: &SealedEvent) {
        let opened = self.opener.open(sealed.number, sealed.kind, &sealed.body);
        let Some(event) = opened.and_then(|plain| Event::decode(sealed.kind, &plain)) else {
            return self.diverged(Divergence::Seal);
        };
        let point = chain.then(sealed.kind, &sealed.body);
        self.chain = Some(point);
        self.tail.push(point, event.clone());
        let signed = self.proof.arrived(now.mono, point);
        if let Some(hash) = signed {
            if hash != point.hash {
                return self.diverged(Divergence::Chain);
            }
            self.proof.cover(point.number, point.number);
        }
        self.check_answer();
        self.show(point.number, event);
    }

    /// Brings an accepted event to the terminal.
    fn show(&mut self, number: u64, event: Event) {
        if matches!(event, Event::Note(Note::Title(_) | Note::Agent(_))) {
            self.told = number;
        }
        if let Event::Note(Note::Command(told)) = &event {
            let covered = self.proof.covered();
            self.commands.retain(|(event, _)| *event > covered);
            if self.commands.len() < MAX_UNPROVEN {
                self.commands.push_back((number, told.number()));
            }
        }
        match event {
            Event::Output(bytes) if self.screen && self.skipped.is_none() => {
                self.steps.push_back(Step::Write(bytes));
            }
            Event::Note(Note::Resize(size)) => {
                self.reflowed = true;
                if self.screen && self.skipped.is_none() {
                    self.steps.push_back(Step::Resize(size.clamped()));
                }
            }
            Event::Note(Note::Title(title)) => self.steps.push_back(Step::Title(title)),
            Event::Note(Note::Skipped { .. }) => self.skipped = Some(number),
            Event::Note(Note::Command(told)) => {
                let there = self.screen && self.skipped.is_none();
                self.steps.push_back(Step::Command(told, there));
            }
            Event::Note(Note::Agent(change)) => self.steps.push_back(Step::Agent(change)),
            Event::Note(Note::Ended(reason)) => {
                self.ended = Some((number, reason.clone()));
                self.steps.push_back(Step::Ended(reason));
            }
            Event::Note(Note::SourceTask(_)) | Event::Output(_) | Event::Unknown => {}
        }
    }

    pub(super) fn handle_manifest(&mut self, id: u64, number: u64, signed: &Signed) {
        let Some(manifest) = Manifest::verify(signed, &self.header.owner) else { return };
        if manifest.epoch != self.header.epoch || manifest.id != id || manifest.point.number != number {
            return;
        }
        self.target = self.target.max(number);
        self.readers = [None, None];
        self.snapshot = None;
        if self.differs(manifest.point) {
            return self.diverged(Divergence::Chain);
        }
        if self.wants(&manifest) || self.history.is_none() {
            self.readers = [Part::Screen, Part::Full].map(|part| PartReader::new(&manifest, part));
            self.snapshot = Some(manifest);
        }
    }

    /// Whether the owner signed another hash than the one we have at that number.
    fn differs(&self, point: ChainPoint) -> bool {
        self.tail.point(point.number).is_some_and(|ours| ours.hash != point.hash)
    }

    /// Whether the screen should be taken from this snapshot.
    fn wants(&self, manifest: &Manifest) -> bool {
        let new_enough = self.skipped.is_none_or(|skipped| manifest.point.number >= skipped);
        new_enough && (!self.screen || !self.following || self.skipped.is_some() || self.reflowed)
    }

    pub(super) fn handle_part(&mut self, now: Now, id: u64, part: Part, index: u32, body: Bytes) {
        let Some(manifest) = self.snapshot.filter(|manifest| manifest.id == id) else { return };
        let scope = self.scope();
        let Some(slot) = self.readers.get_mut(usize::from(part.byte())) else { return };
        let Some(reader) = slot else { return };
        match reader.add(index, body, &self.opened.content, scope) {
            Ok(None) => {}
            Ok(Some(plain)) => {
                *slot = None;
                self.apply(now, &manifest, part, plain);
            }
            Err(_) => {
                // Frames out of order, or not those that were signed: nothing of them was shown.
                self.readers = [None, None];
                self.snapshot = None;
                if !self.screen || !self.following || self.skipped.is_some() {
                    self.steps.push_back(Step::Resync);
                }
            }
        }
    }

    /// Writes a whole, authentic part and the events after it.
    fn apply(&mut self, now: Now, manifest: &Manifest, part: Part, plain: Vec<u8>) {
        let wanted = self.wants(manifest) || (part == Part::Full && self.history.is_none());
        if !wanted || self.skipped.is_some_and(|skipped| manifest.point.number < skipped) {
            return;
        }
        let newest = self.chain.filter(|_| self.following).map(|chain| chain.number);
        let after: Option<Vec<(u64, Event)>> = newest
            .and_then(|newest| self.tail.after(manifest.point.number, newest))
            .map(|events| events.cloned().collect());
        let resized =
            |(_, event): &(u64, Event)| matches!(event, Event::Note(Note::Resize(_) | Note::Skipped { .. }));
        match after {
            // Behind what we have: the events since are written with it.
            Some(after) => {
                if after.iter().any(resized) {
                    // It would be shown in another size than it was made for; the next one follows at once.
                    return;
                }
                // In one write, or as many more as commands begin in them.
                let (mut whole, mut behind) = (plain, Vec::new());
                for (_, event) in after {
                    match (event, behind.last_mut()) {
                        (Event::Output(bytes), None) => whole.extend_from_slice(&bytes),
                        (Event::Output(bytes), Some(Step::Write(more))) => more.extend_from_slice(&bytes),
                        (Event::Output(bytes), Some(_)) => behind.push(Step::Write(bytes)),
                        (Event::Note(Note::Command(told @ Told::Started { .. })), _) => {
                            behind.push(Step::Command(told, true));
                        }
                        (Event::Note(_) | Event::Unknown, _) => {}
                    }
                }
                self.rebuilt(manifest, part, whole);
                self.steps.extend(behind);
            }
            // It leads away from what we have, forwards or, after a loss, to where the relay can go on from.
            None if newest.is_none_or(|newest| newest < manifest.point.number) => {
                self.doubt();
                self.chain = Some(manifest.point);
                self.tail.restart(manifest.point);
                self.proof.restart(manifest.point.number);
                self.following = true;
                self.rebuilt(manifest, part, plain);
                self.steps.push_back(Step::Transcript(manifest.transcript));
                self.check_answer();
                let waiting = std::mem::take(&mut self.waiting);
                self.waiting_bytes = 0;
                for event in waiting.into_iter().filter(|event| event.number > manifest.point.number) {
                    self.handle_event(now, event);
                }
            }
            None if self.skipped.is_some() => self.resync(),
            None => {}
        }
    }

    fn rebuilt(&mut self, manifest: &Manifest, part: Part, bytes: Vec<u8>) {
        self.screen = true;
        // A snapshot without history, as in a flood, does not mean that there is none.
        self.history = (part == Part::Full).then_some(manifest.point.number);
        self.skipped = None;
        self.reflowed = false;
        if let Some(commands) = Commands::recall(&bytes) {
            self.steps.push_back(Step::Recalled(commands));
        }
        self.steps.push_back(Step::Rebuild(manifest.window.clamped(), bytes));
    }

    /// Takes an attestation; whether it is the owner's and says more than those before, so that it must be young.
    pub(super) fn handle_attestation(
        &mut self,
        point: ChainPoint,
        beat: u64,
        cards: [u8; 32],
        signature: &Signature,
    ) -> bool {
        let attestation = Attestation { scope: self.scope(), point, beat, cards };
        if !attestation.verify(&self.header.owner, signature) {
            return false;
        }
        let news = beat > self.attested_beat;
        self.vouched_cards(beat, cards);
        self.vouched(point);
        news
    }

    /// The owner's word about its cards, unless there was a newer one.
    fn vouched_cards(&mut self, beat: u64, cards: [u8; 32]) {
        if beat >= self.attested_beat {
            (self.attested, self.attested_beat) = (Some(cards), beat);
        }
    }

    /// The owner's signature over a point of its chain was verified.
    fn vouched(&mut self, point: ChainPoint) {
        self.target = self.target.max(point.number);
        if self.differs(point) {
            return self.diverged(Divergence::Chain);
        }
        match self.chain.filter(|_| self.following) {
            Some(chain) if point.number <= chain.number => self.proof.cover(point.number, chain.number),
            _ => self.proof.expect(point),
        }
    }

    /// Takes the answer to `challenge`; gives it back for what it says about input.
    pub(super) fn handle_answer(&mut self, signed: &Signed, challenge: ViewerChallenge) -> Option<Answer> {
        let answer = Answer::verify(signed, &self.header.owner)?;
        if answer.challenge != challenge || answer.epoch != self.header.epoch {
            return None;
        }
        self.answered = true;
        // Signed, and so the newest there is: a reader could have sealed a beat that no true one ever overtakes.
        (self.beat, self.beat_wall) = (answer.beat, None);
        self.vouched_cards(answer.beat, answer.cards.0);
        self.vouched(answer.point);
        self.answer = Some(answer.clone());
        self.check_answer();
        Some(answer)
    }

    fn check_answer(&mut self) {
        let reached = |answer: &Answer| self.chain.is_some_and(|chain| chain.number >= answer.point.number);
        if self.following && self.answer.as_ref().is_some_and(reached) {
            self.answer = None;
        }
    }

    /// Takes a beat; whether it is newer than the last.
    pub(super) fn handle_beat(&mut self, number: u64, sealed: &[u8]) -> bool {
        if number <= self.beat && self.beat_wall.is_some() {
            return false;
        }
        let Some(beat) = open_beat(&self.opened.content, self.scope(), number, sealed) else { return false };
        if number < self.beat {
            return false;
        }
        self.beat = number;
        self.beat_wall = Some(beat.wall);
        self.target = self.target.max(beat.latest);
        true
    }

    /// Why the session ended, if its owner signed that, for the chain we have.
    pub(super) fn handle_end(&mut self, signed: &Signed) -> Option<EndReason> {
        let end = End::verify(signed, &self.header.owner)?;
        if end.epoch < self.header.epoch {
            return None;
        }
        if end.epoch == self.header.epoch {
            self.vouched(end.point);
        }
        Some(end.reason)
    }

    /// Why the session ended, if its last event was seen and the owner signed it.
    pub(super) fn end_reason(&self) -> Option<EndReason> {
        self.ended.clone().filter(|(number, _)| *number <= self.proof.covered()).map(|(_, reason)| reason)
    }

    /// Until when what is shown may stand without a signature.
    pub(super) fn proof_deadline(&self) -> Option<Moment> {
        self.proof.deadline().filter(|_| self.screen)
    }
}
