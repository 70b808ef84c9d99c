//! The pill bar as a plain value: the orchestrator and its children, in order, with the words people read.

use std::cmp::Reverse;
use std::sync::Arc;

use super::text::{MAX_NAME, readable};
use crate::id::TaskId;
use crate::orchestration::names::fallback;
use crate::orchestration::status::TaskState;
use crate::orchestration::task::Task;
use crate::ordered::Ordered;
use crate::time::UnixMs;

/// How many colours discs have: [`Pill::colour`] is below.
pub const COLOURS: u8 = 12;
/// The longest line of a pill's card, in characters.
const MAX_LINE: usize = 600;

/// What a person can look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Selection {
    /// The link's own session: the orchestrator, if there is a bar.
    #[default]
    Own,
    /// A child's.
    Child(TaskId),
}

/// How children are ordered. The orchestrator is always first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they were started: no pill ever moves.
    #[default]
    Started,
    /// What needs a person first: pinned · blocked · error · running · done.
    Attention,
}

impl Order {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Started => Self::Attention,
            Self::Attention => Self::Started,
        }
    }
}

/// What a badge shows. Each has a word; glyph and colour are the page's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Asked for, and not running yet.
    Starting,
    /// Works.
    Running,
    /// Waits for something that comes by itself.
    Waiting,
    /// Needs a person.
    Blocked,
    /// Ended well.
    Done,
    /// Ended badly.
    Error,
    /// Was stopped.
    Cancelled,
    /// This link does not reach it, or not any more.
    Unreachable,
    /// Something that a later version knows.
    Unknown,
}

impl Status {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Blocked => "needs a person",
            Self::Done => "done",
            Self::Error => "failed",
            Self::Cancelled => "cancelled",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }

    /// Its place in [`Order::Attention`]; the lower, the earlier.
    fn rank(self) -> u8 {
        match self {
            Self::Blocked => 0,
            Self::Error => 1,
            Self::Starting | Self::Running | Self::Waiting | Self::Unknown => 2,
            Self::Done | Self::Cancelled | Self::Unreachable => 3,
        }
    }
}

impl From<TaskState> for Status {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Unknown => Self::Unknown,
            TaskState::Starting => Self::Starting,
            TaskState::Running => Self::Running,
            TaskState::Waiting => Self::Waiting,
            TaskState::Blocked => Self::Blocked,
            TaskState::Done => Self::Done,
            TaskState::Error => Self::Error,
            TaskState::Cancelled => Self::Cancelled,
        }
    }
}

/// Where a child's session is (ORCHESTRATION 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildSession {
    /// The task waits to be started.
    NotStarted,
    /// The task runs, and its session is not there yet.
    Starting,
    /// It can be watched.
    Live,
    /// It ended; what was seen of it, or is kept, can be looked at.
    Ended,
    /// It never was, or cannot be shown.
    Failed {
        /// Why.
        reason: String,
    },
    /// A film has nothing of its terminal.
    Unrecorded,
    /// It is, or was, and this link does not get at it.
    Unreachable {
        /// Since when.
        since: UnixMs,
        /// Asking again may help.
        retry: bool,
    },
}

impl ChildSession {
    /// The state in a word or two.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotStarted => "Not started",
            Self::Starting => "Starting",
            Self::Live => "Live",
            Self::Ended => "Ended",
            Self::Failed { .. } => "Failed",
            Self::Unrecorded => "Not recorded",
            Self::Unreachable { .. } => "Unreachable",
        }
    }

    /// A sentence that says what the state means, where there is nothing else to see.
    pub fn sentence(&self) -> Option<String> {
        Some(match self {
            Self::NotStarted => "This agent has not been started yet.".into(),
            Self::Starting => "This agent runs; its session is about to begin.".into(),
            Self::Live | Self::Ended => return None,
            Self::Failed { reason } => format!("There is nothing to see of this agent: {reason}"),
            Self::Unrecorded => "Nothing was recorded of this agent's terminal.".into(),
            Self::Unreachable { retry: true, .. } => {
                "This agent's session does not answer at the moment. It may still come back.".into()
            }
            Self::Unreachable { retry: false, .. } => {
                "This agent is no longer reachable by this link. What was seen was seen.".into()
            }
        })
    }
}

/// Where a child's session is, as far as its card alone says; `reached`: there is a grant that opens it.
pub(crate) fn by_card(task: &Task, reached: bool) -> ChildSession {
    let gone = ChildSession::Unreachable { since: task.since, retry: false };
    match (task.session, task.state) {
        _ if task.removed => gone,
        _ if !task.refusal.is_empty() => ChildSession::Failed { reason: readable(&task.refusal, MAX_LINE) },
        (None, TaskState::Starting | TaskState::Unknown) => ChildSession::NotStarted,
        (None, TaskState::Running | TaskState::Waiting | TaskState::Blocked) => ChildSession::Starting,
        (None, TaskState::Done | TaskState::Error | TaskState::Cancelled) => {
            let reason = readable(&task.reason, MAX_LINE);
            let reason = if reason.is_empty() { "it ended before it had a session.".into() } else { reason };
            ChildSession::Failed { reason }
        }
        (Some(_), _) if !reached => gone,
        (Some(_), state) if state.is_final() => ChildSession::Ended,
        (Some(_), _) => ChildSession::Live,
    }
}

/// What a pill's card says besides name and status; every text is fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// Why it is in its state.
    pub reason: String,
    /// Since when it is.
    pub since: UnixMs,
    /// When it was asked for.
    pub started: UnixMs,
    /// When it was over.
    pub ended: Option<UnixMs>,
    /// What runs.
    pub command: String,
    /// The beginning of what it was asked to do.
    pub prompt: String,
    /// Where.
    pub directory: String,
}

impl Details {
    fn of(task: &Task) -> Self {
        let line = |text: &str| readable(text, MAX_LINE);
        Self {
            reason: line(&task.reason),
            since: task.since,
            started: task.started,
            ended: task.state.is_final().then_some(task.since),
            command: line(&task.command),
            prompt: line(&task.prompt),
            directory: line(&task.directory),
        }
    }
}

/// One pill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pill {
    /// What it selects.
    pub selects: Selection,
    /// What people call it.
    pub name: String,
    /// The letter in its disc.
    pub initial: String,
    /// The disc's colour, below [`COLOURS`]: the same for every viewer.
    pub colour: u8,
    /// Its badge.
    pub status: Status,
    /// Where the session is; `None` for the link's own.
    pub session: Option<ChildSession>,
    /// The driver it runs under, if it is remote.
    pub driver: Option<String>,
    /// It rang, and this viewer has not looked.
    pub attention: bool,
    /// This viewer wants it in front.
    pub pinned: bool,
    /// It is what is looked at.
    pub selected: bool,
    /// What its card says; `None` where nobody signed one.
    pub details: Option<Details>,
}

/// Whether the bar says how things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Present,
    /// It is what was known then: the connection is gone, or somebody holds cards back.
    Stale {
        /// Since when.
        since: UnixMs,
    },
    /// The parent's sharer is away: states are the last ones it told.
    ParentAway {
        /// Since when.
        since: UnixMs,
    },
    /// The parent's session is over for this link; nothing newer comes.
    Over,
}

/// The bar. There is one as soon as one child is known, and it is never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// The orchestrator, then the children in order.
    pub pills: Vec<Pill>,
    /// Whether it says how things are.
    pub standing: Standing,
    /// How the children are ordered.
    pub order: Order,
}

impl Bar {
    /// How many children there are.
    pub fn children(&self) -> usize {
        self.pills.len().saturating_sub(1)
    }

    /// The pill `steps` behind the selected one, around the end.
    pub fn next(&self, steps: isize) -> Option<&Selection> {
        let selected = self.pills.iter().position(|pill| pill.selected)?;
        let len = isize::try_from(self.pills.len()).ok()?;
        let at = isize::try_from(selected).ok()?.checked_add(steps)?.checked_rem_euclid(len)?;
        self.nth(usize::try_from(at).ok()?)
    }

    /// The pill in that place, from 0.
    pub fn nth(&self, place: usize) -> Option<&Selection> {
        self.pills.get(place).map(|pill| &pill.selects)
    }
}

/// What this viewer alone decides about pills.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    pub(crate) selected: Selection,
    pub(crate) order: Order,
    pub(crate) pinned: Ordered<TaskId, ()>,
    /// What rang and was looked at since, at which of its rings.
    pub(crate) looked: Ordered<TaskId, u32>,
}

/// What a bar is made of.
pub(crate) struct Parts<'a> {
    pub(crate) own: Option<&'a Task>,
    /// The orchestrator's state, as far as its session says.
    pub(crate) own_state: TaskState,
    /// What the orchestrator is called if nobody signed a name.
    pub(crate) own_name: String,
    /// In any order.
    pub(crate) children: Vec<(&'a Task, ChildSession)>,
    /// The owner vouched for cards that do not come.
    pub(crate) held_back: bool,
    pub(crate) standing: Standing,
    pub(crate) choice: &'a Choice,
}

/// Makes the bar; `None` without children, unless they are held back.
pub(crate) fn bar(parts: Parts<'_>) -> Option<Arc<Bar>> {
    let Parts { own, own_state, own_name, mut children, held_back, standing, choice } = parts;
    if children.is_empty() && !held_back {
        return None;
    }
    children.sort_by(|(a, _), (b, _)| (a.started, &a.id).cmp(&(b.started, &b.id)));
    let state = own.map_or(own_state, |task| task.state);
    let states = children.iter().filter(|(task, _)| !task.removed).map(|(task, _)| task.state);
    let badge = state.with_children(states);
    let mut pills: Vec<Pill> =
        children.into_iter().map(|(task, session)| child(task, session, choice)).collect();
    if choice.order == Order::Attention {
        pills.sort_by_key(|pill| {
            let asks = if pill.attention { 0 } else { pill.status.rank() };
            (Reverse(pill.pinned), asks)
        });
    }
    let name = own.map_or(own_name, name_of);
    pills.insert(
        0,
        Pill {
            selects: Selection::Own,
            initial: initial(&name),
            colour: own.map_or(0, |task| colour(&task.id)),
            name,
            status: badge.into(),
            session: None,
            driver: None,
            attention: false,
            pinned: false,
            selected: choice.selected == Selection::Own,
            details: own.map(Details::of),
        },
    );
    Some(Arc::new(Bar { pills, standing, order: choice.order }))
}

fn child(task: &Task, session: ChildSession, choice: &Choice) -> Pill {
    let selects = Selection::Child(task.id.clone());
    let name = name_of(task);
    let unreachable = matches!(session, ChildSession::Unreachable { .. });
    let status = if unreachable { Status::Unreachable } else { task.state.into() };
    Pill {
        initial: initial(&name),
        name,
        colour: colour(&task.id),
        status,
        session: Some(session),
        driver: task.driver.as_ref().map(|driver| readable(driver, MAX_NAME)),
        attention: task.wants_attention && choice.looked.get(&task.id) != Some(&task.rings),
        pinned: choice.pinned.contains(&task.id),
        selected: choice.selected == selects,
        details: Some(Details::of(task)),
        selects,
    }
}

/// What people call a task.
pub(crate) fn name_of(task: &Task) -> String {
    let name = readable(&task.name, MAX_NAME);
    if name.is_empty() { fallback(&task.id) } else { name }
}

/// Letters beyond ASCII are left for the page's style to turn into capitals: the tables for it are large.
fn initial(name: &str) -> String {
    let letter = name.chars().find(|c| c.is_alphanumeric()).or_else(|| name.chars().next());
    letter.map(|c| c.to_ascii_uppercase().into()).unwrap_or_default()
}

/// The colour of a task's disc, from its id alone.
fn colour(id: &TaskId) -> u8 {
    let [first, ..] = crate::keys::hash("pill colour", &[id.0.as_bytes()]);
    first % COLOURS
}
