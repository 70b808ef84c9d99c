use proptest::prelude::*;

use super::*;

/// The tree in a few characters.
fn sketch(nodes: &[Node]) -> String {
    nodes
        .iter()
        .map(|node| match node {
            Node::Text(text) => text.clone(),
            Node::Link(target, inner) => format!("a<{target}|{}>", sketch(inner)),
            Node::Of(shape, inner) => {
                let tag = match shape {
                    Shape::Paragraph => "p".into(),
                    Shape::Heading(level) => format!("h{level}"),
                    Shape::Quote => "q".into(),
                    Shape::List(ordered) => (if *ordered { "ol" } else { "ul" }).into(),
                    Shape::Item => "li".into(),
                    Shape::Code => "pre".into(),
                    Shape::Table => "table".into(),
                    Shape::Row => "tr".into(),
                    Shape::Cell(head) => (if *head { "th" } else { "td" }).into(),
                    Shape::Rule => "hr".into(),
                    Shape::Strong => "b".into(),
                    Shape::Emphasis => "i".into(),
                    Shape::Struck => "s".into(),
                    Shape::Span => "c".to_owned(),
                };
                format!("{tag}({})", sketch(inner))
            }
        })
        .collect()
}

fn check(text: &str, expected: &str) {
    assert_eq!(sketch(&read(text)), expected, "{text}");
}

#[test]
fn what_agents_write_is_read() {
    check("one\ntwo\n\nthree", "p(one\ntwo)p(three)");
    check("# A *b*\n## C ##\n#no", "h1(A i(b))h2(C)p(#no)");
    check("```rust\nlet a = \"*x*\";\n\n```\nafter", "pre(let a = \"*x*\";\n)p(after)");
    check("```\nstill coming", "pre(still coming)");
    check("**bold** and `a*b*` and *it* and ~~no~~", "p(b(bold) and c(a*b*) and i(it) and s(no))");
    check("snake_case_name 2 * 3 * 4 **open", "p(snake_case_name 2 * 3 * 4 **open)");
    check("- a\n- b\n  - c\n- d", "ul(li(p(a))li(p(b)ul(li(p(c))))li(p(d)))");
    check("1. a\n2. b\n\ntext", "ol(li(p(a))li(p(b)))p(text)");
    check("- a\n\n  more\n- b", "ul(li(p(a)p(more))li(p(b)))");
    check("> q\n> - x\n\nt", "q(p(q)ul(li(p(x))))p(t)");
    check("| a | b |\n|---|:-:|\n| 1 | `2` |\nt", "table(tr(th(a)th(b))tr(td(1)td(c(2))))p(t)");
    check("a\n\n---\nb", "p(a)hr()p(b)");
    check("\\*no\\* \\x", "p(*no* \\x)");
}

#[test]
fn links_are_of_three_kinds_and_everything_else_is_text() {
    check("[t](https://a.example/x)", "p(a<https://a.example/x|t>)");
    check(
        "see https://a.example/x?y=1. <mailto:a@b.example>",
        "p(see a<https://a.example/x?y=1|https://a.example/x?y=1>. a<mailto:a@b.example|mailto:a@b.example>)",
    );
    for target in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1",
        "data:text/html,x",
        "//a.example",
        "file:///etc",
        "vbscript:x",
        "",
    ] {
        let text = format!("[t]({target})");
        assert!(!sketch(&read(&text)).contains("a<"), "{target}");
    }
    check(
        "<script>alert(1)</script> <img src=x onerror=y>",
        "p(<script>alert(1)</script> <img src=x onerror=y>)",
    );
}

fn depth(nodes: &[Node]) -> usize {
    let inner = |node: &Node| match node {
        Node::Text(_) => 0,
        Node::Of(_, inner) | Node::Link(_, inner) => 1 + depth(inner),
    };
    nodes.iter().map(inner).max().unwrap_or(0)
}

fn words(nodes: &[Node]) -> String {
    let word = |node: &Node| match node {
        Node::Text(text) => text.clone(),
        Node::Of(_, inner) | Node::Link(_, inner) => words(inner),
    };
    nodes.iter().map(word).collect()
}

proptest! {
    #[test]
    fn any_text_is_read_and_stays_shallow(text in "[-a-c0-9 \\n>*_~`#|.\\[\\]()<h:/é😀\\\\]{0,200}") {
        let nodes = read(&text);
        prop_assert!(depth(&nodes) <= 40);
    }

    #[test]
    fn no_word_is_lost(text in "([a-z]{1,6}[ \\n*_>#-]{1,3}){0,20}") {
        let letters = |text: &str| text.chars().filter(char::is_ascii_lowercase).collect::<String>();
        prop_assert_eq!(letters(&words(&read(&text))), letters(&text));
    }
}

#[test]
fn hostile_text_takes_no_time() {
    for piece in ["*", "[", "`", "> ", "- ", "[](", "**a", "_a", "|", "<", "http://", "#", "1. ", "~~x"] {
        let text = piece.repeat(24_000 / piece.len());
        assert!(depth(&read(&text)) < 60, "{piece}");
        assert!(depth(&read(&text.replace(' ', "\n"))) < 60, "{piece}");
    }
}
