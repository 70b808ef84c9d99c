//! Draws a transcript's blocks into the page, each anew only when it changed.
//!
//! By hand instead of by views: there may be thousands of blocks, and one changes at every word. All text goes in as
//! text nodes; nothing of a stranger's is ever read as HTML.

use shared::conversation::{Attachment, Block, Message, PlanEntry, Role, ToolCall, ToolContent, Transcript};
use shared::markdown::{self, Node, Shape};
use shared::ordered::Ordered;
use web_sys::{Document, Element};

/// Blocks in the page at first, and how many more are drawn when the reader comes to the oldest of them: several
/// screens of short ones, and little enough to be there at once.
pub(super) const WINDOW: usize = 64;
/// Lines around a change that a diff shows.
const AROUND: usize = 2;

/// What is in the page.
#[derive(Debug)]
pub(super) struct Drawing {
    host: Element,
    document: Document,
    /// Each block's element, with what it was drawn from: its last change, and the names in it.
    drawn: Ordered<u32, (u64, String, Element)>,
}

impl Drawing {
    pub(super) fn new(host: Element, document: Document) -> Self {
        Self { host, document, drawn: Ordered::default() }
    }

    /// The element of a block that is in the page.
    pub(super) fn element(&self, at: u32) -> Option<&Element> {
        self.drawn.get(&at).map(|(_, _, element)| element)
    }

    /// Brings the page to the newest `count` blocks of `transcript`.
    pub(super) fn draw(&mut self, transcript: &Transcript, count: usize) {
        let skipped = transcript.len().saturating_sub(count);
        let first = transcript.blocks().nth(skipped).map_or(u32::MAX, |(at, _, _)| at);
        self.drawn.retain(|at, (_, _, element)| {
            let stays = *at >= first && transcript.block(*at).is_some();
            if !stays {
                element.remove();
            }
            stays
        });
        for (at, revision, block) in transcript.blocks().skip(skipped) {
            let names = names(block, transcript);
            if self.drawn.get(&at).is_some_and(|(drawn, called, _)| *drawn == revision && *called == names) {
                continue;
            }
            let Some(element) = self.build(block, &names) else { continue };
            if let Some((_, _, old)) = self.drawn.get(&at) {
                // What a reader opened stays open.
                if let (Ok(Some(_)), Ok(Some(new))) =
                    (old.query_selector("details[open]"), element.query_selector("details"))
                {
                    drop(new.set_attribute("open", ""));
                }
                drop(old.replace_with_with_node_1(&element));
            } else {
                let next = self.drawn.at_or_behind(&at).map(|(_, _, element)| element);
                drop(self.host.insert_before(&element, next.map(AsRef::as_ref)));
            }
            self.drawn.insert(at, (revision, names, element));
        }
    }

    fn make(&self, tag: &str, class: &str) -> Option<Element> {
        let element = self.document.create_element(tag).ok()?;
        if !class.is_empty() {
            element.set_class_name(class);
        }
        Some(element)
    }

    /// A new element at the end of `parent`.
    fn add(&self, parent: &Element, tag: &str, class: &str) -> Option<Element> {
        let element = self.make(tag, class)?;
        parent.append_with_node_1(&element).ok()?;
        Some(element)
    }

    /// The same, with text in it.
    fn say(&self, parent: &Element, tag: &str, class: &str, text: &str) -> Option<Element> {
        let element = self.add(parent, tag, class)?;
        element.set_text_content(Some(text));
        // A stranger's text decides its own direction and nobody else's.
        element.set_attribute("dir", "auto").ok()?;
        Some(element)
    }

    /// A part that is folded until a reader opens it.
    fn fold(&self, parent: &Element, title: &str) -> Option<Element> {
        let details = self.add(parent, "details", "")?;
        self.say(&details, "summary", "", title)?;
        Some(details)
    }

    fn build(&self, block: &Block, names: &str) -> Option<Element> {
        let element = self.make("article", "block")?;
        let kind = |kind: &str| element.set_attribute("data-kind", kind);
        match block {
            Block::Message(Message { role, text, continues }) => {
                let word = match role {
                    Role::User => "user",
                    Role::Agent => "agent",
                    Role::Thought => "thought",
                };
                kind(word).ok()?;
                if *continues {
                    element.set_class_name("block continues");
                }
                match role {
                    Role::Thought => {
                        let inner = self.fold(&element, "Thinking")?;
                        self.markdown(&inner, text)?;
                    }
                    Role::User => drop(self.say(&element, "div", "said", text)?),
                    Role::Agent => self.markdown(&element, text)?,
                }
            }
            Block::Attachment(_, attachment) => {
                kind("attachment").ok()?;
                self.attachment(&element, attachment)?;
            }
            Block::Tool(call) => {
                kind("tool").ok()?;
                self.tool(&element, call)?;
            }
            Block::Plan(entries) => {
                kind("plan").ok()?;
                self.plan(&element, entries)?;
            }
            Block::Between(between) => {
                kind("between").ok()?;
                self.say(&element, "div", "names", names)?;
                self.markdown(&element, &between.text)?;
            }
            Block::Subagent(subagent) => {
                kind("lifecycle").ok()?;
                let state = match subagent.state.as_deref() {
                    None => "started".to_owned(),
                    Some("requires_action") => "needs a person".to_owned(),
                    Some(state) => state.replace('_', " "),
                };
                self.say(&element, "span", "names", names)?;
                self.say(&element, "span", "state", &state)?;
                if let Some(description) = &subagent.description {
                    self.say(&element, "div", "", description)?;
                }
            }
            Block::Notice(text) => {
                kind("notice").ok()?;
                self.say(&element, "div", "", text)?;
            }
            Block::Stop(reason) => {
                kind("stop").ok()?;
                if reason != "end_turn" {
                    self.say(&element, "div", "", &format!("Stopped: {}", reason.replace('_', " ")))?;
                }
            }
            Block::Opaque { kind: name, json } => {
                kind("opaque").ok()?;
                let inner = self.fold(&element, &name.replace('_', " "))?;
                self.say(&inner, "pre", "", json)?;
            }
            Block::Unknown => {
                kind("notice").ok()?;
                self.say(&element, "div", "", "Something that this page is too old to show.")?;
            }
        }
        Some(element)
    }

    fn tool(&self, parent: &Element, call: &ToolCall) -> Option<()> {
        let status = call.status.as_deref().unwrap_or("pending");
        parent.set_attribute("data-status", status).ok()?;
        let details = self.add(parent, "details", "")?;
        let summary = self.add(&details, "summary", "")?;
        self.say(&summary, "span", "call", call.title.as_deref().unwrap_or("Tool call"))?;
        self.say(&summary, "span", "state", &status.replace('_', " "))?;
        for place in call.places.iter().flatten() {
            self.say(&details, "code", "place", place)?;
        }
        for content in call.content.iter().flatten() {
            match content {
                ToolContent::Text(text) => self.markdown(&details, text)?,
                ToolContent::Diff { path, old, new } => {
                    self.say(&details, "code", "place", path)?;
                    self.diff(&details, old.as_deref().unwrap_or_default(), new)?;
                }
                ToolContent::Terminal { command, output, exit, .. } => {
                    let shell = self.add(&details, "div", "shell")?;
                    self.say(&shell, "pre", "command", command)?;
                    self.say(&shell, "pre", "", output)?;
                    if let Some(exit) = exit {
                        self.say(&shell, "div", "state", &format!("exit {exit}"))?;
                    }
                }
                ToolContent::Attachment(attachment) => self.attachment(&details, attachment)?,
            }
        }
        if let Some(more) = &call.more {
            let inner = self.fold(&details, "Details")?;
            self.say(&inner, "pre", "", more)?;
        }
        Some(())
    }

    fn plan(&self, parent: &Element, entries: &[PlanEntry]) -> Option<()> {
        let list = self.add(parent, "ul", "")?;
        for entry in entries {
            let item = self.say(&list, "li", "", &entry.content)?;
            item.set_attribute("data-status", &entry.status).ok()?;
            item.set_attribute(
                "aria-label",
                &format!("{}: {}", entry.status.replace('_', " "), entry.content),
            )
            .ok()?;
        }
        Some(())
    }

    fn attachment(&self, parent: &Element, attachment: &Attachment) -> Option<()> {
        let Attachment { kind, name, uri } = attachment;
        let name = if name.is_empty() { kind } else { name };
        match uri.as_deref().and_then(markdown::safe) {
            Some(target) => self.link(parent, target)?.set_text_content(Some(name)),
            None => {
                drop(self.say(
                    parent,
                    "span",
                    "file",
                    &format!("{name} {}", uri.as_deref().unwrap_or("")),
                )?);
            }
        }
        Some(())
    }

    fn link(&self, parent: &Element, target: &str) -> Option<Element> {
        let link = self.add(parent, "a", "")?;
        for (name, value) in [
            ("href", target),
            // The real target, whatever the text says.
            ("title", target),
            ("target", "_blank"),
            ("rel", "noopener noreferrer"),
        ] {
            link.set_attribute(name, value).ok()?;
        }
        Some(link)
    }

    /// What is gone and what is new, with a little around it.
    fn diff(&self, parent: &Element, old: &str, new: &str) -> Option<()> {
        let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let rest = old.len().min(new.len()) - same;
        let tail =
            old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
        let pre = self.add(parent, "pre", "diff")?;
        let lines = |lines: &[&str], class: &str, mark: &str| -> Option<()> {
            for line in lines {
                let row = self.add(&pre, "span", class)?;
                row.set_text_content(Some(&format!("{mark}{line}\n")));
            }
            Some(())
        };
        lines(old.get(same.saturating_sub(AROUND)..same)?, "", "  ")?;
        lines(old.get(same..old.len() - tail)?, "gone", "- ")?;
        lines(new.get(same..new.len() - tail)?, "new", "+ ")?;
        let after = new.len() - tail;
        lines(new.get(after..(after + AROUND).min(new.len()))?, "", "  ")
    }

    fn markdown(&self, parent: &Element, text: &str) -> Option<()> {
        let body = self.add(parent, "div", "text")?;
        self.nodes(&body, &markdown::read(text))
    }

    fn nodes(&self, parent: &Element, nodes: &[Node]) -> Option<()> {
        for node in nodes {
            match node {
                Node::Text(text) => parent.append_with_str_1(text).ok()?,
                Node::Link(target, inner) => self.nodes(&self.link(parent, target)?, inner)?,
                Node::Of(shape, inner) => {
                    let tag = match shape {
                        Shape::Paragraph => "p",
                        // The page's own headings are above.
                        Shape::Heading(level) => {
                            ["h3", "h4", "h5"].get(usize::from(*level) - 1).unwrap_or(&"h6")
                        }
                        Shape::Quote => "blockquote",
                        Shape::List(true) => "ol",
                        Shape::List(false) => "ul",
                        Shape::Item => "li",
                        Shape::Code => "pre",
                        Shape::Table => "table",
                        Shape::Row => "tr",
                        Shape::Cell(true) => "th",
                        Shape::Cell(false) => "td",
                        Shape::Rule => "hr",
                        Shape::Strong => "strong",
                        Shape::Emphasis => "em",
                        Shape::Struck => "s",
                        Shape::Span => "code",
                    };
                    let element = self.add(parent, tag, "")?;
                    element.set_attribute("dir", "auto").ok()?;
                    self.nodes(&element, inner)?;
                }
            }
        }
        Some(())
    }
}

/// The names in a block as a line: they may change without it.
fn names(block: &Block, transcript: &Transcript) -> String {
    match block {
        Block::Between(between) => {
            let name = |id: &Option<_>| id.as_ref().map(|id| transcript.name(id));
            match (name(&between.from), name(&between.to)) {
                (Some(from), Some(to)) => format!("{from} → {to}"),
                (None, Some(to)) => format!("to {to}"),
                (from, None) => from.unwrap_or_default(),
            }
        }
        Block::Subagent(subagent) => transcript.name(&subagent.id),
        Block::Message(_)
        | Block::Attachment(..)
        | Block::Tool(_)
        | Block::Plan(_)
        | Block::Notice(_)
        | Block::Stop(_)
        | Block::Opaque { .. }
        | Block::Unknown => String::new(),
    }
}
