//! What the page remembers: settings for good, the secret of a link that types for as long as the tab lives.

use web_sys::Storage;

use crate::preferences::Settings;

/// Where settings live.
const SETTINGS: &str = "sharer.settings";
/// Where a tab keeps the secret of a link that types, followed by the session's id.
const GRANT: &str = "sharer.grant.";

fn local() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

fn session() -> Option<Storage> {
    web_sys::window()?.session_storage().ok()?
}

/// The settings, or the defaults where there are none or they cannot be read.
pub(crate) fn settings() -> Settings {
    let text = local().and_then(|storage| storage.get_item(SETTINGS).ok()?);
    let mut settings: Settings =
        text.and_then(|text| shared::encoding::from_json(text.as_bytes())).unwrap_or_default();
    settings.zoom = settings.zoom.clamp(50, 400);
    settings
}

/// Keeps the settings; a browser that refuses storage forgets them.
pub(crate) fn keep_settings(settings: &Settings) {
    if let (Some(storage), Ok(text)) = (local(), serde_json::to_string(settings)) {
        drop(storage.set_item(SETTINGS, &text));
    }
}

/// The typing secret that this tab keeps for the session, if the link in the address bar is the watch link it was
/// exchanged for.
pub(crate) fn grant(session_id: &str, watch_secret: &str) -> Option<String> {
    let text = session()?.get_item(&format!("{GRANT}{session_id}")).ok()??;
    let (watch, types) = text.split_once(' ')?;
    (watch == watch_secret).then(|| types.to_owned())
}

/// Keeps a typing secret for as long as the tab lives; false if the browser refuses.
pub(crate) fn keep_grant(session_id: &str, watch_secret: &str, type_secret: &str) -> bool {
    let kept = session().map(|storage| {
        storage.set_item(&format!("{GRANT}{session_id}"), &format!("{watch_secret} {type_secret}")).is_ok()
    });
    kept == Some(true)
}
