//! Recordings as one file, for people and other programs.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::Path;

use clap::ValueEnum;
use shared::conversation::{AgentId, Block, Role, ToolContent, Transcript};
use shared::recording::{
    CAST, CastLine, CastReader, Cut, Entry, Kind, Line, MAX_CAST_LINE, MAX_LINE, Missing, Session, TRANSCRIPT,
};
use shared::time::in_words;

use super::place::{self, Recording};
use crate::replay::{cutting, html, shelf};
use crate::term::Terminal;

/// Lines that have scrolled off are written away when there are so many.
const SCROLLED: usize = 2_000;

/// What a recording can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// asciicast v3: the terminal, to be played
    Cast,
    /// The text that the terminal showed
    Txt,
    /// What was said and done, with that of tasks below, as Markdown
    Md,
    /// One page that plays it, with tasks below, in any browser, without a server
    Html,
}

impl Format {
    /// The one that a file's name ends in.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::from_str(&extension, false).ok()
    }
}

/// Writes a recording.
pub fn export(recording: &Recording, format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
    match format {
        Format::Cast => cast(recording, out)?,
        Format::Txt => terminal(&recording.dir, &mut |line| writeln!(out, "{line}"))?,
        Format::Md => {
            markdown(recording, 1, out)?;
            for below in place::below(recording)? {
                writeln!(out)?;
                markdown(&below, 2, out)?;
            }
        }
        Format::Html => html::write(&cutting::cut(shelf::recorded(&recording.dir))?, out)?,
    }
    out.flush()?;
    Ok(())
}

/// Gives the lines of a file, of which none is longer than `most` bytes: longer ones come cut, which no reader takes.
fn lines(path: &Path, most: usize, mut line: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if (&mut file).take(most as u64 + 1).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
        if bytes.last() != Some(&b'\n') && bytes.len() > most {
            // The rest of one that is too long.
            file.skip_until(b'\n')?;
        }
        line(&bytes)?;
    }
}

/// The cast without what is torn or broken in it.
fn cast(recording: &Recording, out: &mut dyn Write) -> io::Result<()> {
    let mut reader = CastReader::new();
    lines(&recording.dir.join(CAST), MAX_CAST_LINE, |line| {
        if line.ends_with(b"\n") && reader.line(line).is_ok() { out.write_all(line) } else { Ok(()) }
    })
}

/// All text that a terminal has shown, line by line, as it stood when it scrolled off or at the end.
fn terminal(dir: &Path, line: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let (mut reader, mut terminal): (_, Option<Terminal>) = (CastReader::new(), None);
    // Blank lines are written when something follows them.
    let mut blank = 0;
    let mut put = |text: &str| {
        if text.is_empty() {
            blank += 1;
            return Ok(());
        }
        while blank > 0 {
            blank -= 1;
            line("")?;
        }
        line(text)
    };
    lines(&dir.join(CAST), MAX_CAST_LINE, |bytes| {
        match (reader.line(bytes), &mut terminal) {
            (Ok(CastLine::Header(header)), _) => {
                terminal = Some(Terminal::new(header.window(), 2 * SCROLLED));
            }
            (Ok(CastLine::Event(event)), Some(terminal)) => match event.kind {
                Kind::Output(text) => {
                    // No piece scrolls more away than is kept.
                    for piece in text.as_bytes().chunks(SCROLLED) {
                        terminal.feed(piece);
                        let scrolled = terminal.history();
                        if scrolled >= SCROLLED && !terminal.is_alternate() {
                            terminal.lines().take(scrolled).try_for_each(|text| put(&text))?;
                            terminal.forget_history();
                        }
                    }
                }
                Kind::Resize(size) => terminal.resize(size),
                Kind::Input(_) | Kind::Marker(_) | Kind::Exit(_) => {}
            },
            (Ok(CastLine::Event(_) | CastLine::Nothing) | Err(_), _) => {}
        }
        Ok(())
    })?;
    terminal.map_or(Ok(()), |terminal| terminal.lines().try_for_each(|text| put(&text)))
}

/// What a transcript says, and how many commands ran.
pub fn transcript(dir: &Path) -> io::Result<Transcript> {
    let mut transcript = Transcript::default();
    lines(&dir.join(TRANSCRIPT), MAX_LINE, |line| {
        if let Some(Line { entry: Entry::Change(change), .. }) = Line::parse(line) {
            transcript.apply(change);
        }
        Ok(())
    })?;
    Ok(transcript)
}

fn markdown(recording: &Recording, level: usize, out: &mut dyn Write) -> io::Result<()> {
    let Recording { dir, session, .. } = recording;
    let heading = "#".repeat(level);
    writeln!(out, "{heading} {}\n", in_line(&session.name))?;
    for line in about(recording) {
        writeln!(out, "- {line}")?;
    }
    let transcript = transcript(dir)?;
    for (_, _, block) in transcript.blocks() {
        write_block(&transcript, block, level + 1, out)?;
    }
    if transcript.is_spoken() {
        return Ok(());
    }
    writeln!(out, "\n{heading}# Terminal\n")?;
    // Longer than any run of back quotes that a line of a terminal is likely to begin with.
    writeln!(out, "``````text")?;
    terminal(dir, &mut |line| writeln!(out, "{line}"))?;
    writeln!(out, "``````")
}

/// What is known of a recording, a line each.
fn about(recording: &Recording) -> Vec<String> {
    let Session { command, directory, agent, started, ended, exit, cuts, .. } = &recording.session;
    let mut lines = vec![format!("Command: `{}`", in_line(command))];
    if !directory.is_empty() {
        lines.push(format!("Directory: `{}`", in_line(directory)));
    }
    lines.extend(agent.as_ref().map(|agent| format!("Agent: {}", in_line(agent))));
    let ran = ended.map(|ended| in_words(ended.0.saturating_sub(started.0)));
    let ran = ran.map_or_else(String::new, |ran| format!(" after {ran}"));
    lines.push(match exit {
        Some(exit) => match (&exit.signal, exit.code) {
            (Some(signal), _) => format!("Ended by signal {}{ran}", in_line(signal)),
            (None, Some(code)) => format!("Ended with status {code}{ran}"),
            (None, None) => format!("Ended{ran}"),
        },
        None if recording.running => "It runs".to_owned(),
        None => "How it ended is not known: its sharer was killed".to_owned(),
    });
    lines.extend(cuts.iter().map(cut_words));
    lines
}

/// What a cut took away, for people.
pub fn cut_words(cut: &Cut) -> String {
    let what = match cut.what {
        Missing::Terminal => "bytes of output",
        Missing::Transcript => "lines of the transcript",
        Missing::Unknown => "pieces",
    };
    format!("Cut after {}: {} {what} left out, {}", in_words(cut.at), cut.count, cut.why.words())
}

fn in_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| *c != '`').collect()
}

fn write_block(known: &Transcript, block: &Block, level: usize, out: &mut dyn Write) -> io::Result<()> {
    let heading = "#".repeat(level);
    let name = |id: &AgentId| in_line(&known.name(id));
    match block {
        Block::Message(message) if message.continues => write!(out, "{}", message.text),
        Block::Message(message) => {
            let who = match message.role {
                Role::User => "User",
                Role::Agent => "Agent",
                Role::Thought => "Thought",
            };
            write!(out, "\n{heading} {who}\n\n{}\n", message.text)
        }
        Block::Attachment(_, attachment) => {
            let uri = attachment.uri.as_deref().map(in_line).unwrap_or_default();
            writeln!(out, "\n*{} {} {uri}*", in_line(&attachment.kind), in_line(&attachment.name))
        }
        Block::Tool(call) => {
            let title = call.title.as_deref().or(call.kind.as_deref()).unwrap_or("tool call");
            let status = call.status.as_deref().map(|status| format!(" ({})", in_line(status)));
            writeln!(out, "\n**{}**{}", in_line(title), status.unwrap_or_default())?;
            call.content.iter().flatten().try_for_each(|content| write_content(content, out))
        }
        Block::Plan(entries) => {
            writeln!(out, "\n{heading} Plan\n")?;
            entries.iter().try_for_each(|entry| {
                let done = if entry.status == "completed" { 'x' } else { ' ' };
                writeln!(out, "- [{done}] {}", in_line(&entry.content))
            })
        }
        Block::Between(between) => {
            let person = || "user".to_owned();
            let from = between.from.as_ref().map_or_else(person, name);
            let to = between.to.as_ref().map_or_else(person, name);
            writeln!(out, "\n{heading} {from} → {to}\n\n{}", between.text)
        }
        Block::Subagent(child) => {
            let more = child.description.as_deref().map(|more| format!(": {}", in_line(more)));
            let state = child.state.as_deref().unwrap_or("started");
            writeln!(out, "\n*{} {}{}*", name(&child.id), in_line(state), more.unwrap_or_default())
        }
        Block::Notice(text) => writeln!(out, "\n*{}*", in_line(text)),
        Block::Stop(reason) => writeln!(out, "\n*{}*\n\n---", in_line(reason)),
        Block::Opaque { kind, .. } => writeln!(out, "\n*{}*", in_line(kind)),
        Block::Unknown => Ok(()),
    }
}

fn write_content(content: &ToolContent, out: &mut dyn Write) -> io::Result<()> {
    let mut fenced = |kind: &str, text: &str| {
        let fence = "`".repeat(longest_run(text).max(2) + 1);
        writeln!(out, "\n{fence}{kind}\n{}\n{fence}", text.trim_end_matches('\n'))
    };
    match content {
        ToolContent::Text(text) => fenced("", text),
        ToolContent::Diff { path, old, new } => {
            let side = |sign: char, text: &str| {
                text.lines().fold(String::new(), |all, line| all + &format!("{sign}{line}\n"))
            };
            let old = old.as_deref().map(|old| side('-', old)).unwrap_or_default();
            fenced("diff", &format!("{}\n{old}{}", in_line(path), side('+', new)))
        }
        ToolContent::Terminal { command, output, .. } => fenced("", &format!("$ {command}\n{output}")),
        ToolContent::Attachment(attachment) => fenced("", &attachment.name),
    }
}

/// The longest run of back quotes in a text.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
