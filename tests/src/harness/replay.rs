//! `sharer replay` and the link that it prints, and what it plays.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::process::Process;
use super::{Sandbox, wait};

/// Starts such a program.
///
/// # Panics
/// When it ends without a link.
pub async fn link(sandbox: &Sandbox, command: Command) -> (Process, String) {
    let (process, stdout) = Process::start("replay", sandbox, command);
    let mut lines = BufReader::new(stdout).lines();
    loop {
        let line = wait::within("its link", wait::LONG, lines.next_line()).await;
        let line = line.expect("it can be read").expect("it runs");
        if let Some(link) = line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1")) {
            return (process, link.to_owned());
        }
    }
}

/// What a terminal was told, by the rules of asciicast v3.
///
/// # Panics
/// When it is none.
pub fn told(cast: &str) -> String {
    let mut lines = cast.lines();
    let header: Value = serde_json::from_str(lines.next().expect("a header")).expect("JSON");
    assert_eq!(header["version"], 3);
    let events = lines.filter(|line| !line.starts_with('#'));
    let events = events.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    events.filter(|event| event[1] == "o").map(|event| event[2].as_str().expect("text").to_owned()).collect()
}
