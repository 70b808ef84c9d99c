//! A screen that forgets nothing: every byte a viewer was given, in order.

use shared::event::WindowSize;

use crate::viewer::Screen;

/// Everything that was written to a viewer's terminal.
#[derive(Debug, Default)]
pub struct Log {
    /// The bytes, rebuilds included.
    pub bytes: Vec<u8>,
    /// The size of the newest rebuild.
    pub rebuilt: Option<WindowSize>,
    /// The size it has.
    pub window: Option<WindowSize>,
}

impl Log {
    /// Whether this was written.
    pub fn has(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Screen for Log {
    fn rebuild(&mut self, window: WindowSize, bytes: &[u8]) {
        (self.window, self.rebuilt) = (Some(window), Some(window));
        self.bytes.extend_from_slice(bytes);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn resize(&mut self, window: WindowSize) {
        self.window = Some(window);
    }

    fn wipe(&mut self) {}
}
