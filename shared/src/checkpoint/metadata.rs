//! What the records of a checkpoint say: one for each session, and one for the whole.

use core::ops::Add;

use serde::{Deserialize, Serialize};

use super::id::{CheckpointId, Name};
use super::layout::{self, Store};
use super::record::{Malformed, Record, raw};

/// How a checkpoint came to be; upstream knows this one.
pub const STRATEGY: &str = "manual-commit";

/// The keys of a checkpoint's record, in upstream's order.
const ROOT_KEYS: &[&str] = &[
    "cli_version",
    "checkpoint_version",
    "checkpoint_id",
    "strategy",
    "branch",
    "checkpoints_count",
    "files_touched",
    "sessions",
    "token_usage",
    "combined_attribution",
    "has_review",
    "has_investigation",
    "imported",
    "commit_sha",
];

/// The keys of a session's record, in upstream's order.
const SESSION_KEYS: &[&str] = &[
    "cli_version",
    "checkpoint_id",
    "session_id",
    "strategy",
    "created_at",
    "branch",
    "checkpoints_count",
    "save_step_count",
    "files_touched",
    "agent",
    "model",
    "turn_id",
    "is_task",
    "tool_use_id",
    "transcript_identifier_at_start",
    "checkpoint_transcript_start",
    "transcript_lines_at_start",
    "token_usage",
    "session_metrics",
    "summary",
    "initial_attribution",
    "prompt_attributions",
];

/// The keys of one session's files in a checkpoint's record.
const POINTER_KEYS: &[&str] = &["metadata", "transcript", "compact_transcript", "content_hash", "prompt"];

/// Tokens, as agents count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenUsage {
    /// Read anew.
    pub input_tokens: u64,
    /// Written into a cache.
    pub cache_creation_tokens: u64,
    /// Read from a cache.
    pub cache_read_tokens: u64,
    /// Written by the model.
    pub output_tokens: u64,
    /// Requests to the model.
    pub api_call_count: u64,
}

impl Add for TokenUsage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cache_creation_tokens: self.cache_creation_tokens.saturating_add(other.cache_creation_tokens),
            cache_read_tokens: self.cache_read_tokens.saturating_add(other.cache_read_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            api_call_count: self.api_call_count.saturating_add(other.api_call_count),
        }
    }
}

/// What is known of a session that is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// The version of the program that attaches.
    pub cli_version: String,
    /// Which session.
    pub session_id: Name,
    /// RFC 3339 in UTC.
    pub created_at: String,
    /// The branch it is attached on.
    pub branch: Option<String>,
    /// Upstream's counter of its own intermediate saves; 1 for an attach.
    pub checkpoints_count: u64,
    /// Paths with `/`, relative to the repository.
    pub files_touched: Vec<String>,
    /// The agent's display name.
    pub agent: Option<String>,
    /// The model's name, empty if unknown.
    pub model: String,
    /// What it used, if its transcript tells.
    pub token_usage: Option<TokenUsage>,
}

impl NewSession {
    /// Its record, over the one it had: what we do not know stays.
    pub fn record(&self, id: &CheckpointId, old: Option<&Record>) -> Record {
        let mut record = old.cloned().unwrap_or_default();
        let mut set = Setter { record: &mut record, order: SESSION_KEYS };
        set.text("cli_version", &self.cli_version);
        set.text("checkpoint_id", id.as_str());
        set.text("session_id", self.session_id.as_str());
        set.text("strategy", STRATEGY);
        set.text("created_at", &self.created_at);
        set.text("branch", self.branch.as_deref().unwrap_or_default());
        set.value("checkpoints_count", &self.checkpoints_count);
        set.list("files_touched", &self.files_touched);
        set.text("agent", self.agent.as_deref().unwrap_or_default());
        set.value("model", &self.model);
        if let Some(usage) = &self.token_usage {
            set.value("token_usage", usage);
        } else {
            set.record.remove("token_usage");
        }
        record
    }
}

/// Sets keys of a record as Go's encoder leaves them.
struct Setter<'a> {
    record: &'a mut Record,
    order: &'static [&'static str],
}

impl Setter<'_> {
    fn value(&mut self, key: &str, value: &impl Serialize) {
        self.record.set(key, value, self.order);
    }

    /// An empty text is left out.
    fn text(&mut self, key: &str, value: &str) {
        if value.is_empty() { self.record.remove(key) } else { self.value(key, &value) }
    }

    /// An empty list is `null`.
    fn list(&mut self, key: &str, value: &[String]) {
        if value.is_empty() { self.value(key, &()) } else { self.value(key, &value) }
    }
}

/// The id of a session's record.
pub fn session_id(record: &Record) -> Result<Name, Malformed> {
    Name::parse(&record.get::<String>("session_id")?).ok_or(Malformed::Field("session_id"))
}

/// Of which checkpoint a record is; upstream fails on any other value, so we do.
pub fn checkpoint_id(record: &Record) -> Result<CheckpointId, Malformed> {
    CheckpointId::parse(&record.get::<String>("checkpoint_id")?).ok_or(Malformed::Field("checkpoint_id"))
}

/// The files of each session that a checkpoint's record lists, in the order of slots.
pub fn sessions(root: &Record) -> Result<Vec<Record>, Malformed> {
    root.get("sessions")
}

/// What a checkpoint's record says of a session's files.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// The session's record.
    pub record: &'a Record,
    /// Whether its transcript is there.
    pub transcript: bool,
    /// Whether the transcript's hash is.
    pub hash: bool,
    /// Whether its prompts are there.
    pub prompt: bool,
}

/// The record of a checkpoint with these sessions, over the one it had: sums and unions are made anew (CHECKPOINTS 13),
/// strategy, branch and version are those of `last`, the session written last. In v1 what is said of the files of others
/// stays as it is.
pub fn root(
    id: &CheckpointId,
    old: Option<&Record>,
    listed: &[Listed<'_>],
    last: usize,
    store: Store,
) -> Result<Record, Malformed> {
    let mut root = old.cloned().unwrap_or_default();
    let pointers = old.map(sessions).transpose()?.unwrap_or_default();
    let mut count = 0_u64;
    let mut files = Vec::new();
    let mut usage: Option<TokenUsage> = None;
    for Listed { record, .. } in listed {
        count = count.saturating_add(record.get("checkpoints_count")?);
        files.extend(
            record.get::<Vec<String>>("files_touched")?.into_iter().map(|path| path.replace('\\', "/")),
        );
        if let Some(own) = record.get::<Option<TokenUsage>>("token_usage")? {
            usage = Some(usage.unwrap_or_default() + own);
        }
    }
    files.sort_unstable();
    files.dedup();
    let mut set = Setter { record: &mut root, order: ROOT_KEYS };
    if let Some(Listed { record, .. }) = listed.get(last) {
        for key in ["cli_version", "strategy", "branch"] {
            set.text(key, &record.get::<String>(key)?);
        }
    }
    set.text("checkpoint_id", id.as_str());
    set.value("checkpoints_count", &count);
    set.list("files_touched", &files);
    let entries = listed.iter().enumerate().map(|(slot, listed)| {
        let own = pointers.get(slot);
        if let Some(own) = own.filter(|_| store == Store::V1 && slot != last) {
            return own.text(2);
        }
        let mut entry = own.cloned().unwrap_or_default();
        if store == Store::V1 {
            // A new transcript took it away.
            entry.remove("compact_transcript");
        }
        let mut set = Setter { record: &mut entry, order: POINTER_KEYS };
        let file = |name: &str| layout::pointer(id, &format!("{slot}/{name}"));
        set.text("metadata", &layout::pointer(id, &Store::record(slot)));
        set.text("transcript", &if listed.transcript { file(store.transcript()) } else { String::new() });
        set.text("content_hash", &if listed.hash { file(store.hash()) } else { String::new() });
        let prompt = if listed.prompt { layout::pointer(id, &Store::prompt(slot)) } else { String::new() };
        set.value("prompt", &prompt);
        entry.text(2)
    });
    let entries = entries.collect::<Vec<_>>().join(",\n    ");
    root.set_text("sessions", format!("[\n    {entries}\n  ]"), ROOT_KEYS);
    match usage {
        None => root.remove("token_usage"),
        Some(usage) => root.set_raw("token_usage", raw(&usage, 1), ROOT_KEYS),
    }
    Ok(root)
}

/// A checkpoint's record in v2: what v1's says, in v2's files. What v2's own had beyond that stays.
pub fn root_in_v2(
    id: &CheckpointId,
    v1: &Record,
    old: Option<&Record>,
    listed: &[Listed<'_>],
) -> Result<Record, Malformed> {
    let mut base = old.cloned().unwrap_or_default();
    for (key, value) in v1.entries() {
        base.set_raw(key, value.to_owned(), ROOT_KEYS);
    }
    base.remove("sessions");
    let mut root = root(id, Some(&base), listed, usize::MAX, Store::Main)?;
    for key in ["cli_version", "strategy", "branch"] {
        match v1.raw(key) {
            Some(value) => root.set_raw(key, value.to_owned(), ROOT_KEYS),
            None => root.remove(key),
        }
    }
    Ok(root)
}

/// A session's record in v2, from the one in v1: the start counts lines of the compact transcript there, and its twin is
/// not written. `old` is the record that v2 had; its summary may be newer than v1's and stays.
pub fn in_v2(record: &Record, old: Option<&Record>, start: Option<u64>) -> Record {
    let mut record = record.clone();
    record.remove("transcript_lines_at_start");
    match start.filter(|start| *start > 0) {
        None => record.remove("checkpoint_transcript_start"),
        Some(start) => record.set("checkpoint_transcript_start", &start, SESSION_KEYS),
    }
    if let Some(summary) = old.and_then(|old| old.raw("summary")) {
        record.set_raw("summary", summary.to_owned(), SESSION_KEYS);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of CHECKPOINTS 8.
    const SESSION: &str = r#"{
  "cli_version": "0.0.0-demo",
  "checkpoint_id": "7c1e0b9a42d5",
  "session_id": "11111111-aaaa-4bbb-8ccc-000000000001",
  "strategy": "manual-commit",
  "created_at": "2026-01-02T03:05:00Z",
  "checkpoints_count": 1,
  "files_touched": null,
  "agent": "Claude Code",
  "model": "demo-model",
  "token_usage": {
    "input_tokens": 10,
    "cache_creation_tokens": 0,
    "cache_read_tokens": 0,
    "output_tokens": 5,
    "api_call_count": 1
  }
}
"#;

    fn id() -> CheckpointId {
        CheckpointId::parse("7c1e0b9a42d5").unwrap()
    }

    fn session(name: &str, created_at: &str, tokens: (u64, u64)) -> NewSession {
        NewSession {
            cli_version: "0.0.0-demo".to_owned(),
            session_id: Name::parse(name).unwrap(),
            created_at: created_at.to_owned(),
            branch: None,
            checkpoints_count: 1,
            files_touched: Vec::new(),
            agent: Some("Claude Code".to_owned()),
            model: "demo-model".to_owned(),
            token_usage: Some(TokenUsage {
                input_tokens: tokens.0,
                output_tokens: tokens.1,
                api_call_count: 1,
                ..TokenUsage::default()
            }),
        }
    }

    #[test]
    fn the_records_of_the_worked_example_byte_for_byte() {
        let first = session("11111111-aaaa-4bbb-8ccc-000000000001", "2026-01-02T03:05:00Z", (10, 5));
        let second = session("22222222-aaaa-4bbb-8ccc-000000000002", "2026-01-02T04:05:00Z", (7, 3));
        let records = [first, second].map(|session| session.record(&id(), None));
        assert_eq!(String::from_utf8(records[0].encode()).unwrap(), SESSION);
        assert_eq!(records[0].encode().len(), 454);
        let listed =
            records.each_ref().map(|record| Listed { record, transcript: true, hash: true, prompt: true });
        // Lengths and words as in the specification; that the objects have its hashes is shown with git.
        for (store, length) in [(Store::V1, 769), (Store::Main, 787)] {
            let one = root(&id(), None, listed.get(..1).unwrap(), 0, store).unwrap();
            let both = root(&id(), Some(&one), &listed, 1, store).unwrap();
            let text = String::from_utf8(both.encode()).unwrap();
            assert_eq!(text.len(), length, "{text}");
            assert!(text.contains(
                "  \"sessions\": [\n    {\n      \"metadata\": \"/7c/1e0b9a42d5/0/metadata.json\",\n"
            ));
            assert!(text.contains("  \"token_usage\": {\n    \"input_tokens\": 17,\n"), "{text}");
            assert_eq!(Record::parse(text.as_bytes()).unwrap(), both);
        }
    }

    #[test]
    fn what_others_wrote_stays_and_sums_are_made_anew() {
        let old = r#"{
  "checkpoint_id": "7c1e0b9a42d5",
  "strategy": "auto",
  "checkpoints_count": 9,
  "files_touched": ["x"],
  "sessions": [
    {
      "metadata": "/7c/1e0b9a42d5/0/metadata.json",
      "context": "/7c/1e0b9a42d5/0/context.md",
      "prompt": ""
    }
  ],
  "combined_attribution": {"agent_lines": 3},
  "later": [1,  2]
}
"#;
        let old = Record::parse(old.as_bytes()).unwrap();
        let mut first = session("a", "2026-01-02T03:05:00Z", (1, 1));
        first.files_touched = vec!["b".to_owned(), "a".to_owned()];
        let first = first.record(&id(), None);
        let second =
            Record::parse(br#"{"session_id":"b","checkpoints_count":2,"files_touched":["a","c\\d"]}"#)
                .unwrap();
        let listed =
            [&first, &second].map(|record| Listed { record, transcript: false, hash: false, prompt: false });
        let root = root(&id(), Some(&old), &listed, 0, Store::V1).unwrap();
        let text = String::from_utf8(root.encode()).unwrap();
        for part in [
            "  \"strategy\": \"manual-commit\",",
            "  \"checkpoints_count\": 3,",
            "\"a\",\n    \"b\",\n    \"c/d\"\n",
            "\"context\": \"/7c/1e0b9a42d5/0/context.md\"",
            "  \"combined_attribution\": {\"agent_lines\": 3},",
            "  \"later\": [1,  2]\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("transcript"), "{text}");
    }

    #[test]
    fn in_v2_a_summary_that_is_there_stays_and_the_start_counts_other_lines() {
        let v1 =
            br#"{"session_id":"a","checkpoint_transcript_start":40,"transcript_lines_at_start":40,"odd":1}"#;
        let v1 = Record::parse(v1).unwrap();
        let old = Record::parse(br#"{"summary":{"intent":"x"}}"#).unwrap();
        let v2 = in_v2(&v1, Some(&old), Some(7));
        assert_eq!(v2.get::<u64>("checkpoint_transcript_start"), Ok(7));
        assert!(v2.raw("transcript_lines_at_start").is_none() && v2.raw("odd").is_some());
        assert_eq!(v2.raw("summary").unwrap().get(), r#"{"intent":"x"}"#);
        assert!(in_v2(&v1, None, Some(0)).raw("checkpoint_transcript_start").is_none());
    }
}
