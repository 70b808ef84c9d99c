//! Conversations: an editor and an agent that know nothing of `sharer` speak ACP through it, and a viewer reads along.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use e2e::harness::wait::within;
use e2e::harness::{LONG, Log, SHORT, Sandbox, Sharer, sharer_bin, until};
use e2e::viewer::{Screen, Viewer};
use shared::conversation::Block;
use shared::event::WindowSize;
use shared::viewer::{Event, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};
use tokio::task::JoinHandle;

/// Terminals are not looked at here.
#[derive(Debug)]
struct Blind;

impl Screen for Blind {
    fn rebuild(&mut self, _: WindowSize, _: &[u8]) {}
    fn write(&mut self, _: &[u8]) {}
    fn resize(&mut self, _: WindowSize) {}
    fn wipe(&mut self) {}
}

fn words(viewer: &Viewer<Blind>) -> String {
    let words = |transcript: &shared::conversation::Transcript| -> String {
        transcript.blocks().map(|(_, _, block)| block.words()).collect()
    };
    viewer.transcript().map(words).unwrap_or_default()
}

/// An agent in a few lines of shell: raw JSON, and bytes that are none. It ends as told, and leaves something behind that
/// holds its output.
const AGENT: &str = r#"
while IFS= read -r line; do
  printf '%s\n' "$line" >> "$HOME/heard"
  say() { printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":%s}}\n' "$1"; }
  case $line in
  *session/new*) printf '{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s1"}}\n' ;;
  *session/prompt*)
    say '{"sessionUpdate":"agent_thought_chunk","content":{"type":"text","text":"hm, a thought"}}'
    printf 'not json \377\376 {"jsonrpc"\n'
    say '{"sessionUpdate":"tool_call","toolCallId":"c1","title":"Edit a file","kind":"edit","status":"in_progress"}'
    say '{"sessionUpdate":"tool_call_update","toolCallId":"c1","status":"completed","content":[{"type":"diff","path":"/a","oldText":"1","newText":"2"}]}'
    say '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"I looked "}}'
    say '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"at it."}}'
    printf '{"jsonrpc":"2.0","id":2,"result":{"stopReason":"end_turn"}}\n'
    ;;
  *bye*) mkfifo "$HOME/hold"; cat "$HOME/hold" & exit 7 ;;
  esac
done
"#;

/// What the editor says; the middle line is broken.
const EDITOR: [&[u8]; 3] = [
    br#"{"jsonrpc":"2.0","id":1,"method":"session/new","params":{"cwd":"/","mcpServers":[]}}"#,
    b"{\"broken\": \xff\xfe",
    br#"{"jsonrpc":"2.0","id":2,"method":"session/prompt","params":{"sessionId":"s1","prompt":[{"type":"text","text":"look at it"}]}}"#,
];

/// `sharer acp` between an agent and whoever holds this: the test is the editor.
struct Editor {
    proxy: Child,
    /// None once it has hung up.
    say: Option<ChildStdin>,
    heard: JoinHandle<Vec<u8>>,
}

impl Editor {
    fn start(sandbox: &Sandbox, agent: &Path) -> Self {
        let mut command = sandbox.command(sharer_bin());
        command.env("SHARER_LISTEN", "127.0.0.1:0").env("LC_ALL", "C").args(["acp", "--"]).arg(agent);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut proxy = command.spawn().unwrap();
        let mut from_agent = proxy.stdout.take().unwrap();
        let heard = tokio::spawn(async move {
            let mut heard = Vec::new();
            from_agent.read_to_end(&mut heard).await.unwrap();
            heard
        });
        Self { say: proxy.stdin.take(), proxy, heard }
    }

    async fn say(&mut self, line: &[u8]) {
        self.say.as_mut().unwrap().write_all(&[line, b"\n"].concat()).await.unwrap();
    }

    /// The link of the session, found as that of any other.
    async fn link(sandbox: &Sandbox) -> String {
        until("the conversation to be shared", LONG, async || {
            let mut status = sandbox.command(sharer_bin());
            let output = status.args(["status", "--json", "--secrets"]).output().await.unwrap();
            let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            found[0]["read"].as_str().map(str::to_owned).ok_or(found)
        })
        .await
    }

    /// What the agent said in all, and how the proxy ended.
    async fn ended(mut self) -> (Vec<u8>, Option<i32>) {
        let status = within("the proxy to end", LONG, self.proxy.wait()).await.unwrap();
        (within("the end of what was said", SHORT, self.heard).await.unwrap(), status.code())
    }
}

#[tokio::test]
async fn an_editor_and_an_agent_speak_through_the_proxy_unchanged_and_a_viewer_reads_along() {
    let sandbox = Sandbox::new();
    sandbox.script("agent", AGENT);
    let mut editor = Editor::start(&sandbox, Path::new("agent"));
    for line in EDITOR {
        editor.say(line).await;
    }
    let mut viewer = Viewer::new(&Editor::link(&sandbox).await, None, Blind);
    viewer.live().await;
    viewer.until("the whole exchange", |viewer| words(viewer).contains("end_turn")).await;
    let read = words(&viewer);
    for part in ["look at it", "hm, a thought", "Edit a file", "I looked at it."] {
        assert!(read.contains(part), "{part} is missing in {read}");
    }
    let transcript = viewer.transcript().unwrap();
    let edited = transcript.blocks().any(
        |(_, _, block)| matches!(block, Block::Tool(call) if call.status.as_deref() == Some("completed")),
    );
    assert!(edited, "the call is completed");

    // The editor does not hang up, and something holds the agent's output: its end is passed all the same.
    editor.say(b"bye").await;
    let (heard, status) = editor.ended().await;
    assert_eq!(status, Some(7), "the status is the agent's");
    let said = [EDITOR.as_slice(), &[b"bye"]].concat().join(&b'\n');
    let got = fs::read(sandbox.path().join("heard")).unwrap();
    assert_eq!(got.strip_suffix(b"\n"), Some(said.as_slice()), "the agent heard what was said");
    let broken = b"not json \xff\xfe {\"jsonrpc\"\n";
    assert!(heard.windows(broken.len()).any(|part| part == broken), "the editor heard what is no JSON");
    assert_eq!(heard.split(|byte| *byte == b'\n').count(), 9);
}

/// An example of the protocol's own crate, built by `scripts/tools`.
fn example(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin").join(name);
    assert!(path.exists(), "{} is missing: run scripts/tools", path.display());
    path
}

/// An agent of raw JSON that any client can speak with: it answers by the number that was asked under.
const POLITE: &str = r#"
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
  answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
  say() { printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":%s}}\n' "$1"; }
  case $line in
  *'"initialize"'*) answer '{"protocolVersion":1,"agentCapabilities":{},"authMethods":[]}' ;;
  *session/new*) answer '{"sessionId":"s1"}' ;;
  *session/prompt*)
    say '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"It is four."}}'
    mkfifo "$HOME/go"; cat "$HOME/go"
    answer '{"stopReason":"end_turn"}'
    ;;
  esac
done
"#;

#[tokio::test]
async fn the_client_of_the_protocols_crate_speaks_through_the_proxy_and_a_viewer_reads_along() {
    let sandbox = Sandbox::new();
    sandbox.script("polite", POLITE);
    let mut client = sandbox.command(example("yolo_one_shot_client"));
    client.env("SHARER_LISTEN", "127.0.0.1:0").current_dir(sandbox.path());
    let agent = format!("{} acp -- polite", sharer_bin().display());
    client.args(["--command", &agent, "what is two and two?"]);
    let client = client.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let client = client.spawn().unwrap();

    let mut viewer = Viewer::new(&Editor::link(&sandbox).await, None, Blind);
    viewer.live().await;
    viewer.until("the answer", |viewer| words(viewer).contains("It is four.")).await;
    assert!(words(&viewer).contains("what is two and two?"), "{}", words(&viewer));
    fs::write(sandbox.path().join("go"), b"").unwrap();
    let output = within("the client to end", LONG, client.wait_with_output()).await.unwrap();
    let (said, complaints) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{complaints}");
    assert!(said.contains("It is four."), "{said}");
    assert!(complaints.contains("Stop reason: EndTurn"), "{complaints}");
}

#[tokio::test]
async fn the_agent_of_the_protocols_crate_answers_through_the_proxy_as_without_it() {
    let asks = br#"{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":1,"clientCapabilities":{}}}"#;
    let sandbox = Sandbox::new();
    let mut alone = sandbox.command(example("simple_agent"));
    let mut alone = alone.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut say = alone.stdin.take().unwrap();
    say.write_all(&[asks.as_slice(), b"\n"].concat()).await.unwrap();
    drop(say);
    let alone = within("the agent to end", LONG, alone.wait_with_output()).await.unwrap();
    let answer = String::from_utf8(alone.stdout).unwrap();
    assert!(answer.contains("\"protocolVersion\":1"), "{answer}");

    let mut editor = Editor::start(&sandbox, &example("simple_agent"));
    editor.say(asks).await;
    editor.say = None;
    let (heard, status) = editor.ended().await;
    assert_eq!((String::from_utf8(heard).unwrap(), status), (answer, alone.status.code()));
}

/// An agent that says what is in a file, all at once, and then that it is done.
const TALKER: &str = r#"
while IFS= read -r line; do
  case $line in
  *session/new*) printf '{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s1"}}\n' ;;
  *session/prompt*) cat "$HOME/burst"; printf '{"jsonrpc":"2.0","id":2,"result":{"stopReason":"end_turn"}}\n' ;;
  esac
done
"#;

#[tokio::test]
async fn every_word_of_an_agent_that_says_much_at_once_is_shared() {
    let sandbox = Sandbox::new();
    sandbox.script("talker", TALKER);
    let say = |text: String| {
        let content = serde_json::json!({"type": "text", "text": text});
        let update = serde_json::json!({"sessionUpdate": "agent_message_chunk", "content": content});
        let params = serde_json::json!({"sessionId": "s1", "update": update});
        format!("{}\n", serde_json::json!({"jsonrpc": "2.0", "method": "session/update", "params": params}))
    };
    // Many small ones, and a few that are too long for one request together.
    let small = (0..2_000).map(|n| format!("<{n}>"));
    let long = (2_000..2_030).map(|n| format!("<{n}>{}", "x".repeat(40 * 1024)));
    let burst: String = small.chain(long).map(say).collect();
    fs::write(sandbox.path().join("burst"), burst).unwrap();
    let mut editor = Editor::start(&sandbox, Path::new("talker"));
    for line in EDITOR {
        editor.say(line).await;
    }
    let mut viewer = Viewer::new(&Editor::link(&sandbox).await, None, Blind);
    viewer.live().await;
    viewer.until("the whole exchange", |viewer| words(viewer).contains("end_turn")).await;
    let read = words(&viewer);
    let missing: Vec<usize> = (0..2_030).filter(|n| !read.contains(&format!("<{n}>"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn an_editor_that_is_slow_hears_the_last_words_of_an_agent_that_has_ended() {
    let sandbox = Sandbox::new();
    // More than the pipe to the editor holds, and less than what stands between the two in all.
    sandbox.script(
        "brief",
        "head -c 100000 /dev/zero | tr '\\0' x; echo the-last-word; : > \"$HOME/done\"\nexit 3\n",
    );
    let mut command = sandbox.command(sharer_bin());
    command.env("SHARER_LISTEN", "127.0.0.1:0").args(["acp", "--", "brief"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut proxy = command.spawn().unwrap();
    let done = sandbox.path().join("done");
    until("the agent to be done", LONG, async || if done.exists() { Ok(()) } else { Err(()) }).await;
    let gave_up = tokio::time::timeout(Duration::from_secs(2), proxy.wait()).await;
    assert!(gave_up.is_err(), "it does not end while there is something to hear");
    let mut heard = Vec::new();
    let mut from_agent = proxy.stdout.take().unwrap();
    within("all of it", LONG, from_agent.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard.len(), 100_000 + "the-last-word\n".len());
    assert_eq!(within("the proxy to end", LONG, proxy.wait()).await.unwrap().code(), Some(3));
}

#[tokio::test]
async fn who_speaks_late_is_the_first_all_the_same() {
    let sandbox = Sandbox::new();
    sandbox.script("agent", AGENT);
    let mut editor = Editor::start(&sandbox, Path::new("agent"));
    let mut viewer = Viewer::new(&Editor::link(&sandbox).await, None, Log::default());
    // Its program has reached the proxy before anybody has spoken.
    viewer
        .until("its program", |viewer| viewer.screen.has("This is a conversation without a terminal"))
        .await;
    for line in EDITOR {
        editor.say(line).await;
    }
    let said = |viewer: &Viewer<Log>| {
        viewer
            .transcript()
            .is_some_and(|all| all.blocks().any(|(_, _, block)| block.words().contains("end_turn")))
    };
    viewer.until("the whole exchange", said).await;
    assert!(viewer.bar().is_none(), "a session of its own, and no child's");
}

/// An agent with two helpers, one of them called by its name only later; and a word between them.
const LEADER: &str = r#"
while IFS= read -r line; do
  say() { printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"%s","update":%s}}\n' "$1" "$2"; }
  text() { say "$1" "{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"$2\"}}"; }
  case $line in
  *session/new*) printf '{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s1"}}\n' ;;
  *session/prompt*)
    text s1 "I send two."
    say s1 '{"sessionUpdate":"subagent_update","sessionId":"k1","title":"Ada","state":{"state":"running"}}'
    say s1 '{"sessionUpdate":"subagent_update","sessionId":"k2","title":"Bob","state":{"state":"requires_action"}}'
    text k1 "the words of Ada"
    text k2 "the words of Bob"
    printf '{"jsonrpc":"2.0","id":2,"result":{"stopReason":"end_turn"}}\n'
    ;;
  esac
done
"#;

#[tokio::test]
async fn subagents_are_children_with_transcripts_of_their_own() {
    let sandbox = Sandbox::new();
    sandbox.script("leader", LEADER);
    let mut editor = Editor::start(&sandbox, Path::new("leader"));
    for line in EDITOR {
        editor.say(line).await;
    }
    let mut viewer = Viewer::new(&Editor::link(&sandbox).await, None, Blind);
    let pills = |viewer: &Viewer<Blind>| -> Vec<(String, Status)> {
        let bar = viewer.bar();
        let children = bar.iter().flat_map(|bar| bar.pills.iter().skip(1));
        children.map(|pill| (pill.name.clone(), pill.status)).collect()
    };
    let both = [("Ada".to_owned(), Status::Running), ("Bob".to_owned(), Status::Blocked)];
    viewer.until("both children", |viewer| pills(viewer) == both).await;
    viewer.until("the leader's words", |viewer| words(viewer).contains("I send two.")).await;
    assert!(!words(&viewer).contains("the words of"));
    for (at, (name, _)) in both.iter().enumerate() {
        let selects = viewer.bar().unwrap().pills[at + 1].selects.clone();
        viewer.act(Event::Select(selects)).await;
        let own = format!("the words of {name}");
        viewer.until("its own words", |viewer| words(viewer).contains(&own)).await;
        assert!(!words(&viewer).contains("I send two."));
    }
    // The agent told of its children by itself: nobody tells it twice.
    let first = viewer.bar().unwrap().pills[0].selects.clone();
    viewer.act(Event::Select(first)).await;
    viewer.until("the leader's words", |viewer| words(viewer).contains("I send two.")).await;
    let blocks = viewer.transcript().unwrap().blocks();
    assert_eq!(blocks.filter(|(_, _, block)| matches!(block, Block::Subagent(_))).count(), 2);
}

#[tokio::test]
async fn what_a_program_emits_is_in_its_sessions_transcript() {
    let sandbox = Sandbox::new();
    let script = r#"
{
  echo '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"emitted words"}}'
  echo '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"x","update":{"sessionUpdate":"hologram","x":1}}}'
  echo 'no json'
} | "$SHARER_BIN" emit; echo "status $?" > "$HOME/status"; sleep 600"#;
    let sharer = Sharer::share(&sandbox, ["--", "sh", "-c", script]).await;
    let mut viewer = Viewer::new(&sharer.read_link(), None, Blind);
    viewer.live().await;
    viewer.until("what was emitted", |viewer| words(viewer).contains("hologram")).await;
    assert!(words(&viewer).contains("emitted words"));
    let path = sandbox.path().join("status");
    until("a line to be refused", SHORT, async || match fs::read_to_string(&path) {
        Ok(text) if text == "status 1\n" => Ok(()),
        other => Err(other),
    })
    .await;
}
