//! What a repository's `.entire/settings.json` says, overlaid by `settings.local.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The part of the settings that concerns an attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "switches of a file")]
pub struct Settings {
    /// Checkpoints are wanted here.
    pub enabled: bool,
    /// v2 is written beside v1.
    pub v2: bool,
    /// v2 alone is wanted, which we never write.
    pub v2_only: bool,
    /// One of the files cannot be read: v2 counts as switched off.
    pub unreadable: bool,
}

#[derive(Deserialize, Default)]
struct File {
    enabled: Option<bool>,
    #[serde(default)]
    strategy_options: Option<BTreeMap<String, Value>>,
}

impl Settings {
    /// From the bytes of the two files, where they are.
    pub fn read(shared: Option<&[u8]>, local: Option<&[u8]>) -> Self {
        let mut unreadable = false;
        let mut parse = |json: Option<&[u8]>| -> File {
            let Some(json) = json else { return File::default() };
            serde_json::from_slice(json).unwrap_or_else(|_| {
                unreadable = true;
                File::default()
            })
        };
        let (shared, local) = (parse(shared), parse(local));
        let mut options = shared.strategy_options.unwrap_or_default();
        options.extend(local.strategy_options.unwrap_or_default());
        let is_true = |key: &str| options.get(key) == Some(&Value::Bool(true));
        Self {
            enabled: local.enabled.or(shared.enabled).unwrap_or(true),
            v2: !unreadable && is_true("checkpoints_v2"),
            v2_only: !unreadable && is_true("checkpoints_v2_only"),
            unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_settings_lie_over_shared_ones_key_by_key_and_only_true_is_true() {
        let read =
            |shared: &str, local: &str| Settings::read(Some(shared.as_bytes()), Some(local.as_bytes()));
        let none = Settings::read(None, None);
        assert_eq!((none.enabled, none.v2, none.unreadable), (true, false, false));
        let on = r#"{"strategy_options":{"checkpoints_v2":true,"push_sessions":false}}"#;
        assert!(read(on, r#"{"log_level":"debug","strategy_options":{"push_sessions":true}}"#).v2);
        assert!(!read(on, r#"{"strategy_options":{"checkpoints_v2":false}}"#).v2);
        assert!(!read(r#"{"strategy_options":{"checkpoints_v2":"true"}}"#, "{}").v2);
        assert!(!read(r#"{"enabled":true}"#, r#"{"enabled":false}"#).enabled);
        let broken = read(on, "{");
        assert_eq!((broken.enabled, broken.v2, broken.unreadable), (true, false, true));
    }
}
