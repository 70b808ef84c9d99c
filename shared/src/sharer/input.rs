//! Participants and their input connections.
//!
//! Law 8: what leaves here for the PTY was composed with this epoch's input secret, on our own view, in order,
//! whole, and less than 45 s ago. Bounds: [`MOST_PARTICIPANTS`], [`MOST_KEYS`] and [`MOST_PASTING`] below.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::epoch::Epoch;
use crate::event::WindowSize;
use crate::id::ParticipantId;
use crate::input::{Input, InputOpener, MAX_PASTE, View};
use crate::keys::epoch::AgreementPublic;
use crate::time::{Moment, Now};
use crate::wire::hello::{INPUT_COST, INPUT_CREDIT};
use crate::wire::sharer::InputRefusal;

/// More than any relay admits to one session; of more, the answer says that they cannot type.
const MOST_PARTICIPANTS: usize = 4_096;
/// Keys of participants in one epoch. A key never serves twice, so all are remembered; a new epoch forgets.
const MOST_KEYS: usize = 16_384;
/// Counts of ended input connections that rejoining viewers may ask for.
const REMEMBERED_COUNTS: usize = 64;
/// Bytes of pastes that are not whole yet, of all participants together.
const MOST_PASTING: usize = 4 * MAX_PASTE;
/// Bytes for the PTY that the program has not read yet.
const MOST_UNTYPED: usize = 2 * MAX_PASTE;
/// Input is acknowledged when its author has been quiet for so long, in milliseconds: so never more often (DESIGN 3)…
const TAKEN_AFTER_MS: u64 = 2_000;
/// …or this long after the first frame that was not, in milliseconds: who types on pays one acknowledgement for some fifty
/// keys, and is far from the 45 s after which a viewer gives input up…
const TAKEN_WITHIN_MS: u64 = 10_000;
/// …or when half of the author's credit is used up, counted as the author counts it, in bytes: a paste does not wait.
const TAKEN_EVERY_BYTES: u64 = INPUT_CREDIT / 2;

struct Paste {
    total: usize,
    bytes: Vec<u8>,
}

/// Frames taken that no acknowledgement has named.
#[derive(Default)]
struct Unreported {
    /// When the first and the newest of them were taken.
    since: Option<(Moment, Moment)>,
    bytes: u64,
}

impl Unreported {
    fn add(&mut self, now: Moment, bytes: usize) {
        let first = self.since.map_or(now, |(first, _)| first);
        self.since = Some((first, now));
        self.bytes += bytes as u64 + INPUT_COST;
    }

    fn due(&self) -> Option<Moment> {
        let (first, newest) = self.since?;
        let soon = self.bytes >= TAKEN_EVERY_BYTES;
        Some(if soon { first } else { newest.after(TAKEN_AFTER_MS).min(first.after(TAKEN_WITHIN_MS)) })
    }
}

struct Participant {
    agreement: Option<AgreementPublic>,
    /// `None`: takes no input, or no more.
    opener: Option<InputOpener>,
    unreported: Unreported,
    paste: Option<Paste>,
}

impl Participant {
    fn taken(&self) -> u64 {
        self.opener.as_ref().map_or(0, InputOpener::taken)
    }

    fn report_at(&self) -> Option<Moment> {
        self.opener.as_ref()?;
        self.unreported.due()
    }
}

/// What became of an input frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// These bytes go to the PTY.
    Type(Vec<u8>),
    /// Its author would like a terminal of this size.
    Size(WindowSize),
    /// It is part of something larger, or asks for nothing.
    Nothing,
    /// It ended its input connection, or that is over already.
    Refused(InputRefusal),
}

/// What a frame of input asks for, once it is open.
enum Asked {
    Type(Vec<u8>),
    Size(WindowSize),
    Nothing,
}

impl Asked {
    fn typed(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() { Self::Nothing } else { Self::Type(bytes) }
    }
}

/// All participants of the room, as far as the relay tells.
#[derive(Default)]
pub(super) struct Inputs {
    participants: BTreeMap<ParticipantId, Participant>,
    counts: VecDeque<(AgreementPublic, u64)>,
    used: BTreeSet<AgreementPublic>,
    pasting: usize,
    untyped: usize,
}

impl Inputs {
    /// Somebody joined; returns the answer's `taken` and `input`.
    pub(super) fn join(
        &mut self,
        epoch: &Epoch,
        id: ParticipantId,
        agreement: Option<AgreementPublic>,
        previous: Option<AgreementPublic>,
    ) -> (Option<u64>, bool) {
        self.leave(id);
        if let Some(previous) = previous {
            self.end_with_key(previous);
        }
        let taken = previous.and_then(|key| {
            self.counts.iter().rev().find(|(counted, _)| *counted == key).map(|(_, taken)| *taken)
        });
        if self.participants.len() >= MOST_PARTICIPANTS {
            return (taken, false);
        }
        let opener = agreement.and_then(|key| self.open(epoch, key));
        let input = opener.is_some();
        let participant = Participant { agreement, opener, unreported: Unreported::default(), paste: None };
        self.participants.insert(id, participant);
        (taken, input)
    }

    /// A relay that shows a key for the second time could replay its frames: no key serves twice.
    fn open(&mut self, epoch: &Epoch, key: AgreementPublic) -> Option<InputOpener> {
        if self.used.len() >= MOST_KEYS || !self.used.insert(key) {
            return None;
        }
        InputOpener::new(&epoch.agreement, key, &epoch.input_secret, epoch.scope)
    }

    /// Whether a new epoch is due because this one's keys are used up.
    pub(super) fn keys_are_used_up(&self) -> bool {
        self.used.len() >= MOST_KEYS
    }

    /// Somebody left.
    pub(super) fn leave(&mut self, id: ParticipantId) {
        if let Some(mut participant) = self.participants.remove(&id) {
            // With which nothing was taken, nothing can be replayed: it may be announced again.
            if let (Some(key), Some(0)) =
                (participant.agreement, participant.opener.as_ref().map(InputOpener::taken))
            {
                self.used.remove(&key);
            }
            self.end(&mut participant);
        }
    }

    /// The connection to the relay broke: everybody left.
    pub(super) fn leave_all(&mut self) {
        while let Some((&id, _)) = self.participants.first_key_value() {
            self.leave(id);
        }
    }

    fn end_with_key(&mut self, key: AgreementPublic) {
        let found = self.participants.iter().find(|(_, p)| p.agreement == Some(key) && p.opener.is_some());
        if let Some(&id) = found.map(|(id, _)| id)
            && let Some(mut participant) = self.participants.remove(&id)
        {
            self.end(&mut participant);
            self.participants.insert(id, participant);
        }
    }

    /// Takes no more from a participant, and remembers how much was taken.
    fn end(&mut self, participant: &mut Participant) {
        if let (Some(key), true) = (participant.agreement, participant.opener.is_some()) {
            self.counts.push_back((key, participant.taken()));
            if self.counts.len() > REMEMBERED_COUNTS {
                self.counts.pop_front();
            }
        }
        participant.opener = None;
        if let Some(paste) = participant.paste.take() {
            self.pasting = self.pasting.saturating_sub(paste.bytes.len());
        }
    }

    /// An epoch began: nobody can type until they join with a key for it.
    pub(super) fn begin_epoch(&mut self) {
        self.leave_all();
        self.used.clear();
    }

    /// A frame of input came.
    pub(super) fn take(
        &mut self,
        now: Now,
        epoch: &Epoch,
        id: ParticipantId,
        (seen, beat): (u64, u64),
        sealed: &[u8],
    ) -> Taken {
        let Some(mut participant) = self.participants.remove(&id) else { return Taken::Nothing };
        let result = self.read(now, epoch, &mut participant, (seen, beat), sealed);
        let taken = match result {
            Ok(Asked::Type(bytes)) => {
                self.untyped += bytes.len();
                Taken::Type(bytes)
            }
            Ok(Asked::Size(size)) => Taken::Size(size),
            Ok(Asked::Nothing) => Taken::Nothing,
            Err(reason) => {
                self.end(&mut participant);
                // Each frame again: the author may not have heard it, and has credit for a bounded number of them.
                Taken::Refused(reason)
            }
        };
        self.participants.insert(id, participant);
        taken
    }

    fn read(
        &mut self,
        now: Now,
        epoch: &Epoch,
        participant: &mut Participant,
        (seen, beat): (u64, u64),
        sealed: &[u8],
    ) -> Result<Asked, InputRefusal> {
        // Without a key it may not type; with one, its input connection ended before.
        let ended =
            if participant.agreement.is_some() { InputRefusal::Broken } else { InputRefusal::NotAllowed };
        let opener = participant.opener.as_mut().ok_or(ended)?;
        if seen > epoch.point().number || beat > epoch.beat_number() {
            return Err(InputRefusal::Broken);
        }
        let seen = epoch.point_at(seen).ok_or(InputRefusal::Stale)?;
        if !epoch.beat_is_good(beat, now) {
            return Err(InputRefusal::Stale);
        }
        let room = MOST_UNTYPED.saturating_sub(self.untyped);
        // Checked before the frame counts as taken: what is refused was not taken.
        let waiting = participant.paste.as_ref().map_or(0, |paste| paste.bytes.len());
        if waiting + sealed.len() > room || self.pasting + sealed.len() > MOST_PASTING {
            return Err(InputRefusal::Full);
        }
        let input = opener.open(&View { seen, beat }, sealed).ok_or(InputRefusal::Broken)?;
        participant.unreported.add(now.mono, sealed.len());
        match input {
            Input::Keys(bytes) => Ok(Asked::typed(bytes)),
            Input::Size(size) => Ok(Asked::Size(size)),
            Input::Paste { total, part } => {
                let total = total as usize;
                let paste = participant.paste.get_or_insert(Paste { total, bytes: Vec::new() });
                if paste.total != total || paste.bytes.len() + part.len() > total {
                    return Err(InputRefusal::Broken);
                }
                self.pasting += part.len();
                paste.bytes.extend_from_slice(&part);
                if paste.bytes.len() < total {
                    return Ok(Asked::Nothing);
                }
                self.pasting = self.pasting.saturating_sub(total);
                Ok(Asked::typed(participant.paste.take().map(|paste| paste.bytes).unwrap_or_default()))
            }
        }
    }

    /// The PTY took this many bytes of what was typed.
    pub(super) fn typed(&mut self, bytes: usize) {
        self.untyped = self.untyped.saturating_sub(bytes);
    }

    /// When the next acknowledgement may go.
    pub(super) fn next_report(&self) -> Option<Moment> {
        self.participants.values().filter_map(Participant::report_at).min()
    }

    /// The next acknowledgement that may go now, sealed.
    pub(super) fn report(&mut self, now: Now) -> Option<(ParticipantId, Vec<u8>)> {
        let due = |participant: &Participant| participant.report_at().is_some_and(|at| at <= now.mono);
        let (&id, participant) = self.participants.iter_mut().find(|(_, participant)| due(participant))?;
        let opener = participant.opener.as_mut()?;
        participant.unreported = Unreported::default();
        Some((id, opener.seal_taken()))
    }
}
