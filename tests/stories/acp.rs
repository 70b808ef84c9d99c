//! Conversations: an editor and an agent that know nothing of `sharer` speak ACP through it, and a viewer reads along.

use std::fs;

use e2e::harness::{SHORT, Sandbox, Sharer, until};
use e2e::viewer::{Screen, Viewer};
use shared::event::WindowSize;

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
