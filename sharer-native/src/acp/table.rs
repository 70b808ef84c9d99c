//! Who sits where: which conversation has which session, and what waits for one that has not begun.

use std::collections::BTreeMap;

use shared::conversation::{AgentId, Update};

use super::tap::{Doing, Meaning};

/// Updates that wait for a conversation's session; beyond, the transcript says that some are missing.
const MOST_PENDING: usize = 4_096;
/// Conversations of one agent; those beyond are not shared.
const MOST_SEATS: usize = 64;
/// Updates that are worth a request of their own.
const ENOUGH: usize = 64;

/// A conversation, and the way to its session once that has begun.
#[derive(Debug)]
struct Seat<W> {
    way: Option<W>,
    pending: Vec<Update>,
    state: Option<&'static str>,
    lost: bool,
}

impl<W> Default for Seat<W> {
    fn default() -> Self {
        Self { way: None, pending: Vec::new(), state: None, lost: false }
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
    pub(super) updates: Vec<Update>,
    pub(super) state: Option<&'static str>,
}

/// See the module. `W` is the way to a session.
pub(super) struct Table<W> {
    title: String,
    held: BTreeMap<String, Seat<W>>,
    /// ACP's id of the conversation that has the session itself; empty while nobody has spoken in it.
    first: Option<String>,
    /// What the conversations' agents are called.
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
        self.held.values().any(|seat| seat.pending.len() >= ENOUGH)
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
                    if seat.pending.len() < MOST_PENDING {
                        seat.pending.push(update);
                    } else {
                        seat.lost = true;
                    }
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
        if self.names.insert(session.to_owned(), name.to_owned()).as_deref() != Some(name) {
            for seat in self.held.values_mut() {
                seat.pending.push(Update::Name { id: id.clone(), name: name.to_owned() });
            }
        }
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
        let known = self
            .names
            .iter()
            .filter_map(|(id, name)| Some(Update::Name { id: AgentId::new(id)?, name: name.clone() }));
        let seat = Seat { pending: known.collect(), ..Seat::default() };
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
                let title = "Some of what was said here was not recorded.".to_owned();
                seat.pending.push(Update::Notice {
                    severity: "warning".to_owned(),
                    title,
                    description: None,
                });
            }
            let (updates, state) = (std::mem::take(&mut seat.pending), seat.state.take());
            (!updates.is_empty() || state.is_some()).then_some(Due { way, updates, state })
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
        let titles = |updates: Vec<Update>| {
            let title = |update| if let Update::Notice { title, .. } = update { Some(title) } else { None };
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
        assert!(table.is_full());
        table.arrived(String::new(), 1);
        assert_eq!(table.begins().len(), MOST_SEATS - 1);
        let told = due(&mut table);
        let titles = &told.first().unwrap().1;
        assert!(titles.len() <= MOST_PENDING + MOST_SEATS);
        assert_eq!(titles.last().unwrap(), "Some of what was said here was not recorded.");
    }
}
