//! The one file that knows xterm.js; `js/term.js` is its other half.

use std::fmt::Write as _;

use shared::command::Commands;
use shared::event::WindowSize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};

#[wasm_bindgen(module = "/js/term.bundle.js")]
extern "C" {
    type Handle;
    #[wasm_bindgen(js_name = mount)]
    fn mount(
        host: &web_sys::HtmlElement,
        on: &Closure<dyn FnMut(String, String, String)>,
        dark: bool,
    ) -> Handle;
    #[wasm_bindgen(method)]
    fn write(this: &Handle, ticket: f64, bytes: js_sys::Uint8Array);
    #[wasm_bindgen(method)]
    fn rebuild(this: &Handle, ticket: f64, cols: u16, rows: u16, bytes: js_sys::Uint8Array);
    #[wasm_bindgen(method)]
    fn resize(this: &Handle, cols: u16, rows: u16);
    #[wasm_bindgen(method)]
    fn skip(this: &Handle);
    #[wasm_bindgen(method)]
    fn wipe(this: &Handle);
    #[wasm_bindgen(method, js_name = setTyping)]
    fn set_typing(this: &Handle, typing: bool);
    #[wasm_bindgen(method, js_name = setTheme)]
    fn set_theme(this: &Handle, dark: bool);
    #[wasm_bindgen(method, js_name = setScreenReader)]
    fn set_screen_reader(this: &Handle, on: bool);
    #[wasm_bindgen(method, js_name = setZoom)]
    fn set_zoom(this: &Handle, zoom: u16);
    #[wasm_bindgen(method)]
    fn fit(this: &Handle);
    #[wasm_bindgen(method)]
    fn focus(this: &Handle);
    #[wasm_bindgen(method)]
    fn blur(this: &Handle);
    #[wasm_bindgen(method)]
    fn pasted(this: &Handle, text: &str);
    #[wasm_bindgen(method, js_name = keyBytes)]
    fn key_bytes(this: &Handle, name: &str) -> String;
    #[wasm_bindgen(method)]
    fn find(this: &Handle, text: &str, back: bool);
    #[wasm_bindgen(method)]
    fn mark(this: &Handle, command: f64);
    #[wasm_bindgen(method, js_name = setCommands)]
    fn set_commands(this: &Handle, text: &str);
    #[wasm_bindgen(method)]
    fn step(this: &Handle, back: bool);
    #[wasm_bindgen(method)]
    fn look(this: &Handle, command: f64);
    #[wasm_bindgen(method)]
    fn dispose(this: &Handle);
    #[wasm_bindgen(method, js_name = endFind)]
    fn end_find(this: &Handle);
    // Of `js/film.js`, which is in the same bundle: `shell/film.rs` says what it is.
    #[wasm_bindgen(js_name = hasFilm)]
    pub(crate) fn has_film() -> bool;
    #[wasm_bindgen(catch)]
    pub(crate) async fn part(name: &str, token: &str) -> Result<JsValue, JsValue>;
}

/// What happens in a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    /// A person typed; never an answer to a program's query.
    Typed(Vec<u8>),
    /// A person pasted.
    Pasted { text: String, bracketed: bool },
    /// Everything up to this write is parsed.
    Parsed(u64),
    /// The program set a title.
    Title(String),
    /// The program asks to write the clipboard.
    Clipboard(String),
    /// A person pressed a link whose text may say something else than its target.
    Link(String),
    /// The pointer is over a link with this target, or over none.
    Hover(String),
    /// Which match of how many is selected.
    Found(String, String),
    /// A person looks at a command, or at none any more.
    Command(Option<Looked>),
    /// A terminal of this size fits its place in letters that are read well.
    Fits(WindowSize),
    /// The person leaves the terminal by keyboard.
    Leave,
}

/// A command that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) number: u64,
    /// No other stands above it.
    pub(crate) first: bool,
    /// The line it was typed on, as it is on the screen.
    pub(crate) line: String,
}

impl Looked {
    /// From the command's number, with a word behind it if it is the first, and its line.
    fn heard(which: &str, line: String) -> Option<Self> {
        let (number, first) = which.split_once(' ').map_or((which, false), |(number, _)| (number, true));
        let number = number.parse().ok().filter(|number| *number > 0)?;
        Some(Self { number, first, line })
    }
}

/// A terminal in the page.
pub(crate) struct Screen {
    handle: Handle,
    _heard: Closure<dyn FnMut(String, String, String)>,
}

/// Tickets count writes: far below 2⁵³.
#[allow(clippy::cast_precision_loss, reason = "counts of writes stay far below 2^53")]
fn number(ticket: u64) -> f64 {
    ticket as f64
}

/// An owned copy: xterm.js reads it later, when a view of wasm's memory would show something else.
fn copied(bytes: &[u8]) -> js_sys::Uint8Array {
    js_sys::Uint8Array::from(bytes)
}

impl Screen {
    /// Opens a terminal in `host`.
    pub(crate) fn new(host: &web_sys::HtmlElement, dark: bool, on: impl Fn(Happened) + 'static) -> Self {
        let heard = Closure::new(move |kind: String, first: String, second: String| {
            let happened = match kind.as_str() {
                "data" => Happened::Typed(first.into_bytes()),
                // One byte a character, as old mouse reports are.
                "binary" => {
                    Happened::Typed(first.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect())
                }
                "paste" => Happened::Pasted { text: first, bracketed: second == "bracketed" },
                "parsed" => Happened::Parsed(first.parse().unwrap_or(0)),
                "title" => Happened::Title(first),
                "clipboard" => Happened::Clipboard(first),
                "link" => Happened::Link(first),
                "hover" => Happened::Hover(first),
                "found" => Happened::Found(first, second),
                "command" => Happened::Command(Looked::heard(&first, second)),
                "fits" => {
                    let side = |text: &str| text.parse().unwrap_or(u16::MAX);
                    Happened::Fits(WindowSize { cols: side(&first), rows: side(&second) })
                }
                _ => Happened::Leave,
            };
            on(happened);
        });
        Self { handle: mount(host, &heard, dark), _heard: heard }
    }

    pub(crate) fn write(&self, ticket: u64, bytes: &[u8]) {
        self.handle.write(number(ticket), copied(bytes));
    }

    pub(crate) fn rebuild(&self, ticket: u64, window: WindowSize, bytes: &[u8]) {
        self.handle.rebuild(number(ticket), window.cols, window.rows, copied(bytes));
    }

    pub(crate) fn resize(&self, window: WindowSize) {
        self.handle.resize(window.cols, window.rows);
    }

    pub(crate) fn skip(&self) {
        self.handle.skip();
    }

    pub(crate) fn wipe(&self) {
        self.handle.wipe();
    }

    pub(crate) fn set_typing(&self, typing: bool) {
        self.handle.set_typing(typing);
    }

    pub(crate) fn set_theme(&self, dark: bool) {
        self.handle.set_theme(dark);
    }

    pub(crate) fn set_screen_reader(&self, on: bool) {
        self.handle.set_screen_reader(on);
    }

    pub(crate) fn set_zoom(&self, zoom: u16) {
        self.handle.set_zoom(zoom);
    }

    pub(crate) fn fit(&self) {
        self.handle.fit();
    }

    pub(crate) fn focus(&self) {
        self.handle.focus();
    }

    pub(crate) fn blur(&self) {
        self.handle.blur();
    }

    /// Takes text from a paste button as if it had been pasted.
    pub(crate) fn pasted(&self, text: &str) {
        self.handle.pasted(text);
    }

    /// What a named key (`esc`, `tab`, `up`, …) sends in the terminal's present mode.
    pub(crate) fn key_bytes(&self, name: &str) -> Vec<u8> {
        self.handle.key_bytes(name).into_bytes()
    }

    pub(crate) fn find(&self, text: &str, back: bool) {
        self.handle.find(text, back);
    }

    /// Remembers that a command begins behind everything written before.
    pub(crate) fn mark(&self, command: u64) {
        self.handle.mark(number(command));
    }

    /// Takes all that is known of commands.
    pub(crate) fn set_commands(&self, commands: &Commands) {
        let mut lines = String::new();
        for command in commands.iter() {
            // Writing into a string cannot fail.
            let _ = writeln!(lines, "{} {} {}", command.number, command.kind(), command.says());
        }
        self.handle.set_commands(&lines);
    }

    /// Goes to the command before or behind.
    pub(crate) fn step(&self, back: bool) {
        self.handle.step(back);
    }

    /// Looks at no command any more.
    pub(crate) fn end_steps(&self) {
        self.handle.look(0.0);
    }

    /// Frees everything it holds; nothing more happens in it.
    pub(crate) fn dispose(&self) {
        self.handle.dispose();
    }

    pub(crate) fn end_find(&self) {
        self.handle.end_find();
    }
}

impl core::fmt::Debug for Screen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let _js: &JsValue = self.handle.as_ref();
        f.write_str("Screen")
    }
}
