//! Who sits where: which conversation has which session, and what waits for one that has not begun.

use std::collections::BTreeMap;

use shared::conversation::{AgentId, MAX_NAMES, MAX_TRANSCRIPT, Update, name_text};

use super::parcel::{self, Parcel};
use super::tap::{Doing, Meaning};

/// Updates that wait for a conversation's session; beyond, the transcript says that some are missing.
const MOST_PENDING: usize = 4_096;
/// The same in bytes of JSON. A transcript keeps half of this.
const MOST_BYTES: usize = 2 * MAX_TRANSCRIPT;
/// Conversations of one agent; those beyond are not shared.
const MOST_SEATS: usize = 64;
/// Updates that are worth a request of their own.
const ENOUGH: usize = 64;

/// What a transcript says where something is missing.
const MISSING: &str = "Some of what was said here was not recorded.";

/// A conversation, and the way to its session once that has begun.
#[derive(Debug)]
struct Seat<W> {
    way: Option<W>,
    pending: Vec<Parcel>,
    /// What is pending takes so many bytes of JSON.
    bytes: usize,
    state: Option<&'static str>,
    lost: bool,
}

impl<W> Default for Seat<W> {
    fn default() -> Self {
        Self { way: None, pending: Vec::new(), bytes: 0, state: None, lost: false }
    }
}

impl<W> Seat<W> {
    /// The session is to be told this, if there is room; else that something is missing.
    fn push(&mut self, update: Update) {
        // What nobody can take is not measured either.
        if self.pending.len() >= MOST_PENDING {
            self.lost = true;
            return;
        }
        let (parcels, whole) = parcel::pack(update);
        self.lost |= !whole;
        for parcel in parcels {
            if self.pending.len() >= MOST_PENDING || self.bytes + parcel.size > MOST_BYTES {
                self.lost = true;
                return;
            }
            self.bytes += parcel.size;
            self.pending.push(parcel);
        }
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= ENOUGH || self.bytes >= parcel::MOST_TOGETHER
    }
}

/// A child's session to be started.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Begin {
    /// ACP's id of the conversation.
    pub(super) session: String,
    /// What its agent is called.
    pub(super) name: String,
}

/// What a session has not been told yet.
#[derive(Debug, PartialEq)]
pub(super) struct Due<'a, W> {
    pub(super) way: &'a W,
    pub(super) updates: Vec<Parcel>,
    pub(super) state: Option<&'static str>,
    /// To be set if it cannot be told all of it: then it is told that.
    pub(super) lost: &'a mut bool,
}

/// See the module. `W` is the way to a session.
pub(super) struct Table<W> {
    title: String,
    held: BTreeMap<String, Seat<W>>,
    /// ACP's id of the conversation that has the session itself; empty while nobody has spoken in it.
    first: Option<String>,
    /// What the conversations' agents are called; a transcript has names for no more of them.
    names: BTreeMap<String, String>,
    begins: Vec<Begin>,
}

impl<W> Table<W> {
    /// A table at which nobody sits; the first conversation is called `title`.
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            held: BTreeMap::new(),
            first: None,
            names: BTreeMap::new(),
            begins: Vec::new(),
        }
    }

    /// Whether enough waits to be shared.
    pub(super) fn is_full(&self) -> bool {
        self.held.values().any(|seat| seat.way.is_some() && seat.is_full())
    }

    /// Whether something waits for a session that has not begun.
    pub(super) fn waits(&self) -> bool {
        self.held.values().any(|seat| seat.way.is_none() && !seat.pending.is_empty())
    }

    /// The way to the session that all the others are children of.
    pub(super) fn first(&self) -> Option<&W> {
        self.held.get(self.first.as_ref()?)?.way.as_ref()
    }

    /// The children to start now; each is named once.
    pub(super) fn begins(&mut self) -> Vec<Begin> {
        std::mem::take(&mut self.begins)
    }

    /// Something passed.
    pub(super) fn take(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Session { session } => drop(self.seat(&session)),
            Meaning::Update { session, update } => {
                if let Some(seat) = self.seat(&session) {
                    seat.push(update);
                }
            }
            Meaning::Doing { session, what } => {
                let state = match what {
                    Doing::Running => "running",
                    Doing::Waiting => "waiting",
                    Doing::Blocked => "blocked",
                };
                self.says(&session, state);
            }
            Meaning::Child { parent, session, title, state } => {
                let new = !self.held.contains_key(&session);
                if let Some(title) = title {
                    self.call(&session, &title);
                }
                // One level: what a subagent starts is in its transcript only.
                if new && self.first.as_ref() == Some(&parent) {
                    self.child(&session);
                }
                let state = match state.as_deref() {
                    Some("running") => "running",
                    Some("requires_action") => "blocked",
                    Some("idle") => "waiting",
                    _ => return,
                };
                self.says(&session, state);
            }
        }
    }

    /// Some of what passed was not read.
    pub(super) fn lost(&mut self) {
        for seat in self.held.values_mut() {
            seat.lost = true;
        }
    }

    fn says(&mut self, session: &str, state: &'static str) {
        if let Some(seat) = self.held.get_mut(session) {
            seat.state = Some(state);
        }
    }

    /// The agent of a conversation is called this; everybody's transcript may mention it.
    fn call(&mut self, session: &str, name: &str) {
        let Some(id) = AgentId::new(session) else { return };
        let name = name_text(name);
        let fits = self.names.len() < MAX_NAMES || self.names.contains_key(session);
        if !fits || self.names.get(session) == Some(&name) {
            return;
        }
        for seat in self.held.values_mut() {
            seat.push(Update::Name { id: id.clone(), name: name.clone() });
        }
        self.names.insert(session.to_owned(), name);
    }

    /// The seat of a conversation. The first one has the session; others that nobody started are its children too.
    fn seat(&mut self, session: &str) -> Option<&mut Seat<W>> {
        if !self.held.contains_key(session) {
            if self.first.as_deref().unwrap_or_default().is_empty() {
                // Its program may have been there before anybody spoke.
                let seat = self.held.remove("").unwrap_or_default();
                self.first = Some(session.to_owned());
                self.held.insert(session.to_owned(), seat);
                let title = self.title.clone();
                self.call(session, &title);
            } else {
                self.child(session);
            }
        }
        self.held.get_mut(session)
    }

    fn child(&mut self, session: &str) {
        if self.held.len() >= MOST_SEATS {
            return;
        }
        let mut seat = Seat::default();
        for (id, name) in &self.names {
            if let Some(id) = AgentId::new(id) {
                seat.push(Update::Name { id, name: name.clone() });
            }
        }
        self.held.insert(session.to_owned(), seat);
        self.begin(session);
    }

    /// A child's session is to start, if the agent's own has begun; else it begins with that.
    fn begin(&mut self, session: &str) {
        if self.first().is_some() {
            let name = self.names.get(session).cloned().unwrap_or_else(|| "agent".to_owned());
            self.begins.push(Begin { session: session.to_owned(), name });
        }
    }

    /// A session has begun: that of the conversation `session`, or the first one's for an empty name.
    pub(super) fn arrived(&mut self, session: String, way: W) {
        let is_first = session.is_empty();
        let session = if is_first { self.first.get_or_insert_default().clone() } else { session };
        self.held.entry(session.clone()).or_default().way = Some(way);
        if is_first {
            let others: Vec<String> = self.held.keys().filter(|other| **other != session).cloned().collect();
            for other in others {
                self.begin(&other);
            }
        }
    }

    /// What the sessions that have begun are to be told; each word once.
    pub(super) fn due(&mut self) -> impl Iterator<Item = Due<'_, W>> {
        self.held.values_mut().filter_map(|seat| {
            let way = seat.way.as_ref()?;
            if std::mem::take(&mut seat.lost) {
                let title = MISSING.to_owned();
                let notice = Update::Notice { severity: "warning".to_owned(), title, description: None };
                // There is room for one more: it says why nothing else was let in.
                seat.pending.extend(parcel::pack(notice).0);
            }
            let (updates, state) = (std::mem::take(&mut seat.pending), seat.state.take());
            seat.bytes = 0;
            (!updates.is_empty() || state.is_some()).then_some(Due {
                way,
                updates,
                state,
                lost: &mut seat.lost,
            })
        })
    }

    /// Nobody sits here any more: the ways are dropped.
    pub(super) fn clear(&mut self) {
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(session: &str) -> Meaning {
        let update =
            Update::Notice { severity: "info".to_owned(), title: session.to_owned(), description: None };
        Meaning::Update { session: session.to_owned(), update }
    }

    /// The titles of the notices that are due, by the way they go.
    fn due(table: &mut Table<u8>) -> Vec<(u8, Vec<String>)> {
        let titles = |updates: Vec<Parcel>| {
            let title = |parcel: Parcel| {
                if let Update::Notice { title, .. } = parcel.update { Some(title) } else { None }
            };
            updates.into_iter().filter_map(title).collect()
        };
        table.due().map(|due| (*due.way, titles(due.updates))).collect()
    }

    #[test]
    fn who_speaks_first_has_the_session_whether_it_began_before_or_after() {
        for session_first in [true, false] {
            let mut table = Table::new("agent");
            if session_first {
                table.arrived(String::new(), 1);
                assert_eq!(due(&mut table), []);
                table.take(said("s1"));
            } else {
                table.take(said("s1"));
                assert_eq!(due(&mut table), []);
                assert!(table.waits());
                table.arrived(String::new(), 1);
            }
            assert_eq!(table.begins(), [], "no child for the first one");
            assert_eq!(due(&mut table), [(1, vec!["s1".to_owned()])]);
            assert!(!table.waits());
        }
    }

    #[test]
    fn others_are_children_that_begin_once_the_first_has_begun() {
        let mut table = Table::new("agent");
        table.take(said("s1"));
        table.take(said("s2"));
        assert_eq!(table.begins(), []);
        table.arrived(String::new(), 1);
        let begin = |session: &str| Begin { session: session.to_owned(), name: "agent".to_owned() };
        assert_eq!(table.begins(), [begin("s2")]);
        assert_eq!(table.begins(), [], "once");
        table.take(said("s3"));
        assert_eq!(table.begins(), [begin("s3")]);
        table.arrived("s2".to_owned(), 2);
        let told = due(&mut table);
        assert_eq!(told, [(1, vec!["s1".to_owned()]), (2, vec!["s2".to_owned()])]);
    }

    #[test]
    fn what_waits_is_bounded_and_what_was_lost_is_said() {
        let mut table = Table::new("agent");
        for _ in 0..MOST_PENDING + 10 {
            table.take(said("s1"));
        }
        for n in 0..MOST_SEATS + 10 {
            table.take(said(&format!("t{n}")));
        }
        table.arrived(String::new(), 1);
        assert!(table.is_full());
        assert_eq!(table.begins().len(), MOST_SEATS - 1);
        let told = due(&mut table);
        let titles = &told.first().unwrap().1;
        assert!(titles.len() <= MOST_PENDING + MOST_SEATS);
        assert_eq!(titles.last().unwrap(), MISSING);
    }

    #[test]
    fn subagents_without_number_leave_no_more_than_fits() {
        let mut table = Table::<u8>::new("agent");
        table.take(said("s1"));
        table.take(said("s2"));
        for n in 0..2 * MOST_PENDING {
            let title = Some("long ".repeat(1_000));
            let (parent, session) = ("s1".to_owned(), format!("k{n}"));
            table.take(Meaning::Child { parent, session, title, state: None });
            // One that changes its name for ever.
            let (parent, session) = ("s1".to_owned(), "s2".to_owned());
            table.take(Meaning::Child { parent, session, title: Some(format!("name {n}")), state: None });
        }
        assert_eq!(table.names.len(), MAX_NAMES);
        assert!(table.names.values().all(|name| name.chars().count() <= 81));
        assert!(table.held.values().all(|seat| seat.pending.len() <= MOST_PENDING && seat.lost));
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_too() {
        let mut table = Table::new("agent");
        for _ in 0..200 {
            let description = Some("x".repeat(100 * 1024));
            let update = Update::Notice { severity: "info".to_owned(), title: "s1".to_owned(), description };
            table.take(Meaning::Update { session: "s1".to_owned(), update });
        }
        table.arrived(String::new(), 1);
        assert!(table.is_full());
        let bytes: usize = table.due().flat_map(|due| due.updates).map(|parcel| parcel.size).sum();
        assert!((MOST_BYTES / 2..MOST_BYTES + 1024).contains(&bytes), "{bytes}");
        // There is room again.
        table.take(said("s1"));
        assert_eq!(due(&mut table), [(1, vec!["s1".to_owned()])]);
    }

    #[test]
    fn what_a_session_could_not_be_told_it_is_told_of() {
        let mut table = Table::new("agent");
        table.arrived(String::new(), 1);
        table.take(said("s1"));
        table.due().for_each(|due| *due.lost = true);
        assert_eq!(due(&mut table), [(1, vec![MISSING.to_owned()])]);
        assert_eq!(due(&mut table), [], "once");
    }
}
