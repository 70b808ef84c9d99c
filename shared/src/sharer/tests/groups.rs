//! Laws 8 to 10 on the machine itself: whatever happens in whatever order, what leaves it belongs to what is shared
//! at that moment, and what a parent's link reaches is what it may.

use proptest::prelude::*;

use super::*;
use crate::card::CardReader;
use crate::conversation::{AgentId, Block, Content, Patch, Role, Update};
use crate::keys::grant::GrantSecret;
use crate::orchestration::status::TaskState;
use crate::time::UnixMs;
use crate::wire::task::{OwnedEnd, TaskRow};

/// A parent, four children, and a child of the first child.
const PARENT: usize = 0;
const CHILDREN: [usize; 4] = [1, 2, 3, 4];
const GRANDCHILD: usize = 5;
const ALL: usize = 6;

fn id(at: usize) -> TaskId {
    TaskId(format!("task {at}"))
}

/// The statement, told without the machine: who runs, and who is shared on whose word.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    runs: bool,
    own: bool,
    withheld: bool,
}

/// A relay that believes claims, keeps headers and rows, and checks that nothing comes from who is not shared.
struct Group {
    sharer: Sharer,
    ms: u64,
    connected: bool,
    wishes: [Wish; ALL],
    /// Every session there ever was, whose.
    sessions: BTreeMap<SessionId, usize>,
    channels: BTreeMap<Channel, SessionId>,
    /// Of sessions that were claimed: their newest header, and rows of its epoch.
    rooms: BTreeMap<SessionId, (Header, BTreeMap<TaskId, TaskRow>)>,
    ended: BTreeSet<SessionId>,
    /// Those of which nothing may leave any more.
    stopped: BTreeSet<SessionId>,
    deaf_to_groups: bool,
    heard: usize,
}

impl Group {
    fn new() -> Self {
        Self {
            sharer: Sharer::new(Entropy::from_seed([9; 32]), Now::new(0, 1_000_000)),
            ms: 0,
            connected: false,
            wishes: [Wish::default(); ALL],
            sessions: BTreeMap::new(),
            channels: BTreeMap::new(),
            rooms: BTreeMap::new(),
            ended: BTreeSet::new(),
            stopped: BTreeSet::new(),
            deaf_to_groups: false,
            heard: 0,
        }
    }

    fn now(&self) -> Now {
        Now::new(self.ms, 1_000_000 + self.ms)
    }

    fn parent_shared(&self) -> bool {
        self.wishes[PARENT].own
    }

    /// What the pages say: the parent if it is shared, and then its direct children; besides, who is shared alone.
    fn is_shared(&self, at: usize) -> bool {
        let Wish { runs, own, withheld } = self.wishes[at];
        let with_parent = CHILDREN.contains(&at) && self.parent_shared() && !withheld;
        runs && (own || with_parent)
    }

    fn start(&mut self, at: usize) {
        let parent = match at {
            PARENT => None,
            GRANDCHILD => Some(id(CHILDREN[0])),
            _ => Some(id(PARENT)),
        };
        let mut task = Task::new(id(at), parent, "name", self.now().wall);
        task.state = TaskState::Running;
        if self.sharer.host(self.now(), task, config_of(at)) {
            self.wishes[at].runs = true;
        }
        self.take();
    }

    fn share(&mut self, at: usize) {
        if self.sharer.share(self.now(), &id(at), Begin::Screen).is_some() {
            assert!(self.wishes[at].runs);
            (self.wishes[at].own, self.wishes[at].withheld) = (true, false);
        }
        self.take();
    }

    fn unshare(&mut self, at: usize) {
        let was = self.is_shared(at);
        if at == PARENT && was {
            // Also what has exited and is on its way; what is shared on its own goes on.
            let alone = |child: usize| self.wishes[child].runs && self.wishes[child].own;
            let reached = |session| self.sharer.sessions.get(session).is_some_and(|s| s.reach().is_some());
            let theirs = self.sessions.iter().filter(|(session, child)| !alone(**child) && reached(*session));
            self.stopped.extend(theirs.map(|(session, _)| *session));
        }
        let stopped = self.sharer.unshare(self.now(), &id(at));
        assert!(stopped || !was, "{at}");
        if was {
            self.wishes[at].own = false;
            self.wishes[at].withheld = CHILDREN.contains(&at) && self.parent_shared();
        }
        if at == PARENT {
            self.parent_stopped();
        }
        self.take();
    }

    fn parent_stopped(&mut self) {
        for child in CHILDREN {
            self.wishes[child].withheld = false;
        }
    }

    fn exit(&mut self, at: usize) {
        if !self.wishes[at].runs {
            return;
        }
        self.wishes[at] = Wish::default();
        if at == PARENT {
            self.parent_stopped();
        }
        if let Some(session) = self.sharer.session_of(&id(at)) {
            self.sharer.handle_exit(self.now(), session, Some(0), None);
        }
        let mut task = self.sharer.task(&id(at)).unwrap().clone();
        task.enter(TaskState::Done, "", self.now().wall);
        self.sharer.handle_task(self.now(), task);
        self.take();
    }

    fn output(&mut self, at: usize) {
        if let Some(session) = self.sharer.session_of(&id(at)) {
            self.sharer.handle_output(self.now(), session, &Bytes::from_static(b"more output"));
        }
        self.take();
    }

    fn revoke(&mut self, at: usize, right: Right) {
        if let Some(session) = self.sharer.session_of(&id(at)) {
            self.sharer.revoke(self.now(), session, &[right]);
        }
        self.take();
    }

    fn connect(&mut self, amnesia: bool) {
        if self.connected {
            return;
        }
        if amnesia {
            self.rooms.clear();
        }
        for _ in 0..60 {
            if self.sharer.state() != ConnectionState::Waiting {
                break;
            }
            self.pass(10_000);
        }
        if self.sharer.state() == ConnectionState::Connecting {
            self.connected = true;
            self.channels.clear();
            let now = self.now();
            greet(&mut self.sharer, now);
        }
        self.take();
    }

    fn disconnect(&mut self) {
        if std::mem::take(&mut self.connected) {
            self.sharer.handle_disconnected(self.now(), None);
        }
        self.take();
    }

    fn pass(&mut self, ms: u64) {
        self.ms += ms;
        self.sharer.handle_timeout(self.now());
        self.take();
    }

    fn tell(&mut self, message: &RelayToSharer) {
        self.sharer.handle_packet(self.now(), &Packet::Text(encode(message)));
    }

    /// Takes everything that leaves, and holds it against the wishes as they are now.
    fn take(&mut self) {
        loop {
            while let Some(effect) = self.sharer.poll_effect() {
                match effect {
                    Effect::Opened { task, session } => {
                        let at = (0..ALL).find(|at| id(*at) == task).unwrap();
                        self.sessions.insert(session, at);
                    }
                    Effect::Model(session, ModelInput::Snapshot { mark, full }) => {
                        let window = WindowSize { cols: 80, rows: 24 };
                        let screen = b"screen".to_vec();
                        let full = full.then(|| screen.clone());
                        let dump = ModelDump { mark, window, screen, full };
                        self.sharer.handle_dump(self.now(), session, &dump);
                    }
                    Effect::Ended(session) => self.sharer.forget(self.now(), session),
                    Effect::Close(_) => self.connected = false,
                    _ => {}
                }
            }
            let Some(packet) = self.sharer.poll_transmit() else { return };
            if self.connected {
                self.arrive(&packet);
            }
        }
    }

    fn arrive(&mut self, packet: &Packet) {
        let channel = match packet {
            Packet::Text(text) => decode::<SharerToRelay>(text).unwrap().channel(),
            Packet::Binary(bytes) => Frame::decode(bytes).unwrap().channel(),
        };
        let message = match packet {
            Packet::Text(text) => Some(decode::<SharerToRelay>(text).unwrap()),
            Packet::Binary(_) => None,
        };
        if let Some(SharerToRelay::Initialize { channel, payload }) = &message {
            self.channels.insert(*channel, payload.session_id);
        }
        let session = channel.map(|channel| self.channels[&channel]);
        if let Some(session) = session {
            let at = self.sessions[&session];
            let exits = !self.wishes[at].runs;
            assert!(self.is_shared(at) || exits, "{at} is not shared, and says {message:?}");
            assert!(!self.stopped.contains(&session), "{at} was stopped, and says {message:?}");
            assert!(!self.ended.contains(&session), "{at} has ended, and says {message:?}");
        }
        self.heard += 1;
        match message {
            Some(SharerToRelay::Initialize { channel, payload }) => {
                let session = payload.session_id;
                let header = Header::verify(&payload.header, session).unwrap();
                self.rooms.insert(session, (header, BTreeMap::new()));
                self.tell(&opened(channel));
            }
            Some(SharerToRelay::UpdateHeader { header, .. }) => {
                let session = session.unwrap();
                let header = Header::verify(&header, session).unwrap();
                let room = self.rooms.get_mut(&session).unwrap();
                if room.0.epoch != header.epoch {
                    room.1.clear();
                }
                room.0 = header;
            }
            Some(SharerToRelay::UpdateTasks { rows, .. }) => {
                let room = self.rooms.get_mut(&session.unwrap()).unwrap();
                room.1.extend(rows.into_iter().map(|row| (row.task_id.clone(), row)));
            }
            Some(SharerToRelay::EndGroup { ends }) => {
                let session_ids: Vec<SessionId> = ends.iter().map(OwnedEnd::session_id).collect();
                for end in &ends {
                    assert!(crate::chain::End::verify(&end.end, &end.owner).is_some());
                    assert!(!self.is_current(end.session_id()), "what is shared is not ended");
                }
                if !self.deaf_to_groups {
                    self.ended.extend(&session_ids);
                    self.tell(&RelayToSharer::GroupEnded { session_ids });
                }
            }
            Some(_) => {}
            None => {
                if let Packet::Binary(_) = packet {
                    let consumed = self.sharer.uplink.sent_so_far();
                    let credit = Frame::Credit { consumed }.encode();
                    self.sharer.handle_packet(self.now(), &Packet::Binary(credit));
                }
            }
        }
    }

    fn is_current(&self, session: SessionId) -> bool {
        let at = self.sessions[&session];
        self.is_shared(at) && self.sharer.session_of(&id(at)) == Some(session)
    }

    /// What one of the parent's links shows of a child, and opens.
    fn card(&self, at: usize, right: Right) -> Option<Card> {
        let parent = self.sharer.session_of(&id(PARENT))?;
        let (header, rows) = self.rooms.get(&parent)?;
        let links = self.sharer.links(parent, "http://h")?;
        let secret = if right == Right::Type { links.write?.secret } else { links.read.secret };
        let opened = header.open_box(&secret).unwrap();
        let row = rows.get(&id(at))?;
        let mut reader = CardReader::new(&opened, header.scope(), header.owner);
        reader.read(&row.task_id, row.revision, &row.card).unwrap()
    }

    /// At rest with a relay: all promises about who reaches what.
    fn check(&mut self) {
        self.deaf_to_groups = false;
        self.connect(false);
        for _ in 0..20 {
            self.pass(6_000);
        }
        for at in 0..ALL {
            assert_eq!(self.sharer.session_of(&id(at)).is_some(), self.is_shared(at), "{at}");
        }
        for (session, (header, _)) in &self.rooms {
            let at = self.sessions[session];
            let open = self.is_current(*session);
            let exited = !self.wishes[at].runs;
            assert!(open || exited || self.ended.contains(session), "the end of {at} is told");
            if open {
                // Law 9: own links, and the parent's while it reaches it.
                let reached = CHILDREN.contains(&at) && self.parent_shared() && !self.wishes[at].withheld;
                assert_eq!(header.boxes.len(), if reached { 4 } else { 2 }, "{at}");
            }
        }
        if !self.parent_shared() || !self.connected {
            return;
        }
        for child in CHILDREN.into_iter().filter(|child| self.wishes[*child].runs) {
            let (watching, typing) = (self.card(child, Right::Watch), self.card(child, Right::Type));
            let (watching, typing) = (watching.unwrap(), typing.unwrap());
            assert_eq!(watching.task.removed, self.wishes[child].withheld);
            assert_eq!(watching.task.session, self.sharer.session_of(&id(child)));
            if self.wishes[child].withheld {
                assert_eq!((watching.reach, typing.reach), (None, None));
                continue;
            }
            let (watching, typing) = (watching.reach.unwrap(), typing.reach.unwrap());
            assert_eq!(watching.typing, None, "at most its own right");
            let header = &self.rooms[&self.sharer.session_of(&id(child)).unwrap()].0;
            let opens = |secret: &GrantSecret| header.open_box(secret).unwrap().right();
            assert_eq!((opens(&watching.watch), opens(&typing.watch)), (Right::Watch, Right::Watch));
            assert_eq!(opens(&typing.typing.clone().unwrap()), Right::Type);
            let own = self.sharer.links(header.scope().session, "http://h").unwrap();
            let through = header.open_box(&typing.typing.unwrap()).unwrap().input.unwrap();
            assert_ne!(through.watch, own.read.secret, "it holds nothing that outlives the parent's share");
        }
        assert!(self.card(GRANDCHILD, Right::Type).is_none());
    }
}

fn config_of(at: usize) -> SessionConfig {
    SessionConfig { title: format!("{at}"), read_only: false, ..config() }
}

/// Everything runs, and a relay is there.
fn running() -> Group {
    let mut group = Group::new();
    for at in 0..ALL {
        group.start(at);
    }
    group
}

#[test]
fn a_group_is_shared_and_stopped_as_one() {
    let mut group = running();
    group.pass(60_000);
    assert_eq!((group.heard, group.sharer.state()), (0, ConnectionState::Idle), "private: nothing leaves");
    group.share(PARENT);
    group.connect(false);
    group.check();
    assert_eq!(group.rooms.len(), 5, "the parent and its four children");
    let ids: Vec<SessionId> = group.rooms.keys().copied().collect();
    group.output(1);
    let heard = group.heard;
    group.deaf_to_groups = true;
    group.unshare(PARENT);
    assert_eq!(group.heard, heard + 1, "one message");
    for at in 0..ALL {
        group.output(at);
    }
    group.start(3);
    group.pass(4_000);
    assert_eq!(group.heard, heard + 1, "and nothing more");
    group.disconnect();
    group.connect(true);
    assert_eq!(group.heard, heard + 2, "said again to a relay that has not acknowledged it");
    group.check();
    assert_eq!(group.ended, ids.iter().copied().collect());
    assert_eq!(group.sharer.state(), ConnectionState::Idle);
    group.share(PARENT);
    group.check();
    assert_eq!(group.rooms.len(), 5);
    assert!(group.rooms.keys().all(|session| !ids.contains(session)), "with new keys");
}

#[test]
fn what_is_said_in_private_leaves_with_the_whole_history_and_no_other_way() {
    let chunk = |text: &str| Update::Chunk {
        role: Role::Agent,
        message: None,
        content: Content::Text(text.to_owned()),
    };
    let told = |group: &Group, at: usize| {
        let session = group.sharer.session_of(&id(at)).unwrap();
        format!("{:?}", group.sharer.transcript(session).unwrap())
    };
    for begin in [Begin::Screen, Begin::History] {
        let mut group = running();
        for at in [PARENT, 1, GRANDCHILD] {
            group.sharer.say_in(group.now(), &id(at), chunk("a word in private"));
        }
        group.sharer.share(group.now(), &id(PARENT), begin);
        for at in [PARENT, 1] {
            assert_eq!(told(&group, at).contains("in private"), begin == Begin::History, "{at} {begin:?}");
            group.sharer.say_in(group.now(), &id(at), chunk("for everybody"));
            assert!(told(&group, at).contains("for everybody"));
        }
        // What was seen is part of the history of a later share, and of that only.
        group.sharer.unshare(group.now(), &id(PARENT));
        group.sharer.say_in(group.now(), &id(PARENT), chunk("again in private"));
        group.sharer.share(group.now(), &id(PARENT), begin);
        for word in ["for everybody", "again in private"] {
            assert_eq!(told(&group, PARENT).contains(word), begin == Begin::History, "{word} {begin:?}");
        }
    }
}

#[test]
fn a_transcript_names_the_agents_of_its_group_that_it_mentions_and_no_others() {
    let mut group = running();
    group.share(PARENT);
    let agent = |at: usize| AgentId::new(&id(at).0).unwrap();
    let between = |n: &str, from: usize, to: usize| Update::Between {
        id: n.to_owned(),
        from: Patch::Set(agent(from)),
        to: Patch::Set(agent(to)),
        text: Some("a word".to_owned()),
    };
    // One's own child's child is of another group.
    for (n, from, to) in [("a", PARENT, 1), ("b", 2, 1), ("c", GRANDCHILD, 1)] {
        group.sharer.say_in(group.now(), &id(1), between(n, from, to));
    }
    let child = group.sharer.session_of(&id(1)).unwrap();
    let transcript = group.sharer.transcript(child).unwrap();
    let named: Vec<usize> = (0..ALL).filter(|at| transcript.has_name(&agent(*at))).collect();
    assert_eq!(named, [PARENT, 1, 2], "those it mentions");
    assert_eq!(transcript.name(&agent(2)), group.sharer.task(&id(2)).unwrap().name.to_string());
    assert_eq!(transcript.name(&agent(GRANDCHILD)), agent(GRANDCHILD).fallback(), "never a wrong name");
    let other = group.sharer.session_of(&id(2)).unwrap();
    assert!(!group.sharer.transcript(other).unwrap().has_name(&agent(1)));
}

#[test]
fn a_parents_transcript_tells_of_its_children_from_when_it_is_shared() {
    let mut group = running();
    let enter = |group: &mut Group, at: usize, state: TaskState| {
        let mut task = group.sharer.task(&id(at)).unwrap().clone();
        task.enter(state, "why", group.now().wall);
        group.sharer.handle_task(group.now(), task);
    };
    enter(&mut group, 1, TaskState::Blocked);
    group.share(PARENT);
    let told = |group: &Group, at: usize| -> Vec<String> {
        let transcript = group.sharer.transcript(group.sharer.session_of(&id(at)).unwrap()).unwrap();
        let line = |block: &Block| {
            let Block::Subagent(agent) = block else { return format!("{block:?}") };
            format!("{} {:?}", transcript.has_name(&agent.id), agent.state)
        };
        transcript.blocks().map(|(_, _, block)| line(block)).collect()
    };
    assert!(told(&group, PARENT).is_empty(), "what was before is private");
    for at in [2, GRANDCHILD, PARENT] {
        enter(&mut group, at, TaskState::Error);
    }
    let mut quiet = Task::new(TaskId("told by its agent".into()), Some(id(PARENT)), "q", UnixMs(0));
    quiet.state = TaskState::Done;
    assert!(group.sharer.host(group.now(), quiet, SessionConfig { announced: false, ..config_of(1) }));
    assert_eq!(told(&group, PARENT), [r#"true Some("error")"#], "a child's, and nobody else's");
    assert!(told(&group, 1).is_empty(), "a grandchild's");
}

#[test]
fn what_is_ending_stops_with_its_parent_too() {
    let mut group = running();
    group.share(PARENT);
    group.check();
    let session = group.sharer.session_of(&id(1)).unwrap();
    group.disconnect();
    group.output(1);
    group.exit(1);
    assert!(group.sharer.sessions.contains_key(&session), "its end waits for the relay");
    group.unshare(PARENT);
    assert!(!group.sharer.sessions.contains_key(&session));
    group.stopped.insert(session);
    group.check();
    assert!(group.ended.contains(&session), "the relay learns that it ended, and nothing else");
}

#[test]
fn another_share_knows_of_what_has_ended_how_and_no_session() {
    let mut group = running();
    group.share(PARENT);
    group.check();
    group.exit(1);
    group.check();
    assert!(group.card(1, Right::Watch).unwrap().task.session.is_some(), "the control: this share shows it");
    group.unshare(PARENT);
    group.check();
    group.share(PARENT);
    group.check();
    let card = group.card(1, Right::Watch).unwrap();
    assert_eq!((card.task.state, card.task.session, card.task.removed), (TaskState::Done, None, false));
    assert!(card.reach.is_none());
}

#[test]
fn a_removed_link_opens_nothing_of_what_has_ended_either() {
    for connected in [false, true] {
        let mut group = running();
        group.share(PARENT);
        group.check();
        let session = group.sharer.session_of(&id(1)).unwrap();
        let old = group.card(1, Right::Watch).unwrap().reach.unwrap().watch;
        if !connected {
            group.disconnect();
        }
        group.output(1);
        group.exit(1);
        if connected {
            group.check();
        }
        group.revoke(PARENT, Right::Watch);
        group.check();
        let reach = group.card(1, Right::Watch).unwrap();
        assert_eq!(reach.task.session, Some(session), "it stays");
        let header = &group.rooms[&session].0;
        assert!(header.open_box(&old).is_err() && header.open_box(&reach.reach.unwrap().watch).is_ok());
    }
}

#[test]
fn a_stop_made_while_no_relay_is_there_is_told_when_one_is() {
    let mut group = running();
    group.share(PARENT);
    group.check();
    let first: BTreeSet<SessionId> = group.rooms.keys().copied().collect();
    group.disconnect();
    group.unshare(PARENT);
    group.start(3);
    group.check();
    assert_eq!(group.ended, first);
    // What no relay ever heard of needs no end, and a share that waits for a relay can be undone.
    let mut silent = running();
    silent.share(PARENT);
    assert_eq!(silent.sharer.room(silent.sharer.session_of(&id(PARENT)).unwrap()), Some(RoomState::Pending));
    silent.unshare(PARENT);
    silent.connect(false);
    silent.pass(60_000);
    assert_eq!((silent.heard, silent.sharer.state()), (0, ConnectionState::Idle));
}

#[test]
fn a_child_shared_on_its_own_goes_on_without_the_parents_link() {
    let mut group = running();
    group.share(PARENT);
    group.share(2);
    group.check();
    let own = group.sharer.session_of(&id(2)).unwrap();
    let reach = group.card(2, Right::Type).unwrap().reach.unwrap();
    assert!(group.rooms[&own].0.open_box(&reach.watch).is_ok(), "the control");
    group.unshare(PARENT);
    group.check();
    assert_eq!(group.sharer.session_of(&id(2)), Some(own));
    let header = &group.rooms[&own].0;
    assert!(header.open_box(&reach.watch).is_err() && header.open_box(&reach.typing.unwrap()).is_err());
    assert!(group.sharer.task(&id(2)).unwrap().removed, "and says so");
    assert_eq!(group.sharer.session_of(&id(1)), None);
}

#[test]
fn a_removed_link_of_the_parents_opens_no_child() {
    for right in [Right::Watch, Right::Type] {
        let mut group = running();
        group.share(PARENT);
        group.check();
        let before = group.card(1, Right::Type).unwrap().reach.unwrap();
        group.revoke(PARENT, right);
        group.check();
        let after = group.card(1, Right::Type).unwrap().reach.unwrap();
        let child = group.sharer.session_of(&id(1)).unwrap();
        let header = &group.rooms[&child].0;
        for (old, new) in [(before.watch, after.watch), (before.typing.unwrap(), after.typing.unwrap())] {
            assert!(header.open_box(&old).is_err() && header.open_box(&new).is_ok(), "{right:?}");
        }
    }
}

#[test]
fn a_session_gets_its_task_with_the_first_child_and_children_their_parents_kind() {
    use crate::wire::source::SourceKind;
    let mut group = Group::new();
    let mut task = Task::new(id(PARENT), None, "parent", UnixMs(0));
    task.state = TaskState::Running;
    let source = SessionSource { kind: SourceKind::AmbientAgent, task_id: None };
    group.wishes[PARENT].runs = true;
    assert!(group.sharer.host(group.now(), task, SessionConfig { source, ..config_of(PARENT) }));
    group.share(PARENT);
    group.connect(false);
    let parent = group.sharer.session_of(&id(PARENT)).unwrap();
    let source = |group: &Group, session: SessionId| group.sharer.sessions[&session].source().clone();
    assert_eq!(source(&group, parent).task_id, None);
    group.start(1);
    let kind = SourceKind::AmbientAgent;
    assert_eq!(source(&group, parent), SessionSource { kind, task_id: Some(id(PARENT)) });
    let child = group.sharer.session_of(&id(1)).unwrap();
    assert_eq!(source(&group, child), SessionSource { kind, task_id: Some(id(1)) });
    assert_eq!(group.sharer.task(&id(1)).unwrap().kind, kind);
}

#[derive(Debug, Clone)]
enum Op {
    Start(usize),
    Share(usize),
    Unshare(usize),
    Exit(usize),
    Output(usize),
    Revoke(usize, bool),
    Connect(bool),
    Disconnect,
    Deaf(bool),
    Time(u64),
    Check,
}

fn op() -> impl Strategy<Value = Op> {
    let any_task = || prop_oneof![2 => Just(PARENT), 5 => 1..ALL];
    prop_oneof![
        6 => any_task().prop_map(Op::Start),
        6 => any_task().prop_map(Op::Share),
        4 => any_task().prop_map(Op::Unshare),
        1 => any_task().prop_map(Op::Exit),
        6 => any_task().prop_map(Op::Output),
        2 => (any_task(), any::<bool>()).prop_map(|(at, watch)| Op::Revoke(at, watch)),
        4 => any::<bool>().prop_map(Op::Connect),
        3 => Just(Op::Disconnect),
        1 => any::<bool>().prop_map(Op::Deaf),
        3 => (1u64..30_000).prop_map(Op::Time),
        1 => Just(Op::Check),
    ]
}

proptest! {
    #[test]
    fn whatever_leaves_is_shared_at_that_moment(ops in proptest::collection::vec(op(), 1..60)) {
        let mut group = Group::new();
        for op in ops {
            match op {
                Op::Start(at) => group.start(at),
                Op::Share(at) => group.share(at),
                Op::Unshare(at) => group.unshare(at),
                Op::Exit(at) => group.exit(at),
                Op::Output(at) => group.output(at),
                Op::Revoke(at, watch) => {
                    group.revoke(at, if watch { Right::Watch } else { Right::Type });
                }
                Op::Connect(amnesia) => group.connect(amnesia),
                Op::Disconnect => group.disconnect(),
                Op::Deaf(deaf) => group.deaf_to_groups = deaf,
                Op::Time(ms) => group.pass(ms),
                Op::Check => group.check(),
            }
        }
        group.check();
    }
}
