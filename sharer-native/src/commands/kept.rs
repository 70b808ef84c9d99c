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

/// Whether an id means something that is kept.
pub fn has(id: &str) -> anyhow::Result<bool> {
    Ok(keeping::all()?.iter().any(|record| is(record, id)))
}

/// Removes what is kept under an id; what to say to that.
pub fn rm(id: &str) -> anyhow::Result<&'static str> {
    let mut meant: Vec<Record> = keeping::all()?.into_iter().filter(|record| is(record, id)).collect();
    let record = match (meant.pop(), meant.is_empty()) {
        (Some(record), true) => record,
        (Some(_), false) => bail!("several kept sessions have an id that begins so: name one by more of it"),
        (None, _) => bail!("you have nothing kept under that id (`sharer ls --kept` lists what you have)"),
    };
    match ask(&record, true)? {
        (sessions, _) if sessions.is_empty() => {
            bail!("{} keeps nothing of it: it expired, was removed, or its sharer is away", record.relay)
        }
        (_, false) => bail!("{} could not remove it; try again later", record.relay),
        (sessions, true) => {
            record.forget();
            let ended = sessions.iter().any(|kept| kept.bytes > 0);
            Ok(if ended {
                "Removed. Its links open nothing any more.\n"
            } else {
                "Nothing of it will be kept.\n"
            })
        }
    }
}
