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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Settings {
    /// Keep the terminal's text where screen readers find it.
    pub(crate) screen_reader: bool,
    pub(crate) theme: Theme,
    /// Times the size that fits.
    pub(crate) zoom: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { screen_reader: false, theme: Theme::Auto, zoom: 1.0 }
    }
}
