//! `sharer ls --recorded`, `sharer rm` and `sharer export`.

use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use shared::time::in_words;
use tempfile::NamedTempFile;

use super::{kept, plain, print, replay};
use crate::cli::ExportArgs;
use crate::clock;
use crate::events::private_file;
use crate::record::export::{self, Format, cut_words};
use crate::record::place::{self, Recording};
use crate::replay::{cutting, html};

/// `sharer ls --recorded`.
pub fn ls(as_json: bool) -> anyhow::Result<()> {
    let all = place::all()?;
    if as_json {
        let all: Vec<_> = all.iter().map(json).collect::<Result<_, serde_json::Error>>()?;
        return print(&(serde_json::to_string(&all)? + "\n"));
    }
    if all.is_empty() {
        return print("Nothing is recorded on this computer.\n");
    }
    let now = clock::now().wall.0;
    all.iter().try_for_each(|recording| print(&described(recording, now)))
}

/// A recording with everything that its file says, and where it is.
fn json(recording: &Recording) -> serde_json::Result<serde_json::Value> {
    let mut value = serde_json::to_value(&recording.session)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("bytes".to_owned(), recording.bytes.into());
        fields.insert("running".to_owned(), recording.running.into());
        fields.insert("path".to_owned(), recording.dir.to_string_lossy().into());
    }
    Ok(value)
}

/// A recording, for people; tasks below another are set in.
fn described(recording: &Recording, now: u64) -> String {
    let Recording { session, bytes, running, .. } = recording;
    let id = recording.short();
    let set_in = if recording.is_root() { "" } else { "  " };
    let how = match (&session.exit, running) {
        (_, true) => "runs".to_owned(),
        (Some(exit), _) => match (&exit.signal, exit.code) {
            (Some(signal), _) => format!("ended by {}", plain(signal)),
            (None, Some(code)) => format!("status {code}"),
            (None, None) => "ended".to_owned(),
        },
        (None, _) => "its sharer was killed".to_owned(),
    };
    let ago = in_words(now.saturating_sub(session.started.0));
    let cut = |all: String, cut| all + &format!("{set_in}          {}\n", cut_words(cut));
    let cuts = session.cuts.iter().fold(String::new(), cut);
    let (name, size) = (plain(&session.name), bytes.div_ceil(1024));
    format!("{set_in}{}  {name}  {ago} ago, {how}, {size} KiB\n{cuts}", plain(&id))
}

/// `sharer rm`. What a relay keeps goes by its session's id, a recording by its task's: who removes the one and says so
/// again does not lose the other. What may mean several removes none.
pub fn rm(id: &str, as_json: bool) -> anyhow::Result<()> {
    let kept = kept::meant(id)?;
    let recorded = place::begins_so(id)?;
    let (removed, said) = match (kept.as_slice(), recorded.as_slice()) {
        ([], []) => {
            // By its name, or the reason why that is not enough.
            let recording = place::named(id, &std::env::current_dir()?)?.context(
                "you have nothing kept or recorded under that id (`sharer ls --kept`, `sharer ls --recorded`)",
            )?;
            ("recorded", rm_recorded(&recording)?)
        }
        ([record], []) => ("kept", kept::rm(record)?),
        ([], [recording]) => ("recorded", rm_recorded(recording)?),
        _ => {
            let kept = kept.iter().map(|record| format!("{}, kept", record.short()));
            let recorded = recorded.iter().map(|known| format!("{}, recorded", known.short()));
            let all: Vec<String> = kept.chain(recorded).collect();
            bail!(
                "nothing was removed: {id} may mean several ({}); name one by more of its id",
                all.join("; ")
            );
        }
    };
    if as_json {
        return print(&(serde_json::json!({ "removed": removed }).to_string() + "\n"));
    }
    print(&said)
}

/// Removes a recording; what to say to that.
fn rm_recorded(recording: &Recording) -> anyhow::Result<String> {
    let what = format!("{} ({})", recording.short(), plain(&recording.session.name));
    // With a root goes all that lies there.
    let below = if recording.is_root() { place::below(recording)?.len() } else { 0 };
    place::remove(recording).with_context(|| format!("{what} was not removed"))?;
    Ok(format!("Removed the recording {what}{}.\n", kept::with_tasks(below)))
}

/// `sharer export`.
pub fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let stdout = args.output.as_os_str() == "-";
    let format = args.format.or_else(|| Format::of(&args.output).filter(|_| !stdout));
    let Some(format) = format else {
        bail!("what is to be written? Name a file that ends in .cast, .txt, .md or .html, or add --format");
    };
    let recording = place::called(&args.id, &std::env::current_dir()?)?;
    // Whatever can be replayed can be a page.
    let film = match (&recording, format) {
        (Some(_), _) => None,
        (None, Format::Html) => Some(cutting::cut(replay::find(&args.id)?)?),
        (None, Format::Cast | Format::Txt | Format::Md) if replay::find(&args.id).is_ok() => bail!(
            "of what was not recorded here only a page can be made (-o x.html); a checkpoint's terminal is \
             `sharer checkpoints show ID --cast`, and its transcript --compact"
        ),
        (None, Format::Cast | Format::Txt | Format::Md) => {
            bail!("nothing is recorded under that id or name (`sharer ls --recorded` lists what is)")
        }
    };
    let write = |out: &mut dyn Write| match (&recording, &film) {
        (Some(recording), _) => export::export(recording, format, out),
        (None, Some(film)) => Ok(html::write(film, out)?),
        (None, None) => Ok(()),
    };
    if stdout {
        return write(&mut std::io::stdout().lock());
    }
    whole(&args.output, write).with_context(|| format!("cannot write {}", args.output.display()))
}

/// Writes a file that only its owner can read, as it holds what a terminal showed: whole, or it stays as it was. What is no
/// file, like a pipe, is written to.
fn whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let is_file = path.metadata().map_or_else(|error| error.kind() == ErrorKind::NotFound, |is| is.is_file());
    if !is_file {
        let mut out = BufWriter::new(private_file(path, true)?);
        return write(&mut out).and_then(|()| Ok(out.flush()?));
    }
    // What a link names is written, not the link.
    let path = path.canonicalize().unwrap_or_else(|_new| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut out = BufWriter::new(NamedTempFile::new_in(folder)?);
    write(&mut out)?;
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.persist(path)?;
    Ok(())
}
