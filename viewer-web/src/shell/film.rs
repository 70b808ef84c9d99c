//! A film's parts; `js/film.js` is its other half.

use shared::viewer::Ask;
use wasm_bindgen::JsCast as _;

use crate::xterm::{has_film, part};

/// Whether the page is a file with its film inside.
pub(super) fn inside() -> bool {
    has_film()
}

/// Gets a part, then gives it; `None`: it cannot be had.
pub(super) fn get(ask: Ask, token: String, give: impl FnOnce(Option<Vec<u8>>) + 'static) {
    wasm_bindgen_futures::spawn_local(async move {
        let part = part(&ask.name(), &token).await.ok();
        give(part.and_then(|part| Some(part.dyn_ref::<js_sys::Uint8Array>()?.to_vec())));
    });
}
