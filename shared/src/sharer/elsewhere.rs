//! Tasks under drivers, seen from both sides: a child that runs elsewhere, of which this process holds row, card and
//! the grants for its parent; and, in a driver, a program that somebody elsewhere asked for.

use super::programs::Runs;
use super::{Effect, SessionConfig, Sharer};
use crate::card::Reach;
use crate::entropy::Entropy;
use crate::event::WindowSize;
use crate::id::TaskId;
use crate::keys::grant::GrantSecret;
use crate::orchestration::task::Task;
use crate::time::Now;
use crate::wire::source::{SessionSource, SourceKind};

/// In the parent's process.
impl Sharer {
    /// A child of a hosted program is to run under a driver. `false`: as for [`Sharer::host`].
    pub fn host_elsewhere(&mut self, now: Now, task: Task, read_only: bool) -> bool {
        let config = SessionConfig {
            title: task.name.to_string(),
            read_only,
            compress: false,
            window: WindowSize { cols: 80, rows: 24 },
            source: SessionSource::default(),
            announced: true,
            keep: None,
        };
        self.host_as(now, task, config, Runs::Elsewhere)
    }

    /// What is opened by the links here of a task that runs elsewhere, and how often that has changed.
    pub fn granted(&self, task: &TaskId) -> (u64, Option<Reach>) {
        let program = self.programs.all.get(task);
        program.map_or((0, None), |program| (program.grants, program.reach.clone()))
    }

    /// The driver tells how a task stands: of what it says, that counts which is the driver's to say. The row is this
    /// process's, with a revision of its own.
    pub fn handle_elsewhere(&mut self, now: Now, told: Task) {
        self.begin(now);
        let id = told.id.clone();
        if let Some(program) =
            self.programs.all.get_mut(&id).filter(|program| program.runs == Runs::Elsewhere)
        {
            let Task { state, reason, since, session, directory, refusal, wants_attention, rings, .. } = told;
            let before = program.task.clone();
            program.over |= state.is_final();
            // A session that was there once stays known, with all that it showed.
            let session = session.or(before.session);
            let value = Task {
                state,
                reason,
                since,
                directory,
                session,
                refusal,
                wants_attention,
                rings,
                ..before.clone()
            };
            if value != before {
                program.task = Task { revision: before.revision.saturating_add(1), ..value };
                self.tell_elsewhere_as_news(&id);
            }
        }
        self.advance();
        self.announce_state(now, &id);
    }

    /// Makes or removes the grants for the parent, as the parent's share stands.
    pub(super) fn reach_elsewhere(&mut self, id: &TaskId, shared: bool, typing: bool) {
        let Some(program) = self.programs.all.get_mut(id) else { return };
        let typing = typing && !program.may_not_be_typed_into();
        let before = program.reach.clone();
        let after = match (&before, shared) {
            (_, false) => None,
            (None, true) => Some(draw(typing, &mut self.entropy)),
            (Some(known), true) if typing && known.typing.is_none() => {
                Some(Reach { typing: Some(GrantSecret::generate(&mut self.entropy)), ..known.clone() })
            }
            (Some(known), true) => Some(known.clone()),
        };
        let removed = !shared && (program.task.removed || before.is_some());
        if after == before && removed == program.task.removed {
            // A new session of the parent's has no card of it yet.
            return self.tell_elsewhere(id);
        }
        program.task.removed = removed;
        self.set_reach_elsewhere(id, after);
    }

    /// A link of the parent's was removed: what it opened, it opens no more.
    pub(super) fn renew_elsewhere(&mut self, id: &TaskId, typing: bool) {
        let Some(program) = self.programs.all.get(id).filter(|program| program.runs == Runs::Elsewhere)
        else {
            return;
        };
        if program.reach.is_some() {
            let reach = draw(typing && !program.may_not_be_typed_into(), &mut self.entropy);
            self.set_reach_elsewhere(id, Some(reach));
        }
    }

    fn set_reach_elsewhere(&mut self, id: &TaskId, reach: Option<Reach>) {
        let Some(program) = self.programs.all.get_mut(id) else { return };
        program.reach = reach;
        program.grants = program.grants.saturating_add(1);
        program.task.revision = program.task.revision.saturating_add(1);
        self.step.effect(Effect::Reach(id.clone()));
        self.tell_elsewhere_as_news(id);
    }

    /// Says what is said of it; what is known already is no news.
    pub(super) fn tell_elsewhere(&mut self, id: &TaskId) {
        let Some(program) = self.programs.all.get_mut(id) else { return };
        if program.task.revision == 0 {
            program.task.revision = 1;
            return self.tell_elsewhere_as_news(id);
        }
        self.say_card(id);
    }

    fn tell_elsewhere_as_news(&mut self, id: &TaskId) {
        if let Some(program) = self.programs.all.get(id) {
            self.step.effect(Effect::Task(Box::new(program.task.clone())));
        }
        self.say_card(id);
    }
}

fn draw(typing: bool, entropy: &mut Entropy) -> Reach {
    let watch = GrantSecret::generate(entropy);
    Reach { watch, typing: typing.then(|| GrantSecret::generate(entropy)) }
}

/// In a driver's process.
impl Sharer {
    /// Somebody elsewhere asked for this program. It has no parent here, whatever its task says of one there; shared, its
    /// session stays when it has ended.
    pub fn host_for_others(&mut self, now: Now, task: Task, config: SessionConfig) -> bool {
        let source = SessionSource { kind: SourceKind::AmbientAgent, task_id: Some(task.id.clone()) };
        let task = Task { kind: SourceKind::AmbientAgent, ..task };
        self.host_as(now, task, SessionConfig { source, ..config }, Runs::ForOthers)
    }

    /// What the links of who asked for a program open of it from now on.
    pub fn let_in(&mut self, now: Now, task: &TaskId, reach: Option<Reach>) {
        self.begin(now);
        let session = self.leaving(task).filter(|_| self.programs.runs(task) == Some(Runs::ForOthers));
        if let Some(session) = session {
            self.step_session(session, |session, step| session.let_in(reach, step));
            self.tell(task);
        }
        self.advance();
    }

    /// Forgets a program that has ended. `false`: something of it may still leave, or there are programs below it.
    pub fn forget_program(&mut self, task: &TaskId) -> bool {
        let known = self.programs.all.get(task);
        let is_over = known.is_none_or(|program| program.over);
        if !is_over || self.leaving(task).is_some() || !self.programs.children(task).is_empty() {
            return false;
        }
        if let Some(session) = self.programs.all.remove(task).and_then(|program| program.session) {
            self.programs.forget(session);
        }
        true
    }
}
