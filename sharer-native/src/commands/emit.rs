//! `sharer emit`: adds to the transcript of the task it runs in.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::sync::mpsc::sync_channel;

use serde_json::Value;
use shared::conversation::Update;

use super::tasks::Session;
use crate::acp::translate;
use crate::control::request::Request;

/// Lines that wait for the session.
const MOST_WAITING: usize = 1_024;
/// Updates that go in one request.
const AT_ONCE: usize = 64;
/// The longest line, in bytes: a request may have eight of them.
const LONGEST_LINE: u64 = 128 * 1024;

/// Reads ACP's `session/update` from stdin, one a line: the notification, its `params`, or the `update` alone. Returns
/// the exit status: 1 if a line was none.
pub fn emit() -> anyhow::Result<u8> {
    let session = Session::around()?;
    let (send, lines) = sync_channel(MOST_WAITING);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = (&mut input).take(LONGEST_LINE).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) || send.send(line).is_err() {
                return;
            }
        }
    });
    let mut number = 0;
    let mut bad = false;
    while let Ok(first) = lines.recv() {
        let mut updates = Vec::new();
        let mut size = 0;
        let mut next = Some(first);
        while let Some(line) = next {
            number += 1;
            size += line.len();
            match read(&line) {
                Some(update) => updates.push(update),
                None if line.trim_ascii().is_empty() => {}
                None => {
                    bad = true;
                    drop(writeln!(io::stderr(), "sharer: line {number} is no session/update"));
                }
            }
            let room = updates.len() < AT_ONCE && size + 128 * 1024 <= 512 * 1024;
            next = if room { lines.try_recv().ok() } else { None };
        }
        if !updates.is_empty() {
            session.order(Request::Emit { updates })?;
        }
    }
    Ok(u8::from(bad))
}

fn read(line: &[u8]) -> Option<Update> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let params = value.get("params").unwrap_or(&value);
    let update = params.get("update").unwrap_or(params);
    update.get("sessionUpdate")?;
    Some(translate::from_json(update))
}
