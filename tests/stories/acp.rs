//! Conversations: an editor and an agent that know nothing of `sharer` speak ACP through it, and a viewer reads along.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use e2e::harness::{Sandbox, Sharer, sharer_bin};
use e2e::viewer::{Screen, Viewer};
use shared::conversation::Block;
use shared::event::WindowSize;

/// An agent in a few lines of shell: raw JSON, and bytes that are none.
const AGENT: &str = r#"
tee "$HOME/heard" | while IFS= read -r line; do
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
  *bye*) exit 7 ;;
  esac
done
"#;

/// What the editor says; the middle line is broken.
const EDITOR: [&[u8]; 3] = [
    br#"{"jsonrpc":"2.0","id":1,"method":"session/new","params":{"cwd":"/","mcpServers":[]}}"#,
    b"{\"broken\": \xff\xfe",
    br#"{"jsonrpc":"2.0","id":2,"method":"session/prompt","params":{"sessionId":"s1","prompt":[{"type":"text","text":"look at it"}]}}"#,
];

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

#[tokio::test]
async fn an_editor_and_an_agent_speak_through_the_proxy_unchanged_and_a_viewer_reads_along() {
    let sandbox = Sandbox::new();
    let agent = sandbox.path().join("agent.sh");
    fs::write(&agent, AGENT).unwrap();
    let mut command = sandbox.command(sharer_bin());
    command.env("SHARER_LISTEN", "127.0.0.1:0").args(["acp", "--", "bash"]).arg(&agent);
    let mut proxy = command.as_std_mut().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut editor = proxy.stdin.take().unwrap();
    let mut from_agent = proxy.stdout.take().unwrap();
    let mut said = Vec::new();
    for line in EDITOR {
        said.extend_from_slice(line);
        said.push(b'\n');
    }
    editor.write_all(&said).unwrap();

    // A viewer finds the session as any other.
    let mut link = None;
    while link.is_none() {
        let mut status = sandbox.command(sharer_bin());
        let output = status.args(["status", "--json", "--secrets"]).output().await.unwrap();
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        link = found[0]["read"].as_str().map(str::to_owned);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut viewer = Viewer::new(&link.unwrap(), None, Blind);
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

    editor.write_all(b"bye\n").unwrap();
    let mut heard = Vec::new();
    from_agent.read_to_end(&mut heard).unwrap();
    let status = proxy.wait().unwrap();
    said.extend_from_slice(b"bye\n");
    assert_eq!(fs::read(sandbox.path().join("heard")).unwrap(), said, "the agent heard what was said");
    let broken = b"not json \xff\xfe {\"jsonrpc\"\n";
    assert!(heard.windows(broken.len()).any(|part| part == broken), "the editor heard what is no JSON");
    assert_eq!(heard.split(|byte| *byte == b'\n').count(), 9);
    assert_eq!(status.code(), Some(0), "the pipe's status is the agent's");
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
    while fs::read_to_string(sandbox.path().join("status")).map_or(true, |text| text.is_empty()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        fs::read_to_string(sandbox.path().join("status")).unwrap(),
        "status 1\n",
        "a line was no update"
    );
}
