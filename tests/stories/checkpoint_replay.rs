//! What a colleague does: fetch what was kept with a commit, and replay it; and a film that is one file.

use e2e::harness::process::Process;
use e2e::harness::replay::told;
use e2e::harness::{Browser, Repo, Sandbox, Screen, replay, sharer_bin};
use serde_json::json;

/// Opens a film that stands at its beginning.
async fn still(browser: &Browser, link: &str) {
    let features = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.cdp("Emulation.setEmulatedMedia", features).await;
    browser.open(link).await;
    browser.status("recorded").await;
}

/// Goes to the film's end.
async fn end(browser: &Browser) {
    let script = "const line = document.querySelector('.track input'); line.value = line.max; \
                  line.dispatchEvent(new Event('input', { bubbles: true }))";
    browser.run(script).await;
}

async fn pill(browser: &Browser, name: &str) {
    let pill = format!(
        "[...document.querySelectorAll('[role=tab]')].find((tab) => tab.textContent.includes('{name}'))"
    );
    browser.until("the pill", &format!("Boolean({pill})")).await;
    browser.run(&format!("{pill}.click()")).await;
}

/// That the terminal is as that of the checkpoint's session was in which something was said.
async fn shows(browser: &Browser, repo: &Repo<'_>, said: &str) {
    for slot in ["0", "1", "2", "3"] {
        let cast = repo.sharer(&["checkpoints", "show", "HEAD", "--session", slot, "--cast"]).await.stdout;
        let told = told(&String::from_utf8_lossy(&cast));
        if told.contains(said) {
            return browser.shows(&Screen::reference(80, 24, 1000, told.as_bytes()).await).await;
        }
    }
    panic!("nobody said {said}");
}

#[tokio::test]
async fn a_colleague_fetches_and_replays_what_was_kept_with_a_commit() {
    let sandbox = Sandbox::new();
    let origin = Repo::empty(&sandbox, "origin", &["--bare"]).await;
    let ada = Repo::new(&sandbox, "ada").await;
    ada.git(&["remote", "add", "origin", origin.dir.to_str().unwrap()]).await;

    // She shares and works: an orchestrator with two children, of which one has a child.
    let program = r#"printf 'top-says-4%s\n' 2
        "$SHARER_BIN" spawn --name near -- sh -c '"$SHARER_BIN" spawn --name deep -- sh -c "echo deep-says-4\$((1+1))" >/dev/null; "$SHARER_BIN" wait; echo near-says-$((40+2))' >/dev/null
        "$SHARER_BIN" spawn --name far -- sh -c 'echo far-says-$((40+2)); exit 3' >/dev/null
        echo '{"sessionUpdate":"user_message_chunk","content":{"type":"text","text":"sweep it all"}}' | "$SHARER_BIN" emit
        "$SHARER_BIN" wait >/dev/null"#;
    let mut command = ada.command(sharer_bin());
    command.args([
        "--headless",
        "--private",
        "--size",
        "80x24",
        "--title",
        "top of it",
        "--",
        "sh",
        "-c",
        program,
    ]);
    Process::start("sharer", &sandbox, command).0.exit().await;
    // An agent's session, of which nothing but its transcript is known, is kept with the same commit.
    ada.put("a.txt", "two\n");
    ada.git(&["commit", "-qam", "Sweep"]).await;
    let attached = ada.attach(&["top of it", "--force"]).await;
    assert_eq!(attached["sessions"].as_array().unwrap().len(), 4, "{attached}");
    ada.session("agent", "what was asked of the agent").await;
    ada.git(&["push", "-q", "origin", "main", "entire/checkpoints/v1"]).await;

    // He clones, on a computer of his own, where nothing was recorded.
    let his = Sandbox::new();
    let bob = Repo::at(&his, his.path().join("bob"));
    let to = bob.dir.to_str().unwrap().to_owned();
    let cloned = Repo::at(&his, his.path().to_owned());
    cloned.git(&["clone", "-q", "-b", "main", origin.dir.to_str().unwrap(), &to]).await;
    assert!(bob.sharer(&["export", "top of it", "-o", "x.md"]).await.stdout.is_empty());
    let mut command = bob.command(sharer_bin());
    command.args(["replay", "--no-browser", "HEAD"]);
    let (_replay, link) = replay::link(&his, command).await;
    let mut browser = Browser::start().await;
    still(&browser, &link).await;
    browser.until("all pills", "document.querySelectorAll('[role=tab]').length === 5").await;
    end(&browser).await;
    shows(&browser, &bob, "top-says-42").await;
    browser.says("sweep it all").await;
    for name in ["near", "deep", "far"] {
        pill(&browser, name).await;
        shows(&browser, &bob, &format!("{name}-says-42")).await;
    }
    pill(&browser, "Claude Code").await;
    browser.says("what was asked of the agent").await;
    browser.says("Nothing was recorded of this agent's terminal.").await;
    let states =
        "[...document.querySelectorAll('[role=tab]')].map((pill) => pill.dataset.state).sort().join()";
    browser
        .until(
            "how all ended, and its children in the orchestrator's badge",
            &format!("{states} === 'done,done,done,error,error'"),
        )
        .await;
    browser.screenshot("replay-checkpoint").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    browser.close().await;

    // The same as one file, from the checkpoint's id.
    let id = attached["checkpoint_id"].as_str().unwrap();
    let output = bob.sharer(&["export", id, "-o", "kept.html"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut browser = Browser::start().await;
    still(&browser, &format!("file://{}", bob.dir.join("kept.html").display())).await;
    end(&browser).await;
    shows(&browser, &bob, "top-says-42").await;
    pill(&browser, "deep").await;
    shows(&browser, &bob, "deep-says-42").await;
    browser.screenshot("replay-file").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    browser.close().await;

    // What is not there is said in words.
    for (what, said) in [("nosuch", "nosuch"), ("HEAD~1", "no checkpoint")] {
        let output = bob.sharer(&["replay", "--no-browser", what]).await;
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && why.contains(said), "{what}: {why}");
    }
}
