//! Agents' transcripts, read line by line: what a record says of a session, and the compact transcript of v2 (CHECKPOINTS
//! 2.5).
//!
//! Each agent's format is one file, a machine that is given lines and holds what is not finished: an assistant's message
//! that goes on, or waits for what its tools say. What is bad is passed over, never an error: the raw transcript is what
//! counts. Nothing here grows with the transcript but the compact one, which ends at [`MAX_CHUNK`]; agents that write
//! one object are held whole up to the same bound.

mod codex;
mod copilot;
mod facts;
mod gemini;
pub(super) mod json;
mod messages;
mod opencode;
mod sink;
mod tags;
#[cfg(test)]
mod tests;

use self::codex::Codex;
use self::copilot::Copilot;
use self::facts::Gathering;
pub use self::facts::{Facts, Subagent};
use self::json::{Object, list};
use self::messages::Messages;
use self::sink::Sink;
use super::agent::Agent;
use super::chunks::MAX_CHUNK;

/// What every compact line begins with. Readers refuse a file where the version is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The agent's [display name](Agent::display).
    pub agent: String,
    /// The version of the program that writes.
    pub cli_version: String,
}

/// A compact transcript: never empty, at most [`MAX_CHUNK`] bytes, as v2 keeps it in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// JSON lines, each with its end.
    pub bytes: Vec<u8>,
    /// How many.
    pub lines: u64,
    /// How many of them are before the part that begins at the start marker.
    pub start: u64,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// What the session's record asks for.
    pub facts: Facts,
    /// The compact transcript, if it was asked for, says anything, and is not too large.
    pub compact: Option<Compacted>,
}

/// Reads a transcript as its lines come.
#[derive(Debug)]
pub struct Reader {
    agent: Agent,
    facts: Gathering,
    whole: Run,
    /// Only counts: what comes behind the start marker.
    part: Option<Run>,
    start: u64,
    /// A transcript that is one object; `None` once it is too large.
    held: Option<Vec<u8>>,
}

impl Reader {
    /// A reader of this agent's transcript; without a head nothing is made compact. `start` counts what the agent's
    /// transcript has before the part that the checkpoint is about: messages of Gemini and `OpenCode`, response items of
    /// Codex, else lines.
    pub fn new(agent: Agent, head: Option<&Head>, start: u64) -> Self {
        let part = (head.is_some() && start > 0).then(|| Run::new(agent, Sink::counting(), start));
        let whole = Run::new(agent, head.map_or_else(Sink::counting, Sink::new), 0);
        Self { agent, facts: Gathering::default(), whole, part, start, held: Some(Vec::new()) }
    }

    /// The next line, with its end if it has one.
    pub fn line(&mut self, line: &[u8]) {
        if self.agent.writes_an_object() {
            if let Some(held) = &mut self.held {
                if held.len() + line.len() > usize::try_from(MAX_CHUNK).unwrap_or(usize::MAX) {
                    self.held = None;
                } else {
                    held.extend_from_slice(line);
                }
            }
            return;
        }
        let text = String::from_utf8_lossy(line);
        let parsed = Object::parse(text.trim());
        self.whole.line(parsed.as_ref(), &mut self.facts);
        if let Some(part) = &mut self.part {
            part.line(parsed.as_ref(), &mut Gathering::default());
        }
    }

    /// What there is at the end.
    pub fn finish(mut self) -> Read {
        if self.agent.writes_an_object()
            && let Some(held) = self.held.take()
        {
            self.object(&String::from_utf8_lossy(&held));
        }
        self.whole.flush();
        let lines = self.whole.sink.lines();
        let part = self.part.map(|mut part| {
            part.flush();
            part.sink.lines()
        });
        let start = part.map_or(0, |part| lines.saturating_sub(part));
        let compact = self.whole.sink.finish().map(|bytes| Compacted { bytes, lines, start });
        Read { facts: self.facts.finish(), compact }
    }

    /// How many bytes wait to become a line, or are held.
    #[cfg(test)]
    fn waits(&self) -> u64 {
        match &self.whole.machine {
            Machine::Messages(machine) => machine.size(),
            Machine::Codex(_) | Machine::Copilot(_) | Machine::None => 0,
        }
    }

    fn object(&mut self, json: &str) {
        let Some(session) = Object::parse(json.trim()) else { return };
        let Some(messages) = session.get("messages").and_then(list) else { return };
        let put = if self.agent == Agent::OpenCode {
            opencode::session(&session, &mut self.facts);
            opencode::message
        } else {
            gemini::session(&session, &mut self.facts);
            gemini::message
        };
        for (at, message) in (0..).zip(messages) {
            let Some(message) = Object::parse(message.get()) else { continue };
            put(&message, &mut self.whole.sink, &mut self.facts);
            if at >= self.start
                && let Some(part) = &mut self.part
            {
                put(&message, &mut part.sink, &mut Gathering::default());
            }
        }
    }
}

/// Reads a transcript that is in memory; see [`Reader::new`].
pub fn read(agent: Agent, head: Option<&Head>, start: u64, transcript: &[u8]) -> Read {
    let mut reader = Reader::new(agent, head, start);
    for line in transcript.split_inclusive(|byte| *byte == b'\n') {
        reader.line(line);
    }
    reader.finish()
}

/// A machine, where its lines go, and what it leaves out at first.
#[derive(Debug)]
struct Run {
    machine: Machine,
    sink: Sink,
    skip: u64,
}

#[derive(Debug)]
enum Machine {
    Messages(Messages),
    Codex(Codex),
    Copilot(Copilot),
    /// For a transcript that is one object: nothing is left open between its messages.
    None,
}

impl Run {
    fn new(agent: Agent, sink: Sink, skip: u64) -> Self {
        let machine = match agent {
            Agent::ClaudeCode | Agent::Cursor | Agent::Droid => Machine::Messages(Messages::default()),
            Agent::Codex => Machine::Codex(Codex::default()),
            Agent::Copilot => Machine::Copilot(Copilot::default()),
            Agent::Gemini | Agent::OpenCode => Machine::None,
        };
        Self { machine, sink, skip }
    }

    /// A line; `None` for one that is no object.
    fn line(&mut self, line: Option<&Object<'_>>, facts: &mut Gathering) {
        if self.skip > 0 {
            let counts = match self.machine {
                Machine::Codex(_) => line.is_some_and(codex::is_item),
                Machine::Messages(_) | Machine::Copilot(_) | Machine::None => true,
            };
            self.skip -= u64::from(counts);
            return;
        }
        let Some(line) = line else { return };
        match &mut self.machine {
            Machine::Messages(machine) => machine.line(line, &mut self.sink, facts),
            Machine::Codex(machine) => machine.line(line, &mut self.sink, facts),
            Machine::Copilot(machine) => machine.line(line, &mut self.sink, facts),
            Machine::None => {}
        }
    }

    fn flush(&mut self) {
        match &mut self.machine {
            Machine::Messages(machine) => machine.flush(&mut self.sink),
            Machine::Codex(machine) => machine.flush(&mut self.sink),
            Machine::Copilot(machine) => machine.flush(&mut self.sink),
            Machine::None => {}
        }
    }
}
