//! How far a link reaches, with children that are started really: a parent's opens its children, a child's itself.

use e2e::harness::http::{ask, status};
use e2e::harness::{LONG, Log, Relay, SHORT, Sandbox, Sharer, sharer_bin, until};
use e2e::viewer::Viewer;
use shared::encoding::to_base64;
use shared::event::EndReason;
use shared::link::Link;
use shared::viewer::{ChildSession, Closed, Event, Selection, State};

/// Two children that answer, one of them with a child of its own; and a third once that one is there.
const PROGRAM: &str = r#"stty -echo
answers() { "$SHARER_BIN" spawn --name "$1" -- sh -c "stty -echo; $2 echo $1-says-\$((40+2)); while read line; do echo $1:\$line; done" >> "$HOME/spawned"; }
answers one
answers two '"$SHARER_BIN" spawn --name grandchild -- sleep 600 > "$HOME/grand.new" 2>&1; mv "$HOME/grand.new" "$HOME/grand";'
until [ -e "$HOME/grand" ]; do sleep 0.05; done
answers three
while read line; do echo "parent:$line"; done"#;

async fn share(sandbox: &Sandbox, relay: &Relay) -> Sharer {
    let mut sharer = Sharer::share(sandbox, ["--relay", &relay.url(), "--", "sh", "-c", PROGRAM]).await;
    sharer.event("the grandchild", |event| event["name"] == "grandchild").await;
    sharer
}

async fn sharer(sandbox: &Sandbox, arguments: &[&str]) {
    let output = sandbox.command(sharer_bin()).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn viewer(link: &impl ToString) -> Viewer<Log> {
    Viewer::new(&link.to_string(), None, Log::default())
}

fn names(viewer: &Viewer<Log>) -> Vec<String> {
    let bar = viewer.bar();
    bar.iter().flat_map(|bar| bar.pills.iter().skip(1)).map(|pill| pill.name.clone()).collect()
}

/// What the selected child's terminal was given.
fn sees(viewer: &Viewer<Log>, text: &str) -> bool {
    viewer.child().is_some_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// Opens a child's pill and waits for its screen.
async fn select(viewer: &mut Viewer<Log>, name: &str) {
    viewer.until(name, |viewer| names(viewer).iter().any(|known| known == name)).await;
    let bar = viewer.bar().unwrap();
    let pill = bar.pills.iter().find(|pill| pill.name == name).unwrap();
    viewer.act(Event::Select(pill.selects.clone())).await;
    let says = format!("{name}-says-42");
    viewer.until("its screen", |viewer| viewer.state() == State::Live && sees(viewer, &says)).await;
}

async fn links(sharer: &mut Sharer, name: &str) -> serde_json::Value {
    let is = |event: &serde_json::Value| event["name"] == name && event["links"].is_object();
    sharer.event("its links", is).await
}

fn link(event: &serde_json::Value, which: &str) -> Link {
    Link::parse(event["links"][which].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_parents_link_opens_every_child_with_its_own_right_and_types_where_one_looks() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let sharer = share(&sandbox, &relay).await;
    let (mut reader, mut writer) = (viewer(&sharer.read_link()), viewer(&sharer.write_link()));
    reader.live().await;
    writer.live().await;
    for name in ["one", "two", "three"] {
        select(&mut reader, name).await;
    }
    assert_eq!(names(&reader), ["one", "two", "three"], "in the order they were started, and no grandchild");

    select(&mut reader, "one").await;
    select(&mut writer, "one").await;
    // A reader types nowhere; a writer where it looks, and nowhere else.
    reader.act(Event::StartTyping).await;
    assert!(!reader.types());
    reader.keys(b"forbidden\r").await;
    writer.act(Event::StartTyping).await;
    writer.until("typing to begin", Viewer::types).await;
    writer.keys(b"hello\r").await;
    writer.until("the echo", |viewer| sees(viewer, "one:hello")).await;
    reader.until("the echo", |viewer| sees(viewer, "one:hello")).await;
    assert!(!sees(&reader, "forbidden") && !reader.screen.has("hello"));
    select(&mut writer, "two").await;
    assert!(!sees(&writer, "hello"));
    writer.act(Event::Select(Selection::Own)).await;
    writer.until("the parent", |viewer| viewer.state() == State::Live).await;
    writer.act(Event::StartTyping).await;
    writer.until("typing to begin", Viewer::types).await;
    writer.keys(b"there\r").await;
    writer.until("the parent's echo", |viewer| viewer.screen.has("parent:there")).await;
    assert!(!writer.screen.has("hello") && !sees(&reader, "there"));
}

#[tokio::test]
async fn a_childs_link_shows_the_child_and_no_way_up() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let mut sharer = share(&sandbox, &relay).await;
    let mut parent = viewer(&sharer.write_link());
    parent.live().await;
    select(&mut parent, "three").await;
    select(&mut parent, "one").await;
    let task = links(&mut sharer, "one").await;
    let (own, copied) = (link(&task, "read"), parent.watch_link().unwrap());
    assert_eq!(copied.session, own.session, "a link of what is looked at");
    assert_ne!(copied.secret, own.secret, "made for the parent");

    for link in [&own, &copied] {
        let mut child = viewer(link);
        child.until("its screen", |viewer| viewer.screen.has("one-says-42")).await;
        child.live().await;
        child.act(Event::StartTyping).await;
        assert!(child.bar().is_none() && !child.types(), "no bar, and no more than watching");
    }
    assert_eq!(names(&parent), ["one", "two", "three"], "the control: siblings are there");

    // At the relay: no list and no other session for a child's tokens; the parent's get them.
    let parent_link = Link::parse(&sharer.read_link()).unwrap();
    let asked = async |link: &Link| {
        let ancestor = task["parent"].as_str().unwrap();
        let path = format!("/api/v1/agent/runs?ancestor_run_id={ancestor}");
        let bearer = format!("Bearer {}", to_base64(&link.secret.token(link.session).0));
        let host = relay.address().to_string();
        ask(relay.address(), &path, &[("Host", &host), ("Authorization", &bearer)]).await
    };
    let rows = asked(&parent_link).await;
    assert!(status(&rows) == "200" && rows.contains(task["task_id"].as_str().unwrap()), "{rows}");
    for link in [&own, &copied, &Link { session: parent_link.session, ..own.clone() }] {
        assert_eq!(status(&asked(link).await), "404");
    }
    let sibling = link(&links(&mut sharer, "two").await, "read");
    for session in [parent_link.session, sibling.session] {
        for secret in [&own.secret, &copied.secret] {
            let mut other = viewer(&Link { session, secret: secret.clone(), ..own.clone() });
            other
                .until("a refusal", |viewer| {
                    matches!(viewer.state(), State::Seeking { .. } | State::Failed(_))
                })
                .await;
            assert!(other.screen.bytes.is_empty());
        }
    }
}

#[tokio::test]
async fn a_stopped_parents_link_opens_nothing_of_a_child_that_goes_on() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let mut sharing = share(&sandbox, &relay).await;
    let mut parent = viewer(&sharing.read_link());
    parent.live().await;
    select(&mut parent, "two").await;
    select(&mut parent, "one").await;
    let copied = parent.watch_link().unwrap();
    let task = links(&mut sharing, "one").await;
    sharer(&sandbox, &["share", "--session", task["task_id"].as_str().unwrap()]).await;
    let (mut own, mut cut) = (viewer(&link(&task, "read")), viewer(&copied));
    own.live().await;
    cut.live().await;

    sharer(&sandbox, &["unshare"]).await;
    cut.until("the end for it", |viewer| viewer.state() == State::ClosedByRelay(Closed::Revoked)).await;
    parent.act(Event::Select(Selection::Own)).await;
    parent.until("the parent's end", |viewer| viewer.state().is_final()).await;
    let mut typist = viewer(&link(&task, "write"));
    typist.typing().await;
    typist.keys(b"afterwards\r").await;
    typist.until("the echo", |viewer| viewer.screen.has("one:afterwards")).await;
    own.until("the echo", |viewer| viewer.screen.has("one:afterwards")).await;
    assert!(!cut.screen.has("afterwards") && !sees(&parent, "afterwards"));
    let mut again = viewer(&copied);
    again
        .until("a refusal", |viewer| matches!(viewer.state(), State::Seeking { .. } | State::Failed(_)))
        .await;
    assert!(again.screen.bytes.is_empty());
}

#[tokio::test]
async fn a_parent_that_crashes_leaves_no_share() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, ["--away-keep", "1s"]).await;
    let mut sharer = share(&sandbox, &relay).await;
    let own = link(&links(&mut sharer, "one").await, "read");
    let (mut parent, mut child) = (viewer(&sharer.read_link()), viewer(&own));
    parent.live().await;
    child.live().await;
    sharer.process.kill().await;
    let closed = State::ClosedByRelay(Closed::SharerAway);
    parent.until("the parent's end", |viewer| viewer.state() == closed).await;
    child.until("the child's end", |viewer| viewer.state() == closed).await;
}

/// Says something and ends at once, below a program that goes on.
const BRIEF: &str = r#""$SHARER_BIN" spawn --name brief -- sh -c 'echo brief-says-$((40+2)); exit 3' > "$HOME/brief"; sleep 600"#;

/// Opens the pill of a child that has ended.
async fn looks_back(sharer: &Sharer) {
    let mut viewer = viewer(&sharer.read_link());
    viewer.until("the pill", |viewer| names(viewer) == ["brief"]).await;
    let selects = viewer.bar().unwrap().pills[1].selects.clone();
    viewer.act(Event::Select(selects)).await;
    let exited = State::Ended(EndReason::Exited { code: Some(3), signal: None });
    let whole = |viewer: &Viewer<Log>| viewer.state() == exited && sees(viewer, "brief-says-42");
    viewer.until("its last screen and how it ended", whole).await;
}

#[tokio::test]
async fn a_finished_child_stays_while_its_parent_is_shared_and_a_forgetful_relay_learns_of_it() {
    let sandbox = Sandbox::new();
    let mut relay = Relay::start(&sandbox, ["--away-keep", "1s"]).await;
    let mut sharer = Sharer::share(&sandbox, ["--relay", &relay.url(), "--", "sh", "-c", BRIEF]).await;
    sharer.event("its end", |event| event["name"] == "brief" && event["state"] == "error").await;
    looks_back(&sharer).await;
    // The control: a session that nobody keeps is gone after that time.
    let mut other = Sharer::share(&sandbox, ["--relay", &relay.url(), "--", "true"]).await;
    other.exit().await;
    let link = Link::parse(&other.read_link()).unwrap();
    until("the other session to be forgotten", LONG, async || {
        let mut late = viewer(&link);
        late.until("an answer", |viewer| viewer.state() != State::Connecting).await;
        if matches!(late.state(), State::Seeking { .. }) { Ok(()) } else { Err(late.state()) }
    })
    .await;
    looks_back(&sharer).await;
    relay.kill().await;
    relay.restart(&sandbox).await;
    looks_back(&sharer).await;
}

#[tokio::test]
async fn an_agent_in_the_shell_gives_its_session_a_task_and_a_name() {
    let sandbox = Sandbox::new();
    sandbox.script("codex", "echo I am an agent; while read line; do echo $line; done");
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let sharer = Sharer::share(&sandbox, ["--relay", &relay.url(), "--", "bash", "--norc"]).await;
    let task = async || {
        let output = sandbox.command(sharer_bin()).args(["status", "--json"]).output().await.unwrap();
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        found[0].clone()
    };
    let link = Link::parse(&sharer.read_link()).unwrap();
    let listed = async || {
        let id = task().await["task_id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/agent/runs?ancestor_run_id={id}");
        let bearer = format!("Bearer {}", to_base64(&link.secret.token(link.session).0));
        let host = relay.address().to_string();
        ask(relay.address(), &path, &[("Host", &host), ("Authorization", &bearer)]).await
    };
    let mut writer = viewer(&sharer.write_link());
    writer.live().await;
    assert_eq!(status(&listed().await), "404", "a shell is nobody's task");
    writer.typing().await;
    writer.keys(b"codex\r").await;
    writer.until("the agent", |viewer| viewer.screen.has("I am an agent")).await;
    writer.keys(b"\r").await;
    until("its task", SHORT, async || {
        let answer = listed().await;
        if status(&answer) == "200" { Ok(()) } else { Err(answer) }
    })
    .await;
    assert_eq!(task().await["tasks"][0]["name"], "Codex");
}

/// The same when it is told to, and its child goes on.
const LASTING: &str = r#"until [ -e "$HOME/go" ]; do sleep 0.05; done; "$SHARER_BIN" spawn --name brief -- sh -c 'echo brief-says-$((40+2)); sleep 600' > "$HOME/brief"; sleep 600"#;

#[tokio::test]
async fn a_child_that_a_full_relay_refuses_says_so_and_opens_when_there_is_room() {
    let sandbox = Sandbox::new();
    let mut relay = Relay::start(&sandbox, ["--max-sessions", "1"]).await;
    let sharer = Sharer::share(&sandbox, ["--relay", &relay.url(), "--", "sh", "-c", LASTING]).await;
    let mut viewer = viewer(&sharer.read_link());
    viewer.live().await;
    // Both at once, the child might be the one that gets the room.
    std::fs::write(sandbox.path().join("go"), "").unwrap();
    let session = |viewer: &Viewer<Log>| viewer.bar().and_then(|bar| bar.pills.get(1)?.session.clone());
    let full = |viewer: &Viewer<Log>| matches!(session(viewer), Some(ChildSession::Failed { reason }) if reason.contains("as many sessions as it will"));
    viewer.until("the reason", full).await;
    let selects = viewer.bar().unwrap().pills[1].selects.clone();
    viewer.act(Event::Select(selects)).await;
    assert!(matches!(viewer.state(), State::Child(ChildSession::Failed { .. })), "{:?}", viewer.state());
    // The same relay with more room, under the same links.
    relay.kill().await;
    relay.reconfigure(["--max-sessions", "2"]);
    relay.restart(&sandbox).await;
    viewer.until("its screen", |viewer| viewer.state() == State::Live && sees(viewer, "brief-says-42")).await;
    assert_eq!(session(&viewer), Some(ChildSession::Live));
}
