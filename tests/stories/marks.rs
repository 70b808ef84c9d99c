//! What programs say beside their output: a real bash marks its commands, a child wants attention.

use std::fs;

use e2e::harness::{Sandbox, Sharer};
use e2e::viewer::{Screen, Viewer};
use shared::event::WindowSize;
use shared::viewer::{Event, Selection};

/// What a person who uses command marks has in a start-up file.
const MARKS: &str = r#"
PS1='$ '
PS0='\e]133;C\a'
PROMPT_COMMAND='printf "\e]133;D;%s\a\e]133;A\a\e]7;file://%s%s\a" "$?" "$HOSTNAME" "$PWD"'
"#;

/// Terminals are not looked at here.
#[derive(Debug)]
struct Blind;

impl Screen for Blind {
    fn rebuild(&mut self, _: WindowSize, _: &[u8]) {}
    fn write(&mut self, _: &[u8]) {}
    fn resize(&mut self, _: WindowSize) {}
    fn wipe(&mut self) {}
}

async fn bash(sandbox: &Sandbox) -> Sharer {
    let rc = sandbox.path().join("marks.sh");
    fs::write(&rc, MARKS).unwrap();
    fs::create_dir(sandbox.path().join("a place")).unwrap();
    Sharer::share(sandbox, ["--", "bash", "--rcfile", rc.to_str().unwrap(), "-i"]).await
}

#[tokio::test]
async fn a_real_bash_marks_its_commands_and_a_viewer_keeps_them() {
    let sandbox = Sandbox::new();
    let sharer = bash(&sandbox).await;
    let mut viewer = Viewer::new(&sharer.write_link(), None, Blind);
    viewer.live().await;
    viewer.typing().await;
    let home = sandbox.path().to_str().unwrap();
    for (number, (line, says, directory)) in [
        ("cd 'a place'\r", "done in", ""),
        ("(exit 3)\r", "status 3 after", "/a place"),
        // A liar: what follows the end of its own string is its output, and ends nothing twice.
        (
            "printf '\\e]133;D;7\\a\\e]133;D;8\\a\\e]7;file://elsewhere/etc\\a'\r",
            "status 7 after",
            "/a place",
        ),
        ("true\r", "done in", "/a place"),
    ]
    .into_iter()
    .enumerate()
    {
        viewer.keys(line.as_bytes()).await;
        viewer
            .until(line, |viewer| {
                let commands = viewer.commands();
                commands.iter().count() == number + 1
                    && commands.iter().last().is_some_and(|command| {
                        command.directory.as_deref() == Some(&format!("{home}{directory}"))
                            && command.says().starts_with(says)
                    })
            })
            .await;
    }
}

#[tokio::test]
async fn a_child_that_rings_wants_attention_until_somebody_types_into_it() {
    let sandbox = Sandbox::new();
    let script = r#"
"$SHARER_BIN" spawn --name quiet -- sh -c 'printf "\033]2;no ring\007"; sleep 600'
"$SHARER_BIN" spawn --name asks -- sh -c 'printf "\033]9;which database?\007"; read line; printf "\007"; sleep 600'
sleep 600"#;
    let sharer = Sharer::share(&sandbox, ["--", "sh", "-c", script]).await;
    let mut viewer = Viewer::new(&sharer.write_link(), None, Blind);
    viewer.live().await;
    let rings = |viewer: &Viewer<Blind>, name: &str| {
        let bar = viewer.bar()?;
        bar.pills.iter().find(|pill| pill.name == name).map(|pill| (pill.attention, pill.selects.clone()))
    };
    viewer.until("the ring", |viewer| rings(viewer, "asks").is_some_and(|(rings, _)| rings)).await;
    assert_eq!(rings(&viewer, "quiet").map(|(rings, _)| rings), Some(false), "a title rings nothing");
    let asks = rings(&viewer, "asks").map(|(_, selects)| selects).unwrap();
    viewer.act(Event::Select(asks)).await;
    assert_eq!(rings(&viewer, "asks").map(|(rings, _)| rings), Some(false), "it is looked at");
    viewer.live().await;
    viewer.typing().await;
    viewer.keys(b"staging\r").await;
    // It was answered, and rings again: whoever looks elsewhere is told anew.
    viewer.act(Event::Select(Selection::Own)).await;
    viewer.until("the second ring", |viewer| rings(viewer, "asks").is_some_and(|(rings, _)| rings)).await;
}
