//! The programs that this process hosts, shared or not, and what is shared because a parent is.
//!
//! A program is known by its task. One without a parent may be a parent; its direct children are shared with it by the rule in [`cascade`], which is asked again after every change. A child's own
//! children are never shared because of anybody. Bound: [`MAX_TASKS`] and the parent.

use std::collections::{BTreeMap, VecDeque};

use super::lifecycle::Announced;
use super::session::Session;
use super::{Begin, Effect, SessionConfig, Sharer};
use crate::card::{Card, Reach};
use crate::conversation::{AgentId, Conversation, Update};
use crate::id::{SessionId, TaskId};
use crate::orchestration::cascade::{self, Act, Child, Share};
use crate::orchestration::task::{MAX_TASKS, Task};
use crate::orchestration::text::Text;
use crate::time::Now;
use crate::wire::close::Refusal;
use crate::wire::source::{SessionSource, SourceKind};
use crate::wire::task::OwnedEnd;

/// Children that have ended and are kept at the relay while their parent is shared: half of a connection's channels, so
/// that new ones find room. What is older, the relay forgets in its own time.
const MOST_KEPT: usize = 128;

/// Where a program runs, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    /// In this process.
    Here,
    /// In this process, which is a driver, for somebody elsewhere: its session stays when it has ended.
    ForOthers,
    /// Under a driver. Its session is not here; the grants for its parent are made here.
    Elsewhere,
}

/// A hosted program.
pub(super) struct Program {
    pub(super) task: Task,
    config: SessionConfig,
    pub(super) runs: Runs,
    /// Changes of what is reached of what runs elsewhere.
    pub(super) grants: u64,
    /// Its newest session; it may be over.
    pub(super) session: Option<SessionId>,
    /// Shared on its own.
    own: bool,
    /// Its owner stopped sharing it while its parent was shared.
    withheld: bool,
    /// It exited.
    pub(super) over: bool,
    /// What its parent's links open of it.
    pub(super) reach: Option<Reach>,
    /// What its agent said while it was not shared. It leaves only with the program's whole history.
    kept: Conversation,
    /// What its parent's transcript said of it.
    announced: Announced,
}

impl Program {
    /// Whether nobody's link may type.
    pub(super) fn may_not_be_typed_into(&self) -> bool {
        self.config.read_only
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Programs {
    pub(super) all: BTreeMap<TaskId, Program>,
    by_session: BTreeMap<SessionId, TaskId>,
    /// Those that ended and are kept for who comes later, the oldest first.
    kept: VecDeque<SessionId>,
}

impl Programs {
    pub(super) fn of(&self, session: SessionId) -> Option<&TaskId> {
        self.by_session.get(&session)
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        self.by_session.remove(&session);
        self.kept.retain(|kept| *kept != session);
    }

    pub(super) fn exited(&mut self, session: SessionId) {
        if let Some(program) = self.by_session.get(&session).and_then(|task| self.all.get_mut(task)) {
            program.over = true;
        }
    }

    /// Whether what the relay says of a session's room is news to those who see its card.
    pub(super) fn is_refusal_news(&self, session: SessionId, refusal: Option<&Refusal>) -> bool {
        let task = self.by_session.get(&session).and_then(|task| self.all.get(task));
        task.is_some_and(|program| program.task.refusal.is_empty() == refusal.is_some())
    }

    /// A session has ended in company; the one that is kept no longer for it.
    pub(super) fn keep(&mut self, session: SessionId) -> Option<SessionId> {
        self.kept.push_back(session);
        if self.kept.len() > MOST_KEPT { self.kept.pop_front() } else { None }
    }

    /// Where it runs.
    pub(super) fn runs(&self, task: &TaskId) -> Option<Runs> {
        self.all.get(task).map(|program| program.runs)
    }

    pub(super) fn children(&self, parent: &TaskId) -> Vec<TaskId> {
        let child = |(id, program): (&TaskId, &Program)| {
            (program.task.parent.as_ref() == Some(parent) && id != parent).then(|| id.clone())
        };
        self.all.iter().filter_map(child).collect()
    }

    /// What was said of a child in its parent's transcript.
    pub(super) fn announced(&mut self, task: &TaskId) -> Option<&mut Announced> {
        self.all.get_mut(task).map(|program| &mut program.announced)
    }

    /// The task, if its parent's transcript is to tell of it.
    pub(super) fn announces(&self, task: &TaskId) -> Option<&Task> {
        let program = self.all.get(task).filter(|program| program.config.announced)?;
        program.task.parent.as_ref().filter(|parent| self.is_root(parent)).map(|_| &program.task)
    }

    /// Whether its children are shared with it: only those of who is nobody's child.
    fn is_root(&self, task: &TaskId) -> bool {
        self.all.get(task).is_some_and(|program| program.task.parent.is_none())
    }
}

/// Hosted programs.
impl Sharer {
    /// A program starts; nothing of it is shared, unless its parent is. The session's source is given by its task and its
    /// parent; `config` says the rest. `false`: there are too many, or one of that id.
    pub fn host(&mut self, now: Now, task: Task, config: SessionConfig) -> bool {
        self.host_as(now, task, config, Runs::Here)
    }

    pub(super) fn host_as(&mut self, now: Now, task: Task, config: SessionConfig, runs: Runs) -> bool {
        self.begin(now);
        let (id, parent) = (task.id.clone(), task.parent.clone());
        if !task.is_good() || self.programs.all.len() > MAX_TASKS || self.programs.all.contains_key(&id) {
            return false;
        }
        let over = task.state.is_final();
        let task = Task { revision: 0, session: None, removed: false, refusal: Text::default(), ..task };
        let kept = Conversation::default();
        let program = Program {
            task,
            config,
            runs,
            grants: 0,
            session: None,
            own: false,
            withheld: false,
            over,
            reach: None,
            kept,
            announced: Announced::default(),
        };
        self.programs.all.insert(id.clone(), program);
        self.inherit(&id);
        self.tell(&id);
        if let Some(parent) = parent {
            self.give_task(&parent);
            self.reconcile(&parent, Begin::Fresh);
        }
        self.reconcile(&id, Begin::Screen);
        self.advance();
        self.announce_launch(now, &id);
        true
    }

    /// What is to be said of a hosted program's task changed: a whole value, of which session, parent, kind and revision
    /// are this machine's.
    pub fn handle_task(&mut self, now: Now, task: Task) {
        self.begin(now);
        let id = task.id.clone();
        if let Some(program) = self.programs.all.get_mut(&id) {
            let Task { revision, session, removed, refusal, parent, kind, started, .. } =
                program.task.clone();
            let value = Task { revision, parent, started, kind, session, refusal, removed, ..task };
            program.over |= value.state.is_final();
            if value != program.task {
                program.task = Task { revision: revision.saturating_add(1), ..value };
                self.tell_parent(&id);
            }
        }
        self.advance();
        self.announce_state(now, &id);
    }

    /// From now on, what happens in the conversations of hosted programs is told as [`Effect::Said`] too.
    pub fn listen(&mut self) {
        self.listened = true;
    }

    /// Something happened in the conversation of a hosted program's agent. While the program is not shared, it is kept for
    /// a share of its whole history; of what is never shared, nothing is.
    ///
    /// Of tasks of its group that it mentions, the transcript learns the names, and of no others (statement 12).
    pub fn say_in(&mut self, now: Now, task: &TaskId, update: Update) {
        for name in self.names_in(task, &update) {
            self.say_one(now, task, name);
        }
        self.say_one(now, task, update);
    }

    fn names_in(&self, task: &TaskId, update: &Update) -> Vec<Update> {
        let (from, to) = match update {
            Update::Between { from, to, .. } => (from.value(), to.value()),
            Update::Lifecycle { id, .. } => (Some(id), None),
            Update::Chunk { .. }
            | Update::ToolCall { .. }
            | Update::Terminal { .. }
            | Update::Plan(_)
            | Update::Mode(_)
            | Update::Subagent { .. }
            | Update::BetweenChunk { .. }
            | Update::Name { .. }
            | Update::Notice { .. }
            | Update::Stop(_)
            | Update::ReplayStart
            | Update::ReplayEnd
            | Update::Opaque { .. } => return Vec::new(),
        };
        let root = |task: &TaskId| {
            let program = self.programs.all.get(task)?;
            Some(program.task.parent.clone().unwrap_or_else(|| task.clone()))
        };
        let mentioned = [from, to].into_iter().flatten();
        let name = |id: &AgentId| {
            let other = TaskId(id.as_str().to_owned());
            let program = self.programs.all.get(&other).filter(|_| root(&other) == root(task))?;
            Some(Update::Name { id: id.clone(), name: program.task.name.to_string() })
        };
        mentioned.filter_map(name).collect()
    }

    fn say_one(&mut self, now: Now, task: &TaskId, update: Update) {
        if self.listened && self.programs.all.contains_key(task) {
            self.step.effect(Effect::Said(task.clone(), Box::new(update.clone())));
        }
        if let Some(session) = self.session_of(task) {
            self.say(now, session, update);
        } else if self.may_be_shared(task)
            && let Some(program) = self.programs.all.get_mut(task)
        {
            drop(program.kept.update(update));
        }
    }

    /// A hosted program is an agent's: its session has a task from now on, with children or without.
    pub fn recognise(&mut self, now: Now, task: &TaskId) {
        self.begin(now);
        if let Some(program) = self.programs.all.get_mut(task) {
            program.config.source.task_id = Some(task.clone());
            self.give_task(task);
        }
        self.advance();
    }

    /// Shares a hosted program: the first time, or again with new keys. What is shared stays as it is, and a child that is
    /// shared with its parent is then shared on its own too. `None`: there is no such program, or it has ended.
    pub fn share(&mut self, now: Now, task: &TaskId, begin: Begin) -> Option<SessionId> {
        self.begin(now);
        let program = self.programs.all.get_mut(task);
        let program = program.filter(|program| !program.over && program.runs != Runs::Elsewhere)?;
        (program.own, program.withheld) = (true, false);
        let parent = program.task.parent.clone();
        if !self.is_program_shared(task) {
            self.open_program(task, begin);
        }
        self.reconcile(task, if begin == Begin::History { begin } else { Begin::Screen });
        if let Some(parent) = parent {
            self.reconcile(&parent, Begin::Screen);
        }
        self.tell(task);
        self.advance();
        self.session_of(task)
    }

    /// Stops sharing a hosted program, and with a parent everything that was shared because of it: from here on nothing of
    /// them leaves but that they ended, until the relay has acknowledged it. `false`: it was not shared.
    pub fn unshare(&mut self, now: Now, task: &TaskId) -> bool {
        self.begin(now);
        if self.leaving(task).is_none() {
            return false;
        }
        let mut ends = Vec::new();
        self.stop_program(task, &mut ends);
        let parent = self.programs.all.get(task).and_then(|program| program.task.parent.clone());
        let with_parent = parent.is_some_and(|parent| self.is_program_shared(&parent));
        if let Some(program) = self.programs.all.get_mut(task) {
            (program.own, program.withheld) = (false, with_parent);
        }
        self.reconcile_into(task, Begin::Screen, &mut ends);
        self.tell(task);
        self.groups.add(&ends);
        self.advance();
        true
    }

    /// The session of a hosted program, while it is shared.
    pub fn session_of(&self, task: &TaskId) -> Option<SessionId> {
        let session = self.programs.all.get(task)?.session?;
        self.sessions.get(&session).filter(|session| session.is_shared()).map(|_| session)
    }

    /// What is said of a hosted program's task.
    pub fn task(&self, task: &TaskId) -> Option<&Task> {
        self.programs.all.get(task).map(|program| &program.task)
    }

    /// Whether it is of a child whose parent is shared.
    pub(super) fn is_in_company(&self, session: SessionId) -> bool {
        let Some(program) = self.programs.of(session).and_then(|task| self.programs.all.get(task)) else {
            return false;
        };
        let above = program.task.parent.as_ref();
        program.runs == Runs::ForOthers || above.is_some_and(|id| self.is_program_shared(id))
    }

    /// A session ends: the ends of children that are on their way have as little time.
    pub(super) fn hurry_children(&mut self, session: SessionId) {
        let Some(task) = self.programs.of(session).cloned() else { return };
        for id in self.programs.children(&task) {
            if let Some(child) = self.programs.all.get(&id).and_then(|program| program.session) {
                self.step_session(child, Session::hurry_end);
            }
        }
    }

    /// The session of a program of which something may still leave: it is shared, or its end is on its way.
    pub(super) fn leaving(&self, task: &TaskId) -> Option<SessionId> {
        self.programs.all.get(task)?.session.filter(|session| self.sessions.contains_key(session))
    }

    /// Whether it is nobody's child, or one of who is nobody's child.
    fn may_be_shared(&self, task: &TaskId) -> bool {
        let parent = self.programs.all.get(task).map(|program| program.task.parent.as_ref());
        parent.is_some_and(|parent| parent.is_none_or(|parent| self.programs.is_root(parent)))
    }

    fn is_program_shared(&self, task: &TaskId) -> bool {
        self.session_of(task).is_some()
    }
}

/// The cascade.
impl Sharer {
    /// Does about every child what the rule says, as things stand.
    pub(super) fn reconcile(&mut self, parent: &TaskId, begin: Begin) {
        let mut ends = Vec::new();
        self.reconcile_into(parent, begin, &mut ends);
        self.groups.add(&ends);
    }

    fn reconcile_into(&mut self, parent: &TaskId, begin: Begin, ends: &mut Vec<OwnedEnd>) {
        if !self.programs.is_root(parent) {
            return;
        }
        let above = self.session_of(parent).and_then(|session| self.sessions.get(&session));
        let (shared, typing) = (above.is_some(), above.is_some_and(Session::may_type));
        // A parent that exits lets the ends of its children arrive; one that is not shared any more does not.
        let stopped = self.leaving(parent).is_none();
        // What is kept of one that exited still opens its children.
        let kept =
            self.programs.all.get(parent).is_some_and(|parent| parent.over && parent.config.keep.is_some());
        for id in self.programs.children(parent) {
            let Some(program) = self.programs.all.get(&id) else { continue };
            if program.runs == Runs::Elsewhere {
                if shared || stopped || !kept {
                    self.reach_elsewhere(&id, shared, typing);
                }
                continue;
            }
            let session = self.session_of(&id);
            let share = match session {
                None => Share::Private,
                Some(_) if program.own => Share::Own,
                Some(_) => Share::Cascaded,
            };
            let reached = session.and_then(|session| self.sessions.get(&session)?.reach()).is_some();
            let child = Child { share, reached, runs: !program.over, withheld: program.withheld };
            match cascade::act(shared, child) {
                Act::Open => {
                    self.open_program(&id, begin);
                    self.let_parent_in(&id, typing);
                }
                Act::Reach => self.let_parent_in(&id, typing),
                Act::Leave => {
                    if let Some(session) = session {
                        self.step_session(session, Session::leave_parent);
                    }
                    if let Some(program) = self.programs.all.get_mut(&id) {
                        program.task.removed = true;
                    }
                }
                Act::End => self.stop_program(&id, ends),
                Act::Nothing if shared && reached => self.let_parent_in(&id, typing),
                Act::Nothing if stopped && session.is_none() && self.is_reached(&id) => {
                    self.stop_program(&id, ends);
                }
                Act::Nothing => {}
            }
            if !shared && let Some(program) = self.programs.all.get_mut(&id) {
                program.withheld = false;
            }
            self.tell(&id);
        }
    }

    /// Whether grants made for its parent open what still leaves of it.
    fn is_reached(&self, id: &TaskId) -> bool {
        let session = self.leaving(id).and_then(|session| self.sessions.get(&session));
        session.is_some_and(|session| session.reach().is_some())
    }

    /// Every link of the parent's that was removed opens nothing of its children any more, of those that have ended neither.
    pub(super) fn renew_children(&mut self, parent: SessionId) {
        let Some(task) = self.programs.of(parent).cloned().filter(|task| self.programs.is_root(task)) else {
            return;
        };
        let typing = self.sessions.get(&parent).is_some_and(Session::may_type);
        for id in self.programs.children(&task) {
            if let Some(session) = self.leaving(&id) {
                self.step_session(session, |session, step| session.renew_parent(typing, step));
            }
            self.renew_elsewhere(&id, typing);
            self.tell(&id);
        }
    }

    /// A parent's links may type now: so may they in its children.
    pub(super) fn widen_children(&mut self, parent: SessionId) {
        if let Some(task) = self.programs.of(parent).cloned() {
            self.reconcile(&task, Begin::Screen);
        }
    }

    /// The share of a session does not stand any more, for whatever reason.
    pub(super) fn handle_fallen(&mut self, session: SessionId) {
        let Some(task) = self.programs.of(session).cloned() else { return };
        let parent = self.programs.all.get(&task).and_then(|program| program.task.parent.clone());
        let with_parent = parent.is_some_and(|parent| self.is_program_shared(&parent));
        let current = |program: &&mut Program| program.session == Some(session);
        if let Some(program) = self.programs.all.get_mut(&task).filter(current) {
            program.own = false;
            // Nobody asked for another share of what was stopped.
            program.withheld |= with_parent && !program.over;
        }
        self.reconcile(&task, Begin::Screen);
        self.tell(&task);
    }

    fn let_parent_in(&mut self, id: &TaskId, typing: bool) {
        if let Some(session) = self.session_of(id) {
            self.step_session(session, |session, step| session.let_parent_in(typing, step));
        }
        if let Some(program) = self.programs.all.get_mut(id) {
            program.task.removed = false;
        }
    }

    fn open_program(&mut self, id: &TaskId, begin: Begin) {
        self.inherit(id);
        let orchestrates = !self.programs.children(id).is_empty();
        let Some(program) = self.programs.all.get_mut(id) else { return };
        if orchestrates {
            program.config.source.task_id = Some(id.clone());
        }
        let said = std::mem::take(&mut program.kept);
        let said = if begin == Begin::History { said } else { Conversation::default() };
        let at = self.step.effects.len();
        let entropy = self.entropy.fork();
        let session = Session::new(program.config.clone(), begin, said, entropy, &mut self.step);
        let sid = session.id();
        (program.session, program.reach) = (Some(sid), None);
        // The owner learns whose session it is before it hears of it.
        self.step.effects.insert(at, Effect::Opened { task: id.clone(), session: sid });
        self.sessions.insert(sid, session);
        self.programs.by_session.insert(sid, id.clone());
        self.settle(sid);
    }

    fn stop_program(&mut self, id: &TaskId, ends: &mut Vec<OwnedEnd>) {
        let Some(session) = self.leaving(id) else { return };
        if let Some(mut gone) = self.remove(session) {
            if let Some(program) = self.programs.all.get_mut(id).filter(|program| !program.over) {
                program.kept = gone.take_conversation();
            }
            gone.hush(&mut self.step);
            ends.extend(gone.end_with_group(&mut self.step));
        }
        self.programs.forget(session);
    }

    /// A child is of its parent's kind, with its own task.
    fn inherit(&mut self, id: &TaskId) {
        let Some(parent) = self.programs.all.get(id).and_then(|program| program.task.parent.clone()) else {
            return;
        };
        let above =
            self.programs.all.get(&parent).map(|parent| (parent.config.source.kind, parent.config.keep));
        if let (Some(program), Some((kind, keep))) = (self.programs.all.get_mut(id), above) {
            program.config.keep = program.config.keep.or(keep);
            // Whatever its parent is: nobody sits at what runs elsewhere.
            let kind = if program.runs == Runs::Elsewhere { SourceKind::AmbientAgent } else { kind };
            program.task.kind = kind;
            program.config.source = SessionSource { kind, task_id: Some(id.clone()) };
        }
    }

    /// A parent's session gets its task with the first child.
    fn give_task(&mut self, parent: &TaskId) {
        if let Some(session) = self.session_of(parent) {
            self.step_session(session, |session, step| {
                let source = SessionSource { task_id: Some(parent.clone()), ..session.source().clone() };
                session.set_source(&source, step);
            });
        }
    }

    /// See [`Sharer::tell`].
    pub(super) fn tell_session(&mut self, session: SessionId) {
        if let Some(task) = self.programs.of(session).cloned() {
            self.tell(&task);
        }
    }

    /// Notes what became of a program's session, and says so if it is news.
    pub(super) fn tell(&mut self, id: &TaskId) {
        let shared = self.session_of(id);
        let reach = self.leaving(id).and_then(|session| self.sessions.get(&session)?.reach());
        let Some(program) = self.programs.all.get(id) else { return };
        if program.runs == Runs::Elsewhere {
            return self.tell_elsewhere(id);
        }
        let parent = program.task.parent.clone();
        let above = parent.is_some_and(|parent| self.is_program_shared(&parent));
        let leaves = self.leaving(id).is_some();
        let Some(program) = self.programs.all.get_mut(id) else { return };
        // The transcript of what has exited stays open to the parent's links, until the parent's share ends. Another share
        // knows nothing of it.
        let known = reach.clone().or_else(|| program.reach.clone());
        let stays = (above && known.is_some()) || (program.runs == Runs::ForOthers && leaves);
        let kept = shared.is_none() && program.over && stays;
        let reach = if kept { known } else { reach.filter(|_| shared.is_some()) };
        let session = if kept { program.session } else { shared };
        let removed = program.withheld || program.task.removed;
        let refusal = shared.and_then(|session| self.sessions.get(&session)?.refusal()).map(Refusal::words);
        let refusal = Text::new(refusal.unwrap_or_default());
        let now = &program.task;
        let same = (now.session, now.removed, &now.refusal) == (session, removed, &refusal)
            && program.reach == reach;
        if program.task.revision == 0 || !same {
            program.reach = reach;
            let revision = program.task.revision.saturating_add(1);
            program.task = Task { revision, session, refusal, removed, ..program.task.clone() };
            self.step.effect(Effect::Task(Box::new(program.task.clone())));
        }
        self.say_card(id);
    }

    fn tell_parent(&mut self, id: &TaskId) {
        if let Some(program) = self.programs.all.get(id) {
            self.step.effect(Effect::Task(Box::new(program.task.clone())));
        }
        self.say_card(id);
    }

    /// Gives the parent's session the newest card; one it has already is no news to it.
    pub(super) fn say_card(&mut self, id: &TaskId) {
        let Some(program) = self.programs.all.get(id) else { return };
        let Some(parent) = program.task.parent.clone().filter(|parent| self.programs.is_root(parent)) else {
            return;
        };
        let card = Card { task: program.task.clone(), reach: program.reach.clone() };
        if let Some(session) = self.session_of(&parent) {
            self.step_session(session, |session, _| session.set_card(card));
        }
    }
}
