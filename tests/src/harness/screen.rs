//! Screens, compared cell by cell with an independent reference.

use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::Browser;
use super::root;
use super::wait::{LONG, within};

/// Reads the screen of the terminal in the page; the viewer leaves its terminal on the element it opened it in.
const FIND: &str = "(document.querySelector('.screen:not([hidden]) .xterm') ?? document.querySelector('.xterm'))?.parentElement.__term";

/// Everything a person sees of a terminal: cells, cursor, modes, and the text that has scrolled away.
#[derive(Clone, Debug, PartialEq)]
pub struct Screen(Value);

impl Screen {
    /// The screen of a fresh headless xterm.js that has been given all these bytes.
    pub async fn reference(cols: u16, rows: u16, scrollback: u32, bytes: &[u8]) -> Self {
        Self::replay(cols, rows, scrollback, &[Step::Bytes(bytes)]).await
    }

    /// As [`Self::reference`], with resizes in between.
    pub async fn replay(cols: u16, rows: u16, scrollback: u32, steps: &[Step<'_>]) -> Self {
        let mut lines = json!({"cols": cols, "rows": rows, "scrollback": scrollback}).to_string();
        for step in steps {
            let line = match step {
                Step::Bytes(bytes) => json!({ "bytes": BASE64_STANDARD.encode(bytes) }),
                Step::Resize(cols, rows) => json!({"cols": cols, "rows": rows}),
            };
            lines.push('\n');
            lines.push_str(&line.to_string());
        }
        let mut node = tokio::process::Command::new("node")
            .arg(root().join("tests/reference/reference.js"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let mut stdin = node.stdin.take().expect("standard input is piped");
        // Nothing is printed before all is read, so writing first cannot block for good.
        stdin.write_all(lines.as_bytes()).await.expect("node reads");
        drop(stdin);
        let output = within("the reference screen", LONG, node.wait_with_output()).await.expect("node ends");
        assert!(output.status.success(), "the reference failed; `./scripts/test` installs what it needs");
        Self(serde_json::from_slice(&output.stdout).expect("the reference prints JSON"))
    }

    /// The screen the page shows, if it shows one.
    pub async fn shown(browser: &Browser) -> Option<Self> {
        let reader = include_str!("../../reference/screen.js");
        let seen = browser
            .run(&format!("{reader}\nconst terminal = {FIND}; return terminal && screen(terminal)"))
            .await;
        (!seen.is_null()).then_some(Self(seen))
    }

    /// One row's text, without blanks at its end.
    pub fn row(&self, y: usize) -> String {
        let cells = self.0["rows"][y].as_array().expect("a row of the screen");
        let text: String = cells.iter().filter_map(|cell| cell[0].as_str()).collect();
        text.trim_end().to_owned()
    }

    /// All rows' text.
    pub fn text(&self) -> String {
        let rows = self.0["rows"].as_array().map_or(0, Vec::len);
        (0..rows).map(|y| self.row(y)).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    /// Columns and rows.
    pub fn size(&self) -> (u64, u64) {
        (self.0["size"][0].as_u64().unwrap_or(0), self.0["size"][1].as_u64().unwrap_or(0))
    }

    /// The lines that have scrolled away, oldest first.
    pub fn history(&self) -> Vec<String> {
        let lines = self.0["history"].as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Where this screen differs from the one it should be, in words; nothing if it does not.
    pub fn difference(&self, expected: &Self) -> Option<String> {
        for part in ["size", "buffer", "cursor", "cursor_hidden", "modes"] {
            if self.0[part] != expected.0[part] {
                return Some(format!("{part}: {} instead of {}", self.0[part], expected.0[part]));
            }
        }
        let rows = expected.0["rows"].as_array().map_or(0, Vec::len);
        for y in 0..rows {
            let cells = expected.0["rows"][y].as_array().map_or(0, Vec::len);
            for x in 0..cells {
                let (is, should) = (&self.0["rows"][y][x], &expected.0["rows"][y][x]);
                if is != should {
                    return Some(format!(
                        "row {y}, column {x}: {is} instead of {should}\nrow:    {:?}\nshould: {:?}",
                        self.row(y),
                        expected.row(y)
                    ));
                }
            }
        }
        (self.0["history"] != expected.0["history"]).then(|| {
            let (is, should) = (self.history(), expected.history());
            let at = is.iter().zip(&should).position(|(one, other)| one != other);
            format!("history: {} lines instead of {}, first difference at {at:?}", is.len(), should.len())
        })
    }
}

/// One thing that happens to a reference terminal.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The program writes.
    Bytes(&'a [u8]),
    /// The window has another size: columns, rows.
    Resize(u16, u16),
}

impl Browser {
    /// Waits until the page shows exactly this screen.
    pub async fn shows(&self, expected: &Screen) {
        let look = async || match Screen::shown(self).await {
            Some(screen) => screen.difference(expected).map_or(Ok(()), Err),
            None => Err("no terminal in the page".to_owned()),
        };
        super::until("the page to show the reference's screen", LONG, look).await;
    }

    /// The middle of the first cell that shows `text`, in CSS pixels.
    pub async fn cell(&self, text: &str) -> (f64, f64) {
        let place = self
            .until(
                &format!("{text:?} on the screen"),
                &format!(
                    "(() => {{
                       const term = {FIND}, buffer = term.buffer.active;
                       const place = document.querySelector('.xterm-screen').getBoundingClientRect();
                       for (let y = 0; y < term.rows; y += 1) {{
                         const x = buffer.getLine(buffer.viewportY + y).translateToString(true).indexOf({});
                         if (x >= 0) return [place.left + (x + .5) * place.width / term.cols, place.top + (y + .5) * place.height / term.rows];
                       }}
                     }})()",
                    json!(text)
                ),
            )
            .await;
        (place[0].as_f64().expect("a number"), place[1].as_f64().expect("a number"))
    }

    /// Moves the pointer onto the text.
    pub async fn point(&self, text: &str) -> (f64, f64) {
        let (x, y) = self.cell(text).await;
        // xterm.js looks for links when the pointer has moved within a cell.
        for nudge in [0.0, 1.0] {
            self.cdp("Input.dispatchMouseEvent", json!({"type": "mouseMoved", "x": x + nudge, "y": y})).await;
        }
        (x + 1.0, y)
    }

    /// Clicks on the text.
    pub async fn click(&self, text: &str) {
        let (x, y) = self.point(text).await;
        self.click_at(x, y, 1).await;
    }

    /// Clicks so many times in one place, in CSS pixels.
    pub async fn click_at(&self, x: f64, y: f64, times: u32) {
        for count in 1..=times {
            for kind in ["mousePressed", "mouseReleased"] {
                let event = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": count});
                self.cdp("Input.dispatchMouseEvent", event).await;
            }
        }
    }
}
