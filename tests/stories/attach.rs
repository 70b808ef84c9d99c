//! `sharer attach`: what it writes, what it leaves alone, and what it says when it cannot.

use e2e::harness::repo::{FULL, MAIN, SECRET, V1, folder, id_of, transcript};
use e2e::harness::{Repo, Sandbox};
use serde_json::Value;

async fn trailers(repo: &Repo<'_>, rev: &str) -> Vec<String> {
    let message = repo.git(&["log", "-1", "--format=%B", rev]).await;
    let parsed = repo.git_reads(&["interpret-trailers", "--parse"], message.as_bytes());
    parsed.lines().map(str::to_owned).collect()
}

async fn refs(repo: &Repo<'_>) -> String {
    repo.git(&["for-each-ref"]).await
}

fn complaint(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn bash(repo: &Repo<'_>, script: &str) {
    let output = repo.command("sh").args(["-ec", script]).output().await.unwrap();
    assert!(output.status.success(), "{script}: {}", complaint(&output));
}

/// Every object of the repository, whether anything knows it or not.
async fn everything(repo: &Repo<'_>) -> Vec<u8> {
    let all = repo.try_git(&["cat-file", "--batch", "--batch-all-objects"]).await;
    assert!(all.status.success());
    all.stdout
}

fn holds(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|part| part == text.as_bytes())
}

#[tokio::test]
async fn a_transcript_is_kept_with_the_commit_and_nothing_else_changes() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.put("a.txt", "changed\n");
    repo.put("staged.txt", "staged\n");
    repo.git(&["add", "staged.txt"]).await;
    let author = repo.git(&["log", "-1", "--format=%an %ae %at"]).await;
    let status = repo.git(&["status", "--porcelain"]).await;
    let path = repo.transcript("one", "add a greeting");
    // The agent is known by the transcript, the prompt and the tokens come from it.
    let attached = repo.attach(&["one", "--transcript", path.to_str().unwrap(), "--force"]).await;
    let id = id_of(&attached);
    assert_eq!(trailers(&repo, "HEAD").await, [format!("Entire-Checkpoint: {id}")]);
    assert_eq!(repo.git(&["log", "-1", "--format=%an %ae %at"]).await, author);
    assert_eq!(repo.git(&["status", "--porcelain"]).await, status, "what is staged stays staged");
    let tree = repo.tree(V1).await;
    let names: Vec<_> = tree.keys().map(|path| path.trim_start_matches(&folder(&id)).to_owned()).collect();
    assert_eq!(
        names,
        ["/0/content_hash.txt", "/0/full.jsonl", "/0/metadata.json", "/0/prompt.txt", "/metadata.json"]
    );
    assert_eq!(repo.file(V1, &format!("{}/0/prompt.txt", folder(&id))).await, "add a greeting");
    let record: Value =
        serde_json::from_str(&repo.file(V1, &format!("{}/0/metadata.json", folder(&id))).await).unwrap();
    assert_eq!(record["agent"], "Claude Code");
    assert_eq!(
        (&record["model"], &record["token_usage"]["input_tokens"]),
        (&"demo-model".into(), &10.into())
    );
    let shown = repo.sharer(&["checkpoints", "show", "HEAD", "--raw"]).await;
    assert_eq!(String::from_utf8_lossy(&shown.stdout), transcript("add a greeting"));
    repo.is_sound().await;

    // A second one goes behind it, by way of stdin, and the commit keeps its one trailer.
    let before = repo.untouched().await;
    let head = repo.tip("HEAD").await;
    let mut command = repo.command(e2e::harness::sharer_bin());
    let second = std::fs::File::open(repo.transcript("two", "and another")).unwrap();
    let output = command.args(["attach", "two", "--transcript", "-"]).stdin(second).output().await.unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!((repo.untouched().await, repo.tip("HEAD").await), (before, head));
    let root = repo.file(V1, &format!("{}/metadata.json", folder(&id))).await;
    let root: Value = serde_json::from_str(&root).unwrap();
    assert_eq!(root["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(root["token_usage"]["input_tokens"], 20, "sums are made anew");

    // The first one again: its slot, and nothing if it is the same.
    let tip = repo.tip(V1).await;
    assert_eq!(repo.session("one", "add a greeting").await["changed"], false);
    assert_eq!(repo.tip(V1).await, tip, "no commit for what was there");
    let again = repo.session("one", "add a farewell").await;
    assert_eq!(again["sessions"][0]["slot"], 0);
    assert_eq!(repo.file(V1, &format!("{}/0/prompt.txt", folder(&id))).await, "add a farewell");
    assert_eq!(repo.tree(V1).await.len(), 9);
    assert_eq!(trailers(&repo, "HEAD").await.len(), 1);
    assert_eq!(repo.tip(MAIN).await, None, "v2 was never switched on");
    repo.is_sound().await;
}

#[tokio::test]
async fn bad_names_and_empty_repositories_are_refused_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let path = repo.transcript("one", "x");
    let path = path.to_str().unwrap();
    let before = (refs(&repo).await, everything(&repo).await);
    let long = "a".repeat(201);
    for name in ["../x", "..", "a/b", "a\\b", "a b", "", &long] {
        let output = repo.sharer(&["attach", name, "--transcript", path, "--force"]).await;
        assert!(
            !output.status.success() && complaint(&output).contains("name"),
            "{name}: {}",
            complaint(&output)
        );
    }
    let unknown = repo.sharer(&["attach", "one", "--agent", "nosuch", "--transcript", path]).await;
    assert!(!unknown.status.success() && complaint(&unknown).contains("claude-code"));
    assert_eq!((refs(&repo).await, everything(&repo).await), before);

    let empty = Repo::empty(&sandbox, "empty", &[]).await;
    let output = empty.sharer(&["attach", "one", "--transcript", path, "--force"]).await;
    assert!(
        !output.status.success() && complaint(&output).contains("no commit yet"),
        "{}",
        complaint(&output)
    );
    assert_eq!((refs(&empty).await, everything(&empty).await), (String::new(), Vec::new()));
    let nothing = sandbox.path().join("nothing.jsonl");
    std::fs::write(&nothing, "").unwrap();
    let output = repo.sharer(&["attach", "one", "--transcript", nothing.to_str().unwrap()]).await;
    assert!(!output.status.success() && complaint(&output).contains("empty"), "{}", complaint(&output));
    assert_eq!(refs(&repo).await, before.0);
    let outside = Repo::at(&sandbox, sandbox.path().join("tmp"));
    let output = outside.sharer(&["attach", "one", "--transcript", path]).await;
    assert!(
        !output.status.success() && complaint(&output).contains("no git repository"),
        "{}",
        complaint(&output)
    );
    // The control.
    repo.session("one", "x").await;
    assert!(repo.tip(V1).await.is_some());
}

#[tokio::test]
async fn secrets_reach_no_object_and_what_has_no_prompt_is_told() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let attached = repo.session("one", &format!("keep-this {SECRET}")).await;
    let all = everything(&repo).await;
    // Objects are in the clear here: what is looked for would be seen.
    assert!(holds(&all, "keep-this") && holds(&all, "REDACTED"));
    assert!(!holds(&all, SECRET));
    let id = id_of(&attached);
    assert_eq!(repo.file(V1, &format!("{}/0/prompt.txt", folder(&id))).await, "keep-this REDACTED");
    let odd = sandbox.path().join("odd.jsonl");
    std::fs::write(&odd, "torn {\"type\n\0\u{1}\n[[[[[[\n").unwrap();
    let output = repo.sharer(&["attach", "--transcript", odd.to_str().unwrap(), "--force"]).await;
    assert!(
        output.status.success() && complaint(&output).contains("no prompt was found"),
        "{}",
        complaint(&output)
    );
    let shown = repo.sharer(&["checkpoints", "show", "HEAD", "--session", "1", "--raw"]).await;
    assert_eq!(shown.stdout, b"torn {\"type\n\0\x01\n[[[[[[\n");
    repo.is_sound().await;
}

#[tokio::test]
async fn a_line_too_long_moves_no_ref_and_a_long_transcript_comes_back_whole() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let path = sandbox.path().join("long.jsonl");
    let path_text = path.to_str().unwrap();
    std::fs::write(&path, [b"{}\n".to_vec(), vec![b' '; 50 * 1024 * 1024 + 2], b"\n".to_vec()].concat())
        .unwrap();
    let before = refs(&repo).await;
    let output = repo.sharer(&["attach", "long", "--transcript", path_text, "--force"]).await;
    assert!(!output.status.success() && complaint(&output).contains("line 2"), "{}", complaint(&output));
    assert_eq!(refs(&repo).await, before);
    let line = [vec![b' '; 1024 * 1024], b"\n".to_vec()].concat();
    let mut long: Vec<u8> = transcript("x").into_bytes();
    for _ in 0..51 {
        long.extend_from_slice(&line);
    }
    std::fs::write(&path, &long).unwrap();
    let attached = repo.attach(&["long", "--transcript", path_text, "--force"]).await;
    let tree = repo.tree(V1).await;
    assert!(tree.contains_key(&format!("{}/0/full.jsonl.001", folder(&id_of(&attached)))), "{tree:?}");
    let shown = repo.sharer(&["checkpoints", "show", &id_of(&attached), "--raw"]).await;
    assert!(shown.status.success() && shown.stdout == long, "{} of {} bytes", shown.stdout.len(), long.len());
}

#[tokio::test]
async fn what_others_wrote_survives_and_what_cannot_be_understood_is_refused_with_its_path() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let id = id_of(&repo.session("one", "a").await);
    let own = folder(&id);
    let root = repo.file(V1, &format!("{own}/metadata.json")).await;
    let more = root.replacen("{\n", "{\n  \"zz_later\": {\"a\":   1},\n", 1) + "\n";
    let names = [
        format!("{own}/0/context.md"),
        format!("{own}/0/assets/manifest.json"),
        format!("{own}/tasks/t1/checkpoint.json"),
    ];
    repo.plumb(
        V1,
        &[
            ("vercel.json", Some("{}")),
            ("00/11223344ff/metadata.json", Some("not even JSON")),
            (&format!("{own}/metadata.json"), Some(&more)),
            (&names[0], Some("context")),
            (&names[1], Some("{}")),
            (&names[2], Some("{}")),
        ],
    )
    .await;
    let before = repo.tree(V1).await;
    repo.session("one", "b").await;
    repo.session("two", "c").await;
    let after = repo.tree(V1).await;
    for (path, object) in &before {
        let is_ours = path.starts_with(&format!("{own}/0/")) && !names.contains(path)
            || *path == format!("{own}/metadata.json");
        if !is_ours {
            assert_eq!(after.get(path), Some(object), "{path}");
        }
    }
    let root = repo.file(V1, &format!("{own}/metadata.json")).await;
    assert!(root.contains("  \"zz_later\": {\"a\":   1},\n"), "{root}");

    let good = repo.tip(V1).await.unwrap();
    let root_path = format!("{own}/metadata.json");
    let gap = format!("{own}/0/metadata.json");
    for (path, text, said) in
        [(&root_path, Some("{"), "metadata.json cannot be read"), (&gap, None, "0/metadata.json is missing")]
    {
        repo.plumb(V1, &[(path, text)]).await;
        let tip = repo.tip(V1).await;
        let head = repo.tip("HEAD").await;
        let file = repo.transcript("three", "d");
        let output =
            repo.sharer(&["attach", "three", "--transcript", file.to_str().unwrap(), "--force"]).await;
        assert!(!output.status.success() && complaint(&output).contains(said), "{}", complaint(&output));
        assert!(complaint(&output).contains(&id));
        assert_eq!((repo.tip(V1).await, repo.tip("HEAD").await), (tip, head));
        repo.git(&["update-ref", V1, &good]).await;
    }
    repo.session("three", "d").await;
}

#[tokio::test]
async fn a_colleagues_checkpoint_is_fetched_and_never_begun_anew() {
    let sandbox = Sandbox::new();
    let origin = Repo::empty(&sandbox, "origin", &["--bare"]).await;
    let ada = Repo::new(&sandbox, "ada").await;
    ada.git(&["remote", "add", "origin", origin.dir.to_str().unwrap()]).await;
    let id = id_of(&ada.session("one", "a").await);
    ada.git(&["push", "-q", "origin", "main", "entire/checkpoints/v1"]).await;
    let branch = "+refs/heads/main:refs/remotes/origin/main";

    // Only the commit is there: the branch is fetched.
    let bob = origin.cloned("bob", &["--single-branch"]).await;
    assert_eq!(bob.tip(V1).await, None);
    bob.session("two", "b").await;
    let own = folder(&id);
    let tree = bob.tree(V1).await;
    assert!(
        tree.contains_key(&format!("{own}/0/full.jsonl"))
            && tree.contains_key(&format!("{own}/1/full.jsonl"))
    );
    let first = ada.tip(V1).await.unwrap();
    bob.git(&["merge-base", "--is-ancestor", &first, V1]).await;
    // It goes on from there, so it can be pushed.
    bob.git(&["push", "-q", "origin", "entire/checkpoints/v1"]).await;

    // The branch was fetched already.
    let carol = origin.cloned("carol", &[]).await;
    carol.session("three", "c").await;
    assert!(carol.tree(V1).await.contains_key(&format!("{own}/2/full.jsonl")));

    // In any encoding a trailer is a trailer.
    let latin = ["-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-m"];
    let message = format!("Caf\u{e9}\n\nEntire-Checkpoint: {id}");
    carol.git(&[&latin[..], &[message.as_str()]].concat()).await;
    assert_eq!(id_of(&carol.session("four", "d").await), id);

    // Nobody can be asked.
    let dave = origin.cloned("dave", &["--single-branch"]).await;
    dave.git(&["fetch", "-q", "origin", branch]).await;
    dave.git(&["remote", "set-url", "origin", "/nowhere"]).await;
    let file = dave.transcript("four", "d");
    let before = refs(&dave).await;
    let output = dave.sharer(&["attach", "four", "--transcript", file.to_str().unwrap(), "--force"]).await;
    assert!(!output.status.success() && complaint(&output).contains(&id), "{}", complaint(&output));
    assert_eq!(refs(&dave).await, before);

    // What was fetched is read beside one's own, wherever the two went.
    carol.git(&["checkout", "-q", "--orphan", "own"]).await;
    carol.git(&["commit", "-q", "-m", "Alone"]).await;
    carol.git(&["branch", "-q", "-D", "entire/checkpoints/v1"]).await;
    let own = id_of(&carol.session("alone", "x").await);
    for id in [&id, &own] {
        let output = carol.sharer(&["checkpoints", "show", id]).await;
        assert!(output.status.success(), "{}", complaint(&output));
    }
    // As the README says.
    carol.git(&["fetch", "-q", "origin"]).await;
    carol.git(&["worktree", "add", "-q", "../checkpoints", "entire/checkpoints/v1"]).await;
    let theirs = "origin/entire/checkpoints/v1";
    carol.git(&["-C", "../checkpoints", "merge", "-q", "--allow-unrelated-histories", theirs]).await;
    let output = carol.sharer(&["checkpoints", "verify"]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 checkpoints"), "{output:?}");
    assert!(output.status.success());

    // Both have checkpoints that the other has not.
    let erin = origin.cloned("erin", &["--single-branch", "-b", "main"]).await;
    erin.git(&["commit", "-q", "--allow-empty", "-m", "Other"]).await;
    erin.session("five", "e").await;
    erin.git(&["checkout", "-q", "-B", "side", "HEAD~1"]).await;
    let file = erin.transcript("six", "f");
    let output = erin.sharer(&["attach", "six", "--transcript", file.to_str().unwrap(), "--force"]).await;
    assert!(!output.status.success() && complaint(&output).contains("went apart"), "{}", complaint(&output));
    // A new checkpoint where a branch was only fetched is built upon that.
    let frank = origin.cloned("frank", &[]).await;
    frank.git(&["commit", "-q", "--allow-empty", "-m", "Other"]).await;
    frank.session("seven", "g").await;
    frank.git(&["merge-base", "--is-ancestor", "refs/remotes/origin/entire/checkpoints/v1", V1]).await;
}

#[tokio::test]
async fn an_unusual_repository_is_written_or_refused_and_never_harmed() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let id = id_of(&repo.session("one", "a").await);
    let own = folder(&id);

    // A linked worktree: one store for all, and its own HEAD.
    repo.git(&["worktree", "add", "-q", "-b", "side", "../side"]).await;
    let side = Repo::at(&sandbox, sandbox.path().join("side"));
    let head = repo.tip("HEAD").await;
    side.git(&["commit", "-q", "--allow-empty", "-m", "Beside"]).await;
    let other = id_of(&side.session("two", "b").await);
    assert_ne!(other, id);
    assert_eq!(repo.tip("HEAD").await, head, "the other worktree's");
    assert_eq!(trailers(&side, "HEAD").await, [format!("Entire-Checkpoint: {other}")]);
    assert!(repo.tree(V1).await.contains_key(&format!("{}/0/full.jsonl", folder(&other))));

    // Refs and objects in packs.
    repo.git(&["gc", "-q"]).await;
    repo.git(&["pack-refs", "--all"]).await;
    repo.session("three", "c").await;
    assert!(repo.tree(V1).await.contains_key(&format!("{own}/1/full.jsonl")));
    repo.is_sound().await;

    // Objects that are elsewhere.
    let shared =
        repo.cloned("shared", &["--reference", repo.dir.to_str().unwrap(), "-c", "core.bare=false"]).await;
    shared.git(&["update-ref", V1, "refs/remotes/origin/entire/checkpoints/v1"]).await;
    shared.session("four", "d").await;
    assert!(shared.tree(V1).await.contains_key(&format!("{own}/2/full.jsonl")));

    // A history that was cut short.
    let shallow = repo.cloned("shallow", &["--depth", "1", "--no-single-branch"]).await;
    shallow.session("five", "e").await;
    assert!(shallow.tree(V1).await.contains_key(&format!("{own}/2/full.jsonl")));
    shallow.is_sound().await;

    // Objects that were left out.
    repo.git(&["config", "uploadpack.allowFilter", "true"]).await;
    repo.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]).await;
    let partial = repo.cloned("partial", &["--filter=blob:none", "--no-checkout"]).await;
    partial.session("six", "f").await;
    assert!(partial.tree(V1).await.contains_key(&format!("{own}/2/full.jsonl")));

    // No worktree: kept, and the person is told the trailer.
    let bare = repo.cloned("bare", &["--bare"]).await;
    let attached = bare.session("seven", "g").await;
    assert_eq!(id_of(&attached), id);
    bare.git(&["update-ref", "HEAD", "HEAD~0"]).await;
    assert!(bare.tree(V1).await.contains_key(&format!("{own}/2/full.jsonl")));

    // What is not read is left alone.
    let other = Repo::empty(&sandbox, "sha256", &["--object-format=sha256"]).await;
    other.git(&["commit", "-q", "--allow-empty", "-m", "Begin"]).await;
    let before = (refs(&other).await, everything(&other).await);
    let file = other.transcript("eight", "h");
    let output = other.sharer(&["attach", "eight", "--transcript", file.to_str().unwrap(), "--force"]).await;
    assert!(!output.status.success() && complaint(&output).contains("SHA-256"), "{}", complaint(&output));
    assert_eq!((refs(&other).await, everything(&other).await), before);

    // A branch where the folder of the branch should be.
    let blocked = Repo::new(&sandbox, "blocked").await;
    blocked.git(&["branch", "entire"]).await;
    let file = blocked.transcript("nine", "i");
    let output = blocked.sharer(&["attach", "nine", "--transcript", file.to_str().unwrap(), "--force"]).await;
    assert!(
        !output.status.success() && complaint(&output).contains("the branch entire stands in the way"),
        "{}",
        complaint(&output)
    );
    assert_eq!(trailers(&blocked, "HEAD").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_commit_is_amended_only_where_that_harms_nobody() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let file = repo.transcript("one", "a");
    let file = file.to_str().unwrap();
    let left = async |repo: &Repo<'_>, more: &[&str], why: &str| {
        let head = repo.tip("HEAD").await;
        let output = repo.sharer(&[&["attach", "one", "--transcript", file], more].concat()).await;
        assert!(output.status.success(), "{}", complaint(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(why) && said.contains("\nEntire-Checkpoint: "), "{said}");
        assert_eq!(repo.tip("HEAD").await, head);
    };
    left(&repo, &[], "there is nobody to ask").await;

    // A hook that says no: the checkpoint stays, and so does the commit.
    let hook = "#!/bin/sh\necho hook-says-no >&2\necho more of this in the manual >&2\nexit 1\n";
    repo.put(".git/hooks/commit-msg", hook);
    bash(&repo, "chmod +x .git/hooks/commit-msg").await;
    left(&repo, &["--force"], "hook-says-no; more of this").await;
    bash(&repo, "rm .git/hooks/commit-msg").await;

    // A lock that somebody left: git's own reason is told, with the file that is in the way.
    repo.put(".git/index.lock", "");
    left(&repo, &["--force"], ".git/index.lock': File exists").await;
    bash(&repo, "rm .git/index.lock").await;

    // Another commit than HEAD is never rewritten.
    repo.git(&["commit", "-q", "--allow-empty", "-m", "Second"]).await;
    left(&repo, &["--force", "--commit", "HEAD~1"], "only HEAD's message").await;
    let output = repo.sharer(&["attach", "one", "--transcript", file, "--commit", "nosuch"]).await;
    assert!(!output.status.success() && complaint(&output).contains("nosuch is no commit"));

    // A remote has it.
    let origin = Repo::empty(&sandbox, "origin", &["--bare"]).await;
    repo.git(&["remote", "add", "origin", origin.dir.to_str().unwrap()]).await;
    repo.git(&["push", "-q", "origin", "main"]).await;
    left(&repo, &[], "a remote branch has this commit").await;
    repo.git(&["checkout", "-q", "--detach"]).await;
    left(&repo, &[], "HEAD is on no branch").await;
    repo.git(&["checkout", "-q", "main"]).await;

    // In the middle of a merge not even by force.
    repo.git(&["checkout", "-q", "-b", "side", "HEAD~1"]).await;
    repo.put("a.txt", "side\n");
    repo.git(&["commit", "-qam", "Side"]).await;
    repo.git(&["checkout", "-q", "main"]).await;
    repo.git(&["merge", "-q", "--no-commit", "--no-ff", "side"]).await;
    left(&repo, &["--force"], "a merge").await;
    repo.git(&["merge", "--abort"]).await;

    // The control.
    repo.session("one", "a").await;
    assert_eq!(trailers(&repo, "HEAD").await.len(), 1);
}

#[tokio::test]
async fn settings_and_states_of_upstream_are_minded() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let file = repo.transcript("one", "a");
    let file = file.to_str().unwrap();
    let before = refs(&repo).await;
    repo.put(".entire/settings.json", r#"{"strategy_options":{"checkpoints_v2_only":true}}"#);
    let output = repo.sharer(&["attach", "one", "--transcript", file, "--force"]).await;
    assert!(!output.status.success(), "{}", complaint(&output));
    assert_eq!(complaint(&output).lines().count(), 1, "{}", complaint(&output));
    repo.put(".entire/settings.json", r#"{"enabled":false}"#);
    assert!(repo.sharer(&["attach", "one", "--transcript", file, "--force"]).await.status.success());
    assert_eq!(refs(&repo).await, before);
    repo.put(".entire/settings.json", "{");
    let output = repo.sharer(&["attach", "one", "--transcript", file, "--force"]).await;
    assert!(
        output.status.success() && complaint(&output).contains("cannot be read"),
        "{}",
        complaint(&output)
    );
    assert_eq!(repo.tip(MAIN).await, None);

    // What the state says is kept, and is no reason to leave v2 behind.
    let id = id_of(&repo.session("one", "a").await);
    repo.switch_v2(true);
    let state =
        format!(r#"{{"session_id":"one","phase":"active","odd":[1,  2],"last_checkpoint_id":"{id}"}}"#);
    repo.put(".git/entire-sessions/one.json", &state);
    assert_eq!(repo.session("one", "a").await["v2"], "whole");
    assert!(repo.tree(MAIN).await.contains_key(&format!("{}/0/transcript.jsonl", folder(&id))));
    let state = std::fs::read_to_string(repo.dir.join(".git/entire-sessions/one.json")).unwrap();
    for part in ["\"odd\": [1,  2]", "\"phase\": \"active\"", "\"attached_manually\": true", &id] {
        assert!(state.contains(part), "{part} in {state}");
    }
    std::fs::remove_file(repo.dir.join(".git/entire-sessions/one.json")).unwrap();
    std::fs::create_dir(repo.dir.join(".git/entire-sessions/one.json")).unwrap();
    let file = repo.transcript("one", "b");
    let output = repo.sharer(&["attach", "one", "--transcript", file.to_str().unwrap(), "--force"]).await;
    assert!(
        output.status.success() && complaint(&output).contains("state of session one"),
        "{}",
        complaint(&output)
    );
    assert_eq!(repo.file(V1, &format!("{}/0/prompt.txt", folder(&id))).await, "b");
    assert!(repo.tip(FULL).await.is_some());
}

#[tokio::test]
async fn a_session_that_an_agent_keeps_is_found_with_what_its_subagents_said() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let place: String = repo
        .dir
        .canonicalize()
        .unwrap()
        .to_str()
        .unwrap()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let place = sandbox.path().join(".claude/projects").join(place);
    std::fs::create_dir_all(place.join("sess-1/subagents")).unwrap();
    let told = "{\"type\":\"assistant\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"Task\",\"input\":{}}]}}\n{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_1\",\"content\":\"done\"}]},\"toolUseResult\":{\"agentId\":\"a1b2\"}}\n";
    std::fs::write(place.join("sess-1.jsonl"), transcript("lead them") + told).unwrap();
    std::fs::write(place.join("sess-1/subagents/agent-a1b2.jsonl"), transcript(SECRET)).unwrap();
    // Without a name the newest one, which nobody is there to be asked about.
    let output = repo.sharer(&["attach"]).await;
    assert!(
        !output.status.success() && complaint(&output).contains("sess-1 of Claude Code"),
        "{}",
        complaint(&output)
    );
    let attached = repo.attach(&["--force"]).await;
    assert_eq!(attached["sessions"][0]["session_id"], "sess-1");
    let own = folder(&id_of(&attached));
    let said = repo.file(V1, &format!("{own}/tasks/toolu_1/agent-a1b2.jsonl")).await;
    assert!(said.contains("REDACTED") && !said.contains(SECRET), "{said}");
    let record: Value =
        serde_json::from_str(&repo.file(V1, &format!("{own}/tasks/toolu_1/checkpoint.json")).await).unwrap();
    assert_eq!((&record["agent_id"], &record["session_id"]), (&"a1b2".into(), &"sess-1".into()));
    assert_eq!(repo.attach(&["sess-1"]).await["changed"], false);
    let output = repo.sharer(&["attach", "nosuch"]).await;
    assert!(
        !output.status.success() && complaint(&output).contains("--transcript FILE"),
        "{}",
        complaint(&output)
    );
}
