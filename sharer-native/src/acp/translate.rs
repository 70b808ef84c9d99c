//! Between ACP's `session/update` and [`shared::conversation`]'s updates.
//!
//! What our model has no place for and nobody reads in a transcript is left out: `_meta`, annotations of content, the
//! data of images and sounds, and what a subagent may be asked to do. Everything else goes there and back.

use std::path::PathBuf;

use agent_client_protocol_schema::MaybeUndefined;
use agent_client_protocol_schema::v1::{
    self as acp, ContentBlock, ContentChunk, EmbeddedResourceResource, SessionUpdate, ToolCallContent,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use shared::conversation::{
    AgentId, Attachment, Content, Patch, PlanEntry, Role, ToolCall, ToolContent, Update,
};

/// The longest JSON that is kept of an update nobody knows, in bytes; the transcript keeps less still.
const LONGEST_OPAQUE: usize = 32 * 1024;

/// Reads the `update` of a `session/update`; never fails: what is not known is kept as it is.
pub fn from_json(update: &Value) -> Update {
    match serde_json::from_value::<SessionUpdate>(update.clone()) {
        Ok(known) => from_acp(&known),
        Err(_) => opaque(update),
    }
}

/// The update as it is.
fn opaque(update: &Value) -> Update {
    let kind = update.get("sessionUpdate").and_then(Value::as_str).unwrap_or("unknown");
    Update::Opaque { kind: kind.to_owned(), json: bounded(update.to_string()), state: false }
}

fn bounded(mut json: String) -> String {
    if json.len() > LONGEST_OPAQUE {
        let end = (0..=LONGEST_OPAQUE).rev().find(|at| json.is_char_boundary(*at)).unwrap_or(0);
        json.truncate(end);
    }
    json
}

/// Translates what an agent says.
#[allow(
    clippy::match_wildcard_for_single_variants,
    clippy::wildcard_enum_match_arm,
    reason = "the crate's enums grow"
)]
pub fn from_acp(update: &SessionUpdate) -> Update {
    let whole = |state| match serde_json::to_value(update) {
        Ok(value) => {
            let mut update = opaque(&value);
            if let Update::Opaque { state: said, .. } = &mut update {
                *said = state;
            }
            update
        }
        Err(_) => Update::Opaque { kind: "unknown".to_owned(), json: String::new(), state: false },
    };
    match update {
        SessionUpdate::UserMessageChunk(chunk) => from_chunk(Role::User, chunk),
        SessionUpdate::AgentMessageChunk(chunk) => from_chunk(Role::Agent, chunk),
        SessionUpdate::AgentThoughtChunk(chunk) => from_chunk(Role::Thought, chunk),
        SessionUpdate::ToolCall(call) => {
            let update = acp::ToolCallUpdate::from(call.clone());
            Update::ToolCall { id: call.tool_call_id.to_string(), call: from_fields(&update.fields) }
        }
        SessionUpdate::ToolCallUpdate(update) => {
            Update::ToolCall { id: update.tool_call_id.to_string(), call: from_fields(&update.fields) }
        }
        SessionUpdate::Plan(plan) => Update::Plan(
            plan.entries
                .iter()
                .map(|entry| PlanEntry {
                    content: entry.content.clone(),
                    priority: word(&entry.priority),
                    status: word(&entry.status),
                })
                .collect(),
        ),
        SessionUpdate::CurrentModeUpdate(mode) => Update::Mode(mode.current_mode_id.to_string()),
        SessionUpdate::Notice(notice) => Update::Notice {
            severity: word(&notice.severity),
            title: notice.title.clone(),
            description: notice.description.clone(),
        },
        SessionUpdate::SubagentUpdate(subagent) => match AgentId::new(&subagent.session_id.0) {
            Some(id) => Update::Subagent {
                id,
                title: patch(&subagent.title, Clone::clone),
                description: patch(&subagent.description, Clone::clone),
                state: patch(&subagent.state, |state| tag(state, "state")),
            },
            None => whole(false),
        },
        SessionUpdate::SessionMessage(message) => Update::Between {
            id: message.message_id.to_string(),
            from: patch_agent(&message.sender_session_id),
            to: patch_agent(&message.recipient_session_id),
            text: match &message.content {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(String::new()),
                MaybeUndefined::Value(blocks) => Some(blocks.iter().map(readable).collect()),
            },
        },
        SessionUpdate::SessionMessageChunk(chunk) => {
            Update::BetweenChunk { id: chunk.message_id.to_string(), text: readable(&chunk.content) }
        }
        SessionUpdate::AvailableCommandsUpdate(_)
        | SessionUpdate::ConfigOptionUpdate(_)
        | SessionUpdate::SessionInfoUpdate(_)
        | SessionUpdate::UsageUpdate(_) => whole(true),
        // Compactions, and whatever a later version of the crate adds.
        _ => whole(false),
    }
}

/// Translates back; `None` for what is no `session/update`: ends of exchanges, replays, terminals.
pub fn to_acp(update: &Update) -> Option<SessionUpdate> {
    Some(match update {
        Update::Chunk { role, message, content } => {
            let chunk = ContentChunk::new(to_content(content)?);
            let chunk = match message {
                Some(id) => chunk.message_id(acp::MessageId::new(id.clone())),
                None => chunk,
            };
            match role {
                Role::User => SessionUpdate::UserMessageChunk(chunk),
                Role::Agent => SessionUpdate::AgentMessageChunk(chunk),
                Role::Thought => SessionUpdate::AgentThoughtChunk(chunk),
            }
        }
        Update::ToolCall { id, call } => {
            SessionUpdate::ToolCallUpdate(acp::ToolCallUpdate::new(id.clone(), to_fields(call)))
        }
        Update::Plan(entries) => {
            let entry = |entry: &PlanEntry| {
                let (priority, status) = (from_word(&entry.priority)?, from_word(&entry.status)?);
                Some(acp::PlanEntry::new(entry.content.as_str(), priority, status))
            };
            SessionUpdate::Plan(acp::Plan::new(entries.iter().filter_map(entry).collect()))
        }
        Update::Mode(mode) => SessionUpdate::CurrentModeUpdate(acp::CurrentModeUpdate::new(mode.clone())),
        Update::Notice { severity, title, description } => SessionUpdate::Notice(
            acp::Notice::new(from_word(severity)?, title.as_str()).description(description.clone()),
        ),
        Update::Subagent { id, title, description, state } => {
            let mut update = acp::SubagentUpdate::new(id.as_str().to_owned());
            update.title = unpatch(title, Clone::clone);
            update.description = unpatch(description, Clone::clone);
            update.state = match state {
                Patch::Keep => MaybeUndefined::Undefined,
                Patch::Clear => MaybeUndefined::Null,
                Patch::Set(state) => MaybeUndefined::Value(
                    serde_json::from_value(Value::Object(object([("state", state.as_str().into())]))).ok()?,
                ),
            };
            SessionUpdate::SubagentUpdate(update)
        }
        Update::Between { id, from, to, text } => {
            let mut message = acp::SessionMessage::new(id.clone());
            let agent = |id: &AgentId| acp::SessionId::new(id.as_str().to_owned());
            message.sender_session_id = unpatch(from, agent);
            message.recipient_session_id = unpatch(to, agent);
            message.content = match text.as_deref() {
                None => MaybeUndefined::Undefined,
                Some("") => MaybeUndefined::Null,
                Some(text) => MaybeUndefined::Value(vec![text.into()]),
            };
            SessionUpdate::SessionMessage(message)
        }
        Update::BetweenChunk { id, text } => SessionUpdate::SessionMessageChunk(
            acp::SessionMessageChunk::new(id.clone(), text.as_str().into()),
        ),
        Update::Opaque { json, .. } => serde_json::from_str(json).ok()?,
        Update::Terminal { .. }
        | Update::Lifecycle { .. }
        | Update::Name { .. }
        | Update::Stop(_)
        | Update::ReplayStart
        | Update::ReplayEnd => return None,
    })
}

/// A prompt's content as pieces of the user's message.
pub fn prompt(content: &[ContentBlock]) -> Vec<Update> {
    let piece = |block| Update::Chunk { role: Role::User, message: None, content: from_content(block) };
    content.iter().map(piece).collect()
}

fn from_chunk(role: Role, chunk: &ContentChunk) -> Update {
    Update::Chunk {
        role,
        message: chunk.message_id.as_ref().map(ToString::to_string),
        content: from_content(&chunk.content),
    }
}

#[allow(
    clippy::match_wildcard_for_single_variants,
    clippy::wildcard_enum_match_arm,
    reason = "the crate's enums grow"
)]
fn from_content(block: &ContentBlock) -> Content {
    match block {
        ContentBlock::Text(text) => Content::Text(text.text.clone()),
        other => Content::Attachment(attachment(other)),
    }
}

/// What can be said of content that is no text.
#[allow(
    clippy::match_wildcard_for_single_variants,
    clippy::wildcard_enum_match_arm,
    reason = "the crate's enums grow"
)]
fn attachment(block: &ContentBlock) -> Attachment {
    let new = |kind: &str, name: Option<&String>, uri: Option<&String>| Attachment {
        kind: kind.to_owned(),
        name: name.cloned().unwrap_or_default(),
        uri: uri.cloned(),
    };
    match block {
        ContentBlock::Image(image) => new("image", Some(&image.mime_type), image.uri.as_ref()),
        ContentBlock::Audio(audio) => new("audio", Some(&audio.mime_type), None),
        ContentBlock::ResourceLink(link) => new("resource_link", Some(&link.name), Some(&link.uri)),
        ContentBlock::Resource(resource) => match &resource.resource {
            EmbeddedResourceResource::TextResourceContents(text) => {
                new("resource", text.mime_type.as_ref(), Some(&text.uri))
            }
            EmbeddedResourceResource::BlobResourceContents(blob) => {
                new("resource", blob.mime_type.as_ref(), Some(&blob.uri))
            }
            _ => new("resource", None, None),
        },
        other => new(&tag(other, "type"), None, None),
    }
}

/// Content of a message between agents, which is text by custom; anything else is named.
fn readable(block: &ContentBlock) -> String {
    match from_content(block) {
        Content::Text(text) => text,
        Content::Attachment(Attachment { kind, name, uri }) => {
            format!("[{kind} {name}]({})", uri.unwrap_or_default())
        }
    }
}

fn to_content(content: &Content) -> Option<ContentBlock> {
    match content {
        Content::Text(text) => Some(text.as_str().into()),
        Content::Attachment(attachment) => to_block(attachment),
    }
}

/// Images and sounds come back without their data, resources without their text.
fn to_block(attachment: &Attachment) -> Option<ContentBlock> {
    let Attachment { kind, name, uri } = attachment;
    let (name, uri) = (Value::from(name.as_str()), uri.as_deref());
    let kind_of = ("type", Value::from(kind.as_str()));
    let fields = match kind.as_str() {
        "image" => match uri {
            Some(uri) => object([kind_of, ("mimeType", name), ("data", "".into()), ("uri", uri.into())]),
            None => object([kind_of, ("mimeType", name), ("data", "".into())]),
        },
        "audio" => object([kind_of, ("mimeType", name), ("data", "".into())]),
        "resource_link" => object([kind_of, ("name", name), ("uri", uri?.into())]),
        "resource" => {
            let inner = object([("mimeType", name), ("uri", uri?.into()), ("text", "".into())]);
            object([kind_of, ("resource", Value::Object(inner))])
        }
        _ => return None,
    };
    serde_json::from_value(Value::Object(fields)).ok()
}

fn from_fields(fields: &acp::ToolCallUpdateFields) -> ToolCall {
    let mut more = Map::new();
    let mut keep = |name: &str, value: Option<&Value>| {
        if let Some(value) = value {
            more.insert(name.to_owned(), value.clone());
        }
    };
    keep("name", fields.name.as_ref().map(|name| Value::from(name.as_str())).as_ref());
    keep("rawInput", fields.raw_input.as_ref());
    keep("rawOutput", fields.raw_output.as_ref());
    ToolCall {
        title: fields.title.clone(),
        kind: fields.kind.as_ref().map(word),
        status: fields.status.as_ref().map(word),
        content: fields.content.as_ref().map(|content| content.iter().map(from_tool_content).collect()),
        places: fields.locations.as_ref().map(|places| places.iter().map(place).collect()),
        more: (!more.is_empty()).then(|| bounded(Value::Object(more).to_string())),
    }
}

fn to_fields(call: &ToolCall) -> acp::ToolCallUpdateFields {
    let more: Map<String, Value> =
        call.more.as_deref().and_then(|more| serde_json::from_str(more).ok()).unwrap_or_default();
    acp::ToolCallUpdateFields::new()
        .title(call.title.clone())
        .kind(call.kind.as_deref().and_then(from_word::<acp::ToolKind>))
        .status(call.status.as_deref().and_then(from_word::<acp::ToolCallStatus>))
        .content(
            call.content
                .as_ref()
                .map(|content| content.iter().filter_map(to_tool_content).collect::<Vec<_>>()),
        )
        .locations(
            call.places.as_ref().map(|places| places.iter().map(|text| to_place(text)).collect::<Vec<_>>()),
        )
        .name(more.get("name").and_then(Value::as_str).map(str::to_owned))
        .raw_input(more.get("rawInput").cloned())
        .raw_output(more.get("rawOutput").cloned())
}

/// A file and perhaps a line, as people write it.
fn place(location: &acp::ToolCallLocation) -> String {
    match location.line {
        Some(line) => format!("{}:{line}", location.path.display()),
        None => location.path.display().to_string(),
    }
}

fn to_place(text: &str) -> acp::ToolCallLocation {
    match text.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse::<u32>().ok()?))) {
        Some((path, line)) => acp::ToolCallLocation::new(path).line(line),
        None => acp::ToolCallLocation::new(text),
    }
}

fn from_tool_content(content: &ToolCallContent) -> ToolContent {
    match content {
        ToolCallContent::Content(content) => match from_content(&content.content) {
            Content::Text(text) => ToolContent::Text(text),
            Content::Attachment(attachment) => ToolContent::Attachment(attachment),
        },
        ToolCallContent::Diff(diff) => ToolContent::Diff {
            path: diff.path.display().to_string(),
            old: diff.old_text.clone(),
            new: diff.new_text.clone(),
        },
        ToolCallContent::Terminal(terminal) => ToolContent::Terminal {
            id: terminal.terminal_id.to_string(),
            command: String::new(),
            output: String::new(),
            exit: None,
        },
        other => {
            ToolContent::Attachment(Attachment { kind: tag(other, "type"), name: String::new(), uri: None })
        }
    }
}

fn to_tool_content(content: &ToolContent) -> Option<ToolCallContent> {
    Some(match content {
        ToolContent::Text(text) => ContentBlock::from(text.as_str()).into(),
        ToolContent::Diff { path, old, new } => {
            acp::Diff::new(PathBuf::from(path), new.as_str()).old_text(old.clone()).into()
        }
        ToolContent::Terminal { id, .. } => ToolCallContent::Terminal(acp::Terminal::new(id.clone())),
        ToolContent::Attachment(attachment) => to_block(attachment)?.into(),
    })
}

/// An enum of plain words, as ACP writes it.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn from_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::from(word)).ok()
}

/// The field that says which variant it is.
fn tag(value: &impl serde::Serialize, field: &str) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.get(field).and_then(Value::as_str).unwrap_or("unknown").to_owned()
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn patch<T, U>(value: &MaybeUndefined<T>, read: impl FnOnce(&T) -> U) -> Patch<U> {
    match value {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(value) => Patch::Set(read(value)),
    }
}

/// An id that is too long to be told from others is none.
fn patch_agent(value: &MaybeUndefined<acp::SessionId>) -> Patch<AgentId> {
    match patch(value, |id| AgentId::new(&id.0)) {
        Patch::Keep => Patch::Keep,
        Patch::Clear | Patch::Set(None) => Patch::Clear,
        Patch::Set(Some(id)) => Patch::Set(id),
    }
}

fn unpatch<T, U>(value: &Patch<T>, write: impl FnOnce(&T) -> U) -> MaybeUndefined<U> {
    match value {
        Patch::Keep => MaybeUndefined::Undefined,
        Patch::Clear => MaybeUndefined::Null,
        Patch::Set(value) => MaybeUndefined::Value(write(value)),
    }
}

#[cfg(test)]
mod tests;
