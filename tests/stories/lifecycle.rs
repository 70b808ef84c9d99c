//! What the parent's transcript tells of children that nobody's agent tells of (24, 26): launches, messages, ends.

use e2e::harness::{Log, Sandbox, Sharer};
use e2e::viewer::Viewer;
use shared::conversation::{Block, Transcript};
use shared::link::Link;

/// A parent that starts two children, speaks to one, and lives on. `worker` needs a person until it is told something.
const PROGRAM: &str = r#"
"$SHARER_BIN" spawn --name worker --prompt "Migrate the database" -- sh -c '
  "$SHARER_BIN" state blocked --reason "which one?"; read line; "$SHARER_BIN" state running; read line; exit 3' > "$HOME/id"
"$SHARER_BIN" spawn --name quick --wait -- true
until "$SHARER_BIN" ps | grep -q ' worker  *blocked '; do sleep 0.05; done
"$SHARER_BIN" tell worker "take staging"
until [ -e "$HOME/seen" ] && "$SHARER_BIN" ps | grep -q ' worker  *running '; do sleep 0.05; done
"$SHARER_BIN" tell worker "go on"
"$SHARER_BIN" wait worker
sleep 600"#;

/// Every line of it, as a page shows it: names, what became of whom, and why or what was said.
fn lines(transcript: &Transcript) -> Vec<String> {
    let name = |id: Option<&_>| id.map_or("nobody".to_owned(), |id| transcript.name(id));
    let line = |block: &Block| {
        if let Block::Subagent(agent) = block {
            let (state, why) = (agent.state.as_deref(), agent.description.as_deref());
            let (state, why) = (state.unwrap_or("started"), why.unwrap_or_default());
            return format!("{}: {state} {why}", name(Some(&agent.id))).trim_end().to_owned();
        }
        let Block::Between(between) = block else { return format!("{block:?}") };
        format!("{} → {}: {}", name(between.from.as_ref()), name(between.to.as_ref()), between.text)
    };
    transcript.blocks().map(|(_, _, block)| line(block)).collect()
}

fn told(viewer: &Viewer<Log>) -> Vec<String> {
    viewer.transcript().map(lines).unwrap_or_default()
}

#[tokio::test]
async fn a_parents_transcript_tells_of_launches_messages_and_ends_by_name() {
    let sandbox = Sandbox::new();
    let mut sharer = Sharer::share(&sandbox, ["--title", "lead", "--", "sh", "-c", PROGRAM]).await;
    let mut viewer = Viewer::new(&sharer.read_link(), None, Log::default());
    let of = |viewer: &Viewer<Log>, name: &str| -> Vec<String> {
        told(viewer).into_iter().filter(|line| line.contains(name)).collect()
    };
    // The child's own link knows what it was told and by whom, and nothing of its sibling (12).
    let is = |event: &serde_json::Value| event["name"] == "worker" && event["links"].is_object();
    let event = sharer.event("its links", is).await;
    let link = Link::parse(event["links"]["read"].as_str().unwrap()).unwrap();
    let mut child = Viewer::new(&link.to_string(), None, Log::default());
    child.until("what it is told", |viewer| told(viewer) == ["lead → worker: take staging"]).await;
    std::fs::write(sandbox.path().join("seen"), "").unwrap();
    viewer.until("its end", |viewer| of(viewer, "worker: error").len() == 1).await;
    let expected = [
        "worker: started Migrate the database",
        "worker: requires_action which one?",
        "lead → worker: take staging",
        "worker: running",
        "lead → worker: go on",
        "worker: error exit status 3",
    ];
    assert_eq!(of(&viewer, "worker"), expected);
    assert_eq!(of(&viewer, "quick"), ["quick: started true", "quick: done"]);
    let spoken = viewer.transcript().is_some_and(Transcript::is_spoken);
    assert!(!spoken, "nobody spoke: a page does not open the panel by itself");
}
