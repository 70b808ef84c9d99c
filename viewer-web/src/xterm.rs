//! The one file that knows xterm.js.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(module = "/js/term.bundle.js")]
extern "C" {
    pub(crate) type Terminal;
    #[wasm_bindgen(constructor)]
    pub(crate) fn new(options: &JsValue) -> Terminal;
    #[wasm_bindgen(method)]
    pub(crate) fn open(this: &Terminal, parent: &web_sys::HtmlElement);
    #[wasm_bindgen(method, js_name = loadAddon)]
    pub(crate) fn load_addon(this: &Terminal, addon: &Unicode11Addon);
    #[wasm_bindgen(method)]
    pub(crate) fn write(this: &Terminal, text: &str);
    #[wasm_bindgen(method, getter)]
    pub(crate) fn unicode(this: &Terminal) -> Unicode;

    pub(crate) type Unicode;
    #[wasm_bindgen(method, setter, js_name = activeVersion)]
    pub(crate) fn set_active_version(this: &Unicode, version: &str);

    pub(crate) type Unicode11Addon;
    #[wasm_bindgen(constructor)]
    pub(crate) fn new() -> Unicode11Addon;
}

/// Makes a terminal whose character widths are those of Unicode 11, before its first byte.
pub(crate) fn terminal() -> Terminal {
    let options = js_sys::Object::new();
    // The unicode interface is what xterm.js calls a proposed one.
    if js_sys::Reflect::set(&options, &"allowProposedApi".into(), &true.into()).is_err() {
        leptos::logging::error!("a fresh object refused a property");
    }
    let terminal = Terminal::new(&options);
    terminal.load_addon(&Unicode11Addon::new());
    terminal.unicode().set_active_version("11");
    terminal
}
