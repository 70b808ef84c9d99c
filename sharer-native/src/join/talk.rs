//! The transcript as lines.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use shared::conversation::{Block, Role, ToolContent, Transcript};
use unicode_width::UnicodeWidthChar as _;

use super::find::Seam;

/// The newest lines of a transcript, `count` of them if it has so many, wrapped to so many columns; the newest last.
pub(super) fn lines(transcript: &Transcript, columns: usize, count: usize) -> Vec<(Line<'static>, Seam)> {
    let mut newest_first: Vec<(Line<'static>, Seam)> = Vec::new();
    for (_, _, block) in transcript.blocks().rev() {
        if newest_first.len() >= count {
            break;
        }
        let mut of_block = Vec::new();
        for (text, style) in texts(block, transcript) {
            wrap(&text, style, columns, &mut of_block);
        }
        if !of_block.is_empty() {
            newest_first.extend(of_block.into_iter().rev());
            newest_first.push((Line::default(), Seam::End));
        }
    }
    newest_first.reverse();
    let excess = newest_first.len().saturating_sub(count);
    newest_first.split_off(excess)
}

/// A block's paragraphs.
fn texts(block: &Block, transcript: &Transcript) -> Vec<(String, Style)> {
    let plain = Style::new();
    let head = plain.add_modifier(Modifier::BOLD);
    let quiet = plain.fg(Color::DarkGray);
    match block {
        Block::Message(message) => {
            let (who, style) = match message.role {
                Role::User => ("❯ ", head),
                Role::Agent => ("", plain),
                Role::Thought => ("· ", quiet.add_modifier(Modifier::ITALIC)),
            };
            let who = if message.continues { "" } else { who };
            vec![(format!("{who}{}", message.text), style)]
        }
        Block::Attachment(_, attachment) => {
            let uri = attachment.uri.as_deref().unwrap_or_default();
            vec![(format!("[{}] {} {uri}", attachment.kind, attachment.name), quiet)]
        }
        Block::Tool(call) => {
            let status = call.status.as_deref().unwrap_or("pending").replace('_', " ");
            let title = call.title.as_deref().unwrap_or("Tool call");
            let mut texts = vec![(format!("⚙ {title} ({status})"), head)];
            for content in call.content.iter().flatten() {
                match content {
                    ToolContent::Text(text) => texts.push((text.clone(), quiet)),
                    ToolContent::Diff { path, .. } => texts.push((format!("  changes {path}"), quiet)),
                    ToolContent::Terminal { command, output, exit, .. } => {
                        texts.push((format!("  $ {command}"), quiet));
                        texts.push((output.clone(), quiet));
                        texts.extend(exit.iter().map(|exit| (format!("  ended: {exit}"), quiet)));
                    }
                    ToolContent::Attachment(attachment) => {
                        texts.push((format!("  [{}] {}", attachment.kind, attachment.name), quiet));
                    }
                }
            }
            texts
        }
        Block::Plan(entries) => entries
            .iter()
            .map(|entry| {
                let sign = match entry.status.as_str() {
                    "completed" => "✓",
                    "in_progress" => "●",
                    _ => "○",
                };
                (format!("{sign} {}", entry.content), plain)
            })
            .collect(),
        Block::Between(between) => {
            let name = |id: &Option<_>| id.as_ref().map(|id| transcript.name(id)).unwrap_or_default();
            vec![
                (format!("{} → {}", name(&between.from), name(&between.to)), head),
                (between.text.clone(), plain),
            ]
        }
        Block::Subagent(agent) => {
            let state = match agent.state.as_deref() {
                None => "started".to_owned(),
                Some("requires_action") => "needs a person".to_owned(),
                Some(state) => state.replace('_', " "),
            };
            let why = agent.description.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            vec![(format!("{} {state}{why}", transcript.name(&agent.id)), head)]
        }
        Block::Notice(text) => vec![(text.clone(), quiet)],
        Block::Stop(reason) if reason == "end_turn" => Vec::new(),
        Block::Stop(reason) => vec![(format!("Stopped: {}", reason.replace('_', " ")), quiet)],
        Block::Opaque { kind, .. } => vec![(format!("[{}]", kind.replace('_', " ")), quiet)],
        Block::Unknown => vec![("Something that this version is too old to show.".to_owned(), quiet)],
    }
}

/// Wraps at blanks where there are some.
fn wrap(text: &str, style: Style, columns: usize, out: &mut Vec<(Line<'static>, Seam)>) {
    let columns = columns.max(2);
    let mut end = |line: String, seam| out.push((Line::from(Span::styled(line, style)), seam));
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut used = 0;
        // The last blank of the line, as a place in it.
        let mut blank = None;
        for c in paragraph.chars().filter(|c| !c.is_control() || *c == '\t') {
            let c = if c == '\t' { ' ' } else { c };
            let width = c.width().unwrap_or(0);
            if used + width > columns && c == ' ' {
                end(std::mem::take(&mut line), Seam::Blank);
                (used, blank) = (0, None);
                continue;
            }
            if used + width > columns {
                let (rest, seam) = match blank.take() {
                    Some(at) => (line.split_off(at).trim_start().to_owned(), Seam::Blank),
                    None => (String::new(), Seam::Within),
                };
                end(std::mem::replace(&mut line, rest), seam);
                used = line.chars().map(|c| c.width().unwrap_or(0)).sum();
            }
            if c == ' ' {
                blank = Some(line.len());
            }
            line.push(c);
            used += width;
        }
        end(line, Seam::End);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::conversation::{Content, Conversation, Update};

    fn text(lines: &[(Line<'_>, Seam)]) -> Vec<String> {
        lines.iter().map(|(line, _)| line.to_string()).collect()
    }

    #[test]
    fn lines_wrap_at_blanks_and_nothing_is_wider_than_its_room() {
        let mut out = Vec::new();
        wrap("a few words that wrap\nunbreakablelonglines 漢字漢字\u{1b}[31m", Style::new(), 10, &mut out);
        assert_eq!(
            text(&out),
            ["a few", "words that", "wrap", "unbreakabl", "elonglines", "漢字漢字[3", "1m"]
        );
        let seams: Vec<Seam> = out.iter().map(|(_, seam)| *seam).collect();
        assert_eq!(
            seams,
            [Seam::Blank, Seam::Blank, Seam::End, Seam::Within, Seam::Blank, Seam::Within, Seam::End]
        );
    }

    #[test]
    fn the_newest_lines_are_the_last() {
        let mut conversation = Conversation::default();
        for n in 0..50 {
            let content = Content::Text(format!("message {n}"));
            conversation.update(Update::Chunk { role: Role::Agent, message: Some(n.to_string()), content });
        }
        let shown = text(&lines(conversation.transcript(), 40, 5));
        assert_eq!(shown, ["message 47", "", "message 48", "", "message 49"]);
        assert_eq!(lines(conversation.transcript(), 40, 10_000).len(), 100);
    }
}
