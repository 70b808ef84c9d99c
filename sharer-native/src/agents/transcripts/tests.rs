use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use super::*;

const ID: &str = "12345678-aaaa-4bbb-8ccc-000000000001";
const OTHER: &str = "12345678-bbbb-4bbb-8ccc-000000000002";
/// No agent ran here, and nothing reads it.
const PROJECT: &str = "/work/demo.app";

struct Home {
    dir: tempfile::TempDir,
    places: Places,
    written: std::cell::Cell<u64>,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        let temporary = dir.path().join("tmp");
        let places = Places { home, claude: None, codex: None, temporary };
        Self { dir, places, written: std::cell::Cell::new(0) }
    }

    /// Writes a file that is newer than all before it.
    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self.written.set(self.written.get() + 1);
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_000 + self.written.get());
        fs::File::options().write(true).open(&path).unwrap().set_modified(when).unwrap();
        path
    }

    fn session(&self, id: &str, agent: Option<Agent>) -> Option<(Agent, PathBuf)> {
        let found = self.places.session(Path::new(PROJECT), &Name::parse(id).unwrap(), agent)?;
        assert_eq!(found.session_id.as_str(), id);
        Some((found.agent, found.path))
    }

    fn newest(&self) -> Vec<(Agent, String)> {
        let found = self.places.sessions(Path::new(PROJECT), None);
        found.map(|found| (found.agent, found.session_id.to_string())).collect()
    }
}

fn gemini(id: &str) -> String {
    format!("{{\"sessionId\":\"{id}\",\"messages\":[]}}")
}

fn codex(id: &str, cwd: &str) -> String {
    let instructions = "i".repeat(60_000);
    format!(
        "{{\"type\":\"session_meta\",\"payload\":{{\"instructions\":\"{instructions}\",\"id\":\"{id}\",\"cwd\":\"{cwd}\"}}}}\n"
    )
}

fn claude(cwd: &str) -> String {
    format!(
        "{{\"type\":\"summary\"}}\n{{\"type\":\"user\",\"sessionId\":\"x\",\"cwd\":\"{cwd}\",\"message\":{{\"content\":\"hi\"}}}}\n"
    )
}

#[test]
fn each_agents_session_is_found_by_its_id_where_the_agent_keeps_it() {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(PROJECT));
    for (agent, path, text) in [
        (Agent::ClaudeCode, format!("home/.claude/projects/-work-demo-app/{ID}.jsonl"), claude(PROJECT)),
        (
            Agent::Gemini,
            format!("home/.gemini/tmp/{hash}/chats/session-2026-01-02T03-04-12345678.json"),
            gemini(ID),
        ),
        (
            Agent::Codex,
            format!("home/.codex/sessions/2026/01/02/rollout-2026-01-02T03-04-05-{ID}.jsonl"),
            codex(ID, PROJECT),
        ),
        (
            Agent::Cursor,
            format!("home/.cursor/projects/work-demo-app/agent-transcripts/{ID}.jsonl"),
            String::new(),
        ),
        (
            Agent::Cursor,
            format!("home/.cursor/projects/work-demo-app/agent-transcripts/{ID}/{ID}.jsonl"),
            String::new(),
        ),
        (Agent::OpenCode, format!("tmp/entire-opencode/-work-demo-app/{ID}.json"), "{}".to_owned()),
        (Agent::Copilot, format!("home/.copilot/session-state/{ID}/events.jsonl"), String::new()),
        (Agent::Droid, format!("home/.factory/sessions/-work-demo-app/{ID}.jsonl"), String::new()),
    ] {
        let home = Home::new();
        assert_eq!(home.session(ID, None), None);
        let path = home.write(&path, &text);
        assert_eq!(home.session(ID, Some(agent)), Some((agent, path.clone())));
        assert_eq!(home.session(ID, None), Some((agent, path)), "the agent need not be told");
        assert_eq!(home.newest(), [(agent, ID.to_owned())]);
        assert_eq!(home.session(OTHER, None), None);
        let another = if agent == Agent::Codex { Agent::Droid } else { Agent::Codex };
        assert_eq!(home.session(ID, Some(another)), None);
    }
}

#[test]
fn a_session_of_another_directory_is_found_by_its_id_only() {
    let home = Home::new();
    let path = home.write(&format!("home/.claude/projects/-somewhere/{ID}.jsonl"), &claude("/somewhere"));
    assert_eq!(home.session(ID, None), Some((Agent::ClaudeCode, path)));
    let path = home.write("home/.gemini/tmp/other/chats/session-1-12345678.json", &gemini(OTHER));
    assert_eq!(home.session(OTHER, None), Some((Agent::Gemini, path)));
    assert_eq!(home.newest(), []);
}

#[test]
fn geminis_short_names_do_not_hit_another_session() {
    let home = Home::new();
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(PROJECT));
    let own = home.write(&format!("home/.gemini/tmp/{hash}/chats/session-1-12345678.json"), &gemini(ID));
    let other = home.write(&format!("home/.gemini/tmp/{hash}/chats/session-2-12345678.json"), &gemini(OTHER));
    assert_eq!(home.session(ID, None), Some((Agent::Gemini, own)));
    assert_eq!(home.session(OTHER, None), Some((Agent::Gemini, other)));
}

#[test]
fn the_newest_session_of_a_directory_comes_first_and_neighbours_do_not_count() {
    let home = Home::new();
    home.write(&format!("home/.claude/projects/-work-demo-app/{ID}.jsonl"), &claude(PROJECT));
    home.write("home/.claude/projects/-work-demo-app-sub/below.jsonl", &claude("/work/demo.app/sub"));
    home.write("home/.codex/sessions/2026/01/02/rollout-1-codex.jsonl", &codex("codex", PROJECT));
    assert_eq!(
        home.newest(),
        [
            (Agent::Codex, "codex".to_owned()),
            (Agent::ClaudeCode, "below".to_owned()),
            (Agent::ClaudeCode, ID.to_owned())
        ]
    );
    // The same name for other directories, another directory's session, and what subagents said.
    home.write("home/.claude/projects/-work-demo-app/neighbour.jsonl", &claude("/work/demo-app"));
    home.write("home/.claude/projects/-work-demo-app-2/neighbour.jsonl", &claude("/work/demo.app-2"));
    home.write("home/.claude/projects/-work-demo-app/agent-a1.jsonl", &claude(PROJECT));
    home.write(
        "home/.codex/sessions/2026/01/03/rollout-1-elsewhere.jsonl",
        &codex("elsewhere", "/elsewhere"),
    );
    home.write("home/.codex/sessions/2026/01/03/rollout-1-liar.jsonl", &codex("another", PROJECT));
    assert_eq!(home.newest().len(), 3, "{:?}", home.newest());
}

#[test]
fn names_that_are_paths_links_and_odd_files_are_passed_over() {
    let home = Home::new();
    for wrong in ["..", "../../x", "a/b", "/etc/passwd", "a b", ""] {
        assert_eq!(Name::parse(wrong), None, "{wrong}");
    }
    let secret = home.write("secret.jsonl", &claude(PROJECT));
    let projects = home.dir.path().join("home/.claude/projects/-work-demo-app");
    fs::create_dir_all(&projects).unwrap();
    symlink(&secret, projects.join(format!("{ID}.jsonl"))).unwrap();
    let name = projects.join(format!("{OTHER}.jsonl"));
    assert!(std::process::Command::new("mkfifo").arg(&name).status().unwrap().success());
    fs::create_dir(projects.join("directory.jsonl")).unwrap();
    let copilot = home.dir.path().join("home/.copilot/session-state");
    fs::create_dir_all(&copilot).unwrap();
    home.write("elsewhere/events.jsonl", "");
    symlink(home.dir.path().join("elsewhere"), copilot.join(ID)).unwrap();
    for id in [ID, OTHER, "directory"] {
        assert_eq!(home.session(id, None), None, "{id}");
    }
    assert_eq!(home.newest(), []);
    for path in [projects.join(format!("{ID}.jsonl")), name, projects.join("directory.jsonl")] {
        assert!(open(&path).is_err(), "{}", path.display());
    }
    let large = home.write("large.jsonl", "");
    fs::File::options().write(true).open(&large).unwrap().set_len(MAX_TRANSCRIPT + 1).unwrap();
    assert!(matches!(open(&large), Err(Refused::TooLarge)));
    // A plain file beside them is found.
    let plain = home.write(&format!("home/.claude/projects/-work-demo-app/{ID}-2.jsonl"), &claude(PROJECT));
    assert_eq!(home.session(&format!("{ID}-2"), None), Some((Agent::ClaudeCode, plain.clone())));
    assert!(open(&plain).is_ok());
}

#[test]
fn agents_directories_may_be_elsewhere_and_linked() {
    let mut home = Home::new();
    home.places.codex = Some(home.dir.path().join("codex"));
    home.places.claude = Some(home.dir.path().join("claude"));
    home.write("codex/sessions/2026/01/02/rollout-1-a.jsonl", &codex("a", PROJECT));
    let restored = home.write("codex/sessions/2026/02/02/rollout-2-a.jsonl", &codex("a", PROJECT));
    assert_eq!(home.session("a", None), Some((Agent::Codex, restored)));
    home.write("dotfiles/projects/-work-demo-app/b.jsonl", &claude(PROJECT));
    symlink(home.dir.path().join("dotfiles"), home.dir.path().join("claude")).unwrap();
    assert_eq!(home.session("b", None).map(|found| found.0), Some(Agent::ClaudeCode));
}

#[test]
fn subagents_transcripts_are_found_beside_their_sessions() {
    let home = Home::new();
    let project = "home/.claude/projects/-work-demo-app";
    home.write(&format!("{project}/{ID}.jsonl"), &claude(PROJECT));
    let new = home.write(&format!("{project}/{ID}/subagents/agent-a1.jsonl"), "");
    let old = home.write(&format!("{project}/agent-b2.jsonl"), "");
    symlink(&new, home.dir.path().join(project).join("agent-d4.jsonl")).unwrap();
    let name = |text: &str| Name::parse(text).unwrap();
    let started: Vec<_> = ["a1", "b2", "c3", "d4"]
        .map(|id| Subagent { tool_use_id: name(&format!("toolu_{id}")), agent_id: name(id) })
        .into();
    let found = home.places.session(Path::new(PROJECT), &name(ID), None).unwrap();
    let there = home.places.subagents(&found, &started);
    assert_eq!(there, [(started[0].clone(), new), (started[1].clone(), old)]);

    home.write("home/.codex/sessions/2026/01/02/rollout-1-root.jsonl", &codex("root", PROJECT));
    let child = home.write("home/.codex/sessions/2026/01/02/rollout-2-child.jsonl", &codex("child", PROJECT));
    let found = home.places.session(Path::new(PROJECT), &name("root"), None).unwrap();
    let started = Subagent { tool_use_id: name("child"), agent_id: name("child") };
    assert_eq!(home.places.subagents(&found, std::slice::from_ref(&started)), [(started, child)]);
}

#[test]
fn droids_model_stands_beside_its_transcript() {
    let home = Home::new();
    home.write(&format!("home/.factory/sessions/-work-demo-app/{ID}.jsonl"), "");
    let found = home.places.session(Path::new(PROJECT), &Name::parse(ID).unwrap(), None).unwrap();
    assert_eq!(home.places.model(&found), None);
    home.write(
        &format!("home/.factory/sessions/-work-demo-app/{ID}.settings.json"),
        "{\"model\":\"custom:demo-0\"}",
    );
    assert_eq!(home.places.model(&found).as_deref(), Some("demo-0"));
}
