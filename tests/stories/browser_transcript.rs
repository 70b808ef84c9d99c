//! The transcript in the browser, from what a program says through `sharer emit`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use e2e::harness::{Browser, Sandbox, Sharer};
use serde_json::{Value, json};

/// Blocks that the page holds at first; more are drawn when the reader comes to them.
const WINDOW: u64 = 64;
/// The end of what can be scrolled, to within the distance in which a reader follows.
const AT_THE_END: &str = "(() => { const s = document.querySelector('.scroller'); return s.scrollHeight - s.scrollTop - s.clientHeight < 48; })()";

/// A session whose program emits what is written to a file.
struct Talk {
    sharer: Sharer,
    updates: File,
    _sandbox: Sandbox,
}

impl Talk {
    async fn start(title: &str) -> Self {
        let sandbox = Sandbox::new();
        let path = sandbox.path().join("updates");
        let updates = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let script = r#"echo an agent at work; tail -n +1 -f "$HOME/updates" | "$SHARER_BIN" emit"#;
        let sharer = Sharer::share(&sandbox, ["--title", title, "--", "sh", "-c", script]).await;
        Self { sharer, updates, _sandbox: sandbox }
    }

    fn say(&mut self, update: &Value) {
        writeln!(self.updates, "{update}").unwrap();
    }

    fn text(&mut self, kind: &str, text: &str) {
        self.say(&json!({"sessionUpdate": kind, "content": {"type": "text", "text": text}}));
    }
}

fn block(kind: &str) -> String {
    format!("document.querySelector('.block[data-kind={kind}]')")
}

#[tokio::test]
async fn a_conversation_is_read_beside_the_terminal() {
    let mut talk = Talk::start("An agent").await;
    let browser = Browser::watching(&talk.sharer.read_link()).await;
    assert_eq!(browser.run("return document.querySelector('.transcript').checkVisibility()").await, false);

    talk.text("user_message_chunk", "Fix the overflow in the parser.\nThe failing test is tests/wide.rs.");
    talk.text("agent_thought_chunk", "A width is added before it is checked.");
    talk.say(&json!({"sessionUpdate": "plan", "entries": [
        {"content": "Find the addition", "priority": "high", "status": "completed"},
        {"content": "Check before adding", "priority": "high", "status": "in_progress"},
        {"content": "Run the tests", "priority": "medium", "status": "pending"},
    ]}));
    talk.say(&json!({"sessionUpdate": "tool_call", "toolCallId": "c1", "title": "Edit src/parser.rs", "kind": "edit",
        "status": "in_progress", "locations": [{"path": "src/parser.rs", "line": 3}]}));
    browser.until("the call to run", &format!("{}?.dataset.status === 'in_progress'", block("tool"))).await;
    talk.say(&json!({"sessionUpdate": "tool_call_update", "toolCallId": "c1", "status": "completed",
        "content": [{"type": "diff", "path": "src/parser.rs", "oldText": "fn a() {\n  x + width\n}\n",
                     "newText": "fn a() {\n  x.saturating_add(width)\n}\n"}]}));
    talk.say(&json!({"sessionUpdate": "subagent_update", "sessionId": "kid", "title": "Reviewer", "state": {"state": "running"}}));
    talk.say(&json!({"sessionUpdate": "session_message", "messageId": "b1", "senderSessionId": "kid",
        "content": [{"type": "text", "text": "Looks right to me."}]}));
    let said = "## Done\n\nThe sum **saturates** now, see [the rule](https://example.org/rule):\n\n\
        ```rust\nx.saturating_add(width)\n```\n\n- 日本語のテキストも読める\n- 한국어도, 中文也行\n\n\
        | file | change |\n|---|---|\n| `src/parser.rs` | one line |\n\n\
        [a trap](javascript:document.title='owned') <img src=x onerror=\"document.title='owned'\"> <script>1</script>";
    // In pieces, as agents speak.
    let letters: Vec<char> = said.chars().collect();
    for piece in letters.chunks(40) {
        talk.text("agent_message_chunk", &piece.iter().collect::<String>());
    }
    browser.shown(".transcript").await;
    browser.until("the whole answer", &format!("{}?.innerText.includes('a trap')", block("agent"))).await;
    browser.until("the call to be done", &format!("{}.dataset.status === 'completed'", block("tool"))).await;

    // Thoughts and calls are folded; a reader opens them.
    let open = |kind: &str| format!("return {}.querySelector('details').open", block(kind));
    assert_eq!(browser.run(&open("thought")).await, false);
    browser.run(&format!("{}.querySelector('summary').click()", block("tool"))).await;
    browser
        .until(
            "what changed",
            "document.querySelector('.diff .gone').innerText.trim() === '-   x + width' && \
             document.querySelector('.diff .new').innerText.includes('saturating_add')",
        )
        .await;
    let done = "[...document.querySelectorAll('.block[data-kind=plan] li')].map((li) => li.dataset.status)";
    assert_eq!(browser.run(&format!("return {done}")).await, json!(["completed", "in_progress", "pending"]));
    browser
        .until(
            "a message between agents, by name",
            &format!("{}.innerText.includes('Reviewer')", block("between")),
        )
        .await;
    // A stranger's text is text: no element of its own, and links that lead where they may.
    assert_eq!(
        browser.run("return document.querySelectorAll('.transcript img, .transcript script').length").await,
        0
    );
    let links = "[...document.querySelectorAll('.transcript a')].map((a) => [a.protocol, a.target, a.rel])";
    assert_eq!(
        browser.run(&format!("return {links}")).await,
        json!([["https:", "_blank", "noopener noreferrer"]])
    );
    browser.says("<img src=x").await;
    assert_eq!(browser.run("return document.title").await, "sharer");

    browser.run("document.querySelector('.scroller').scrollTop = 0").await;
    browser.screenshot("transcript-light").await;
    browser.prefer("dark").await;
    browser.run("document.querySelector('.scroller').scrollTop = 1e6").await;
    browser.screenshot("transcript-dark").await;

    // Found, also where it is folded.
    browser.run("document.querySelector('.transcript input').focus()").await;
    browser.type_text("ADDED BEFORE").await;
    browser
        .until("what was found", "document.querySelector('.transcript .count').innerText === '1 of 1'")
        .await;
    browser.until("its fold to open", &format!("{}.querySelector('details').open", block("thought"))).await;
    browser.close().await;

    // On a phone it is there when it is asked for, in the terminal's place.
    let phone = Browser::phone().await;
    phone.live(&talk.sharer.read_link()).await;
    phone.press("Transcript").await;
    phone.shown(".transcript").await;
    phone.until("the answer", &format!("{}?.innerText.includes('a trap')", block("agent"))).await;
    phone.screenshot("transcript-phone").await;
    phone.press("Close transcript").await;
    phone.until("the terminal again", "!document.querySelector('.transcript').checkVisibility()").await;
    phone.close().await;
}

#[tokio::test]
async fn a_transcript_follows_what_comes_unless_the_reader_is_elsewhere() {
    let mut talk = Talk::start("A long talk").await;
    let browser = Browser::watching(&talk.sharer.read_link()).await;
    let turn = |talk: &mut Talk, n: u32| {
        talk.text("user_message_chunk", &format!("question {n}"));
        talk.text("agent_message_chunk", &format!("answer {n}\n\nwith a second paragraph"));
    };
    for n in 0..40 {
        turn(&mut talk, n);
    }
    let says =
        |text: &str| format!("document.querySelector('.blocks').textContent.includes({})", json!(text));
    browser.until("the last answer", &says("answer 39")).await;
    browser.until("it to be in sight", AT_THE_END).await;
    // Elsewhere: what is read stays where it is, and a button leads to what came.
    browser.run("document.querySelector('.scroller').scrollTop = 300").await;
    browser.shown(".newest").await;
    let place = "document.querySelector('.scroller').scrollTop";
    let before = browser.run(&format!("return {place}")).await;
    turn(&mut talk, 40);
    browser.until("what came", &says("answer 40")).await;
    assert_eq!(browser.run(&format!("return {place}")).await, before);
    browser.press("Newest").await;
    browser.until("the end", AT_THE_END).await;
    turn(&mut talk, 41);
    browser.until("what came next", &says("answer 41")).await;
    browser.until("it to be in sight", AT_THE_END).await;

    // With these nearly 10,000 blocks, the most that a transcript keeps: all are there, few are in the page.
    for n in 0..4_950 {
        talk.text("user_message_chunk", &format!("many {n}"));
        talk.text("agent_message_chunk", &format!("word {n}"));
    }
    browser.until("the last of many", &says("word 4949")).await;
    let drawn = browser.run("return document.querySelectorAll('.block').length").await.as_u64().unwrap();
    assert!(drawn <= WINDOW, "{drawn}");
    browser.run("document.querySelector('.transcript input').focus()").await;
    browser.type_text("many 17").await;
    // 17, 170 to 179, and 1700 to 1799.
    browser
        .until(
            "every one to be found",
            "document.querySelector('.transcript .count').innerText === '111 of 111'",
        )
        .await;
    browser.until("the newest of them", "document.querySelector('.hit')?.innerText === 'many 1799'").await;
    browser.close().await;
}
