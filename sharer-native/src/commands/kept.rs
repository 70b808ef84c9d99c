//! `sharer ls --kept`, and `sharer rm` of what is kept: visits to relays that keep sessions of this user's.

use std::future::poll_fn;
use std::time::Duration;

use anyhow::{Context as _, bail};
use shared::time::in_words;
use shared::wire::hello::Greeting;
use shared::wire::keeper::{KeeperToRelay, KeptSession, RelayToKeeper};
use shared::wire::{Packet, decode, encode};

use super::{plain, print};
use crate::keeping::{self, Record};
use crate::ws::{self, RelayUrl, Step};

/// A relay is waited for this long.
const LOOK: Duration = Duration::from_secs(10);

/// What a relay keeps under a record's key, and whether all of it is removed now.
fn ask(record: &Record, remove: bool) -> anyhow::Result<(Vec<KeptSession>, bool)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { tokio::time::timeout(LOOK, visit(record, remove)).await });
    asked.with_context(|| format!("{} does not answer", record.relay))?
}

async fn visit(record: &Record, remove: bool) -> anyhow::Result<(Vec<KeptSession>, bool)> {
    let relay = RelayUrl::parse(&record.relay).context("that is no relay's URL")?;
    let key = record.key().context("that is no keeper's key")?;
    let mut socket = match ws::connect(&relay).await {
        Ok(socket) => socket,
        Err(error) => bail!(ws::trouble(&relay, &error)),
    };
    let mut say = None;
    loop {
        match poll_fn(|cx| socket.poll(cx, || say.take().map(Packet::Text))).await {
            Step::Got(Packet::Text(text)) => {
                if let Ok(Greeting::Hello(hello)) = decode(&text) {
                    let signature = key.sign(remove, &hello.challenge, relay.host());
                    let keeper = key.public();
                    say = Some(encode(&KeeperToRelay::AskKept { keeper, remove, signature }));
                } else if let Ok(RelayToKeeper::KeptHere { sessions, removed }) = decode(&text) {
                    return Ok((sessions, removed));
                }
            }
            Step::Got(Packet::Binary(_)) | Step::Sent => {}
            Step::Closed(_) => bail!("{} closed the connection; try again later", relay.host()),
        }
    }
}

/// What is kept, for people.
fn said(sessions: &[KeptSession]) -> String {
    let bytes: u64 = sessions.iter().map(|kept| kept.bytes).sum();
    let Some(longest) = sessions.iter().map(|kept| kept.for_ms).max() else {
        return "nothing is kept: it expired, was removed, or has not ended".to_owned();
    };
    let span = in_words(longest);
    if bytes == 0 {
        return format!("runs; kept for {span} when it has ended");
    }
    let more = if sessions.len() > 1 { format!(", {} sessions", sessions.len()) } else { String::new() };
    format!("kept for {span} more, {} KiB{more}", bytes.div_ceil(1024))
}

/// `sharer ls --kept`.
pub fn ls(as_json: bool) -> anyhow::Result<()> {
    let records = keeping::all()?;
    let mut values = Vec::new();
    for record in records.iter().filter(|record| record.session.is_some()) {
        let asked = ask(record, false);
        if as_json {
            let (sessions, trouble) = match asked {
                Ok((sessions, _)) => (sessions, None),
                Err(error) => (Vec::new(), Some(format!("{error:#}"))),
            };
            values.push(serde_json::json!({
                "session_id": record.session, "relay": record.relay, "title": record.title,
                "sessions": sessions, "trouble": trouble,
            }));
            continue;
        }
        let said = asked.map_or_else(|error| format!("{error:#}"), |(sessions, _)| said(&sessions));
        print(&format!("{}  {}  {}  {said}\n", record.short(), plain(&record.title), record.relay))?;
    }
    match (as_json, records.is_empty()) {
        (true, _) => print(&(serde_json::to_string(&values)? + "\n")),
        (false, true) => print("You have nothing kept.\n"),
        (false, false) => Ok(()),
    }
}

fn is(record: &Record, id: &str) -> bool {
    !id.is_empty() && record.session.is_some_and(|session| session.to_string().starts_with(id))
}

/// What an id may mean of what is kept; one that is whole means one.
pub(super) fn meant(id: &str) -> anyhow::Result<Vec<Record>> {
    let mut meant: Vec<Record> = keeping::all()?.into_iter().filter(|record| is(record, id)).collect();
    let whole = |record: &Record| record.session.is_some_and(|session| session.to_string() == id);
    if meant.iter().any(whole) {
        meant.retain(whole);
    }
    Ok(meant)
}

/// Removes what is kept of a session; what to say to that.
pub(super) fn rm(record: &Record) -> anyhow::Result<String> {
    let what = format!("{} ({})", record.short(), plain(&record.title));
    match ask(record, true)? {
        (sessions, _) if sessions.is_empty() => {
            bail!("{} keeps nothing of {what}: it expired, was removed, or its sharer is away", record.relay)
        }
        (_, false) => bail!("{} could not remove {what}; try again later", record.relay),
        (sessions, true) => {
            record.forget();
            if sessions.iter().all(|kept| kept.bytes == 0) {
                return Ok(format!("Nothing of {what} will be kept.\n"));
            }
            let below = with_tasks(sessions.len() - 1);
            Ok(format!("Removed what was kept of {what}{below}. Its links open nothing any more.\n"))
        }
    }
}

/// So many tasks that something goes with, in words.
pub(super) fn with_tasks(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => ", with the task below it".to_owned(),
        _ => format!(", with the {count} tasks below it"),
    }
}
