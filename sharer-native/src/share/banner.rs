//! What people read before the program starts and after it ended. Never into the program's screen.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::events::LinkTexts;

/// Which relay the links lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relay {
    /// The one inside this process.
    Embedded,
    /// Another one.
    Elsewhere,
}

/// Whether a URL's host is this computer only.
pub(super) fn is_local(base: &str) -> bool {
    let host = base.split_once("://").map_or(base, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let name = if host.starts_with('[') {
        host.split_inclusive(']').next().unwrap_or(host)
    } else {
        host.split(':').next().unwrap_or(host)
    };
    name == "localhost" || name == "[::1]" || name.ends_with(".localhost") || name.starts_with("127.")
}

/// The banner before the program starts; `relay`: which, and the base of its links.
pub(super) fn before(
    title: &str,
    links: &LinkTexts,
    (relay, base): (Relay, &str),
    qr: bool,
    colour: bool,
) -> String {
    let (bold, dim, plain) = if colour { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let mut out = format!("{dim}sharer: sharing{plain} {title}\n  {bold}{}{plain}  watch\n", links.read);
    if let Some(write) = &links.write {
        let _ignored = writeln!(out, "  {bold}{write}{plain}  can type");
    }
    if is_local(base) {
        out.push_str(dim);
        out.push_str(match relay {
            Relay::Embedded => "These links work on this computer only; for others use --relay URL, or --public-url with a tunnel.",
            Relay::Elsewhere => "These links work on this computer only: they name the relay as --relay does; for others give it the address by which they reach it.",
        });
        out.push_str(plain);
        out.push('\n');
    }
    if qr && let Ok(code) = QrCode::new(&links.read) {
        out.push_str(&code.render::<Dense1x2>().build());
        out.push('\n');
    }
    out
}

/// What is said before the program starts when nobody can watch yet.
pub(super) fn away(trouble: &str, tries: bool) -> String {
    let then = if tries {
        "The program runs all the same; sharer goes on trying, and says when the links work. `sharer unshare`, in another terminal, stops that."
    } else {
        "The program runs all the same. `sharer status`, in another terminal, says how it stands."
    };
    format!("sharer: nobody can watch yet: {trouble}\n  {then}\n")
}

/// The banner after the program ended.
pub(super) fn after(title: &str, links: &LinkTexts, most: Option<u32>, colour: bool) -> String {
    let (dim, plain) = if colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    let mut out = format!("{dim}sharer: no longer sharing{plain} {title}\n  {}  watched\n", links.read);
    if let Some(write) = &links.write {
        let _ignored = writeln!(out, "  {write}  can type no more");
    }
    if let Some(most) = most {
        let said =
            if most == 0 { "Nobody watched.".to_owned() } else { format!("At most {most} watched at once.") };
        let _ignored = writeln!(out, "{said}");
    }
    out
}

/// Shows a text on the user's terminal, while no program owns it.
pub(super) fn show(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// Whether what is shown may have colours.
pub(super) fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_read_link_comes_first_and_the_write_link_can_type() {
        let links =
            LinkTexts { read: "http://127.0.0.1:1/s/a#r".into(), write: Some("http://x/s/a#w".into()) };
        let text = before("bash", &links, (Relay::Embedded, "http://127.0.0.1:1"), false, false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("#r") && !lines[1].contains("can type"), "{text}");
        assert!(lines[2].contains("#w") && lines[2].contains("can type"), "{text}");
        assert!(lines[3].contains("this computer only") && lines[3].contains("use --relay"), "{text}");
        let text = before("bash", &links, (Relay::Elsewhere, "http://127.0.0.1:1"), false, false);
        assert!(text.contains("this computer only") && !text.contains("--public-url"), "{text}");
        let text = before("bash", &links, (Relay::Elsewhere, "https://relay.example"), false, false);
        assert!(!text.contains("only"), "{text}");
        assert!(!text.contains('\x1b'));
        assert!(after("bash", &links, None, false).contains("#r"));
        assert!(
            before("b", &links, (Relay::Embedded, "http://h"), true, false).lines().count() > 10,
            "a QR code"
        );
    }

    #[test]
    fn local_hosts_are_known() {
        for local in ["http://127.0.0.1:4777", "http://localhost/x", "http://[::1]:1", "http://127.9.9.9"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["http://192.168.1.2:4777", "https://relay.example", "http://127001.example"] {
            assert!(!is_local(other), "{other}");
        }
    }
}
