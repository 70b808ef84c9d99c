//! What passes between an editor and its agent, as updates of transcripts.
//!
//! The two speak JSON-RPC, one message a line. [`Tap`] is given each line with its direction and says what it means for
//! which ACP session. It answers nobody, changes nothing and trusts nothing: what is no message of theirs is skipped.

use std::collections::BTreeMap;

use agent_client_protocol_schema::v1 as acp;
use serde::Deserialize;
use serde_json::Value;
use shared::conversation::{Update, name_text};

use super::translate;

/// Requests of one side that wait for the other's answer; the oldest are forgotten beyond.
const MOST_REQUESTS: usize = 1_024;

/// The longest id that is read, of a conversation or a terminal, in bytes: it is kept for as long as its conversation.
const LONGEST_ID: usize = 1_024;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The editor.
    Editor,
    /// The agent.
    Agent,
}

/// What a line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A conversation begins, or goes on after a pause.
    Session {
        /// ACP's id of it.
        session: String,
    },
    /// Something in a conversation.
    Update {
        /// ACP's id of it.
        session: String,
        /// What.
        update: Update,
    },
    /// An agent started another one.
    Child {
        /// ACP's id of the conversation that it was started in.
        parent: String,
        /// ACP's id of its own.
        session: String,
        /// What it is called, if that was said.
        title: Option<String>,
        /// What it does, if that was said: ACP's `running`, `idle`, `requires_action`, …
        state: Option<String>,
    },
    /// A conversation's agent works, waits for its user, or needs a decision.
    Doing {
        /// ACP's id of it.
        session: String,
        /// What.
        what: Doing,
    },
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It works on a prompt.
    Running,
    /// It waits for the next prompt.
    Waiting,
    /// It asked its user for a decision.
    Blocked,
}

/// A request whose answer means something.
#[derive(Debug, Clone)]
enum Asked {
    New,
    Load(String),
    Prompt(String),
    Permission(String),
    Terminal(String),
    Output(String),
    Exit(String),
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tap {
    /// By who asked, and the id it gave.
    asked: BTreeMap<(Side, String), Asked>,
    order: std::collections::VecDeque<(Side, String)>,
}

impl Tap {
    /// Reads one line.
    pub fn line(&mut self, side: Side, line: &[u8]) -> Vec<Meaning> {
        match serde_json::from_slice::<Value>(line) {
            // A batch.
            Ok(Value::Array(messages)) => {
                messages.into_iter().flat_map(|message| self.message(side, message)).collect()
            }
            Ok(message) => self.message(side, message),
            Err(_) => Vec::new(),
        }
    }

    fn message(&mut self, side: Side, message: Value) -> Vec<Meaning> {
        let Ok(line) = serde_json::from_value::<Line>(message) else { return Vec::new() };
        match (line.method, line.id) {
            (Some(method), id) => self.said(side, &method, id, line.params),
            (None, Some(id)) => {
                let other = if side == Side::Editor { Side::Agent } else { Side::Editor };
                let Some(asked) = self.asked.remove(&(other, id.to_string())) else { return Vec::new() };
                answered(asked, &line.result.ok_or(line.error.unwrap_or_default()))
            }
            (None, None) => Vec::new(),
        }
    }

    fn ask(&mut self, side: Side, id: Option<Value>, asked: Asked) {
        let Some(id) = id.map(|id| id.to_string()).filter(|id| id.len() <= 256) else { return };
        self.asked.insert((side, id.clone()), asked);
        self.order.push_back((side, id));
        if self.order.len() > MOST_REQUESTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.asked.remove(&oldest);
        }
    }

    fn said(&mut self, side: Side, method: &str, id: Option<Value>, params: Value) -> Vec<Meaning> {
        let id_of = |name: &str| {
            params.get(name).and_then(Value::as_str).filter(|id| id.len() <= LONGEST_ID).map(str::to_owned)
        };
        let session = id_of("sessionId");
        match (side, method, session) {
            (Side::Editor, "session/new", _) => self.ask(side, id, Asked::New),
            (Side::Editor, "session/load", Some(session)) => {
                self.ask(side, id, Asked::Load(session.clone()));
                let update = Meaning::Update { session: session.clone(), update: Update::ReplayStart };
                return vec![Meaning::Session { session }, update];
            }
            (Side::Editor, "session/resume", Some(session)) => return vec![Meaning::Session { session }],
            (Side::Editor, "session/prompt", Some(session)) => {
                self.ask(side, id, Asked::Prompt(session.clone()));
                return prompted(&session, params);
            }
            (Side::Agent, "session/update", Some(session)) => return updated(session, &params),
            (Side::Agent, "session/request_permission", Some(session)) => {
                self.ask(side, id, Asked::Permission(session.clone()));
                return permission(session, &params);
            }
            (Side::Agent, "terminal/create", Some(session)) => {
                let mut words = vec![params.get("command").and_then(Value::as_str).unwrap_or_default()];
                let arguments = params.get("args").and_then(Value::as_array);
                words.extend(arguments.into_iter().flatten().filter_map(Value::as_str));
                // Kept until it is answered; a transcript shows no more of it.
                let command = name_text(&words.join(" "));
                self.ask(side, id, Asked::Terminal(format!("{session}\n{command}")));
            }
            (Side::Agent, "terminal/output" | "terminal/wait_for_exit", Some(session)) => {
                if let Some(terminal) = id_of("terminalId") {
                    let which = format!("{session}\n{terminal}");
                    let asked =
                        if method == "terminal/output" { Asked::Output(which) } else { Asked::Exit(which) };
                    self.ask(side, id, asked);
                }
            }
            _ => {}
        }
        Vec::new()
    }
}

fn prompted(session: &str, params: Value) -> Vec<Meaning> {
    let mut meanings = vec![Meaning::Doing { session: session.to_owned(), what: Doing::Running }];
    if let Ok(request) = serde_json::from_value::<acp::PromptRequest>(params) {
        let said = translate::prompt(&request.prompt).into_iter();
        meanings.extend(said.map(|update| Meaning::Update { session: session.to_owned(), update }));
    }
    meanings
}

fn updated(session: String, params: &Value) -> Vec<Meaning> {
    let Some(update) = params.get("update") else { return Vec::new() };
    let update = translate::from_json(update);
    let mut meanings = Vec::new();
    if let Update::Subagent { id, title, state, .. } = &update {
        meanings.push(Meaning::Child {
            parent: session.clone(),
            session: id.as_str().to_owned(),
            title: title.value().cloned(),
            state: state.value().cloned(),
        });
    }
    meanings.push(Meaning::Update { session, update });
    meanings
}

fn permission(session: String, params: &Value) -> Vec<Meaning> {
    let call = params.get("toolCall").cloned().unwrap_or_default();
    let mut meanings = vec![Meaning::Doing { session: session.clone(), what: Doing::Blocked }];
    if let Ok(call) = serde_json::from_value::<acp::ToolCallUpdate>(call) {
        let update = translate::from_acp(&acp::SessionUpdate::ToolCallUpdate(call));
        meanings.push(Meaning::Update { session, update });
    }
    meanings
}

fn answered(asked: Asked, result: &Result<Value, Value>) -> Vec<Meaning> {
    let field = |name: &str| match result {
        Ok(result) => result.get(name).cloned(),
        Err(_) => None,
    };
    match asked {
        Asked::New => match field("sessionId") {
            Some(Value::String(session)) => vec![Meaning::Session { session }],
            _ => Vec::new(),
        },
        Asked::Load(session) => vec![Meaning::Update { session, update: Update::ReplayEnd }],
        Asked::Prompt(session) => {
            let reason = match result {
                Ok(_) => field("stopReason").and_then(|reason| reason.as_str().map(str::to_owned)),
                Err(error) => {
                    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
                    Some(format!("error: {message}"))
                }
            };
            let update = Update::Stop(reason.unwrap_or_else(|| "end_turn".to_owned()));
            let waits = Meaning::Doing { session: session.clone(), what: Doing::Waiting };
            vec![Meaning::Update { session, update }, waits]
        }
        Asked::Permission(session) => vec![Meaning::Doing { session, what: Doing::Running }],
        Asked::Terminal(which) => {
            let (session, command) = which.split_once('\n').unwrap_or_default();
            match field("terminalId") {
                Some(Value::String(id)) => terminal(session, id, Some(command.to_owned()), None, None),
                _ => Vec::new(),
            }
        }
        Asked::Output(which) => {
            let (session, id) = which.split_once('\n').unwrap_or_default();
            let output = field("output").and_then(|output| output.as_str().map(str::to_owned));
            let exit = field("exitStatus").as_ref().and_then(exit_text);
            terminal(session, id.to_owned(), None, output, exit)
        }
        Asked::Exit(which) => {
            let (session, id) = which.split_once('\n').unwrap_or_default();
            let exit = result.as_ref().ok().and_then(exit_text);
            terminal(session, id.to_owned(), None, None, exit)
        }
    }
}

fn terminal(
    session: &str,
    id: String,
    command: Option<String>,
    output: Option<String>,
    exit: Option<String>,
) -> Vec<Meaning> {
    let update = Update::Terminal { id, command, output, exit };
    vec![Meaning::Update { session: session.to_owned(), update }]
}

fn exit_text(status: &Value) -> Option<String> {
    let code = status.get("exitCode").and_then(Value::as_u64).map(|code| code.to_string());
    code.or_else(|| status.get("signal").and_then(Value::as_str).map(str::to_owned))
}

/// Cuts a stream of bytes into lines of at most [`LONGEST_LINE`]; longer ones are skipped.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
    skipping: bool,
}

/// The longest line that is read, in bytes. What is longer passes too, and is not shared.
pub const LONGEST_LINE: usize = 4 * 1024 * 1024;

impl Lines {
    /// Takes what passed next; `on_line` gets each whole line, `on_skipped` is told of each that was too long.
    pub fn push(&mut self, bytes: &[u8], mut on_line: impl FnMut(&[u8]), mut on_skipped: impl FnMut()) {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (front, back) = rest.split_at(at);
            rest = back.get(1..).unwrap_or_default();
            self.keep(front);
            if std::mem::take(&mut self.skipping) {
                on_skipped();
            } else if !self.line.is_empty() {
                on_line(&self.line);
            }
            self.line.clear();
            self.line.shrink_to(64 * 1024);
        }
        self.keep(rest);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > LONGEST_LINE {
            self.skipping = true;
        }
        if self.skipping {
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
