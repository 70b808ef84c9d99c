use proptest::prelude::*;

use super::block::*;
use super::*;

fn id(text: &str) -> AgentId {
    AgentId::new(text).unwrap()
}

fn chunk(role: Role, message: Option<&str>, text: &str) -> Update {
    let content = Content::Text(text.to_owned());
    Update::Chunk { role, message: message.map(str::to_owned), content }
}

fn notice(title: String) -> Update {
    Update::Notice { severity: "info".to_owned(), title, description: None }
}

fn tool(name: &str, status: &str, content: Option<Vec<ToolContent>>) -> Update {
    let call = ToolCall { status: Some(status.to_owned()), content, ..ToolCall::default() };
    Update::ToolCall { id: name.to_owned(), call }
}

fn write(updates: impl IntoIterator<Item = Update>) -> (Conversation, Vec<Change>) {
    let mut conversation = Conversation::default();
    let changes = updates.into_iter().flat_map(|update| conversation.update(update)).collect();
    (conversation, changes)
}

fn texts(transcript: &Transcript) -> Vec<String> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest shows itself")]
    let text = |block: &Block| match block {
        Block::Message(message) => format!("{:?}: {}", message.role, message.text),
        Block::Tool(call) => format!("tool {}", call.status.clone().unwrap_or_default()),
        Block::Stop(reason) => format!("stop {reason}"),
        Block::Between(between) => format!("between {}", between.text),
        other => format!("{other:?}"),
    };
    transcript.blocks().map(|(_, _, block)| text(block)).collect()
}

/// Both show the same, however they came to it.
fn assert_same(one: &Transcript, other: &Transcript) {
    let facts = |transcript: &Transcript| {
        let names: Vec<_> = transcript.names().map(|(id, held)| (id.clone(), held.value.clone())).collect();
        let blocks: Vec<_> = transcript.blocks().map(|(at, revision, _)| (at, revision)).collect();
        (transcript.revision(), transcript.first(), transcript.is_loading(), names, blocks)
    };
    assert_eq!(facts(one), facts(other));
    let different = one.blocks().zip(other.blocks()).find(|(one, other)| one != other);
    if let Some(((at, _, one), (_, _, other))) = different {
        let short = |block: &Block| format!("{block:?}").chars().take(300).collect::<String>();
        panic!("block {at}:\n{}\n{}", short(one), short(other));
    }
}

/// Loads what `pages` hold, newest first, until no more are needed.
fn load(transcript: &mut Transcript, pages: &[Page]) {
    for page in pages.iter().rev() {
        assert!(page.encode().len() <= MAX_PAGE, "{}", page.encode().len());
        match transcript.load(Page::decode(&page.encode()).unwrap()) {
            Need::Older => {}
            Need::Nothing => return,
            Need::Newest => panic!("the newest page was not new enough"),
        }
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z\\n\"\\\\ é😀\u{1b}\\[31m]{0,40}",
        1 => (0..20_000usize).prop_map(|n| "x\"".repeat(n)),
    ]
}

fn any_agent() -> impl Strategy<Value = AgentId> {
    prop_oneof![Just(id("a1")), Just(id("b22")), Just(id("c333"))]
}

fn any_update() -> impl Strategy<Value = Update> {
    let role = prop_oneof![Just(Role::User), Just(Role::Agent), Just(Role::Thought)];
    let message = prop::option::of("[mn]");
    let content =
        prop_oneof![
            any_text().prop_map(ToolContent::Text),
            ("[a-c]", prop::option::of(any_text()), any_text())
                .prop_map(|(path, old, new)| ToolContent::Diff { path, old, new }),
            "[tu]".prop_map(|id| ToolContent::Terminal {
                id,
                command: String::new(),
                output: String::new(),
                exit: None
            }),
        ];
    let contents = prop::option::of(prop::collection::vec(content, 0..4));
    prop_oneof![
        6 => (role, message, any_text()).prop_map(|(role, message, text)| Update::Chunk {
            role, message, content: Content::Text(text)
        }),
        4 => ("[xyz]", "[a-z]{0,9}", contents, prop::option::of(any_text())).prop_map(|(id, status, content, more)| {
            Update::ToolCall { id, call: ToolCall { status: Some(status), content, more, ..ToolCall::default() } }
        }),
        1 => ("[tu]", prop::option::of(any_text())).prop_map(|(id, output)| Update::Terminal {
            id, command: None, output, exit: None
        }),
        1 => prop::collection::vec(any_text(), 0..50).prop_map(|entries| {
            let entry = |content| PlanEntry { content, priority: "high".into(), status: "pending".into() };
            Update::Plan(entries.into_iter().map(entry).collect())
        }),
        1 => (any_agent(), prop::option::of(any_text())).prop_map(|(id, title)| {
            let title = title.map_or(Patch::Keep, Patch::Set);
            Update::Subagent { id, title, description: Patch::Keep, state: Patch::Set("running".into()) }
        }),
        1 => (any_agent(), prop::option::of(any_text())).prop_map(|(id, reason)| {
            Update::Lifecycle { id, state: "done".into(), reason }
        }),
        1 => ("[pq]", any_agent(), any_agent(), prop::option::of(any_text())).prop_map(|(id, from, to, text)| {
            Update::Between { id, from: Patch::Set(from), to: Patch::Set(to), text }
        }),
        2 => ("[pq]", any_text()).prop_map(|(id, text)| Update::BetweenChunk { id, text }),
        1 => ("[kl]", any_text(), any::<bool>()).prop_map(|(kind, json, state)| Update::Opaque { kind, json, state }),
        1 => Just(Update::Stop("end_turn".into())),
        1 => Just(Update::ReplayEnd),
        1 => "[a-z]{0,20}".prop_map(notice),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Law 3 for transcripts: pages up to any point and the changes after it give what all changes give, for one who
    /// begins there, and for one who was there before and missed some.
    #[test]
    fn pages_and_what_follows_equal_all_changes(
        updates in prop::collection::vec(any_update(), 1..30),
        missed in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        early in any::<prop::sample::Index>(),
    ) {
        let mut conversation = Conversation::default();
        let mut changes = Vec::new();
        let mut states = vec![conversation.clone()];
        for update in updates {
            changes.extend(conversation.update(update));
            states.push(conversation.clone());
        }
        let mut follower = Transcript::default();
        for change in &changes {
            prop_assert_eq!(follower.apply(change.clone()), Need::Nothing);
        }
        assert_same(conversation.transcript(), &follower);

        let at_cut = cut.get(&states);
        let revision = at_cut.transcript().revision();
        let pages = at_cut.pages(0);
        prop_assert_eq!(pages.last().map_or(0, |page| page.revision), revision);

        // One that joins: changes after the cut come before, between and after the pages.
        let mut joined = Transcript::default();
        let after: Vec<_> = changes.iter().filter(|change| change.revision > revision).cloned().collect();
        let early = early.index(after.len() + 1);
        let need = joined.begin_at(revision);
        prop_assert_eq!(need == Need::Nothing, revision == 0);
        for change in &after[..early] {
            joined.apply(change.clone());
        }
        load(&mut joined, &pages);
        for change in &after[early..] {
            joined.apply(change.clone());
        }
        assert_same(conversation.transcript(), &joined);

        // One that missed what lies between: it needs the pages after what it has only.
        let known = states[..=states.iter().position(|state| state.transcript() == at_cut.transcript()).unwrap()]
            [missed.index(states.iter().position(|state| state.transcript() == at_cut.transcript()).unwrap() + 1)]
            .transcript()
            .revision();
        let mut lossy = Transcript::default();
        for change in changes.iter().filter(|change| change.revision <= known) {
            lossy.apply(change.clone());
        }
        lossy.begin_at(revision);
        load(&mut lossy, &pages);
        for change in &after {
            lossy.apply(change.clone());
        }
        assert_same(conversation.transcript(), &lossy);
    }

    #[test]
    fn every_block_and_the_whole_keep_their_bounds(updates in prop::collection::vec(any_update(), 1..40)) {
        let (conversation, _) = write(updates);
        for (_, _, block) in conversation.transcript().blocks() {
            prop_assert!(block.cost() <= MAX_BLOCK, "{}", block.cost());
        }
        let cost: usize = conversation.transcript().blocks().map(|(_, _, block)| block.cost()).sum();
        prop_assert_eq!(cost, conversation.cost());
    }

    #[test]
    fn any_json_is_a_change_or_none(text in "[\\[\\]{}\":,a-zA-Z0-9]{0,80}") {
        drop(serde_json::from_str::<Change>(&text));
        drop(Page::decode(text.as_bytes()));
    }

    #[test]
    fn names_are_one_line_of_what_can_be_seen(name in any::<String>()) {
        let shown = name_text(&name);
        prop_assert!(shown.chars().count() <= 81);
        prop_assert!(!shown.chars().any(char::is_control));
        let again = name_text(&shown);
        prop_assert_eq!(again.trim_end_matches('…'), shown.trim_end_matches('…'));
    }
}

#[test]
fn chunks_become_one_block_until_somebody_else_speaks() {
    let (conversation, changes) = write([
        chunk(Role::User, None, "do "),
        chunk(Role::User, None, "it"),
        chunk(Role::Thought, None, "hm"),
        chunk(Role::Agent, None, "I "),
        chunk(Role::Agent, None, "do"),
        tool("x", "pending", None),
        chunk(Role::Agent, None, "done"),
        tool("x", "completed", None),
        Update::Stop("end_turn".into()),
    ]);
    let expected =
        ["User: do it", "Thought: hm", "Agent: I do", "tool completed", "Agent: done", "stop end_turn"];
    assert_eq!(texts(conversation.transcript()), expected);
    let appended = changes.iter().filter(|change| matches!(change.what, What::Append(..))).count();
    assert_eq!(appended, 2, "what is added travels, not what was there");
}

#[test]
fn messages_that_say_which_they_are_may_interleave() {
    let (conversation, _) = write([
        chunk(Role::Agent, Some("1"), "one "),
        chunk(Role::Agent, Some("2"), "two "),
        chunk(Role::Agent, Some("1"), "more"),
        chunk(Role::Agent, Some("2"), "more"),
    ]);
    assert_eq!(texts(conversation.transcript()), ["Agent: one more", "Agent: two more"]);
}

/// The reference system's bug: a finish that nobody gave made viewers drop the rest of the stream.
#[test]
fn a_replay_ends_no_exchange_that_is_still_going_on() {
    let (conversation, _) = write([
        chunk(Role::Agent, None, "lost"),
        Update::ReplayStart,
        chunk(Role::User, None, "ask"),
        chunk(Role::Agent, None, "I be"),
        Update::ReplayEnd,
        chunk(Role::Agent, None, "gin"),
    ]);
    assert_eq!(texts(conversation.transcript()), ["User: ask", "Agent: I begin"]);
    let ended = conversation.transcript().blocks().any(|(_, _, block)| matches!(block, Block::Stop(_)));
    assert!(!ended);
}

#[test]
fn a_long_answer_goes_on_in_the_next_block() {
    let long = "0123456789".repeat(10_000);
    let (conversation, _) = write(
        long.as_bytes()
            .chunks(700)
            .map(|part| chunk(Role::Agent, Some("1"), core::str::from_utf8(part).unwrap())),
    );
    let blocks: Vec<_> = conversation.transcript().blocks().collect();
    assert!(blocks.len() > 3, "{}", blocks.len());
    let whole: String = blocks
        .iter()
        .map(|(_, _, block)| {
            let Block::Message(message) = block else { panic!("no message") };
            message.text.as_str()
        })
        .collect();
    assert_eq!(whole, long, "nothing is lost");
    let continues = |block: &Block| matches!(block, Block::Message(message) if message.continues);
    assert!(!continues(blocks[0].2) && blocks[1..].iter().all(|(_, _, block)| continues(block)));
}

#[test]
fn a_terminal_in_a_tool_call_shows_what_it_shows() {
    let terminal = |id: &str| ToolContent::Terminal {
        id: id.into(),
        command: String::new(),
        output: String::new(),
        exit: None,
    };
    let output = |text: &str| Update::Terminal {
        id: "t1".into(),
        command: Some("make".into()),
        output: Some(text.into()),
        exit: None,
    };
    let (mut conversation, _) = write([
        tool("x", "in_progress", Some(vec![terminal("t1")])),
        output("\u{1b}[32mok\u{1b}[0m\r\n"),
        tool("x", "completed", Some(vec![terminal("t1")])),
    ]);
    let Some(Block::Tool(call)) = conversation.transcript().block(0) else { panic!("no call") };
    let expected =
        ToolContent::Terminal { id: "t1".into(), command: "make".into(), output: "ok\n".into(), exit: None };
    assert_eq!(call.content.as_deref(), Some(&[expected][..]));
    assert!(conversation.update(output("ok\n")).is_empty(), "what is known is no news");
}

#[test]
fn an_agent_is_called_by_its_name_or_by_one_fallback() {
    let (worker, stranger) = (id("3f2a9c00-1111"), id("9999"));
    let mut conversation = Conversation::default();
    assert!(conversation.know(&worker, "Ada\u{202e}").is_empty(), "nobody mentioned it: nobody is told");
    let between = |from: &AgentId, to: &AgentId| Update::Between {
        id: "1".into(),
        from: Patch::Set(from.clone()),
        to: Patch::Set(to.clone()),
        text: Some("hello".into()),
    };
    conversation.update(between(&worker, &stranger));
    assert_eq!(conversation.transcript().name(&worker), "Ada");
    assert_eq!(conversation.transcript().name(&stranger), "agent 9999");
    assert_eq!(worker.fallback(), "agent 3f2a…");
    conversation.know(&worker, "Ada Lovelace");
    assert_eq!(conversation.transcript().name(&worker), "Ada Lovelace", "renamed where it is mentioned");
    let pages = conversation.pages(0);
    let told: Vec<_> = pages.iter().flat_map(|page| &page.names).map(|(_, _, name)| name.as_str()).collect();
    assert_eq!(told, ["Ada Lovelace"], "who is not mentioned is in no page");
}

#[test]
fn what_is_not_known_is_kept_as_it_came_up_to_a_bound() {
    let deep = "[".repeat(100_000);
    let opaque =
        |kind: &str, json: &str, state| Update::Opaque { kind: kind.into(), json: json.into(), state };
    let (conversation, _) = write([
        opaque("usage_update", "{\"used\":1}", true),
        opaque("usage_update", "{\"used\":2}", true),
        opaque("new_thing", &deep, false),
    ]);
    let blocks: Vec<_> = conversation.transcript().blocks().map(|(_, _, block)| block.clone()).collect();
    assert_eq!(blocks.len(), 2, "of a state the newest stands for all");
    assert_eq!(blocks[0], Block::Opaque { kind: "usage_update".into(), json: "{\"used\":2}".into() });
    let Block::Opaque { json, .. } = &blocks[1] else { panic!("no opaque block") };
    assert!(json.starts_with("[[[[") && json.contains("more bytes are not kept"));
}

#[test]
fn a_block_or_change_of_a_later_version_breaks_nothing() {
    let mut transcript = Transcript::default();
    for json in [
        r#"{"revision":1,"what":{"Set":[0,{"Hologram":{"x":1}}]}}"#,
        r#"{"revision":2,"what":{"Fold":[0]}}"#,
        r#"{"revision":3,"what":{"Set":[1,{"Notice":"after"}]}}"#,
    ] {
        assert_eq!(transcript.apply(serde_json::from_str(json).unwrap()), Need::Nothing);
    }
    assert_eq!(transcript.block(0), Some(&Block::Unknown));
    assert_eq!(transcript.block(1), Some(&Block::Notice("after".into())));
    let page = br#"{"after":0,"revision":3,"first":0,"blocks":[[0,1,{"Hologram":1}],[1,3,{"Notice":"x"}]],"names":[]}"#;
    let mut joined = Transcript::default();
    assert_eq!(joined.load(Page::decode(page).unwrap()), Need::Nothing);
    assert_eq!(joined.block(0), Some(&Block::Unknown));
}

#[test]
fn the_oldest_is_forgotten_by_everybody_alike() {
    let mut conversation = Conversation::default();
    let mut follower = Transcript::default();
    for n in 0..3 * MAX_BLOCKS / 2 {
        for change in conversation.update(notice(format!("{n}"))) {
            follower.apply(change);
        }
    }
    assert!(conversation.transcript().len() <= MAX_BLOCKS);
    assert!(conversation.transcript().first() > 0);
    assert_same(conversation.transcript(), &follower);
    let big = "x".repeat(20_000);
    for _ in 0..400 {
        conversation.update(notice(big.clone()));
        assert!(conversation.cost() <= MAX_TRANSCRIPT);
    }
}

#[test]
fn ten_thousand_updates_take_no_time() {
    let mut conversation = Conversation::default();
    let mut follower = Transcript::default();
    for n in 0..10_000 {
        let update = match n % 4 {
            0 => chunk(Role::Agent, None, "some words of an answer "),
            1 => tool(&format!("call {n}"), "in_progress", Some(vec![ToolContent::Text("out".repeat(50))])),
            2 => tool(&format!("call {}", n - 1), "completed", None),
            _ => chunk(Role::Thought, None, "hm "),
        };
        for change in conversation.update(update) {
            follower.apply(change);
        }
    }
    assert_same(conversation.transcript(), &follower);
    let mut joined = Transcript::default();
    load(&mut joined, &conversation.pages(0));
    assert_same(conversation.transcript(), &joined);
}
