//! What a person prefers, as the page keeps it.

use serde::{Deserialize, Serialize};

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Theme {
    #[default]
    Auto,
    Light,
    Dark,
}

/// What a person prefers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Settings {
    /// Keep the terminal's text where screen readers find it.
    pub(crate) screen_reader: bool,
    pub(crate) theme: Theme,
    /// Percent of the size that fits. Whole, so that no code for fractions is in the page.
    pub(crate) zoom: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self { screen_reader: false, theme: Theme::Auto, zoom: 100 }
    }
}
