//! Unit tests of the model: one for each thing the tap mends, and its bounds.

use shared::event::WindowSize;

use super::{TRIMMED, Terminal, clamped};

fn fed(bytes: &str) -> Terminal {
    let mut terminal = Terminal::new(WindowSize { cols: 10, rows: 4 }, 100);
    terminal.feed(bytes.as_bytes());
    terminal
}

/// The rows of the screen, joined by `|`.
fn rows(bytes: &str) -> String {
    fed(bytes).text().trim_end().replace('\n', "|")
}

/// A dump without its beginning, readable.
fn dump(bytes: &str) -> String {
    let dump = String::from_utf8(fed(bytes).full()).unwrap_or_default();
    dump.replace("\x18\x1bc\x1b[20l", "").replace('\x1b', "␛")
}

/// Where the next character goes, as the terminal tells the program: row and column.
fn cursor(bytes: &str) -> String {
    let mut terminal = fed(bytes);
    terminal.take_replies();
    terminal.feed(b"\x1b[6n");
    String::from_utf8(terminal.take_replies()).unwrap_or_default().replace("\x1b[", "").replace('R', "")
}

/// Lines of scrollback.
fn history(bytes: &str) -> usize {
    fed(bytes).tap.history_lines()
}

#[test]
fn dumps_what_was_written() {
    assert_eq!(dump(""), "␛[1;1H␛[?25h");
    assert_eq!(dump("hello\r\n\x1b[1;31mred\x1b[m."), "hello\r\n␛[1;31mred␛[0m.␛[2;5H␛[?25h␛[2;4H.");
    assert_eq!(dump("1\r\n2\r\n3\r\n4\r\n5"), "1\r\n2\r\n3\r\n4\r\n5␛[4;2H␛[?25h␛[4;1H5");
    assert_eq!(dump("main\x1b[?1049h\x1b[2;2Halt"), "main␛[1;5H␛7␛[?1047h␛[1;1H\r\n alt␛[2;5H␛[?25h␛[2;4Ht");
}

#[test]
fn the_screen_leaves_the_scrollback_out() {
    let mut terminal = fed("1\r\n2\r\n3\r\n4\r\n5");
    assert_eq!(terminal.screen(), b"\x18\x1bc\x1b[20l2\r\n3\r\n4\r\n5\x1b[4;2H\x1b[?25h\x1b[4;1H5");
}

#[test]
fn an_unfinished_sequence_ends_the_dump() {
    assert_eq!(dump("a\x1b[3"), "a␛[1;2H␛[?25h␛[1;1Ha␛[3");
    assert_eq!(dump("\x1b]2;ti"), "␛[1;1H␛[?25h␛]2;ti");
    // The line feed inside has had its effect.
    assert_eq!(dump("a\x1b[3\n"), "a␛[2;2H␛[?25h␛[3");
    // What the model does not read is only kept open.
    assert_eq!(dump("\x1bPq#0;2;0"), "␛[1;1H␛[?25h␛X");
}

#[test]
fn lines_inserted_and_deleted_bring_the_cursor_to_the_first_column() {
    assert_eq!(cursor("\x1b[2;5H\x1b[L"), "2;1");
    assert_eq!(cursor("\x1b[2;5H\x1b[M"), "2;1");
    assert_eq!(cursor("\x1b[1;2r\x1b[3;5H\x1b[L\x1b[M"), "3;5", "outside the margins nothing happens");
}

#[test]
fn margins_stop_moves_by_rows() {
    assert_eq!(cursor("\x1b[2;3r\x1b[3;5H\x1b[9A"), "2;5");
    assert_eq!(cursor("\x1b[2;3r\x1b[2;5H\x1b[9B"), "3;5");
    assert_eq!(cursor("\x1b[2;3r\x1b[2;5H\x1b[9E"), "3;1");
    assert_eq!(cursor("\x1b[2;3r\x1b[1;5H\x1b[9A"), "1;5", "but not from outside");
    assert_eq!(cursor("\x1b[3;9r\x1b[9;5H\x1b[9A"), "3;5", "margins end with the screen");
    assert_eq!(cursor("\x1b[2;2H\x1b[7;9r"), "2;2", "and do not begin below it");
}

#[test]
fn only_scrolling_off_fills_the_scrollback() {
    assert_eq!(history("1\r\n2\r\n3\r\n4\r\n5"), 1);
    assert_eq!(history("1\r\n2\x1b[H\x1b[M"), 0, "deleting");
    assert_eq!(history("1\r\n2\x1b[H\x1b[2S"), 0, "scrolling by command");
    assert_eq!(history("1\r\n2\x1b[2J"), 0, "erasing");
    assert_eq!(rows("1\r\n2\r\n3\x1b[H\x1b[M"), "2|3");
    assert_eq!(rows("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[S"), "1|3||4");
}

#[test]
fn erasing_above_takes_the_first_row_too() {
    assert_eq!(rows("1\r\n23\x1b[1J"), "");
    assert_eq!(rows("1\r\n234\x1b[2;2H\x1b[1J"), "|  4");
}

#[test]
fn deleting_beyond_the_end_leaves_what_is_left_of_the_cursor() {
    assert_eq!(rows("0123456789\x1b[1;9H\x1b[5P"), "01234567");
}

#[test]
fn nothing_is_right_of_a_pending_wrap() {
    assert_eq!(rows("0123456789\x1b[K\x1b[Jx"), "0123456789|x");
    assert_eq!(rows("0123456789\tx"), "0123456789|x", "a tab does not wrap");
    assert_eq!(rows("0123456789\nx"), "0123456789|         x", "a line feed gives the wrap up");
    assert_eq!(rows("0123456789\x1b7\x1b[H\x1b8x"), "012345678x", "so does saving");
}

#[test]
fn the_alternate_screen_comes_under_three_numbers() {
    for mode in [47, 1047, 1049] {
        let (enter, leave) = (format!("\x1b[?{mode}h"), format!("\x1b[?{mode}l"));
        assert_eq!(rows(&format!("main{enter}alt")), "    alt");
        assert_eq!(rows(&format!("main{enter}alt{leave}")), "main");
    }
    assert_eq!(cursor("\x1b[2;2H\x1b[?1049h\x1b[H\x1b[?1049l"), "2;2");
    assert_eq!(cursor("\x1b[2;2H\x1b[?1047h\x1b[H\x1b[?1047l"), "1;1");
    assert_eq!(cursor("\x1b[2;2H\x1b[?1048h\x1b[H\x1b[?1048l"), "2;2");
    assert_eq!(cursor("\x1b[2;2H\x1b7\x1b[H\x1b[?1049l"), "2;2", "restores where there is nothing to leave");
}

#[test]
fn each_screen_has_margins_and_tab_stops_of_its_own() {
    let before = "\x1b[2;3r\x1b[3g\x1b[1;4H\x1bH";
    assert_eq!(dump(before), "␛[3g␛[4G␛H␛[2;3r␛[1;4H␛[?25h");
    assert_eq!(dump(&format!("{before}\x1b[?47h\x1b[3;4r\x1b[?47l\x1b[1;4H")), dump(before));
    assert_eq!(cursor(&format!("{before}\x1b[?47h\x1b[1;1H\t")), "1;9");
    assert_eq!(cursor(&format!("{before}\x1b[?47h\x1b[?47l\x1b[1;1H\t")), "1;4");
}

#[test]
fn tabs_stop_at_the_ends_of_the_row() {
    assert_eq!(cursor("\x1b[1;1H\t\x1b[Z"), "1;1");
    assert_eq!(cursor("\x1b[99I"), "1;10");
    assert_eq!(cursor("\x1b[3g\x1b[65535I\x1b[65535Z"), "1;1");
}

#[test]
fn any_mouse_mode_switched_off_switches_all_off() {
    assert_eq!(dump("\x1b[?1000;1006h"), "␛[1;1H␛[?1000h␛[?1006h␛[?25h");
    assert_eq!(dump("\x1b[?1003;1016h\x1b[?1000l"), "␛[1;1H␛[?1016h␛[?25h");
    assert_eq!(dump("\x1b[?9h\x1b[?1005;1015h"), "␛[1;1H␛[?9h␛[?25h");
}

#[test]
fn blinking_and_double_underline_are_kept() {
    assert_eq!(dump("\x1b[5mx\x1b[25m"), "␛[5mx␛[1;2H␛[0m␛[?25h");
    assert_eq!(dump("\x1b[21mx\x1b[m"), "␛[4:2mx␛[1;2H␛[0m␛[?25h");
    assert_eq!(dump("\x1b[1;5mx\x1b[0m"), "␛[1;5mx␛[1;2H␛[0m␛[?25h");
}

#[test]
fn colours_are_kept_by_kind() {
    assert_eq!(dump("\x1b[31mx"), "␛[31mx␛[1;2H␛[?25h␛[1;1Hx");
    assert_eq!(dump("\x1b[38;5;1mx"), "␛[38;5;1mx␛[1;2H␛[?25h␛[1;1Hx");
    assert_eq!(dump("\x1b[4;95;48;2;1;2;3;58;5;7mx"), "␛[4;95;48;2;1;2;3;58:5:7mx␛[1;2H␛[?25h␛[1;1Hx");
}

#[test]
fn a_soft_reset_works_in_pieces() {
    for reset in [&["\x1b[!p"][..], &["\x1b[", "!p"], &["\x1b[!", "p"]] {
        let mut terminal = fed("\x1b[?25l\x1b[4h\x1b[2;3r\x1b[1m\x1b(0\x1b[2;2H");
        for piece in reset {
            terminal.feed(piece.as_bytes());
        }
        assert_eq!(terminal.full(), b"\x18\x1bc\x1b[20l\x1b[2;2H\x1b[?25h");
    }
}

#[test]
fn a_line_feed_ends_a_soft_wrap() {
    assert_eq!(dump("0123456789ab"), "0123456789ab␛[2;3H␛[?25h␛[2;2Hb");
    assert_eq!(dump("0123456789ab\x1b[H\n"), "0123456789\r\nab␛[2;1H␛[?25h");
}

#[test]
fn synchronized_updates_are_read_at_once_and_remembered() {
    assert_eq!(dump("\x1b[?2026hx"), "x␛[1;2H␛[?25h␛[?2026h␛[1;1Hx");
    assert_eq!(dump("\x1b[?2026hx\x1b[?2026l"), "x␛[1;2H␛[?25h");
}

#[test]
fn what_was_printed_last_is_printed_last() {
    assert_eq!(dump("ab"), "ab␛[1;3H␛[?25h␛[1;2Hb");
    assert_eq!(dump("中"), "中␛[1;3H␛[?25h␛[1;1H中");
    assert_eq!(dump("ab\x1b[4h\x1b[1;2Hx"), "axb␛[1;3H␛[4h␛[?25h␛[1;2H␛[1Px");
    assert_eq!(rows("a\x1b[m\x1b[3b"), "a", "REP repeats only what came just before");
    assert_eq!(rows("a\x1b[3b"), "aaaa");
}

#[test]
fn halves_of_wide_characters_vanish() {
    assert_eq!(rows("中文\x1b[1;2H\x1b[X"), "  文");
    assert_eq!(rows("中文\x1b[1;2H\x1b[P"), " 文");
    assert_eq!(rows("中文\x1b[1;2H\x1b[@"), "   文");
    assert_eq!(rows("中文\x1b[1;2H\x1b[K"), "");
    assert_eq!(rows("12345678中\x1b[H\x1b[4hx"), "x12345678");
}

#[test]
fn line_drawing_is_kept() {
    assert_eq!(rows("\x1b(0lqk\x1b(Bq"), "┌─┐q");
    assert_eq!(rows("\x1b)0\x0elqk\x0fq"), "┌─┐q");
    assert_eq!(dump("\x1b(0"), "␛[1;1H␛[?25h␛(0");
    assert_eq!(dump("\x1b)0\x0e"), "␛[1;1H␛[?25h␛)0\x0e");
}

#[test]
fn modes_without_meaning_in_xterm_js_have_none() {
    assert_eq!(rows("text\x1b[?3h"), "text", "132 columns");
    assert_eq!(cursor("\x1b[20h\x1b[1;5H\n"), "2;1", "a line feed returns in this mode");
    assert_eq!(cursor("\x1b[2;2H\x1b#8"), "1;1");
}

#[test]
fn invalid_bytes_become_replacement_characters() {
    let mut terminal = fed("");
    terminal.feed(b"a\xffb\x9bc\xe2\x82");
    terminal.feed(b"d");
    assert_eq!(terminal.text().trim_end(), "a\u{fffd}b\u{fffd}c\u{fffd}d");
    assert_eq!(rows("a\x1b[3é1mb"), "a1mb", "a foreign character ends a sequence");
}

#[test]
fn the_title_can_do_no_harm() {
    let mut terminal = fed("\x1b]2;a\u{9c}b\u{7f}c\u{9b}d\x07");
    assert_eq!(terminal.title(), Some("abcd"));
    let dump = String::from_utf8(terminal.full()).unwrap_or_default();
    assert!(dump.contains("\x1b]2;abcd\x1b\\"));
    terminal.feed(format!("\x1b]2;{}\x07", "é".repeat(3000)).as_bytes());
    assert_eq!(terminal.title().map(str::len), Some(1024));
    terminal.feed(b"\x1b[22;2t\x1b]2;other\x07\x1b[23;2t");
    assert_eq!(terminal.title().map(str::len), Some(1024));
}

#[test]
fn links_can_do_no_harm() {
    assert_eq!(dump("\x1b]8;;u:x\x07a\x1b]8;;\x07"), "␛]8;;u:x␛\\a␛[1;2H␛]8;;␛\\␛[?25h");
    assert_eq!(dump("\x1b]8;id=1;u:x\x07a\x1b]8;;\x07"), "␛]8;id=1;u:x␛\\a␛[1;2H␛]8;;␛\\␛[?25h");
    assert_eq!(dump("\x1b]8;;u:\u{9c}x\x07a"), "a␛[1;2H␛[?25h␛[1;1Ha");
    assert_eq!(dump(&format!("\x1b]8;;u:{}\x07a", "x".repeat(3000))), "a␛[1;2H␛[?25h␛[1;1Ha");
}

#[test]
fn dumps_hold_no_clipboard_and_no_query() {
    assert_eq!(dump("\x1b]52;c;aGVsbG8=\x07\x1b]52;c;?\x07\x1b[c\x1b[6n\x1b]11;?\x07"), "␛[1;1H␛[?25h");
}

#[test]
fn queries_are_answered_and_answers_bounded() {
    let mut terminal = fed("\x1b[c\x1b[>c\x1b[5n\x1b[?2004h\x1b[?2004$p\x1b[?1049$p\x1b]11;?\x1b\\\x1b[18t");
    let expected = "\x1b[?1;2c\x1b[>0;276;0c\x1b[0n\x1b[?2004;1$y\x1b[?1049;2$y\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\\x1b[8;4;10t";
    assert_eq!(String::from_utf8_lossy(&terminal.take_replies()), expected);
    assert!(terminal.take_replies().is_empty());
    terminal.feed("\x1b[c".repeat(100_000).as_bytes());
    assert!(terminal.take_replies().len() <= 16 * 1024);
}

#[test]
fn the_bell_rings_once() {
    let mut terminal = fed("\x07\x07");
    assert!(terminal.take_bell());
    assert!(!terminal.take_bell());
    assert!(!fed("\x1b]2;title\x07").take_bell());
}

#[test]
fn keyboard_modes_are_kept_and_bounded() {
    assert_eq!(dump("\x1b[=1u\x1b[>3u"), "␛[1;1H␛[?25h␛[=1u␛[>3u");
    assert_eq!(dump("\x1b[>3u\x1b[<u"), "␛[1;1H␛[?25h");
    assert_eq!(dump("\x1b[>3u\x1b[?1049h"), "␛[>3u␛[?1047h␛[1;1H␛[1;1H␛[?25h");
    // The engine alone would panic at the 4097th.
    assert!(dump(&"\x1b[>1u".repeat(5000)).len() < 200);
}

#[test]
fn endless_strings_cost_nothing() {
    for begin in ["\x1b]2;", "\x1bP", "\x1b_", "\x1b[", "\x1b("] {
        let mut terminal = fed(begin);
        for _ in 0..100 {
            terminal.feed(&[b'('; 4096]);
        }
        assert!(terminal.full().len() < 10_000, "{begin:?}");
        terminal.feed(b"\x18ok");
        assert_eq!(terminal.text().trim_end(), "ok", "{begin:?}");
        assert_eq!(terminal.title(), None);
    }
}

#[test]
fn marks_on_a_character_are_bounded() {
    let mut terminal = fed("e");
    terminal.feed("\u{301}".repeat(10_000).as_bytes());
    assert_eq!(terminal.text().trim_end().chars().count(), 33);
}

#[test]
fn links_in_the_cells_are_bounded() {
    let mut terminal = Terminal::new(WindowSize { cols: 100, rows: 100 }, 100);
    for number in 0..9000 {
        terminal.feed(format!("\x1b]8;;u:{number}{}\x07a", "x".repeat(1900)).as_bytes());
    }
    assert!(terminal.full().len() < 8 << 20);
    // There is room again when the old ones are gone.
    terminal.feed("\x1bc\x1b[3J".as_bytes());
    for _ in 0..5000 {
        terminal.feed(b"\x1b]8;;u:new\x07a\x1b]8;;\x07");
    }
    assert!(String::from_utf8_lossy(&terminal.full()).contains("u:new"));
}

#[test]
fn the_largest_dump_fits_a_snapshot() {
    let mut terminal = Terminal::new(WindowSize { cols: 1000, rows: 500 }, 2000);
    let cell = |n: usize| {
        format!("\x1b[1;3;4;9;38;2;{0};{1};2;48;2;{1};{0};3m\u{4e00}\u{301}\u{302}", n % 251, n % 241)
    };
    let line: String = (0..500).map(cell).collect();
    for _ in 0..700 {
        terminal.feed(line.as_bytes());
    }
    assert!(terminal.full().len() <= 12 << 20);
    assert!(terminal.screen().len() <= 16 << 20);
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

#[test]
fn a_trimmed_history_says_so_and_the_rest_stays() {
    for (cols, alternate) in [(60, ""), (60, "\x1b[?1049h\x1b[31mfull"), (10, "")] {
        let mut terminal = Terminal::new(WindowSize { cols, rows: 4 }, 100);
        terminal.feed(b"EARLY\r\n1\r\n2\r\n3\r\nlast");
        assert_eq!(terminal.history_bytes(), Some(usize::from(cols) * 24), "one line");
        terminal.feed(alternate.as_bytes());
        let text = |dump: Vec<u8>| String::from_utf8(dump).unwrap();
        let screen = terminal.screen();
        terminal.trim_history();
        let full = text(terminal.full());
        let mark: String = TRIMMED.chars().take(usize::from(cols)).collect();
        assert!(full.contains(&mark) && !full.contains("EARLY"), "{full}");
        assert_eq!(text(terminal.screen()), text(screen), "{cols} {alternate:?}");
        terminal.feed(b"\x1b[?1049l");
        assert_eq!(terminal.history_bytes(), Some(usize::from(cols) * 24), "the mark, and no other line");
    }
}

#[test]
fn a_forgotten_history_is_gone_on_both_screens_and_the_rest_stays() {
    for alternate in ["", "\x1b[?1049h\x1b[31mfull"] {
        let mut terminal = Terminal::new(WindowSize { cols: 20, rows: 4 }, 100);
        terminal.feed(b"\x1b]2;title\x07EARLY\r\n1\r\n2\r\n3\r\nlast");
        terminal.feed(alternate.as_bytes());
        // In the middle of a sequence.
        terminal.feed(b"\x1b[3");
        let text = |dump: Vec<u8>| String::from_utf8(dump).unwrap();
        assert!(text(terminal.full()).contains("EARLY"), "the control");
        let screen = terminal.screen();
        terminal.forget_history();
        assert!(!text(terminal.full()).contains("EARLY"), "{alternate:?}");
        assert_eq!(text(terminal.screen()), text(screen), "{alternate:?}");
        assert_eq!(terminal.title(), Some("title"));
        terminal.feed(b"2mgreen\x1b[?1049l");
        let after = text(terminal.full());
        assert!(after.contains("last") && !after.contains("EARLY"), "{after}");
    }
}

#[test]
fn a_commands_number_goes_with_its_line() {
    let mut terminal = fed("$ one\r\n");
    terminal.command(1);
    // Longer than a row: it belongs to the first of its rows.
    terminal.feed(b"out\r\n$ a-long-command\r\n");
    terminal.command(2);
    let dump = |terminal: &mut Terminal, full: bool| {
        let dump = if full { terminal.full() } else { terminal.screen() };
        String::from_utf8(dump).unwrap().replace("\x1b]133;C;n=", "<").replace('\x07', ">")
    };
    let whole = dump(&mut terminal, true);
    assert!(whole.contains("<1>$ one\r\nout\r\n<2>$ a-long-command"), "{whole}");
    assert_eq!(terminal.text().trim_end(), "out\n$ a-long-c\nommand", "the number is no text");
    assert!(!dump(&mut terminal, false).contains("<1>"), "its line has scrolled off");
    // A program cannot write one; a combining mark behind it is the character's.
    terminal.feed("\u{f0007}\r\n".as_bytes());
    terminal.feed("\x1b[1;2H\u{301}\x1b[4;1H".as_bytes());
    terminal.resize(WindowSize { cols: 30, rows: 4 });
    let wide = dump(&mut terminal, true);
    assert!(wide.contains("<1>$ one\r\n") && wide.contains("<2>$\u{301} a-long-command\r\n"), "{wide}");
    assert_eq!(wide.matches('<').count(), 2);
    // Who is given the dump knows the same, and where.
    let mut other = Terminal::new(WindowSize { cols: 30, rows: 4 }, 100);
    other.rebuild(&terminal.full());
    assert_eq!(dump(&mut other, true), wide);
    assert_eq!(other.commands(), terminal.commands());
    let lines: Vec<String> = terminal.lines().collect();
    for (number, place) in other.commands() {
        let line = if number == 1 { "$ one" } else { "$\u{301} a-long-command" };
        assert_eq!(lines[place], line, "{number}");
    }
    // The newest number of a line counts, and goes when the line is erased; with the other screen on there is no line.
    terminal.feed(b"$ three\r\n");
    terminal.command(3);
    terminal.command(70_000);
    let again = dump(&mut terminal, true);
    assert!(again.contains("<70000>$ three") && !again.contains("<3>"), "{again}");
    terminal.feed(b"\x1b[?1049h\r\n");
    terminal.command(70_001);
    terminal.feed(b"\x1b[?1049l\x1b[2J");
    let gone = dump(&mut terminal, true);
    assert!(!gone.contains("<70000>") && !gone.contains("<70001>"), "{gone}");
}
