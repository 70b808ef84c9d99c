//! `sharer driver add`, `sharer driver ls` and `sharer run`: visits to drivers elsewhere.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use shared::card::Reach;
use shared::driver::{Asker, AskerEffect, Contact, Granted, Start};
use shared::entropy::Entropy;
use shared::keys::grant::GrantSecret;
use shared::link::Link;
use shared::orchestration::status::TaskState;
use shared::orchestration::task::new_id;

use super::args::{DriverOther, RunArgs};
use super::line::Line;
use super::state;
use crate::clock;
use crate::commands::waiting::Waiting;
use crate::exit;
use crate::keeping::{self, Record};
use crate::ws::RelayUrl;

/// A driver that is looked for is waited for this long.
const LOOK: Duration = Duration::from_secs(3);

/// What `sharer driver add` and `ls` do.
pub fn driver(other: DriverOther) -> anyhow::Result<()> {
    match other {
        DriverOther::Add { name, key } => {
            let key = if key == "-" {
                let mut read = String::new();
                std::io::stdin().lock().take(4_096).read_to_string(&mut read)?;
                read
            } else {
                key
            };
            let contact = Contact::parse(&key)?;
            state::add(&name, &contact)?;
            print(&format!("{name} is known now, at {}.\n", contact.base))
        }
        DriverOther::Rm { name } => {
            state::remove(&name)?;
            print(&format!("{name} is forgotten here. It goes on running, and so do its tasks.\n"))
        }
        DriverOther::Ls => runtime()?.block_on(ls()),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// An asker of one driver.
pub fn line(contact: Contact, entropy: Entropy) -> anyhow::Result<Line<Asker>> {
    let relay = RelayUrl::parse(&contact.base).context("the driver's key names no relay")?;
    Ok(Line::new(Asker::new(contact, entropy, clock::now()), relay))
}

async fn ls() -> anyhow::Result<()> {
    let known = state::all()?;
    if known.is_empty() {
        return print(
            "No drivers. `sharer driver` on the other machine prints a key for `sharer driver add`.\n",
        );
    }
    let width = known.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let looks = known.iter().map(|(_, contact)| stands(contact.clone()));
    for ((name, contact), stands) in known.iter().zip(join_all(looks).await) {
        print(&format!("{name:width$}  {}  {}\n", contact.base, stands?))?;
    }
    Ok(())
}

/// How a driver stands, in words.
async fn stands(contact: Contact) -> anyhow::Result<String> {
    let mut line = line(contact, entropy()?)?;
    line.machine.seek(clock::now());
    let looked = tokio::time::timeout(LOOK, async {
        loop {
            while let Some(news) = line.news() {
                match news {
                    AskerEffect::Found => return "can be asked".to_owned(),
                    AskerEffect::Missing(why) => return why.to_string(),
                    AskerEffect::Connect
                    | AskerEffect::Close(_)
                    | AskerEffect::Report(_)
                    | AskerEffect::Told(..)
                    | AskerEffect::Failed(..) => {}
                }
            }
            line.step().await;
        }
    });
    let looked = looked.await.ok();
    let stands = looked.or_else(|| line.trouble().map(str::to_owned));
    Ok(stands.unwrap_or_else(|| "does not answer".to_owned()))
}

fn entropy() -> anyhow::Result<Entropy> {
    clock::entropy().map_err(|error| anyhow::anyhow!("no randomness: {error}"))
}

/// What is shown of a command as a name.
pub fn name_of(command: &[String]) -> String {
    let first = command.first().map_or("", String::as_str);
    first.rsplit('/').next().unwrap_or(first).to_owned()
}

/// `sharer run --on DRIVER -- COMMAND`.
pub fn run(args: RunArgs) -> anyhow::Result<u8> {
    let contact = state::known(&args.on)?;
    let words = args.command.into_iter().map(|word| word.into_string().ok()).collect::<Option<Vec<String>>>();
    let command = words.context("a command for another machine is text")?;
    let mut entropy = entropy()?;
    let watch = GrantSecret::generate(&mut entropy);
    let typing = (!args.read_only).then(|| GrantSecret::generate(&mut entropy));
    let reach = Reach { watch: watch.clone(), typing: typing.clone() };
    let task = new_id(&mut entropy);
    let base = contact.base.clone();
    let name = args.name.unwrap_or_else(|| name_of(&command));
    let mut record = match args.keep {
        Duration::ZERO => None,
        keep => Some(keeping::begin(&base, &name, keep, &mut entropy)?),
    };
    let start = Start {
        task: task.clone(),
        parent: None,
        name: name.as_str().into(),
        prompt: args.prompt,
        command,
        directory: args.dir,
        environment: args.env,
        read_only: args.read_only,
        granted: Granted::new(1, Some(reach)),
        keep: record.as_ref().and_then(Record::keep),
    };
    let mut line = line(contact, entropy)?;
    line.machine.start(clock::now(), start);
    let waiting = Waiting::says(format!("waiting for {} to answer", args.on));
    let session = runtime()?.block_on(async {
        loop {
            while let Some(news) = line.news() {
                match news {
                    AskerEffect::Report(report) => match (report.task.session, report.task.state) {
                        (Some(session), _) => return Ok(session),
                        (None, TaskState::Error) => {
                            let code = report.exit.and_then(|exit| u8::try_from(exit.code?).ok());
                            return Err((format!("{}: {}", args.on, &*report.task.reason), code));
                        }
                        (None, _) => {}
                    },
                    AskerEffect::Failed(_, why) | AskerEffect::Missing(why) => match line.trouble() {
                        Some(trouble) => return Err((format!("{}: {why}: {trouble}", args.on), None)),
                        None => return Err((format!("{}: {why}", args.on), None)),
                    },
                    AskerEffect::Connect
                    | AskerEffect::Close(_)
                    | AskerEffect::Found
                    | AskerEffect::Told(..) => {}
                }
            }
            line.step().await;
        }
    });
    drop(waiting);
    let session = match session {
        Ok(session) => session,
        Err((why, status)) => {
            if let Some(record) = &record {
                record.forget();
            }
            writeln!(std::io::stderr(), "sharer: {why}")?;
            return Ok(status.unwrap_or(exit::FAILED));
        }
    };
    // What becomes of it is said before anybody has a link.
    if let Some(record) = &mut record {
        record.is_of(session);
        writeln!(std::io::stderr(), "sharer: {}", record.words(line.machine.keep_ms()))?;
        if line.machine.keep_ms() == 0 {
            record.forget();
        }
    }
    let link = |secret| Link { base: base.clone(), session, secret };
    // A terminal that is shared itself shows no secret, and an agent in it needs none.
    if std::env::var_os("SHARER_SESSION").is_some() {
        return print(&format!("{}\n", task.0)).map(|()| 0);
    }
    print(&format!("{}  watch\n", link(watch)))?;
    if let Some(typing) = typing {
        print(&format!("{}  can type\n", link(typing)))?;
    }
    Ok(0)
}
