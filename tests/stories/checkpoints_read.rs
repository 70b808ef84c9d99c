//! Reading checkpoints: everything that upstream's versions ever wrote, what is missing or wrong in them, and what somebody
//! hostile could leave there. All of it is made by git's plumbing.

use std::fmt::Write as _;

use e2e::harness::repo::{FULL, MAIN, V1, transcript};
use e2e::harness::{Repo, Sandbox, sharer_bin};
use serde_json::{Value, json};

/// The folder of checkpoint `7c1e0b9a42d5`, and its id.
const OWN: &str = "7c/1e0b9a42d5";
const ID: &str = "7c1e0b9a42d5";

/// A checkpoint's record that lists so many sessions.
fn root(sessions: usize) -> String {
    let listed: Vec<_> = (0..sessions)
        .map(|slot| json!({"metadata": format!("/{OWN}/{slot}/metadata.json"), "transcript": format!("/{OWN}/{slot}/full.jsonl"), "context": "/x", "prompt": ""}))
        .collect();
    json!({"checkpoint_id": ID, "strategy": "auto-commit", "files_touched": null, "sessions": listed, "later": {"a": 1}}).to_string()
}

fn record(name: &str) -> String {
    json!({"checkpoint_id": ID, "session_id": name, "strategy": "x", "created_at": "2026-01-02T03:05:00.123456789Z",
        "files_touched": null, "agent": "Claude Code", "model": ""})
    .to_string()
}

fn hash(repo: &Repo<'_>, text: &str) -> String {
    let file = repo.dir.join("../to-hash");
    std::fs::write(&file, text).unwrap();
    let output = std::process::Command::new("sha256sum").arg(file).output().unwrap();
    format!("sha256:{}", String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap())
}

async fn plumb(repo: &Repo<'_>, name: &str, files: &[(&str, &str)]) {
    let files: Vec<_> = files.iter().map(|(path, text)| (format!("{OWN}/{path}"), *text)).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(*text))).collect();
    repo.plumb(name, &files).await;
}

/// Makes this tree the checkpoint, and the only one.
async fn keep(repo: &Repo<'_>, tree: &str) -> String {
    let (first, rest) = ID.split_at(2);
    let shard = repo.git_reads(&["mktree"], format!("040000 tree {tree}\t{rest}\n").as_bytes());
    let top = repo.git_reads(&["mktree"], format!("040000 tree {shard}\t{first}\n").as_bytes());
    let commit = repo.git(&["commit-tree", &top, "-m", "Odd"]).await;
    repo.git(&["update-ref", V1, &commit]).await;
    commit
}

async fn said(repo: &Repo<'_>, arguments: &[&str]) -> (bool, String, String) {
    let output = repo.sharer(&[&["checkpoints"], arguments].concat()).await;
    assert!(output.status.code().is_some_and(|code| code != 101), "it panicked");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

async fn shown(repo: &Repo<'_>) -> Value {
    let (good, out, why) = said(repo, &["show", ID, "--json"]).await;
    assert!(good, "{why}");
    serde_json::from_str(&out).unwrap()
}

fn names(shown: &Value) -> Vec<&str> {
    shown["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["metadata"]["session_id"].as_str().unwrap_or("?"))
        .collect()
}

#[tokio::test]
async fn every_variant_of_v1_that_was_ever_written_is_read() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let raw = transcript("a");
    plumb(
        &repo,
        V1,
        &[
            ("metadata.json", &root(4)),
            ("0/metadata.json", &record("one")),
            ("0/full.jsonl", &raw),
            ("0/content_hash.txt", &hash(&repo, &raw)),
            ("0/prompt.txt", "a"),
            ("0/context.md", "old"),
            ("0/tasks/t/agent-x.jsonl", "{}"),
            // No transcript, though the record points to one.
            ("1/metadata.json", &record("two")),
            // The oldest name.
            ("2/metadata.json", &record("three")),
            ("2/full.log", "old words"),
            // In pieces, with one that is none of them.
            ("3/metadata.json", &record("four")),
            ("3/full.jsonl", "{\"a\":1}"),
            ("3/full.jsonl.002", "{\"a\":3}\n"),
            ("3/full.jsonl.001", "{\"a\":2}"),
            ("3/full.jsonl.zzz", "no"),
            ("tasks/t/checkpoint.json", "{}"),
        ],
    )
    .await;
    repo.plumb(V1, &[("vercel.json", Some("{}")), ("zz/not-an-id/metadata.json", Some("{}"))]).await;
    // As push-time merges of old clients leave it.
    let tree = repo.git(&["rev-parse", &format!("{V1}^{{tree}}")]).await;
    let tip = repo.tip(V1).await.unwrap();
    let merge =
        repo.git(&["commit-tree", &tree, "-p", &tip, "-p", "HEAD", "-m", "Merge remote session logs"]).await;
    repo.git(&["update-ref", V1, &merge]).await;

    let value = shown(&repo).await;
    assert_eq!(names(&value), ["one", "two", "three", "four"]);
    assert_eq!(value["metadata"]["later"]["a"], 1);
    assert_eq!(value["sessions"][1]["raw"], false);
    for (slot, text) in [("0", raw.as_str()), ("2", "old words"), ("3", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n")]
    {
        assert_eq!(said(&repo, &["show", ID, "--session", slot, "--raw"]).await.1, text);
    }
    let (good, _, why) = said(&repo, &["show", ID, "--session", "1", "--raw"]).await;
    assert!(!good && why.contains("has no raw transcript"), "{why}");
    let (good, out, _) = said(&repo, &["ls"]).await;
    assert!(good && out.lines().count() == 1 && out.contains("4 sessions"), "{out}");
    let (good, out, _) = said(&repo, &["verify"]).await;
    assert!(good, "{out}");
    // By the beginning of its id, and by a commit that names it.
    repo.git(&["commit", "-q", "--amend", "-m", &format!("Begin\n\nEntire-Checkpoint: {ID}")]).await;
    for by in ["7c1e", "HEAD", "main"] {
        assert!(said(&repo, &["show", by]).await.1.contains(ID), "{by}");
    }
    let (good, _, why) = said(&repo, &["show", "nosuch"]).await;
    assert!(!good && why.contains("no checkpoint has that id"), "{why}");
    // Who has only fetched reads what was fetched.
    let other = repo.cloned("other", &[]).await;
    assert_eq!(names(&shown(&other).await), ["one", "two", "three", "four"]);
}

#[tokio::test]
async fn v2_is_read_first_and_each_session_from_where_it_is_whole() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let raw = transcript("a");
    // A gap in the slots, no compact transcript, the raw one in an archive and in a newer one.
    plumb(
        &repo,
        MAIN,
        &[
            ("metadata.json", &root(3)),
            ("0/metadata.json", &record("one")),
            ("2/metadata.json", &record("three")),
        ],
    )
    .await;
    plumb(&repo, FULL, &[("2/raw_transcript", &raw), ("2/raw_transcript_hash.txt", &hash(&repo, &raw))])
        .await;
    for (number, text) in [("0000000000001", "older\n"), ("0000000000002", "newer\n")] {
        plumb(&repo, &format!("refs/entire/checkpoints/v2/full/{number}"), &[("0/raw_transcript", text)])
            .await;
    }
    repo.plumb("refs/entire/checkpoints/v2/full/0000000000002", &[("generation.json", Some("{}"))]).await;
    let value = shown(&repo).await;
    assert_eq!(names(&value), ["one", "three"]);
    assert!(value["troubles"][0].as_str().unwrap().contains("/1/metadata.json is missing"), "{value}");
    assert_eq!(value["sessions"][0]["compact"], false);
    assert_eq!(said(&repo, &["show", ID, "--session", "0", "--raw"]).await.1, "newer\n");
    assert_eq!(said(&repo, &["show", ID, "--raw"]).await.1, raw);

    // v1 has more sessions, in another order: each is there once, with what either store has of it.
    plumb(
        &repo,
        V1,
        &[
            ("metadata.json", &root(4)),
            ("0/metadata.json", &record("three")),
            ("1/metadata.json", &record("two")),
            ("1/full.jsonl", "two's\n"),
            ("2/metadata.json", &record("one")),
            ("3/metadata.json", &record("four")),
            ("3/full.jsonl", "four's\n"),
        ],
    )
    .await;
    let value = shown(&repo).await;
    assert_eq!(names(&value), ["three", "two", "one", "four"]);
    for (slot, text) in [("0", raw.as_str()), ("1", "two's\n"), ("2", "newer\n"), ("3", "four's\n")] {
        assert_eq!(said(&repo, &["show", ID, "--session", slot, "--raw"]).await.1, text, "{slot}");
    }
    let (good, out, _) = said(&repo, &["verify"]).await;
    assert!(
        !good && out.contains("v2 lacks session 1") && out.contains("session 0 of v1 is session 2 in v2"),
        "{out}"
    );
}

#[tokio::test]
async fn what_is_wrong_or_hostile_is_told_and_brings_nothing_down() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let huge = format!("{{\"x\":\"{}\"}}", "a".repeat(17 * 1024 * 1024));
    for (name, files) in [
        ("not JSON", vec![("metadata.json", "{"), ("0/metadata.json", "[")]),
        ("deep", vec![("metadata.json", "[[[["), ("0/metadata.json", "{\"session_id\":\"../../x\"}")]),
        (
            "other kinds",
            vec![("metadata.json", "{\"sessions\":7}"), ("0/metadata.json", "{\"session_id\":7}")],
        ),
        ("huge", vec![("metadata.json", huge.as_str())]),
        (
            "a lie",
            vec![
                ("metadata.json", "{\"sessions\":[{},{},{}]}"),
                ("0/full.jsonl", "x\n"),
                ("0/metadata.json", "{}"),
                ("0/content_hash.txt", "sha256:00"),
            ],
        ),
    ] {
        plumb(&repo, V1, &files).await;
        let (good, out, _) = said(&repo, &["verify"]).await;
        assert!(!good && out.contains("something is wrong with 1 of them"), "{name}: {out}");
        assert!(said(&repo, &["ls"]).await.0, "{name}");
        drop(said(&repo, &["show", ID]).await);
        repo.git(&["update-ref", "-d", V1]).await;
    }
    // What does not match its hash is not handed on as if it did.
    plumb(
        &repo,
        V1,
        &[
            ("metadata.json", &root(1)),
            ("0/metadata.json", &record("one")),
            ("0/full.jsonl", "x\n"),
            ("0/content_hash.txt", "sha256:00"),
        ],
    )
    .await;
    let (good, _, why) = said(&repo, &["show", ID, "--raw"]).await;
    assert!(!good && why.contains("not what its hash says"), "{why}");
    let (good, _, why) = said(&repo, &["show", ID, "--session", "9"]).await;
    assert!(!good && why.contains("it has 0"), "{why}");
    // No terminal's sequences from a record.
    let odd = record("one").replace("Claude Code", "\\u001b]0;owned\\u0007\\u202e");
    plumb(&repo, V1, &[("0/metadata.json", &odd), ("0/prompt.txt", "\u{1b}[2Jhello")]).await;
    let (_, out, _) = said(&repo, &["show", ID]).await;
    assert!(
        out.contains("owned") && out.contains("hello") && !out.contains(['\u{1b}', '\u{202e}', '\u{7}']),
        "{out:?}"
    );
    // A link where a record should be, a folder where a file should be, folders without end.
    let link = repo.git_reads(&["hash-object", "-w", "--stdin"], b"/etc/passwd");
    let listing =
        format!("120000 blob {link}\tmetadata.json\n160000 commit {}\t0\n", repo.tip("HEAD").await.unwrap());
    let inner = repo.git_reads(&["mktree", "--missing"], listing.as_bytes());
    let mut deep = inner.clone();
    for _ in 0..40 {
        deep = repo.git_reads(&["mktree"], format!("040000 tree {deep}\td\n").as_bytes());
    }
    // A few kB that name more folders than anybody could visit, and one whose name is a terminal's sequence.
    let mut wide = inner.clone();
    for _ in 0..15 {
        let mut same = String::new();
        for number in 0..32 {
            writeln!(same, "040000 tree {wide}\tf{number}").unwrap();
        }
        wide = repo.git_reads(&["mktree"], same.as_bytes());
    }
    let mut owned = inner.clone();
    for _ in 0..20 {
        let name = "\u{1b}]0;owned\u{7}";
        owned = repo.git_reads(&["mktree", "-z"], format!("040000 tree {owned}\t{name}\0").as_bytes());
    }
    for tree in [inner, deep, wide, owned] {
        let commit = keep(&repo, &tree).await;
        let (good, out, _) = said(&repo, &["ls"]).await;
        assert!(good && !out.contains(['\u{1b}', '\u{7}']), "{out:?}");
        let (_, out, why) = said(&repo, &["verify"]).await;
        assert!(!out.contains(['\u{1b}', '\u{7}']) && !why.contains('\u{1b}'), "{out:?} {why:?}");
        let replayed = repo.sharer(&["replay", "--no-browser", ID]).await;
        assert!(!replayed.status.success() && !replayed.stderr.contains(&0x1b), "{replayed:?}");
        let file = repo.transcript("one", "a");
        repo.git(&["commit", "-q", "--amend", "-m", &format!("Begin\n\nEntire-Checkpoint: {ID}")]).await;
        let output = repo.sharer(&["attach", "one", "--transcript", file.to_str().unwrap(), "--force"]).await;
        assert!(!output.status.success() && output.status.code() != Some(101));
        assert_eq!(repo.tip(V1).await, Some(commit));
    }
}

#[tokio::test]
async fn a_small_checkpoint_that_names_one_file_over_and_over_fills_nobodys_memory() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let blob = |bytes: &[u8]| repo.git_reads(&["hash-object", "-w", "--stdin"], bytes);
    // 50 kB as git keeps it.
    let zeros = blob(&vec![0; 50 << 20]);
    let cast = blob(b"{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n[0.1,\"o\",\"seen-in-it\"]\n");
    let mut listing = format!("100644 blob {}\tmetadata.json\n", blob(root(20).as_bytes()));
    for slot in 0..20 {
        let about = blob(record(&format!("session-{slot}")).as_bytes());
        let mut slots = format!("100644 blob {about}\tmetadata.json\n100644 blob {cast}\tterminal.cast\n");
        for piece in 1..5 {
            writeln!(slots, "100644 blob {zeros}\tterminal.cast.{piece:03}").unwrap();
        }
        let tree = repo.git_reads(&["mktree"], slots.as_bytes());
        writeln!(listing, "040000 tree {tree}\t{slot}").unwrap();
    }
    let tree = repo.git_reads(&["mktree"], listing.as_bytes());
    keep(&repo, &tree).await;
    // It names 4 GB.
    let page = sandbox.path().join("x.html");
    let script = format!("ulimit -v 2500000; exec \"$0\" export {ID} -o '{}'", page.display());
    let mut command = repo.command("sh");
    let output = command.args(["-c", &script]).arg(sharer_bin()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(page.metadata().unwrap().len() < 64 << 20, "what it plays is little");
    // So do records.
    let padded = record("one").replacen('{', &format!("{{\"x\":\"{}\",", "a".repeat(15 << 20)), 1);
    let padded = blob(padded.as_bytes());
    let mut listing = format!("100644 blob {}\tmetadata.json\n", blob(root(20).as_bytes()));
    for slot in 0..20 {
        let tree = repo.git_reads(&["mktree"], format!("100644 blob {padded}\tmetadata.json\n").as_bytes());
        writeln!(listing, "040000 tree {tree}\t{slot}").unwrap();
    }
    let tree = repo.git_reads(&["mktree"], listing.as_bytes());
    keep(&repo, &tree).await;
    let (good, out, _) = said(&repo, &["ls"]).await;
    assert!(good && out.contains("cannot be read") && out.contains("are not read"), "{out}");
}
