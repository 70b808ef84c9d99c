//! Recorded sessions kept with a commit: an orchestrator with all below it, what agents wrote of them and what they showed.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use e2e::harness::process::Process;
use e2e::harness::replay::told;
use e2e::harness::repo::{FULL, MAIN, SECRET, V1, folder, id_of, transcript};
use e2e::harness::{LONG, Repo, Sandbox, sharer_bin, until};
use serde_json::Value;

/// Starts a program in the repository, recorded and not shared.
fn begin(repo: &Repo<'_>, sandbox: &Sandbox, title: &str, program: &[&str]) -> Process {
    let mut command = repo.command(sharer_bin());
    command.args(["--headless", "--private", "--title", title, "--"]).args(program);
    Process::start("sharer", sandbox, command).0
}

async fn recordings(repo: &Repo<'_>) -> BTreeMap<String, Value> {
    let output = repo.sharer(&["ls", "--recorded", "--json"]).await;
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    all.into_iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one)).collect()
}

/// Of every session of a checkpoint in v1 its slot, by the name under which it was recorded.
async fn slots(repo: &Repo<'_>, id: &str) -> BTreeMap<String, String> {
    let own = folder(id);
    let mut slots = BTreeMap::new();
    for path in repo.tree(V1).await.keys().filter(|path| path.ends_with("/recording.json")) {
        let manifest: Value = serde_json::from_str(&repo.file(V1, path).await).unwrap();
        let slot = path.trim_start_matches(&own).split('/').nth(1).unwrap();
        slots.insert(manifest["name"].as_str().unwrap().to_owned(), format!("{own}/{slot}"));
    }
    slots
}

/// What v1 has of recordings and transcripts, v2 has as the same objects.
async fn is_in_v2(repo: &Repo<'_>) {
    let (v1, full) = (repo.tree(V1).await, repo.tree(FULL).await);
    let mut seen = 0;
    for (path, object) in &v1 {
        let name = path.rsplit('/').next().unwrap();
        if name.starts_with("terminal.cast") || name.starts_with("recording.") {
            assert_eq!(full.get(path), Some(object), "{path}");
            seen += 1;
        } else if name == "full.jsonl" {
            assert_eq!(full.get(&path.replace(name, "raw_transcript")), Some(object), "{path}");
        }
    }
    assert!(seen >= 3, "{seen} files of recordings");
}

async fn is_whole(repo: &Repo<'_>) {
    let output = repo.sharer(&["checkpoints", "verify"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    repo.is_sound().await;
}

#[tokio::test]
async fn an_orchestrator_is_kept_with_its_children_their_terminals_and_no_secret() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let (one, other) = SECRET.split_at(14);
    let program = format!(
        r#"printf '{one}'; sleep 0.3; printf '\033[1m{other}\033[0m top-says-4%s\n' 2
        "$SHARER_BIN" spawn --name near -- sh -c '"$SHARER_BIN" spawn --name deep -- sh -c "echo deep-says-4\$((1+1))" >/dev/null; "$SHARER_BIN" wait; echo near-says-$((40+2))' >/dev/null
        SHARER_RECORD=off "$SHARER_BIN" spawn --name unseen -- true >/dev/null
        "$SHARER_BIN" spawn --name far --prompt 'sweep the far side' -- sh -c 'echo far-says-$((40+2))' >/dev/null
        say() {{ echo "{{\"sessionUpdate\":\"$1\",\"content\":{{\"type\":\"text\",\"text\":\"$2\"}}}}" | "$SHARER_BIN" emit; }}
        say user_message_chunk 'sweep it all'
        say agent_message_chunk 'it was {one}'
        say agent_message_chunk '{other}, and is no more'
        "$SHARER_BIN" wait"#
    );
    begin(&repo, &sandbox, "top of it", &["sh", "-c", &program]).exit().await;
    let recorded = recordings(&repo).await;
    let raw = |name: &str, file: &str| {
        std::fs::read_to_string(Path::new(recorded[name]["path"].as_str().unwrap()).join(file)).unwrap()
    };
    assert!(
        told(&raw("top of it", "terminal.cast")).replace("\x1b[1m", "").contains(SECRET),
        "the control: the recording has it"
    );

    // Without a name the newest one, which nobody is there to be asked about.
    let output = repo.sharer(&["attach"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("top of it") && said.contains("3 tasks below"),
        "{said}"
    );
    assert_eq!(repo.tip(V1).await, None);
    let output = repo.sharer(&["attach", "--force", "--json"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("and so not attached: unseen"), "{said}");
    let attached: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = id_of(&attached);
    assert_eq!(attached["sessions"].as_array().unwrap().len(), 4, "{attached}");
    let slots = slots(&repo, &id).await;
    assert_eq!(slots.keys().collect::<Vec<_>>(), ["deep", "far", "near", "top of it"]);
    assert_eq!(slots["top of it"], format!("{}/0", folder(&id)), "who began first is first");
    let manifest = async |name: &str| -> Value {
        serde_json::from_str(&repo.file(V1, &format!("{}/recording.json", slots[name])).await).unwrap()
    };
    for (name, parent) in [("near", "top of it"), ("far", "top of it"), ("deep", "near")] {
        assert_eq!(manifest(name).await["parent_task_id"], manifest(parent).await["task_id"], "{name}");
    }
    for (name, word) in [("near", "near"), ("far", "far"), ("deep", "deep"), ("top of it", "top")] {
        let cast = told(&repo.file(V1, &format!("{}/terminal.cast", slots[name])).await);
        assert!(cast.contains(&format!("{word}-says-42")), "{name}: {cast:?}");
        let record = repo.file(V1, &format!("{}/metadata.json", slots[name])).await;
        let record: Value = serde_json::from_str(&record).unwrap();
        assert_eq!((&record["session_id"], &record["agent"]), (&recorded[name]["task_id"], &"sharer".into()));
        // Nobody wrote another transcript: that is what was said and done.
        let [transcript, events] =
            ["full.jsonl", "recording.jsonl"].map(|file| format!("{}/{file}", slots[name]));
        assert_eq!(repo.file(V1, &transcript).await, repo.file(V1, &events).await);
    }
    let top = repo.file(V1, &format!("{}/recording.jsonl", slots["top of it"])).await;
    assert!(top.contains("deep") && top.contains("\"state\":\"done\""), "the rows of all below it: {top}");
    assert_eq!(repo.file(V1, &format!("{}/prompt.txt", slots["top of it"])).await, "sweep it all");
    assert_eq!(repo.file(V1, &format!("{}/prompt.txt", slots["far"])).await, "sweep the far side");

    // What was in two parts of a text is in none of the objects, whole or in its parts.
    let cast = told(&repo.file(V1, &format!("{}/terminal.cast", slots["top of it"])).await);
    assert!(
        cast.contains("REDACTED") && cast.contains("\x1b[1m") && cast.contains(" top-says-42"),
        "{cast:?}"
    );
    assert!(top.contains("it was REDA") && top.contains(", and is no more"), "{top}");
    let all = repo.try_git(&["cat-file", "--batch", "--batch-all-objects"]).await.stdout;
    let holds = |text: &str| all.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("top-says-42") && holds("and is no more") && !holds(SECRET) && !holds(other));

    let output = repo.sharer(&["checkpoints", "show", "HEAD"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("deep, started by ") && said.contains("recording of its terminal"), "{said}");
    let played = repo.sharer(&["checkpoints", "show", "HEAD", "--session", "0", "--cast"]).await;
    assert_eq!(told(&String::from_utf8_lossy(&played.stdout)), cast);
    is_whole(&repo).await;

    // Again, all of it or a part: it is there, and no commit more.
    let tip = repo.tip(V1).await;
    assert_eq!(repo.attach(&["top of it"]).await["changed"], false);
    let near = repo.attach(&["near"]).await;
    assert_eq!((near["sessions"].as_array().unwrap().len(), &near["changed"]), (2, &false.into()));
    let short: String = recorded["far"]["task_id"].as_str().unwrap().chars().take(8).collect();
    assert_eq!(repo.attach(&[&short]).await["sessions"][0]["session_id"], recorded["far"]["task_id"]);
    assert_eq!((repo.tip(V1).await, repo.tip(MAIN).await), (tip, None));
    // v2, switched on later, has all of it in one go.
    repo.switch_v2(true);
    assert_eq!(repo.attach(&["near"]).await["v2"], "whole");
    is_in_v2(&repo).await;
    is_whole(&repo).await;
    let output = repo.sharer(&["attach", "no such"]).await;
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("ls --recorded"));
}

/// A program called `claude`, which keeps its sessions where Claude Code does.
fn agent(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.path().join("claude");
    let lines = transcript("$2").replace('"', "\\\"").replace('\n', "\\n");
    let script = format!(
        r#"#!/bin/sh
place="$HOME/.claude/projects/$(pwd -P | tr -c 'a-zA-Z0-9\n' '-')"
mkdir -p "$place"
echo "$1 is at work"
printf "{lines}" > "$place/$1.jsonl"
[ -z "$3" ] || sh -c "$3"
printf '{{"type":"system"}}\n' >> "$place/$1.jsonl"
"#
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn what_agents_wrote_of_recorded_sessions_is_the_transcript() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let claude = agent(&sandbox);
    let claude = claude.to_str().unwrap();
    // Three at once in one directory: what they were asked tells them apart.
    let children = format!(
        r#"for side in near far; do "$SHARER_BIN" spawn --name $side --prompt "sweep the $side side" -- {claude} sess-$side "Please sweep the $side side"; done >/dev/null; "$SHARER_BIN" wait"#
    );
    begin(&repo, &sandbox, "lead", &[claude, "sess-lead", "lead them", &children]).exit().await;
    assert_eq!(recordings(&repo).await["near"]["agent"], "claude");
    // Whichever of them was the last to write: it is a task of the first.
    let place = sandbox.path().join(".claude/projects");
    let far = std::fs::read_dir(place).unwrap().next().unwrap().unwrap().path().join("sess-far.jsonl");
    let later = SystemTime::now() + Duration::from_secs(3);
    std::fs::File::options().write(true).open(far).unwrap().set_modified(later).unwrap();
    let attached = repo.attach(&["--force"]).await;
    assert_eq!(attached["v2"], "whole");
    let id = id_of(&attached);
    let slots = slots(&repo, &id).await;
    for (name, asked) in
        [("lead", "lead them"), ("near", "Please sweep the near side"), ("far", "Please sweep the far side")]
    {
        // Who runs an agent calls it as its makers do.
        let slot = &slots[if name == "lead" { "Claude Code" } else { name }];
        let file = async |file: &str| repo.file(V1, &format!("{slot}/{file}")).await;
        let record: Value = serde_json::from_str(&file("metadata.json").await).unwrap();
        assert_eq!(record["session_id"], format!("sess-{name}"));
        assert_eq!((&record["agent"], &record["model"]), (&"Claude Code".into(), &"demo-model".into()));
        assert_eq!(file("full.jsonl").await, transcript(asked) + "{\"type\":\"system\"}");
        assert_eq!(file("prompt.txt").await, asked);
        assert!(told(&file("terminal.cast").await).contains(&format!("sess-{name} is at work")));
        assert!(file("recording.jsonl").await.contains("\"end\""), "what was recorded beside it");
    }
    let main = repo.tree(MAIN).await;
    assert!(main.contains_key(&format!("{}/transcript.jsonl", slots["near"])), "{main:?}");
    is_in_v2(&repo).await;
    is_whole(&repo).await;
    // By the agent's own name for it: what was recorded goes with it, and so all below.
    let again = repo.attach(&["sess-lead"]).await;
    assert_eq!((again["sessions"].as_array().unwrap().len(), &again["changed"]), (3, &false.into()));
    let near = repo.attach(&["sess-near", "--agent", "claude-code"]).await;
    assert_eq!((near["sessions"].as_array().unwrap().len(), &near["changed"]), (1, &false.into()));
}

#[tokio::test]
async fn what_was_begun_elsewhere_does_not_come_with_its_task() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let claude = agent(&sandbox);
    let script = format!(
        r#"echo elsewhere; cd "$1" && "$SHARER_BIN" spawn --name here -- {} sess-here "sweep here" >/dev/null; "$SHARER_BIN" wait"#,
        claude.display()
    );
    let mut command = sandbox.command(sharer_bin());
    command.args(["--headless", "--private", "--title", "top", "--", "sh", "-c", &script, "sh"]);
    command.arg(sandbox.path().join("repo")).current_dir(sandbox.path());
    Process::start("sharer", &sandbox, command).0.exit().await;
    assert_eq!(recordings(&repo).await.keys().collect::<Vec<_>>(), ["here", "top"]);
    let attached = repo.attach(&["--force"]).await;
    assert_eq!(attached["sessions"].as_array().unwrap().len(), 1, "{attached}");
    assert_eq!(attached["sessions"][0]["session_id"], "sess-here");
    assert_eq!(slots(&repo, &id_of(&attached)).await.keys().collect::<Vec<_>>(), ["here"]);
    is_whole(&repo).await;
}

#[tokio::test]
async fn a_session_that_the_command_line_names_is_told_from_any_other() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let claude = agent(&sandbox);
    let claude = claude.to_str().unwrap();
    let own = "11111111-aaaa-4bbb-8ccc-000000000001";
    // It wrote another one at the same time, and neither was asked for.
    let other = format!("{claude} another 'of somebody' >/dev/null");
    begin(&repo, &sandbox, "", &[claude, own, "lead them", &other, "--session-id", own]).exit().await;
    let recorded = recordings(&repo).await;
    assert_eq!(recorded["Claude Code"]["agent_session_id"], own);
    let attached = repo.attach(&["--force"]).await;
    assert_eq!(attached["sessions"][0]["session_id"], own, "{attached}");

    // Without that it is not clear: what was recorded is kept, and the person is told.
    begin(&repo, &sandbox, "", &[claude, "one-more", "lead them", &other]).exit().await;
    let output = repo.sharer(&["attach", "--json", "--force"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("one-more") && said.contains("not clear"), "{said}");
    let attached: Value = serde_json::from_slice(&output.stdout).unwrap();
    let slot = &attached["sessions"][0]["slot"];
    let record = repo.file(V1, &format!("{}/{slot}/metadata.json", folder(&id_of(&attached)))).await;
    assert!(record.contains("\"agent\": \"sharer\""), "{record}");
    is_whole(&repo).await;
}

#[tokio::test]
async fn a_session_that_goes_on_is_attached_again_with_what_came_since() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let program = "echo first-part; until [ -e go ]; do sleep 0.05; done; echo second-part";
    let mut process = begin(&repo, &sandbox, "going", &["sh", "-c", program]);
    let look = async || {
        let all = recordings(&repo).await;
        let path = all.get("going").and_then(|one| one["path"].as_str()).map(PathBuf::from);
        let cast = path.and_then(|path| std::fs::read_to_string(path.join("terminal.cast")).ok());
        if cast.is_some_and(|cast| cast.contains("first-part")) { Ok(()) } else { Err(all) }
    };
    until("the recording to have begun", LONG, look).await;
    let id = id_of(&repo.attach(&["--force"]).await);
    let cast = format!("{}/0/terminal.cast", folder(&id));
    let before = told(&repo.file(V1, &cast).await);
    assert!(before.contains("first-part") && !before.contains("second-part"), "{before:?}");
    let manifest = format!("{}/0/recording.json", folder(&id));
    assert!(!repo.file(V1, &manifest).await.contains("\"ended\""));
    repo.put("go", "");
    process.exit().await;
    let again = repo.attach(&["going"]).await;
    assert_eq!((&again["changed"], &again["sessions"][0]["slot"]), (&true.into(), &0.into()));
    assert_eq!(id_of(&again), id);
    assert!(told(&repo.file(V1, &cast).await).contains("second-part"));
    assert!(repo.file(V1, &manifest).await.contains("\"ended\""));
    assert_eq!(repo.attach(&["going"]).await["changed"], false);
    is_whole(&repo).await;
}
