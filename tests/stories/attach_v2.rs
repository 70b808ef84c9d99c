//! The second store: brought over whole, healed, never at the cost of the first, by many at once, and killed at any time.

use std::time::Instant;

use e2e::harness::repo::{FULL, MAIN, V1, folder, id_of};
use e2e::harness::{Repo, Sandbox, sharer_bin};
use serde_json::Value;

async fn commits(repo: &Repo<'_>, name: &str) -> usize {
    repo.git(&["rev-list", "--count", name]).await.parse().unwrap()
}

/// The sessions of a checkpoint as a store lists them, by slot.
async fn sessions(repo: &Repo<'_>, name: &str, id: &str) -> Vec<String> {
    let root = repo.file(name, &format!("{}/metadata.json", folder(id))).await;
    let root: Value = serde_json::from_str(&root).unwrap();
    let mut names = Vec::new();
    for slot in 0..root["sessions"].as_array().unwrap().len() {
        let record = repo.file(name, &format!("{}/{slot}/metadata.json", folder(id))).await;
        let record: Value = serde_json::from_str(&record).unwrap();
        names.push(record["session_id"].as_str().unwrap().to_owned());
    }
    names
}

/// v2 has what v1 has, in the same slots, as the same objects.
async fn are_equal(repo: &Repo<'_>, id: &str) {
    assert_eq!(sessions(repo, V1, id).await, sessions(repo, MAIN, id).await);
    let (v1, main, full) = (repo.tree(V1).await, repo.tree(MAIN).await, repo.tree(FULL).await);
    let own = folder(id);
    for (path, object) in v1.iter().filter(|(path, _)| path.starts_with(&own)) {
        let (file, stores) = match path.rsplit('/').next().unwrap() {
            "full.jsonl" => (path.replace("full.jsonl", "raw_transcript"), &full),
            "content_hash.txt" => (path.replace("content_hash.txt", "raw_transcript_hash.txt"), &full),
            "prompt.txt" => (path.clone(), &main),
            _ => continue,
        };
        assert_eq!(stores.get(&file), Some(object), "{file}");
    }
}

async fn verify(repo: &Repo<'_>) -> (bool, String) {
    let output = repo.sharer(&["checkpoints", "verify"]).await;
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn what_v2_lacks_is_brought_over_whole_in_one_commit_and_once() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let id = id_of(&repo.session("one", "a").await);
    repo.session("two", "b").await;
    let own = folder(&id);
    // As others write it: a task, keys of later versions, a session without a transcript.
    let record = repo.file(V1, &format!("{own}/0/metadata.json")).await;
    let record =
        record.replacen("{\n", "{\n  \"zz_later\": 1,\n  \"summary\": {\"intent\": \"x\"},\n", 1) + "\n";
    repo.plumb(
        V1,
        &[
            (&format!("{own}/0/metadata.json"), Some(&record)),
            (&format!("{own}/tasks/t1/checkpoint.json"), Some("{}")),
            (&format!("{own}/1/full.jsonl"), None),
            (&format!("{own}/1/content_hash.txt"), None),
        ],
    )
    .await;
    repo.switch_v2(true);
    repo.session("three", "c").await;
    assert_eq!(sessions(&repo, MAIN, &id).await, ["one", "two", "three"]);
    are_equal(&repo, &id).await;
    // One of nothing, one of all that was there, one of the new session.
    assert_eq!((commits(&repo, MAIN).await, commits(&repo, FULL).await), (3, 3));
    let copied = repo.file(MAIN, &format!("{own}/0/metadata.json")).await;
    assert_eq!(copied + "\n", record, "records are copied, not made again");
    let full = repo.tree(FULL).await;
    assert!(full.keys().any(|path| path.ends_with("/tasks/t1/checkpoint.json")), "{full:?}");
    let main = repo.tree(MAIN).await;
    assert!(main.contains_key(&format!("{own}/1/metadata.json")));
    assert!(!main.contains_key(&format!("{own}/1/transcript.jsonl")), "there is none to be made compact");
    // Complete: only what is new changes, and nothing the second time.
    repo.session("four", "d").await;
    assert_eq!((commits(&repo, MAIN).await, commits(&repo, FULL).await), (4, 4));
    let after = repo.tree(MAIN).await;
    for (path, object) in main.iter().filter(|(path, _)| !path.ends_with(&format!("{own}/metadata.json"))) {
        assert_eq!(after.get(path), Some(object), "{path}");
    }
    let tips = [repo.tip(V1).await, repo.tip(MAIN).await, repo.tip(FULL).await];
    repo.session("four", "d").await;
    assert!(repo.sharer(&["checkpoints", "sync"]).await.status.success());
    assert_eq!([repo.tip(V1).await, repo.tip(MAIN).await, repo.tip(FULL).await], tips);
    repo.is_sound().await;
    // Switched off again, v2 stays as it is.
    repo.switch_v2(false);
    repo.session("five", "e").await;
    assert_eq!([repo.tip(MAIN).await, repo.tip(FULL).await], tips[1..]);
    repo.switch_v2(true);
    repo.session("six", "f").await;
    are_equal(&repo, &id).await;
}

#[tokio::test]
async fn a_shadow_in_another_order_is_healed_by_name_and_nothing_of_it_is_lost() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let id = id_of(&repo.session("lonely", "a").await);
    repo.session("two", "b").await;
    let first = repo.tip(V1).await.unwrap();
    // v1 without the session that v2 has in slot 0.
    repo.git(&["update-ref", "-d", V1]).await;
    repo.switch_v2(false);
    repo.git(&["commit", "-q", "--amend", "-m", "Begin"]).await;
    let other = id_of(&repo.session("one", "c").await);
    let moved = repo.git(&["rev-parse", &format!("{V1}:{}", folder(&other))]).await;
    repo.git(&["update-ref", V1, &first]).await;
    let listing = format!("040000 tree {moved}\t{}\n", id.split_at(2).1);
    let shard = repo.git_reads(&["mktree"], listing.as_bytes());
    let root = repo.git_reads(&["mktree"], format!("040000 tree {shard}\t{}\n", id.split_at(2).0).as_bytes());
    let commit = repo.git(&["commit-tree", &root, "-m", "Other"]).await;
    repo.git(&["update-ref", V1, &commit]).await;
    for path in ["metadata.json", "0/metadata.json"] {
        let path = format!("{}/{path}", folder(&id));
        let text = repo.file(V1, &path).await.replace(&other, &id).replace(&folder(&other), &folder(&id));
        repo.plumb(V1, &[(&path, Some(&(text + "\n")))]).await;
    }
    repo.git(&["commit", "-q", "--amend", "-m", &format!("Begin\n\nEntire-Checkpoint: {id}")]).await;
    repo.switch_v2(true);
    let file = repo.transcript("two", "b");
    let output = repo.sharer(&["attach", "two", "--transcript", file.to_str().unwrap()]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("only v2 has session lonely"), "{said}");
    assert_eq!(sessions(&repo, V1, &id).await, ["one", "two"]);
    assert_eq!(sessions(&repo, MAIN, &id).await, ["one", "two", "lonely"]);
    let full = repo.tree(FULL).await;
    assert!(full.contains_key(&format!("{}/2/raw_transcript", folder(&id))), "{full:?}");
    repo.is_sound().await;
}

#[tokio::test]
async fn when_v2_fails_v1_stands_and_what_it_lacks_is_noted_and_repaired() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let id = id_of(&repo.session("one", "a").await);
    let note = repo.dir.join(".git/sharer-checkpoints-behind").join(&id);
    assert!(!note.exists());

    // A ref that somebody holds.
    repo.put(".git/refs/entire/checkpoints/v2/main.lock", "");
    let main = repo.tip(MAIN).await;
    let file = repo.transcript("two", "b");
    let log = sandbox.path().join("log");
    let arguments =
        ["attach", "two", "--transcript", file.to_str().unwrap(), "--log-file", log.to_str().unwrap()];
    let output = repo.sharer(&arguments).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(
        said.lines().filter(|line| line.contains("v2")).count() == 1 && said.contains("checkpoints sync"),
        "{said}"
    );
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.contains(&id) && log.contains("reference") && log.contains("stage") && log.contains("why"),
        "{log}"
    );
    assert_eq!(sessions(&repo, V1, &id).await, ["one", "two"]);
    assert_eq!(repo.tip(MAIN).await, main);
    assert!(note.exists());
    assert!(!verify(&repo).await.0, "{:?}", verify(&repo).await);
    // The same is an error where that was asked for; v1 stands all the same.
    let file = repo.transcript("three", "c");
    let output =
        repo.sharer(&["attach", "three", "--transcript", file.to_str().unwrap(), "--strict-v2"]).await;
    assert!(!output.status.success());
    assert_eq!(sessions(&repo, V1, &id).await, ["one", "two", "three"]);
    assert!(!repo.sharer(&["checkpoints", "sync"]).await.status.success(), "it is still held");
    std::fs::remove_file(repo.dir.join(".git/refs/entire/checkpoints/v2/main.lock")).unwrap();
    assert!(repo.sharer(&["checkpoints", "sync"]).await.status.success());
    assert!(!note.exists());
    are_equal(&repo, &id).await;
    assert!(verify(&repo).await.0);

    // A tree that makes no sense: left as it is.
    let good = repo.tip(MAIN).await.unwrap();
    repo.plumb(MAIN, &[(&format!("{}/0/metadata.json", folder(&id)), Some("["))]).await;
    let bad = repo.tip(MAIN).await;
    assert!(repo.session("four", "d").await["v2"]["reason"].as_str().unwrap().contains("0/metadata.json"));
    assert_eq!(repo.tip(MAIN).await, bad);
    repo.git(&["update-ref", MAIN, &good]).await;
    repo.session("five", "e").await;
    are_equal(&repo, &id).await;

    // A transcript that is not what its hash says is not handed on.
    let hash = format!("{}/0/content_hash.txt", folder(&id));
    repo.git(&["update-ref", "-d", MAIN]).await;
    repo.git(&["update-ref", "-d", FULL]).await;
    let right = repo.file(V1, &hash).await;
    repo.plumb(V1, &[(&hash, Some(&right.replace("sha256:", "sha256:0")))]).await;
    let attached = repo.session("six", "f").await;
    assert_eq!(attached["v2"]["stage"], "transcript", "{attached}");
    assert_eq!(sessions(&repo, V1, &id).await.len(), 6);
    assert_eq!((repo.tip(MAIN).await, repo.tip(FULL).await), (None, None));
    let (good, said) = verify(&repo).await;
    assert!(!good && said.contains("not what its hash says"), "{said}");
    repo.plumb(V1, &[(&hash, Some(&right))]).await;
    repo.session("six", "f").await;
    are_equal(&repo, &id).await;
}

#[tokio::test]
async fn a_disk_that_takes_no_more_costs_v2_what_v1_has_or_changes_nothing() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let id = id_of(&repo.session("one", "a").await);
    // What v2 makes of this is larger than what v1 has of it, also when it is packed: each letter is six there.
    let mut state = 1_u64;
    let letters = std::iter::from_fn(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some(['<', '>', '&'][usize::try_from(state >> 33).unwrap() % 3])
    });
    let file = repo.transcript("two", &letters.take(40_000).collect::<String>());
    // Files may have so many KiB: the system refuses to write more, as where there is no room.
    let attach = async |most: u32| {
        let script = format!(
            r#"trap '' XFSZ; ulimit -f {}; exec "$0" attach two --force --json --transcript "$1""#,
            most * 2
        );
        repo.command("sh").args(["-c", &script]).arg(sharer_bin()).arg(&file).output().await.unwrap()
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let (refs, head) = (repo.git(&["for-each-ref"]).await, repo.tip("HEAD").await);
    let output = attach(4).await;
    assert!(!output.status.success() && said(&output).contains("cannot be written"), "{}", said(&output));
    assert_eq!((repo.git(&["for-each-ref"]).await, repo.tip("HEAD").await), (refs, head));

    let main = repo.tip(MAIN).await;
    let output = attach(36).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).lines().filter(|line| line.contains("v2")).count(), 1, "{}", said(&output));
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&done["v2"]["stage"], &done["changed"]), (&"transcript".into(), &true.into()), "{done}");
    assert_eq!(sessions(&repo, V1, &id).await, ["one", "two"]);
    assert_eq!(repo.tip(MAIN).await, main);
    assert!(repo.dir.join(".git/sharer-checkpoints-behind").join(&id).exists());
    assert!(!verify(&repo).await.0);
    repo.is_sound().await;
    // There is room again.
    assert!(repo.sharer(&["checkpoints", "sync"]).await.status.success());
    are_equal(&repo, &id).await;
    assert!(verify(&repo).await.0);
}

#[tokio::test]
async fn when_v1_fails_v2_and_the_commit_stay_as_they_were() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    repo.session("one", "a").await;
    repo.git(&["commit", "-q", "--allow-empty", "-m", "Second"]).await;
    let refs = repo.git(&["for-each-ref"]).await;
    let lock = repo.dir.join(".git").join(format!("{V1}.lock"));
    std::fs::write(&lock, "").unwrap();
    let file = repo.transcript("two", "b");
    let output = repo.sharer(&["attach", "two", "--transcript", file.to_str().unwrap(), "--force"]).await;
    assert!(!output.status.success());
    assert_eq!(repo.git(&["for-each-ref"]).await, refs);
    let notes = repo.dir.join(".git/sharer-checkpoints-behind");
    let noted = || std::fs::read_dir(&notes).map_or(0, Iterator::count);
    assert_eq!(noted(), 0, "what v1 has not v2 does not lack");
    std::fs::remove_file(lock).unwrap();
    // What was noted of it all the same, as by one that was killed, goes.
    std::fs::create_dir_all(&notes).unwrap();
    std::fs::write(notes.join("0123456789ab"), "{}").unwrap();
    assert!(repo.sharer(&["checkpoints", "sync"]).await.status.success());
    assert_eq!(noted(), 0);
    repo.session("two", "b").await;
    assert!(verify(&repo).await.0);
}

#[tokio::test]
async fn who_holds_v2s_lock_keeps_nobody_from_v1() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let id = id_of(&repo.session("one", "a").await);
    let locks = repo.dir.join(".git/entire-persistent-ref-locks");
    let lock = locks.join("refs_entire_checkpoints_v2_main.lock");
    let file = repo.transcript("two", "b");
    // The very lock that upstream takes.
    let mut command = repo.command("flock");
    command.arg(&lock).arg(sharer_bin()).args(["attach", "two", "--force", "--transcript"]).arg(&file);
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("v1 has it, v2 does not"), "{said}");
    assert!(repo.dir.join(".git/sharer-checkpoints-behind").join(&id).exists());
    assert!(repo.sharer(&["checkpoints", "sync"]).await.status.success());
    are_equal(&repo, &id).await;
}

#[tokio::test]
async fn the_hundredth_checkpoint_begins_a_generation_and_what_is_archived_is_not_kept_twice() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let id = id_of(&repo.session("one", "a").await);
    let names: Vec<_> = (0..98).map(|at| format!("f0/{at:010x}/0/raw_transcript")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), Some("x"))).collect();
    repo.plumb(FULL, &files).await;
    repo.git(&["commit", "-q", "--allow-empty", "-m", "Second"]).await;
    // It cannot be archived: that costs nothing.
    let archive = "refs/entire/checkpoints/v2/full/0000000000001";
    let lock = repo.dir.join(".git").join(format!("{archive}.lock"));
    std::fs::write(&lock, "").unwrap();
    let second = repo.session("two", "b").await;
    assert_eq!(second["v2"], "whole");
    assert_eq!(repo.tip(archive).await, None);
    are_equal(&repo, &id_of(&second)).await;
    std::fs::remove_file(lock).unwrap();

    repo.git(&["commit", "-q", "--allow-empty", "-m", "Third"]).await;
    let third = id_of(&repo.session("three", "c").await);
    assert_eq!(repo.tree(FULL).await.len(), 0, "the next one begins empty");
    assert_eq!(commits(&repo, FULL).await, 1);
    let archived = repo.tree(archive).await;
    assert!(archived.contains_key(&format!("{}/0/raw_transcript", folder(&third))));
    let generation: Value = serde_json::from_str(&repo.file(archive, "generation.json").await).unwrap();
    assert!(generation["oldest_checkpoint_at"].as_str() <= generation["newest_checkpoint_at"].as_str());
    assert_eq!(repo.git(&["log", "-1", "--format=%s", archive]).await, "Archive generation");

    // Attached to what is archived: found there, not written again.
    repo.git(&["checkout", "-q", "HEAD~2"]).await;
    repo.session("four", "d").await;
    let full = repo.tree(FULL).await;
    let paths: Vec<_> = full.keys().map(|path| path.trim_start_matches(&folder(&id)).to_owned()).collect();
    assert_eq!(paths, ["/1/raw_transcript", "/1/raw_transcript_hash.txt"]);
    let shown = repo.sharer(&["checkpoints", "show", &id, "--session", "0", "--raw"]).await;
    assert_eq!(String::from_utf8_lossy(&shown.stdout), e2e::harness::repo::transcript("a"));
    assert!(
        verify(&repo).await.1.contains("archive")
            || repo.sharer(&["checkpoints", "verify", &id]).await.status.success()
    );
    repo.is_sound().await;
}

#[tokio::test]
async fn sixteen_at_once_lose_nothing() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let id = id_of(&repo.session("first", "a").await);
    // Half of them into one checkpoint, half into ones of their own.
    let mut running = Vec::new();
    let begun = Instant::now();
    for at in 0..16 {
        let name = format!("s{at}");
        let file = repo.transcript(&name, &format!("ask {at}"));
        let mut command = repo.command(sharer_bin());
        command.args(["attach", &name, "--json", "--transcript", file.to_str().unwrap()]);
        let child = if at % 2 == 0 {
            command
        } else {
            repo.git(&["branch", &name, "HEAD"]).await;
            repo.git(&["worktree", "add", "-q", &format!("../{name}"), &name]).await;
            let side = Repo::at(&sandbox, sandbox.path().join(&name));
            side.git(&["commit", "-q", "--amend", "-m", &name]).await;
            std::fs::create_dir(side.dir.join(".entire")).unwrap();
            side.switch_v2(true);
            command.current_dir(&side.dir);
            command
        };
        running.push((name, child));
    }
    let running: Vec<_> = running
        .into_iter()
        .map(|(name, mut command)| {
            let child =
                command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
            (name, child.unwrap())
        })
        .collect();
    let mut where_it_is = Vec::new();
    for (name, child) in running {
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["v2"], "whole", "{said}");
        where_it_is.push((name, id_of(&said)));
    }
    println!("sixteen attached in {:?}", begun.elapsed());
    for (name, id) in &where_it_is {
        assert!(sessions(&repo, V1, id).await.contains(name), "{name}");
        are_equal(&repo, id).await;
    }
    assert_eq!(sessions(&repo, V1, &id).await.len(), 9);
    assert!(verify(&repo).await.0, "{:?}", verify(&repo).await);
    repo.is_sound().await;
}

#[tokio::test]
async fn killed_at_any_moment_v1_is_old_or_new_and_the_next_one_makes_v2_whole() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let begun = Instant::now();
    let id = id_of(&repo.session("s0", "a").await);
    let mut whole = begun.elapsed();
    let mut killed = 0;
    for at in 1..=40_u32 {
        let name = format!("s{at}");
        let file = repo.transcript(&name, &format!("ask {at}"));
        let mut command = repo.command(sharer_bin());
        command.args(["attach", &name, "--transcript", file.to_str().unwrap()]);
        let before = sessions(&repo, V1, &id).await;
        let mut child =
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        // Moments spread over as long as it takes; one that comes too late shows that it takes less.
        let moment = whole * (at * 7 % 40) / 40;
        if tokio::time::timeout(moment, child.wait()).await.is_err() {
            child.kill().await.unwrap();
            killed += 1;
        } else {
            whole = whole * 3 / 4;
        }
        // What a killed one leaves of git's own locks is removed as git says.
        for lock in [V1, MAIN, FULL] {
            drop(std::fs::remove_file(repo.dir.join(".git").join(format!("{lock}.lock"))));
        }
        let after = sessions(&repo, V1, &id).await;
        assert!(after.starts_with(&before) && after.len() <= before.len() + 1, "{before:?} {after:?}");
        repo.is_sound().await;
    }
    assert!(killed > 5, "only {killed} were killed");
    repo.session("last", "z").await;
    are_equal(&repo, &id).await;
    assert!(repo.sharer(&["checkpoints", "sync"]).await.status.success());
    assert!(verify(&repo).await.0, "{:?}", verify(&repo).await);
}

/// How many files there are below a directory.
fn files(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[tokio::test]
async fn killed_at_each_file_that_it_writes_nothing_of_before_is_lost() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    repo.switch_v2(true);
    let id = id_of(&repo.session("s0", "a").await);
    let git = repo.dir.join(".git");
    // Whoever is too late to kill it there tries again a few times: how fast it is says nothing about what it leaves.
    let (mut killed, mut at, mut late) = (0, 1, 0);
    for count in 1..400 {
        // Few files to count, so that each one is seen soon.
        repo.git(&["gc", "-q", "--prune=now"]).await;
        let before = sessions(&repo, V1, &id).await;
        let name = format!("s{count}");
        let file = repo.transcript(&name, &format!("ask {count}"));
        let mut command = repo.command(sharer_bin());
        command.args(["attach", &name, "--transcript", file.to_str().unwrap()]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let there = files(&git);
        let mut child = command.spawn().unwrap();
        let ended = loop {
            if files(&git) >= there + at {
                break false;
            }
            if child.try_wait().unwrap().is_some() {
                break true;
            }
        };
        child.kill().await.unwrap();
        // What a killed one leaves of git's own locks is removed as git says.
        for lock in [V1, MAIN, FULL, "packed-refs"] {
            drop(std::fs::remove_file(git.join(format!("{lock}.lock"))));
        }
        let after = sessions(&repo, V1, &id).await;
        assert!(after.starts_with(&before) && after.len() <= before.len() + 1, "{before:?} {after:?}");
        repo.is_sound().await;
        if ended {
            assert_eq!(after.last(), Some(&name));
            if files(&git) < there + at {
                break;
            }
            late += 1;
        } else {
            killed += 1;
        }
        if !ended || late == 4 {
            (at, late) = (at + 1, 0);
        }
    }
    assert!(at > 12 && killed > 0, "it writes more than {at} files, and was killed {killed} times");
    repo.session("last", "z").await;
    are_equal(&repo, &id).await;
    assert!(repo.sharer(&["checkpoints", "sync"]).await.status.success());
    assert!(verify(&repo).await.0, "{:?}", verify(&repo).await);
}
