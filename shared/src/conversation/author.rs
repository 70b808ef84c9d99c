//! The owner's side of a transcript: finds the block that an update belongs to.

use std::collections::BTreeMap;

use super::block::{AgentId, Between, Block, Message, PlanEntry, Role, Subagent, ToolCall, ToolContent};
use super::page::{self, Page};
use super::text::{cut_end, cut_front, json_len, name_text, plain_text, split_json};
use super::transcript::{Change, Transcript, What};
use super::update::{Content, Patch, Update};
use super::{MAX_BLOCK, MAX_BLOCKS, MAX_NAMES, MAX_TRANSCRIPT};

/// What a message's text takes at most, in bytes of JSON; the rest is around it.
const MESSAGE: usize = MAX_BLOCK - 128;
/// What a message between agents may grow to, in bytes of JSON.
const BETWEEN: usize = 16 * 1024;
/// The longest id of a message, a call or a terminal that is looked up, in bytes; longer ones are told apart no more.
const LONGEST_KEY: usize = 256;

/// The most terminals that something is known of.
const MOST_SHELLS: usize = 64;

/// What is known of a terminal.
#[derive(Debug, Clone, Default)]
struct Shell {
    command: String,
    output: String,
    exit: Option<String>,
}

/// A transcript that is being written. It decides; everybody else applies.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    transcript: Transcript,
    next: u32,
    costs: BTreeMap<u32, usize>,
    cost: usize,
    /// Where the updates of an id go. Blocks that are forgotten are found no more.
    messages: BTreeMap<(Role, String), u32>,
    /// The newest block whose message said which it is.
    named: Option<u32>,
    calls: BTreeMap<String, u32>,
    between: BTreeMap<String, u32>,
    subagents: BTreeMap<AgentId, u32>,
    terminals: BTreeMap<String, u32>,
    /// What is known of terminals, which may be more than the calls that name them know.
    shells: BTreeMap<String, Shell>,
    states: BTreeMap<String, u32>,
    /// The plan of the exchange that is going on.
    plan: Option<u32>,
    /// Names that may be given away once their agent is mentioned.
    known: BTreeMap<AgentId, String>,
    changes: Vec<Change>,
}

impl Conversation {
    /// What everybody else's transcript becomes.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Everything that changed after `after`, as pages; all but the last are complete.
    pub fn pages(&self, after: u64) -> Vec<Page> {
        page::cut(&self.transcript, after)
    }

    /// What all blocks take as JSON, in bytes.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// An agent is called `name`. Nobody is told before the transcript mentions it.
    pub fn know(&mut self, id: &AgentId, name: &str) -> Vec<Change> {
        let name = name_text(name);
        if name.is_empty() || (self.known.len() >= MAX_NAMES && !self.known.contains_key(id)) {
            return Vec::new();
        }
        self.known.insert(id.clone(), name);
        if self.transcript.has_name(id) || self.mentions(id) {
            self.tell_name(id);
        }
        self.done()
    }

    /// Takes an update; the changes it makes, for everybody.
    pub fn update(&mut self, update: Update) -> Vec<Change> {
        match update {
            Update::Chunk { role, message, content } => self.chunk(role, message, content),
            Update::ToolCall { id, call } => self.call(id, call),
            Update::Terminal { id, command, output, exit } => self.terminal(&id, command, output, exit),
            Update::Plan(entries) => self.set_plan(entries),
            Update::Mode(mode) => {
                let mode = name_text(&mode);
                self.add(Block::Notice(format!("Mode: {mode}")));
            }
            Update::Subagent { id, title, description, state } => {
                self.subagent(&id, &title, description, state);
            }
            Update::Lifecycle { id, state, reason } => {
                self.add(Block::Subagent(Subagent {
                    id: id.clone(),
                    description: reason,
                    state: Some(state),
                }));
                self.mention(&id);
            }
            Update::Between { id, from, to, text } => self.set_between(id, from, to, text),
            Update::BetweenChunk { id, text } => self.more_between(id, &text),
            Update::Name { id, name } => return self.know(&id, &name),
            Update::Notice { title, description, .. } => {
                let more = description.map(|more| format!("\n{more}")).unwrap_or_default();
                self.add(Block::Notice(format!("{title}{more}")));
            }
            Update::Stop(reason) => {
                self.add(Block::Stop(reason));
                self.plan = None;
                self.messages.clear();
            }
            Update::ReplayStart => {
                if self.next > self.transcript.first() {
                    self.forget_before(self.next);
                }
            }
            // Nothing ends here: an exchange in flight goes on with what follows.
            Update::ReplayEnd => {}
            Update::Opaque { kind, json, state } => self.opaque(&kind, json, state),
        }
        self.keep_bounds();
        self.done()
    }

    fn done(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn change(&mut self, what: What) {
        let change = Change { revision: self.transcript.revision() + 1, what };
        self.transcript.apply(change.clone());
        self.changes.push(change);
    }

    fn recount(&mut self, at: u32) {
        let new = self.transcript.block(at).map_or(0, Block::cost);
        let old = self.costs.insert(at, new).unwrap_or(0);
        self.cost = self.cost + new - old;
    }

    fn set(&mut self, at: u32, mut block: Block) {
        block.fit();
        self.change(What::Set(at, block));
        self.recount(at);
    }

    fn add(&mut self, block: Block) -> u32 {
        let at = self.next;
        self.next += 1;
        self.set(at, block);
        at
    }

    fn live(&self, at: u32) -> bool {
        self.transcript.block(at).is_some()
    }

    /// The block that an id's updates go to, if it is not forgotten.
    fn found<K: Ord>(&self, map: &BTreeMap<K, u32>, key: &K) -> Option<u32> {
        map.get(key).copied().filter(|at| self.live(*at))
    }

    fn chunk(&mut self, role: Role, id: Option<String>, content: Content) {
        let key = id.filter(|id| id.len() <= LONGEST_KEY).map(|id| (role, id));
        let text = match content {
            Content::Text(text) => plain_text(&text),
            Content::Attachment(attachment) => {
                self.add(Block::Attachment(role, attachment));
                return;
            }
        };
        let newest = self.next.checked_sub(1).filter(
            |at| matches!(self.transcript.block(*at), Some(Block::Message(message)) if message.role == role),
        );
        let named = key.as_ref().and_then(|key| self.found(&self.messages, key));
        let at = match (&key, named) {
            (_, Some(at)) => Some(at),
            // The newest block is another message's, if both say which.
            (Some(_), None) if self.named == newest => None,
            _ => newest,
        };
        let at = self.append(at, role, &text);
        if let Some(key) = key {
            self.messages.insert(key, at);
            self.named = Some(at);
        }
    }

    /// Adds text to the message at `at`, or to a new one; where it ended.
    fn append(&mut self, at: Option<u32>, role: Role, text: &str) -> u32 {
        let mut rest = text;
        let mut last = at;
        if let Some(at) = at {
            let room = MESSAGE.saturating_sub(self.costs.get(&at).copied().unwrap_or(MESSAGE));
            let (front, left) = split_json(rest, room);
            if !front.is_empty() {
                self.change(What::Append(at, front.to_owned()));
                let cost = json_len(front);
                *self.costs.entry(at).or_default() += cost;
                self.cost += cost;
            }
            rest = left;
        }
        while !rest.is_empty() || last.is_none() {
            let (front, left) = split_json(rest, MESSAGE);
            let message = Message { role, text: front.to_owned(), continues: last.is_some() };
            last = Some(self.add(Block::Message(message)));
            rest = left;
        }
        last.unwrap_or_default()
    }

    fn call(&mut self, id: String, mut call: ToolCall) {
        for content in call.content.iter_mut().flatten() {
            if let ToolContent::Terminal { id, .. } = content {
                *content = self.shown(&name_text(id));
            }
        }
        call.fit();
        let key = id.len() <= LONGEST_KEY;
        let at = if let Some(at) = self.found(&self.calls, &id).filter(|_| key) {
            self.change(What::Tool(at, call));
            self.recount(at);
            at
        } else {
            self.add(Block::Tool(call))
        };
        if let Some(Block::Tool(call)) = self.transcript.block(at) {
            let shown = call.content.iter().flatten().filter_map(|content| match content {
                ToolContent::Terminal { id, .. } => Some((id.clone(), at)),
                ToolContent::Text(_) | ToolContent::Diff { .. } | ToolContent::Attachment(_) => None,
            });
            self.terminals.extend(shown);
        }
        if key {
            self.calls.insert(id, at);
        }
    }

    /// A terminal as it is known.
    fn shown(&self, id: &str) -> ToolContent {
        let Shell { command, output, exit } = self.shells.get(id).cloned().unwrap_or_default();
        ToolContent::Terminal { id: id.to_owned(), command, output, exit }
    }

    fn terminal(&mut self, id: &str, command: Option<String>, output: Option<String>, exit: Option<String>) {
        let id = name_text(id);
        if self.shells.len() >= MOST_SHELLS && !self.shells.contains_key(&id) {
            self.shells.pop_first();
        }
        let shell = self.shells.entry(id.clone()).or_default();
        if let Some(command) = command {
            shell.command = command;
        }
        if let Some(mut output) = output {
            cut_front(&mut output, MESSAGE);
            shell.output = output;
        }
        shell.exit = exit.or_else(|| shell.exit.take());
        let Some(at) = self.found(&self.terminals, &id) else { return };
        let Some(Block::Tool(call)) = self.transcript.block(at) else { return };
        let before = call.content.clone();
        let mut patch = ToolCall { content: before.clone(), ..ToolCall::default() };
        for content in patch.content.iter_mut().flatten() {
            if matches!(content, ToolContent::Terminal { id: shown, .. } if *shown == id) {
                *content = self.shown(&id);
            }
        }
        patch.fit();
        // Editors poll: the same output again is no news.
        if patch.content != before {
            self.change(What::Tool(at, patch));
            self.recount(at);
        }
    }

    fn set_plan(&mut self, entries: Vec<PlanEntry>) {
        let found = self.plan.filter(|at| self.live(*at));
        self.plan = Some(self.put(found, Block::Plan(entries)));
    }

    fn subagent(
        &mut self,
        id: &AgentId,
        title: &Patch<String>,
        description: Patch<String>,
        state: Patch<String>,
    ) {
        let found = self.found(&self.subagents, id);
        let mut subagent = match found.and_then(|at| self.transcript.block(at)) {
            Some(Block::Subagent(subagent)) => subagent.clone(),
            _ => Subagent { id: id.clone(), description: None, state: None },
        };
        description.apply(&mut subagent.description);
        state.apply(&mut subagent.state);
        let at = self.put(found, Block::Subagent(subagent));
        self.subagents.insert(id.clone(), at);
        if let Some(title) = title.value() {
            let told = self.know(id, title);
            self.changes.extend(told);
        }
        self.mention(id);
    }

    /// Sets the block at `at`, or adds it; where it is.
    fn put(&mut self, at: Option<u32>, block: Block) -> u32 {
        if let Some(at) = at {
            self.set(at, block);
            return at;
        }
        self.add(block)
    }

    fn set_between(&mut self, id: String, from: Patch<AgentId>, to: Patch<AgentId>, text: Option<String>) {
        let found = self.found(&self.between, &id);
        let mut between = match found.and_then(|at| self.transcript.block(at)) {
            Some(Block::Between(between)) => between.clone(),
            _ => Between::default(),
        };
        from.apply(&mut between.from);
        to.apply(&mut between.to);
        between.text = text.unwrap_or(between.text);
        let agents: Vec<AgentId> = between.from.iter().chain(&between.to).cloned().collect();
        let at = self.put(found, Block::Between(between));
        if id.len() <= LONGEST_KEY {
            self.between.insert(id, at);
        }
        for agent in agents {
            self.mention(&agent);
        }
    }

    fn more_between(&mut self, id: String, text: &str) {
        let at =
            self.found(&self.between, &id).unwrap_or_else(|| self.add(Block::Between(Between::default())));
        if id.len() <= LONGEST_KEY {
            self.between.insert(id, at);
        }
        let room = BETWEEN.saturating_sub(self.costs.get(&at).copied().unwrap_or(0));
        let mut text = plain_text(text);
        cut_end(&mut text, room);
        if room > 64 && !text.is_empty() {
            self.change(What::Append(at, text));
            self.recount(at);
        }
    }

    fn opaque(&mut self, kind: &str, json: String, state: bool) {
        let kind = name_text(kind);
        let found = self.found(&self.states, &kind).filter(|_| state);
        let at = self.put(found, Block::Opaque { kind: kind.clone(), json });
        if state {
            self.states.insert(kind, at);
        }
    }

    fn mentions(&self, id: &AgentId) -> bool {
        self.transcript.blocks().any(|(_, _, block)| match block {
            Block::Between(between) => between.from.as_ref() == Some(id) || between.to.as_ref() == Some(id),
            Block::Subagent(subagent) => subagent.id == *id,
            Block::Message(_)
            | Block::Attachment(..)
            | Block::Tool(_)
            | Block::Plan(_)
            | Block::Notice(_)
            | Block::Stop(_)
            | Block::Opaque { .. }
            | Block::Unknown => false,
        })
    }

    fn mention(&mut self, id: &AgentId) {
        if !self.transcript.has_name(id) {
            self.tell_name(id);
        }
    }

    fn tell_name(&mut self, id: &AgentId) {
        if let Some(name) = self.known.get(id).cloned()
            && self.transcript.name(id) != name
        {
            self.change(What::Name(id.clone(), name));
        }
    }

    fn keep_bounds(&mut self) {
        if self.cost <= MAX_TRANSCRIPT && self.costs.len() <= MAX_BLOCKS {
            return;
        }
        // An eighth at once, so that it is not done for every block.
        let (mut cost, mut count) = (self.cost, self.costs.len());
        let mut first = self.transcript.first();
        for (at, block) in &self.costs {
            if cost <= MAX_TRANSCRIPT / 8 * 7 && count <= MAX_BLOCKS / 8 * 7 {
                break;
            }
            (cost, count, first) = (cost - block, count - 1, at + 1);
        }
        self.forget_before(first);
    }

    fn forget_before(&mut self, first: u32) {
        self.change(What::Forget(first));
        self.costs = self.costs.split_off(&first);
        self.cost = self.costs.values().sum();
        self.messages.retain(|_, at| *at >= first);
        for map in [&mut self.calls, &mut self.between, &mut self.terminals, &mut self.states] {
            map.retain(|_, at| *at >= first);
        }
        self.subagents.retain(|_, at| *at >= first);
    }
}
