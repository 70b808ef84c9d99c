//! What `sharer attach` asks at a terminal, and what it does with the answer.

use e2e::harness::repo::{V1, transcript};
use e2e::harness::{Repo, Sandbox, Seat};

/// What somebody is asked at a terminal, answers, and is told then; the exit status.
async fn asked(
    sandbox: &Sandbox,
    repo: &Repo<'_>,
    arguments: &[&str],
    answers: &[(&str, &str)],
    told: &str,
) -> u8 {
    let line = format!("cd '{}' && exec \"$0\" {}", repo.dir.display(), arguments.join(" "));
    let seat = Seat::shell(sandbox, &line);
    for (question, answer) in answers {
        seat.got(question).await;
        seat.types(answer);
    }
    seat.got(told).await;
    seat.ended().await.status()
}

#[tokio::test]
async fn the_commit_is_amended_if_the_person_says_so() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let file = repo.transcript("one", "a");
    let attach = ["attach", "one", "--transcript", file.to_str().unwrap()];
    let head = repo.tip("HEAD").await;
    let question = "Amend it with this trailer? [Y/n] ";
    // It is shown which, and who goes away instead of answering leaves nothing behind.
    let shown = [("\nEntire-Checkpoint: ", ""), (question, "\x03")];
    assert_eq!(asked(&sandbox, &repo, &attach, &shown, "^C").await, 130);
    assert_eq!(repo.tip(V1).await, None);
    assert_eq!(asked(&sandbox, &repo, &attach, &[(question, "n\r")], "you said no").await, 0);
    assert!(repo.tip(V1).await.is_some(), "it is kept all the same");
    assert_eq!(repo.tip("HEAD").await, head);
    assert_eq!(asked(&sandbox, &repo, &attach, &[(question, "\r")], "The commit names it").await, 0);
    let message = repo.git(&["log", "-1", "--format=%B"]).await;
    assert!(message.contains("\nEntire-Checkpoint: "), "{message}");
    // It has it now: nothing is asked.
    assert_eq!(asked(&sandbox, &repo, &attach, &[], "as it is").await, 0);

    // One that others may have is asked about as that.
    let origin = Repo::empty(&sandbox, "origin", &["--bare"]).await;
    repo.git(&["remote", "add", "origin", origin.dir.to_str().unwrap()]).await;
    repo.git(&["commit", "-q", "--allow-empty", "-m", "Second"]).await;
    repo.git(&["push", "-q", "origin", "main"]).await;
    let head = repo.tip("HEAD").await;
    let risk = "a remote branch has this commit; amending gives it another name";
    let answers = [(risk, ""), ("all the same? [Y/n] ", "no\r")];
    assert_eq!(asked(&sandbox, &repo, &attach, &answers, "you said no").await, 0);
    assert_eq!(repo.tip("HEAD").await, head);
    let answers = [(risk, ""), ("all the same? [Y/n] ", "y\r")];
    assert_eq!(asked(&sandbox, &repo, &attach, &answers, "The commit names it").await, 0);
    assert_ne!(repo.tip("HEAD").await, head);
}

#[tokio::test]
async fn a_commit_that_was_replaced_while_one_was_asked_is_not_named() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let file = repo.transcript("one", "a");
    let attach = format!("attach one --transcript '{}'", file.display());
    let seat = Seat::shell(&sandbox, &format!("cd '{}' && exec \"$0\" {attach}", repo.dir.display()));
    seat.got("Amend it with this trailer? [Y/n] ").await;
    repo.git(&["commit", "-q", "--amend", "-m", "Other words"]).await;
    seat.types("y\r");
    seat.got("HEAD moved meanwhile. Run the same `sharer attach` again").await;
    assert_eq!(seat.ended().await.status(), 0);
    assert!(!seat.has("Put this at the end"), "{}", seat.screen());
    assert_eq!(repo.git(&["log", "-1", "--format=%B"]).await.trim(), "Other words");
    // Again, as it says.
    repo.session("one", "a").await;
    assert!(repo.git(&["log", "-1", "--format=%B"]).await.contains("Other words\n\nEntire-Checkpoint: "));
}

#[tokio::test]
async fn the_newest_session_is_attached_if_the_person_says_so() {
    let sandbox = Sandbox::new();
    let repo = Repo::new(&sandbox, "repo").await;
    let dir = repo.dir.canonicalize().unwrap();
    let dash = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let place: String = dir.to_str().unwrap().chars().map(dash).collect();
    let place = sandbox.path().join(".claude/projects").join(place);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("sess-1.jsonl"), transcript("a")).unwrap();
    let question = "The newest session here is sess-1 of Claude Code.";
    let no = [(question, ""), ("Attach it? [Y/n] ", "maybe\r"), ("Please answer y or n.", "n\r")];
    assert_ne!(asked(&sandbox, &repo, &["attach"], &no, "nothing was attached").await, 0);
    assert_eq!(repo.tip(V1).await, None);
    let yes = [(question, ""), ("Attach it? [Y/n] ", "\r"), ("Amend it with this trailer? [Y/n] ", "\r")];
    assert_eq!(asked(&sandbox, &repo, &["attach"], &yes, "The commit names it").await, 0);
    assert!(repo.tip(V1).await.is_some());
}
