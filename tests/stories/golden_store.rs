//! The worked example of CHECKPOINTS 8, to the object: its names were made with git's plumbing, none by this program.

use std::io::Cursor;

use e2e::harness::repo::{FULL, MAIN, V1};
use e2e::harness::{Repo, Sandbox};
use shared::checkpoint::id::{CheckpointId, Name};
use shared::checkpoint::metadata::{NewSession, TokenUsage};
use shared::checkpoint::plan::Kept;
use sharer_native::checkpoint::keep::{Done, Keep, V2, keep};
use sharer_native::checkpoint::{Repository, take};

const A: (&str, &str, &str, u64, u64, i64) =
    ("11111111-aaaa-4bbb-8ccc-000000000001", "add a greeting", "Done.", 10, 5, 1_767_323_100);
const B: (&str, &str, &str, u64, u64, i64) =
    ("22222222-aaaa-4bbb-8ccc-000000000002", "why this name?", "Because.", 7, 3, 1_767_326_700);

fn id() -> CheckpointId {
    CheckpointId::parse("7c1e0b9a42d5").unwrap()
}

/// Attaches a session at its own time.
async fn attached(repo: &Repo<'_>, of: (&str, &str, &str, u64, u64, i64), v2: bool) -> Done {
    let (name, prompt, answer, input, output, at) = of;
    let date = format!("{at} +0000");
    repo.git(&["config", "gitoxide.commit.committerDate", &date]).await;
    repo.git(&["config", "gitoxide.commit.authorDate", &date]).await;
    let store = Repository::open(&repo.dir).unwrap();
    let raw = format!(
        "{{\"type\":\"user\",\"timestamp\":\"2026-01-02T03:04:05Z\",\"message\":{{\"role\":\"user\",\"content\":\"{prompt}\"}}}}\n{{\"type\":\"assistant\",\"timestamp\":\"2026-01-02T03:04:09Z\",\"message\":{{\"id\":\"msg_1\",\"role\":\"assistant\",\"model\":\"demo-model\",\"content\":[{{\"type\":\"text\",\"text\":\"{answer}\"}}],\"usage\":{{\"input_tokens\":{input},\"output_tokens\":{output}}}}}}}\n"
    );
    let taken = take::take(&store, &mut Cursor::new(raw.into_bytes()), None, &mut |_line| {}).unwrap();
    let session = NewSession {
        cli_version: "0.0.0-demo".to_owned(),
        session_id: Name::parse(name).unwrap(),
        created_at: store.now(),
        branch: None,
        checkpoints_count: 1,
        files_touched: Vec::new(),
        agent: Some("Claude Code".to_owned()),
        model: "demo-model".to_owned(),
        token_usage: Some(TokenUsage {
            input_tokens: input,
            output_tokens: output,
            api_call_count: 1,
            ..TokenUsage::default()
        }),
    };
    let kept = Kept {
        session,
        transcript: taken.pieces,
        hash: taken.hash,
        prompt: prompt.to_owned(),
        extra: std::collections::BTreeMap::new(),
        tasks: std::collections::BTreeMap::new(),
    };
    keep(&store, &Keep { id: &id(), is_named: v2, sessions: &[kept], v2 }).unwrap()
}

/// The commits of a ref, the newest first, as far as the specification writes them.
async fn history(repo: &Repo<'_>, name: &str) -> Vec<String> {
    repo.git(&["log", "--format=%H", name])
        .await
        .lines()
        .map(|line| line.chars().take(12).collect())
        .collect()
}

/// The files of a ref with the beginnings of their objects.
async fn files(repo: &Repo<'_>, name: &str) -> Vec<String> {
    let tree = repo.tree(name).await.into_iter();
    tree.map(|(path, object)| {
        format!("{} {}", object.split_at(12).0, path.trim_start_matches("7c/1e0b9a42d5/"))
    })
    .collect()
}

async fn root(repo: &Repo<'_>, name: &str) -> String {
    repo.git(&["rev-parse", &format!("{name}^{{tree}}")]).await.chars().take(12).collect()
}

#[tokio::test]
async fn v1_is_the_worked_example_to_the_object() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    attached(&repo, A, false).await;
    assert_eq!(history(&repo, V1).await, ["9cf00d7a4b53", "b17288d03c41"]);
    assert_eq!(repo.tip(MAIN).await, None);
    attached(&repo, B, true).await;
    assert_eq!(history(&repo, V1).await, ["c63fbf41d803", "9cf00d7a4b53", "b17288d03c41"]);
    assert_eq!(root(&repo, V1).await, "0964fd4c26ca");
    assert_eq!(
        files(&repo, V1).await,
        [
            "8c0f58b2013f 0/content_hash.txt",
            "eebe85c5e77f 0/full.jsonl",
            "6994d1143291 0/metadata.json",
            "52c387db699c 0/prompt.txt",
            "27d0960806d8 1/content_hash.txt",
            "41f4708ffd89 1/full.jsonl",
            "e218a4949299 1/metadata.json",
            "e1e2e8c76f62 1/prompt.txt",
            "607fa2dfab4c metadata.json",
        ]
    );
    let message = repo.git(&["log", "-1", "--format=%B", V1]).await;
    assert_eq!(
        message.trim_end(),
        "Checkpoint: 7c1e0b9a42d5\n\nEntire-Session: 22222222-aaaa-4bbb-8ccc-000000000002\nEntire-Strategy: manual-commit\nEntire-Agent: Claude Code"
    );
    repo.is_sound().await;
}

#[tokio::test]
async fn v2_is_the_worked_example_to_the_object_the_first_session_brought_over() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    attached(&repo, A, false).await;
    let done = attached(&repo, B, true).await;
    assert!(matches!(&done.v2, V2::Whole(only_here) if only_here.is_empty()), "{done:?}");
    assert_eq!(root(&repo, FULL).await, "27c2bbb4b7d5");
    assert_eq!(
        files(&repo, FULL).await,
        [
            "eebe85c5e77f 0/raw_transcript",
            "8c0f58b2013f 0/raw_transcript_hash.txt",
            "41f4708ffd89 1/raw_transcript",
            "27d0960806d8 1/raw_transcript_hash.txt",
        ]
    );
    assert_eq!(
        files(&repo, MAIN).await,
        [
            "6994d1143291 0/metadata.json",
            "52c387db699c 0/prompt.txt",
            "1a82a7fd193e 0/transcript.jsonl",
            "2aac777c16b7 0/transcript_hash.txt",
            "e218a4949299 1/metadata.json",
            "e1e2e8c76f62 1/prompt.txt",
            "945d762dc346 1/transcript.jsonl",
            "95c2620b89ef 1/transcript_hash.txt",
            "736f35c34166 metadata.json",
        ]
    );
    assert_eq!(root(&repo, MAIN).await, "d26c87d015a0");
    assert_eq!(history(&repo, MAIN).await, ["68fc7576b3c8", "85140c3cbeb2", "436e2ac93b81"]);
    assert_eq!(history(&repo, FULL).await, ["a462b8e9e24c", "5cb22efc0af2", "436e2ac93b81"]);
    repo.is_sound().await;
}
