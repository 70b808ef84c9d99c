//! How agents learn of tasks: a guide, tools, and a sentence where neither can work.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::sharing::{Inside, Sharing, text};

/// A scripted agent: it reads the guide and does, line for line, what stands there between other words.
#[test]
fn an_agent_that_has_only_the_guide_runs_a_task() {
    let script = r#"
        PATH="$(dirname "$SHARER_BIN"):$PATH"
        example() { sharer guide | sed -n "s/^    \($1.*\)/\1/p" | head -n 1 | sed 's/   .*//'; }
        eval "$(example 'id=.*make test' | sed 's/make test/sh -c "read line; exit 5"/')"
        eval "$(example 'sharer state blocked')" && eval "$(example 'sharer state running')" || exit 100
        eval "$(example 'sharer tell')" || exit 101
        eval "$(example 'sharer ps')" > $H/ps || exit 102
        eval "$(example 'sharer wait .id')"
    "#;
    let mut sharing = Sharing::start(&[], script);
    assert_eq!(sharing.ended(), Some(5), "the task's own status");
    let list = sharing.file("ps");
    assert!(list.contains("tests"), "the name the guide gives it: {list}");
}

struct Client {
    child: Child,
    stdin: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    calls: u64,
}

impl Client {
    fn start(sharing: &Sharing, inside: &Inside) -> Self {
        let mut command = sharing.command(inside, &["mcp"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, lines) =
            (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
        let mut client = Self { child, stdin, lines, calls: 0 };
        let hello = client.ask(
            "initialize",
            &json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}),
        );
        assert_eq!(hello["serverInfo"]["name"], "sharer", "{hello}");
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").unwrap();
        self.stdin.flush().unwrap();
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let line = self.lines.next().expect("an answer").unwrap();
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return message["result"].clone();
            }
        }
    }

    /// What a tool gives: whether it is an error, and its text.
    fn tool(&mut self, name: &str, arguments: &Value) -> (bool, String) {
        let result = self.ask("tools/call", &json!({"name": name, "arguments": arguments}));
        let said = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        (result["isError"] == true, said)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn an_agent_runs_tasks_through_tools() {
    let (sharing, inside) = Sharing::idle(&[]);
    let mut client = Client::start(&sharing, &inside);
    let tools = client.ask("tools/list", &json!({}));
    let mut names: Vec<&str> =
        tools["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["kill", "ps", "spawn", "state", "tell", "wait"]);

    let (failed, said) =
        client.tool("spawn", &json!({"command": ["sh", "-c", "read line; exit $line"], "name": "asker"}));
    assert!(!failed, "{said}");
    let row: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&row["name"], &row["state"]), (&"asker".into(), &"running".into()));
    let (failed, said) = client.tool("wait", &json!({"task": "asker", "seconds": 0}));
    assert!(!failed && said.contains(r#""state":"running""#), "it runs on: {said}");
    assert_eq!(
        client.tool("tell", &json!({"task": row["task_id"], "text": "6"})),
        (false, "told".to_owned())
    );
    let (_, said) = client.tool("wait", &json!({"task": "asker"}));
    assert!(said.contains(r#""state":"error""#) && said.contains(r#""code":6"#), "{said}");

    let said = client.tool("state", &json!({"state": "blocked", "reason": "which database?"}));
    assert_eq!(said, (false, "said".to_owned()));
    sharing.event("task", |event| event["state"] == "blocked" && event["reason"] == "which database?");
    let (_, said) = client.tool("state", &json!({"state": "done"}));
    assert!(said.contains("`done`"), "only the process ends a task: {said}");

    client.tool("spawn", &json!({"command": ["sleep", "600"]}));
    assert!(!client.tool("kill", &json!({"task": "sleep"})).0);
    let (_, said) = client.tool("wait", &json!({"task": "sleep"}));
    assert!(said.contains("cancelled"), "{said}");
    let (_, said) = client.tool("ps", &json!({}));
    assert_eq!(serde_json::from_str::<Vec<Value>>(&said).unwrap().len(), 2, "{said}");

    for (name, arguments, why) in [
        ("spawn", json!({"command": ["nosuch"]}), "not found"),
        ("wait", json!({"task": "nosuch"}), "no task"),
        ("kill", json!({"task": "asker"}), "has ended"),
    ] {
        let (failed, said) = client.tool(name, &arguments);
        assert!(failed && said.contains(why), "{name}: {said}");
    }
}

#[test]
fn an_agent_outside_a_session_gets_a_sentence() {
    let (sharing, _) = Sharing::idle(&[]);
    let mut client = Client::start(&sharing, &Inside::new());
    let (failed, said) = client.tool("ps", &json!({}));
    assert!(failed && said.contains("not inside a shared session"), "{said}");
    let mut over = Inside::new();
    over.insert("SHARER_CONTROL_TOKEN".into(), "x".into());
    over.insert("SHARER_SOCKET".into(), sharing.path("gone").display().to_string());
    let output = sharing.run(&over, &["ps"]);
    assert_eq!(text(&output.stderr), "sharer: the session that this belongs to is over\n");
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn an_agent_whose_sandbox_forbids_the_socket_gets_a_sentence() {
    let (sharing, mut inside) = Sharing::idle(&[]);
    assert!(sharing.run(&inside, &["ps"]).status.success(), "the socket itself is sound");
    // A sandbox refuses the connection. The system does the same for a directory that may not be entered; to root,
    // who may enter any, for another user.
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = sharing.command(&inside, &["ps"]);
        command.uid(65_534).gid(65_534);
        command
    } else {
        let locked = sharing.path("locked");
        std::fs::create_dir(&locked).unwrap();
        std::fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
        inside.insert("SHARER_SOCKET".into(), locked.join("sock").display().to_string());
        sharing.command(&inside, &["ps"])
    };
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("a sandbox around this must allow it") && said.lines().count() == 1, "{said}");
    assert_eq!(output.status.code(), Some(125));
}

/// A program called like an agent gets nothing from us; its person is told about the guide, once.
#[test]
fn an_agent_is_told_nothing_and_its_person_once() {
    let (sharing, _) = Sharing::idle(&[]);
    for name in ["claude", "notes"] {
        let script = "#!/bin/sh\nprintf '%s' \"$*\" > $H/told\nenv > $H/knows\n";
        std::fs::write(sharing.path(name), script).unwrap();
        std::fs::set_permissions(sharing.path(name), Permissions::from_mode(0o755)).unwrap();
    }
    let share = |options: &[&str], program: &str| {
        let program = sharing.path(program);
        let arguments =
            [&["--headless"], options, &["--", program.to_str().unwrap(), "-p", "hello"]].concat();
        let output = sharing.command(&Inside::new(), &arguments).output().unwrap();
        assert!(output.status.success());
        assert_eq!(sharing.file("told"), "-p hello", "its own arguments and no more");
        assert!(!sharing.file("knows").contains("sharer guide"));
        text(&output.stderr)
    };
    assert!(!share(&[], "notes").contains("guide"));
    assert!(!share(&["--quiet"], "claude").contains("guide"), "nor is it used up");
    let said = share(&[], "claude");
    assert_eq!(said.matches("`sharer guide --install claude`").count(), 1, "{said}");
    assert!(!share(&[], "claude").contains("guide"), "once");
    assert!(!sharing.path("CLAUDE.md").exists() && !sharing.path(".claude").exists());
}

#[test]
fn the_guide_goes_into_an_instruction_file_and_out_again() {
    let (sharing, _) = Sharing::idle(&[]);
    let dir = sharing.path("project");
    std::fs::create_dir(&dir).unwrap();
    let file = dir.join("CLAUDE.md");
    std::fs::write(&file, "# Mine\n").unwrap();
    let run = |arguments: &[&str]| {
        let arguments = [&["guide"], arguments].concat();
        sharing.command(&Inside::new(), &arguments).current_dir(&dir).output().unwrap()
    };
    let guide = |arguments: &[&str]| {
        let yes: &[&str] = if arguments.is_empty() { &[] } else { &["--yes"] };
        let output = run(&[arguments, yes].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let printed = guide(&[]);
    assert!(printed.lines().count() <= 40 && printed.contains("sharer spawn"));
    let asked = run(&["--install", "claude"]);
    assert_eq!(asked.status.code(), Some(125));
    assert!(text(&asked.stdout).contains("+ ## Running tasks"), "what would change");
    assert!(text(&asked.stderr).contains("nothing was changed") && text(&asked.stderr).contains("--yes"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# Mine\n", "nobody was there to ask");
    let said = guide(&["--install", "claude"]);
    assert!(
        said.contains("+ ## Running tasks") && said.contains("CLAUDE.md") && !said.contains("- # Mine"),
        "{said}"
    );
    let with = std::fs::read_to_string(&file).unwrap();
    assert!(with.starts_with("# Mine\n") && with.contains(&printed), "{with}");
    assert!(guide(&["--install", "claude", "--project"]).contains("already"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), with, "idempotent");
    guide(&["--install", "claude", "--remove"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# Mine\n");
    guide(&["--install", "codex", "--user"]);
    assert!(sharing.path(".codex/AGENTS.md").exists());
    guide(&["--install", "codex", "--user", "--remove"]);
    assert!(!sharing.path(".codex").exists(), "a file that only held the guide goes, and its directory");
    guide(&["--install", "opencode", "--user"]);
    std::fs::write(sharing.path(".config/mine"), "").unwrap();
    guide(&["--install", "opencode", "--user", "--remove"]);
    assert!(!sharing.path(".config/opencode").exists() && sharing.path(".config/mine").exists());
}
