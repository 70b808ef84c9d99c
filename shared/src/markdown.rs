//! The Markdown that agents write, as a tree of few shapes: what it holds can be drawn, and nothing else exists.
//!
//! A subset, because most of the language is for authors of pages: headings, paragraphs, lists, quotes, tables, code,
//! emphasis and links. Everything else is text as it stands, HTML included. Links are `http`, `https` and `mailto`.
//! Bounds: nesting is at most [`DEEPEST`]; emphasis and links span few characters, so that reading is linear.

/// How deep lists and quotes nest; what is deeper is text.
const DEEPEST: usize = 6;
/// The longest emphasis, link text or target, in bytes.
const LONGEST_SPAN: usize = 2_000;

/// A shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A paragraph; its line breaks are kept.
    Paragraph,
    /// A heading of some level, from 1.
    Heading(u8),
    /// A quote.
    Quote,
    /// A list, numbered or not.
    List(bool),
    /// An item of a list.
    Item,
    /// A block of code.
    Code,
    /// A table.
    Table,
    /// A row of a table.
    Row,
    /// A cell of a row, of its head or not.
    Cell(bool),
    /// A line across.
    Rule,
    /// Strong emphasis.
    Strong,
    /// Emphasis.
    Emphasis,
    /// Struck out.
    Struck,
    /// Code within text.
    Span,
}

/// A part of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Text.
    Text(String),
    /// Something of a shape.
    Of(Shape, Vec<Self>),
    /// A link: its target and what is shown.
    Link(String, Vec<Self>),
}

/// Reads `text`.
pub fn read(text: &str) -> Vec<Node> {
    let lines: Vec<&str> = text.lines().collect();
    blocks(&lines, 0)
}

fn blocks(lines: &[&str], depth: usize) -> Vec<Node> {
    let mut out = Vec::new();
    let mut rest = lines;
    while let Some((&line, after)) = rest.split_first() {
        let trimmed = line.trim_start();
        if trimmed.is_empty() {
            rest = after;
        } else if let Some(fence) = fence(trimmed) {
            let end = after.iter().position(|line| line.trim() == fence).unwrap_or(after.len());
            let code = after.get(..end).unwrap_or_default().join("\n");
            out.push(Node::Of(Shape::Code, vec![Node::Text(code)]));
            rest = after.get(end + 1..).unwrap_or_default();
        } else if let Some((level, title)) = heading(trimmed) {
            out.push(Node::Of(Shape::Heading(level), inline(title)));
            rest = after;
        } else if is_rule(trimmed) {
            out.push(Node::Of(Shape::Rule, Vec::new()));
            rest = after;
        } else if let Some(row) = table(rest) {
            let count = rest.iter().take_while(|line| line.trim_start().starts_with('|')).count();
            out.push(row);
            rest = rest.get(count..).unwrap_or_default();
        } else if depth < DEEPEST && trimmed.starts_with('>') {
            let count = rest.iter().take_while(|line| line.trim_start().starts_with('>')).count();
            let (quoted, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let inner: Vec<&str> = quoted
                .iter()
                .map(|line| {
                    let line = line.trim_start().strip_prefix('>').unwrap_or(line);
                    line.strip_prefix(' ').unwrap_or(line)
                })
                .collect();
            out.push(Node::Of(Shape::Quote, blocks(&inner, depth + 1)));
            rest = behind;
        } else if let (true, Some((ordered, _))) = (depth < DEEPEST, marker(line)) {
            let (list, behind) = list(rest, ordered, depth);
            out.push(list);
            rest = behind;
        } else {
            let count = 1 + after.iter().take_while(|line| !begins_block(line)).count();
            let (paragraph, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let text: Vec<&str> = paragraph.iter().map(|line| line.trim()).collect();
            out.push(Node::Of(Shape::Paragraph, inline(&text.join("\n"))));
            rest = behind;
        }
    }
    out
}

/// The mark that closes a block of code which begins here.
fn fence(line: &str) -> Option<&str> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.len() - line.trim_start_matches(mark).len();
    let (fence, info) = line.split_at_checked(length)?;
    (length >= 3 && !info.contains('`')).then_some(fence)
}

fn heading(line: &str) -> Option<(u8, &str)> {
    let title = line.trim_start_matches('#');
    let level = u8::try_from(line.len() - title.len()).ok().filter(|level| (1..=6).contains(level))?;
    Some((level, title.strip_prefix(' ')?.trim().trim_end_matches('#').trim_end()))
}

fn is_rule(line: &str) -> bool {
    let line = line.trim_end();
    let all = |mark: char| line.len() >= 3 && line.chars().all(|c| c == mark);
    all('-') || all('*') || all('_')
}

/// Whether a list is numbered, and where an item's text begins, counted from the line's begin.
fn marker(line: &str) -> Option<(bool, usize)> {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    if let Some(rest) = text.strip_prefix(['-', '*', '+']) {
        return rest.starts_with(' ').then_some((false, indent + 2));
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - rest.len();
    let numbered = (1..=9).contains(&digits) && (rest.starts_with(". ") || rest.starts_with(") "));
    numbered.then_some((true, indent + digits + 2))
}

fn begins_block(line: &str) -> bool {
    let trimmed = line.trim_start();
    trimmed.is_empty()
        || trimmed.starts_with('>')
        || fence(trimmed).is_some()
        || heading(trimmed).is_some()
        || is_rule(trimmed)
        || marker(line).is_some()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn list<'a, 'b>(lines: &'b [&'a str], ordered: bool, depth: usize) -> (Node, &'b [&'a str]) {
    let level = lines.first().map_or(0, |line| indent(line));
    let mut items = Vec::new();
    let mut rest = lines;
    while let Some((&line, after)) = rest.split_first() {
        let Some((_, at)) = marker(line).filter(|(kind, _)| *kind == ordered && indent(line) <= level + 1)
        else {
            break;
        };
        // An item goes on with what is indented further, blank lines between included.
        let mut count = 0;
        for (number, line) in after.iter().enumerate() {
            if !line.trim().is_empty() {
                if indent(line) <= level + usize::from(marker(line).is_some())
                    && (begins_block(line) || count < number)
                {
                    break;
                }
                count = number + 1;
            }
        }
        let (inner, behind) = after.split_at_checked(count).unwrap_or((after, &[]));
        let first = line.get(at..).unwrap_or_default();
        let strip = |line: &&'a str| line.get(indent(line).min(at)..).unwrap_or(line);
        let inner: Vec<&str> = std::iter::once(first).chain(inner.iter().map(strip)).collect();
        items.push(Node::Of(Shape::Item, blocks(&inner, depth + 1)));
        rest = behind;
        let blank = rest.iter().take_while(|line| line.trim().is_empty()).count();
        let next = rest.get(blank).and_then(|line| marker(line));
        if next.is_some_and(|(kind, _)| kind == ordered) {
            rest = rest.get(blank..).unwrap_or_default();
        }
    }
    (Node::Of(Shape::List(ordered), items), rest)
}

fn table(lines: &[&str]) -> Option<Node> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.trim().strip_prefix('|')?.trim_end_matches('|');
        Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    let (head, more) = lines.split_first()?;
    let (line, rows) = more.split_first()?;
    let is_line = |cell: &String| !cell.is_empty() && cell.chars().all(|c| matches!(c, '-' | ':' | ' '));
    if !cells(line)?.iter().all(is_line) {
        return None;
    }
    let row = |cells: Vec<String>, head| {
        let cell = |text: String| Node::Of(Shape::Cell(head), inline(&text));
        Node::Of(Shape::Row, cells.into_iter().map(cell).collect())
    };
    let body = rows.iter().map_while(|line| cells(line)).map(|cells| row(cells, false));
    Some(Node::Of(Shape::Table, std::iter::once(row(cells(head)?, true)).chain(body).collect()))
}

/// Text with emphasis, code and links.
fn inline(text: &str) -> Vec<Node> {
    spans(text, 0)
}

fn spans(text: &str, depth: usize) -> Vec<Node> {
    let mut out: Vec<Node> = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let found = if depth < DEEPEST { span(rest, c, before, depth) } else { None };
        if let Some((node, behind)) = found {
            if !plain.is_empty() {
                out.push(Node::Text(std::mem::take(&mut plain)));
            }
            before = ')';
            out.push(node);
            rest = behind;
            continue;
        }
        let mut taken = c;
        let mut behind = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\\'
            && let Some(escaped) = behind.chars().next().filter(char::is_ascii_punctuation)
        {
            taken = escaped;
            behind = behind.get(1..).unwrap_or_default();
        }
        plain.push(taken);
        before = taken;
        rest = behind;
    }
    if !plain.is_empty() {
        out.push(Node::Text(plain));
    }
    out
}

/// What begins at the front of `text`, and what is behind it.
fn span(text: &str, first: char, before: char, depth: usize) -> Option<(Node, &str)> {
    match first {
        '`' => {
            let length = text.len() - text.trim_start_matches('`').len();
            let (mark, after) = text.split_at_checked(length)?;
            let (code, behind) = near(after, mark)?;
            let code = code.strip_prefix(' ').and_then(|code| code.strip_suffix(' ')).unwrap_or(code);
            Some((Node::Of(Shape::Span, vec![Node::Text(code.to_owned())]), behind))
        }
        '*' | '_' | '~' => {
            // Names hold underscores.
            if first == '_' && before.is_alphanumeric() {
                return None;
            }
            let double = text.starts_with("**") || text.starts_with("__") || text.starts_with("~~");
            let (mark, after) = text.split_at_checked(if double { 2 } else { 1 })?;
            let shape = match mark {
                "~" => return None,
                "~~" => Shape::Struck,
                "*" | "_" => Shape::Emphasis,
                _ => Shape::Strong,
            };
            let (inner, behind) = near(after, mark)?;
            let tight = !inner.is_empty() && inner.trim() == inner;
            let ends = first != '_' || !behind.starts_with(char::is_alphanumeric);
            (tight && ends).then(|| (Node::Of(shape, spans(inner, depth + 1)), behind))
        }
        '[' => {
            let (shown, after) = near(text.get(1..)?, "](")?;
            let (target, behind) = near(after, ")")?;
            let inner = spans(shown, depth + 1);
            let target = target.split_whitespace().next().unwrap_or_default();
            match safe(target) {
                Some(target) => Some((Node::Link(target.to_owned(), inner), behind)),
                None => Some((Node::Of(Shape::Span, inner), behind)),
            }
        }
        '<' => {
            let (target, behind) = near(text.get(1..)?, ">")?;
            let target = safe(target)?;
            Some((Node::Link(target.to_owned(), vec![Node::Text(target.to_owned())]), behind))
        }
        'h' if !before.is_alphanumeric() && (text.starts_with("http://") || text.starts_with("https://")) => {
            let end = text
                .find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`' | '|' | ')' | ']'));
            let target = text.get(..end.unwrap_or(text.len()).min(LONGEST_SPAN))?;
            let target = safe(target.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '\'']))?;
            let behind = text.get(target.len()..)?;
            Some((Node::Link(target.to_owned(), vec![Node::Text(target.to_owned())]), behind))
        }
        _ => None,
    }
}

/// Splits at the first `mark` that is near.
fn near<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let mut end = text.len().min(LONGEST_SPAN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let at = text.get(..end)?.find(mark)?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
}

/// A target that may be opened.
pub fn safe(target: &str) -> Option<&str> {
    let lower = target.get(..8).unwrap_or(target).to_ascii_lowercase();
    let known = ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme));
    (known && !target.chars().any(|c| c.is_control() || c.is_whitespace())).then_some(target)
}

#[cfg(test)]
mod tests;
