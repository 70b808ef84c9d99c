//! One session: keys, epoch, what is kept and sent, input, and its end. It knows the connection only as a
//! channel that is open or not.

mod cards;
mod ending;
mod program;
mod room;
mod sending;
mod transcript;

use self::cards::Cards;
use self::ending::Ending;
use self::room::Room;
use self::sending::Attests;
pub(super) use self::sending::SMALL;
use self::transcript::Talk;
use super::buffer::Buffer;
use super::epoch::Epoch;
use super::input::Inputs;
use super::owner::{Links, Owner};
use super::sizes::Sizes;
use super::snapshots::Snapshots;
use super::step::Step;
use super::{Begin, Effect, Mark, ModelInput, RoomState};
use crate::chain::ChainPoint;
use crate::command::{Commands, Shell};
use crate::conversation::Conversation;
use crate::entropy::Entropy;
use crate::event::{Event, Note, WindowSize};
use crate::id::SessionId;
use crate::keys::grant::Right;
use crate::keys::keeper::Keep;
use crate::keys::owner::Signed;
use crate::time::{Moment, Now};
use crate::wire::close::Refusal;
use crate::wire::sharer::SharerToRelay;
use crate::wire::source::SessionSource;

/// The longest title that viewers are told, in bytes.
const LONGEST_TITLE: usize = 1_024;

/// How a session is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// What viewers see as its title until the program sets one.
    pub title: String,
    /// Whether no link may type.
    pub read_only: bool,
    /// Whether output is compressed before it is sealed.
    pub compress: bool,
    /// The PTY's size.
    pub window: WindowSize,
    /// Where the session comes from.
    pub source: SessionSource,
    /// Whether its parent's transcript tells of it: not of a child that its parent's agent tells of itself.
    pub announced: bool,
    /// Whether the relay is to keep it when it has ended; a child that says nothing is kept as its parent is.
    pub keep: Option<Keep>,
}

/// See the module.
pub(super) struct Session {
    id: SessionId,
    entropy: Entropy,
    owner: Owner,
    pub(super) epoch: Epoch,
    header: Signed,
    compress: bool,
    keep: Option<Keep>,
    source: SessionSource,
    title: String,
    window: WindowSize,
    room: Room,
    /// Why the relay will not have it, until it does.
    refusal: Option<Refusal>,
    told: Option<RoomState>,

    pub(super) buffer: Buffer,
    snapshots: Snapshots,
    inputs: Inputs,
    cards: Cards,
    talk: Talk,
    shell: Shell,
    /// The newest commands, for those who come late.
    commands: Commands,

    attests: Attests,
    next_beat: Moment,
    beat: Option<(u64, Vec<u8>)>,
    resize_quiet: Option<Moment>,
    sizes: Sizes,
    /// The newest event of the epoch that said a size.
    resized_at: u64,
    /// The size changed while output was left out.
    resized: bool,
    /// The newest `Skipped`: viewers need a snapshot at or after it.
    skipped: u64,

    /// The relay's revision of the list, all participants, and those that may type.
    people: (Option<u64>, u32, u32),
    ending: Option<Ending>,
    ended: bool,
    /// How often its room was claimed: after the first time some relay may know of it.
    claims: u32,
    /// The revision of the header that it was claimed with.
    claimed_as: u32,
    pub(super) known: Known,
}

/// What the connection knew of a session when it looked last.
#[derive(Debug)]
pub(super) struct Known {
    /// The deadline under which it stands in the order of all.
    pub(super) deadline: Option<Moment>,
    /// Whether its share stood.
    pub(super) shared: bool,
}

/// Getters and commands.
impl Session {
    /// Draws owner key, grants and the first epoch. `said` is the conversation so far.
    pub(super) fn new(
        config: SessionConfig,
        begin: Begin,
        said: Conversation,
        mut entropy: Entropy,
        step: &mut Step,
    ) -> Self {
        let now = step.now;
        let owner = Owner::new(config.read_only, &mut entropy);
        let mut epoch = Epoch::begin(&owner, None, &mut entropy, now);
        let header = epoch.header(&owner, &mut entropy);
        let mut session = Self {
            id: owner.id(),
            entropy,
            owner,
            epoch,
            header,
            compress: config.compress,
            keep: config.keep,
            source: config.source,
            title: title_text(&config.title),
            window: config.window,
            room: Room::Closed,
            refusal: None,
            told: None,
            buffer: Buffer::default(),
            snapshots: Snapshots::default(),
            inputs: Inputs::default(),
            cards: Cards::default(),
            talk: Talk::new(said),
            shell: Shell::new(now.mono),
            commands: Commands::default(),
            attests: Attests { at: now.mono, ..Attests::default() },
            next_beat: now.mono,
            beat: None,
            resize_quiet: None,
            sizes: Sizes::default(),
            resized_at: 0,
            resized: false,
            skipped: 0,
            people: (None, 0, 0),
            ending: None,
            ended: false,
            claims: 0,
            claimed_as: 0,
            known: Known { deadline: None, shared: true },
        };
        if begin == Begin::Fresh {
            // The model's dumps say the title too, so that late joiners learn it the same way.
            session.model(ModelInput::title(&session.title), step);
        }
        if begin == Begin::Screen {
            session.model(ModelInput::Forget, step);
        }
        session.describe(step);
        if begin != Begin::Fresh {
            // What the terminal shows already is in no event.
            session.skip(0, step);
        }
        session
    }

    pub(super) fn id(&self) -> SessionId {
        self.id
    }

    pub(super) fn links(&self, base: &str) -> Option<Links> {
        let read = self.owner.link(Right::Watch, base)?;
        Some(Links { read, write: self.owner.link(Right::Type, base) })
    }

    /// How many watch, and how many of them may type.
    pub(super) fn viewers(&self) -> (u32, u32) {
        (self.people.1, self.people.2)
    }

    pub(super) fn point(&self) -> ChainPoint {
        self.epoch.point()
    }

    /// Whether everything about it was handed out.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Removes the grants with these rights and everything they opened, and makes new ones in their place. Says
    /// whether there was one.
    pub(super) fn revoke(&mut self, rights: &[Right], step: &mut Step) -> bool {
        let mut any = false;
        for right in rights {
            if self.owner.grant(*right).is_some() {
                any |= self.owner.replace(*right, &mut self.entropy);
            }
        }
        if any {
            self.begin_epoch(step);
        }
        any
    }

    /// Adds a grant to type to a session that was read-only. Says whether there was none.
    pub(super) fn allow_typing(&mut self, step: &mut Step) -> bool {
        if self.owner.grant(Right::Type).is_some() {
            return false;
        }
        self.owner.replace(Right::Type, &mut self.entropy);
        self.header = self.epoch.header(&self.owner, &mut self.entropy);
        step.effect(Effect::LinksChanged(self.id));
        self.send_header(step);
        true
    }
}

/// Inner steps.
impl Session {
    fn model(&self, input: ModelInput, step: &mut Step) {
        step.effect(Effect::Model(self.id, input));
    }

    /// Numbers, seals, chains and keeps one event, and marks its place for the model.
    fn seal(&mut self, event: &Event, step: &mut Step) {
        let (sealed, hash) = self.epoch.seal(event, self.compress);
        let mark = Mark { epoch: self.epoch.id(), number: sealed.number };
        self.buffer.keep(sealed, hash);
        self.attests.uncovered.get_or_insert(step.mono());
        self.model(ModelInput::Mark(mark), step);
    }

    fn seal_pending(&mut self, step: &mut Step) {
        if let Some(output) = self.buffer.take_pending() {
            self.seal(&Event::Output(output), step);
        }
    }

    /// Seals what was gathered and says what was left out: now an event stands for everything so far.
    fn settle(&mut self, step: &mut Step) {
        self.seal_pending(step);
        let Some(bytes) = self.buffer.take_dropped() else { return };
        if std::mem::take(&mut self.resized) {
            self.seal_size(step);
        }
        self.skip(bytes, step);
        if self.room.is_open() {
            self.snapshots.want(true);
        }
    }

    fn seal_size(&mut self, step: &mut Step) {
        self.seal(&Event::Note(Note::Resize(self.window)), step);
        self.resized_at = self.epoch.point().number;
    }

    /// Only a snapshot shows what was before.
    fn skip(&mut self, bytes: u64, step: &mut Step) {
        self.seal(&Event::Note(Note::Skipped { bytes }), step);
        self.skipped = self.epoch.point().number;
    }

    /// The first events of an epoch: what a viewer needs to know before there is output.
    fn describe(&mut self, step: &mut Step) {
        self.seal_size(step);
        self.seal(&Event::Note(Note::Title(self.title.clone())), step);
        if self.source.task_id.is_some() {
            self.seal(&Event::Note(Note::SourceTask(self.source.clone())), step);
        }
    }

    /// Everything old is forgotten; what was shown so far comes as a snapshot of the new epoch.
    fn begin_epoch(&mut self, step: &mut Step) {
        self.epoch = Epoch::begin(&self.owner, Some(self.epoch.id()), &mut self.entropy, step.now);
        self.header = self.epoch.header(&self.owner, &mut self.entropy);
        self.buffer = Buffer::default();
        self.snapshots.forget();
        self.talk.forget();
        self.beat = None;
        (self.attests.number, self.attests.uncovered) = (0, None);
        self.resized = false;
        self.describe(step);
        // What earlier epochs showed is in no event of this one: only a snapshot brings it.
        self.skip(0, step);
        self.end_again(step);
        step.effect(Effect::LinksChanged(self.id));
        self.inputs.begin_epoch();
        self.sizes.leave_all();
        self.cards.begin_epoch();
        if self.room.is_open() {
            self.issue_beat(step.now);
            self.send_header(step);
            self.snapshots.want(true);
            self.attests.due = true;
        }
    }

    fn send_header(&self, step: &mut Step) {
        if let Room::Open(channel) = self.room {
            let (header, epoch, grants) = (self.header.clone(), self.epoch.id(), self.owner.rows());
            step.say(&SharerToRelay::UpdateHeader { channel, header, epoch, grants });
        }
    }

    /// Does what has become possible; called after every step.
    pub(super) fn advance(&mut self, step: &mut Step) {
        let now = step.now;
        if self.room.is_open() && !self.ended {
            if self.next_beat <= now.mono && !self.rests() {
                self.issue_beat(now);
            }
            if self.attest_at().is_some_and(|at| at <= now.mono) {
                self.attests.due = true;
            }
            if self.snapshots.due().is_some_and(|at| at <= now.mono) {
                self.settle(step);
                if self.buffer.is_overfull() {
                    self.begin_epoch(step);
                }
                let point = self.epoch.point();
                let mark = Mark { epoch: self.epoch.id(), number: point.number };
                let transcript = self.tell_transcript();
                let (resized, commands) = (self.resized_at, self.commands.newest());
                if let Some(request) = self.snapshots.ask(now, mark, point, transcript, resized, commands) {
                    self.model(ModelInput::Snapshot { mark, full: request.full }, step);
                }
            }
        }
        self.say_end(step);
        self.finish(step);
        self.tell_room(step);
    }

    /// When [`Session::handle_timeout`] is due, and why.
    pub(super) fn poll_timeout(&self, now: Now) -> Option<(Moment, &'static str)> {
        if self.ended {
            return None;
        }
        let open = self.room.is_open();
        let while_open = |at: Option<Moment>, word| at.filter(|_| open).map(|at| (at, word));
        [
            self.room.deadline(),
            while_open(Some(self.next_beat).filter(|_| !self.rests()), "beat"),
            while_open(self.attest_at(), "attest"),
            // What is due already goes with the next frames.
            while_open(self.inputs.next_report().filter(|at| *at > now.mono), "acknowledge input"),
            while_open(self.snapshots.due(), "snapshot"),
            self.resize_quiet.map(|at| (at, "snapshot after a resize")),
            self.sizes.due().map(|at| (at, "the size for who types")),
            self.ending.as_ref().and_then(|ending| Some((ending.deadline?, "end"))),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// A deadline passed, or just time.
    pub(super) fn handle_timeout(&mut self, step: &mut Step) {
        self.room_timeout(step);
        if self.resize_quiet.take_if(|at| *at <= step.mono()).is_some() && self.room.is_open() {
            self.snapshots.want(true);
        }
        self.grant_size(step);
    }
}

/// A title as one line of text: no control characters, at most [`LONGEST_TITLE`] bytes.
fn title_text(title: &str) -> String {
    let mut text: String = title.chars().filter(|c| !c.is_control()).collect();
    while text.len() > LONGEST_TITLE {
        text.pop();
    }
    text
}
