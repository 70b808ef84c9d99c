//! Unit tests of the model: its bounds, and one test for each thing the tap mends.

use shared::event::WindowSize;

use super::{Terminal, clamped};

fn fed(bytes: &[u8]) -> Terminal {
    let mut terminal = Terminal::new(WindowSize { cols: 20, rows: 5 }, 100);
    terminal.feed(bytes);
    terminal
}

fn screen(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&fed(bytes).screen()).replace("\x18\x1bc\x1b[20l", "").replace('\x1b', "␛")
}

/// A dump, fed to a fresh terminal, gives a terminal with the same dump.
#[track_caller]
fn restores(bytes: &[u8]) {
    let dump = fed(bytes).full();
    let again = fed(&dump).full();
    assert_eq!(
        String::from_utf8_lossy(&again),
        String::from_utf8_lossy(&dump),
        "after {:?}",
        bytes.escape_ascii().to_string()
    );
}

#[test]
fn dumps_what_was_written() {
    assert_eq!(screen(b""), "␛[1;1H␛[?25h");
    assert_eq!(screen(b"hello\r\n\x1b[1;31mred\x1b[m."), "hello\r\n␛[1;31mred␛[0m.␛[2;5H␛[?25h␛[2;4H.");
    restores(b"hello\r\n\x1b[1;31mred\x1b[m.\x1b[?1049h\x1b[3;4Hx\x1b[4 q\x1b[?25l");
}

#[test]
fn any_size_is_harmless() {
    for (cols, rows) in [(0, 0), (1, 1), (2, 65535), (65535, 2), (65535, 65535)] {
        let mut terminal = Terminal::new(WindowSize { cols, rows }, 10);
        terminal.feed("wide 中中 \x1b[999;999Hend\x1b[?1049h中".as_bytes());
        terminal.resize(WindowSize { cols: rows, rows: cols });
        terminal.feed(b"\x1b[?1049l\r\nmore");
        terminal.full();
        assert_eq!(terminal.size(), clamped(WindowSize { cols: rows, rows: cols }));
    }
}
