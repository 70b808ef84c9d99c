//! The page itself: address bar, clipboard, full screen.

use shared::id::TaskId;
use shared::link::{Link, LinkError};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Window};

use super::storage;
use crate::preferences::Theme;

pub(crate) fn window() -> Option<Window> {
    web_sys::window()
}

fn document() -> Option<Document> {
    window()?.document()
}

/// Removes what the page shows before the app runs.
pub(crate) fn clear() {
    if let Some(element) = document().and_then(|document| document.get_element_by_id("before")) {
        element.remove();
    }
}

/// A new block of this class at the end of `parent`, for a terminal.
pub(crate) fn append(parent: &web_sys::HtmlElement, class: &str) -> Option<web_sys::HtmlElement> {
    let element = document()?.create_element("div").ok()?.dyn_into::<web_sys::HtmlElement>().ok()?;
    element.set_class_name(class);
    element.set_attribute("aria-label", "Terminal").ok()?;
    parent.append_child(&element).ok()?;
    Some(element)
}

/// What the address bar asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    /// The page where a link is pasted.
    Start,
    /// Something to watch.
    Watch(Opened),
    /// A link that leads nowhere.
    Damaged(LinkError),
    /// The page must not run.
    Refused(&'static str),
}

/// Something to watch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Opened {
    /// A session.
    Session {
        /// Opens it.
        link: Link,
        /// Is to be selected.
        child: Option<TaskId>,
    },
    /// A film, in the page itself or with the program that it came from.
    Film {
        /// Opens it there.
        token: String,
    },
}

impl Opened {
    /// Who has it: an address, for people.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Session { link, .. } => relay().unwrap_or_else(|| link.base.clone()),
            Self::Film { .. } => {
                window().and_then(|window| window.location().host().ok()).unwrap_or_default()
            }
        }
    }
}

/// Whether things may move by themselves.
pub(crate) fn may_move() -> bool {
    let asked = |window: Window| window.match_media("(prefers-reduced-motion: reduce)").ok()?;
    !window().and_then(asked).is_some_and(|media| media.matches())
}

/// Reads the address bar, and the secret that a reload would otherwise lose.
pub(crate) fn asked() -> Asked {
    let Some(window) = window() else { return Asked::Start };
    if is_controlled(&window) {
        return Asked::Refused(
            "A service worker controls this page and could read what it shows. Remove it from this site, then reload.",
        );
    }
    let location = window.location();
    if super::film::inside() || location.pathname().unwrap_or_default() == "/r/" {
        let token = location.hash().unwrap_or_default();
        return Asked::Watch(Opened::Film { token: token.trim_start_matches('#').to_owned() });
    }
    if !location.pathname().unwrap_or_default().contains("/s/") {
        return Asked::Start;
    }
    match Link::parse_deep(&location.href().unwrap_or_default()) {
        Ok((mut link, child)) => {
            let kept = storage::grant(&link.session.to_string(), &link.secret.to_base64());
            if let Some(secret) = kept.and_then(|text| shared::keys::grant::GrantSecret::from_base64(&text)) {
                link.secret = secret;
            }
            Asked::Watch(Opened::Session { link, child })
        }
        Err(error) => Asked::Damaged(error),
    }
}

/// The relay's own base, where this page comes from somewhere else (`sharer open`): links that are handed on name it.
pub(crate) fn relay() -> Option<String> {
    document()?.query_selector("meta[name=relay]").ok()??.get_attribute("content")
}

fn is_controlled(window: &Window) -> bool {
    // Absent where the context is not secure.
    let navigator = JsValue::from(window.navigator());
    let has =
        js_sys::Reflect::get(&navigator, &"serviceWorker".into()).is_ok_and(|worker| worker.is_object());
    has && window.navigator().service_worker().controller().is_some()
}

/// Keeps the secret of a link that types in this tab, and shows the watch link instead.
pub(crate) fn keep_secret(types: &Link, watch: &Link) {
    let kept =
        storage::keep_grant(&types.session.to_string(), &watch.secret.to_base64(), &types.secret.to_base64());
    // Without storage a reload would lose the right to type; but a link that types is never left in sight.
    let _ = kept;
    show_address(&watch.to_string());
}

/// Puts an address into the address bar; nothing is loaded.
pub(crate) fn show_address(address: &str) {
    if let Some(history) = window().and_then(|window| window.history().ok()) {
        drop(history.replace_state_with_url(&JsValue::NULL, "", Some(address)));
    }
}

/// Goes to a link.
pub(crate) fn open(link: &Link) {
    if let Some(window) = window() {
        drop(window.location().set_href(&link.to_string()));
    }
}

pub(crate) fn reload() {
    if let Some(window) = window() {
        drop(window.location().reload());
    }
}

/// Puts text on the clipboard, then says whether that worked.
pub(crate) fn copy(text: &str, done: impl FnOnce(bool) + 'static) {
    let Some(window) = window() else { return done(false) };
    if !window.is_secure_context() {
        return done(false);
    }
    let promise = window.navigator().clipboard().write_text(text);
    wasm_bindgen_futures::spawn_local(async move {
        done(wasm_bindgen_futures::JsFuture::from(promise).await.is_ok());
    });
}

/// Reads text from the clipboard, where the browser and the person allow it.
pub(crate) fn read_clipboard(done: impl FnOnce(Option<String>) + 'static) {
    let Some(window) = window().filter(Window::is_secure_context) else { return done(None) };
    let promise = window.navigator().clipboard().read_text();
    wasm_bindgen_futures::spawn_local(async move {
        done(wasm_bindgen_futures::JsFuture::from(promise).await.ok().and_then(|text| text.as_string()));
    });
}

/// Fills the whole screen, or stops doing so.
pub(crate) fn toggle_full_screen() {
    let Some(document) = document() else { return };
    if document.fullscreen_element().is_some() {
        document.exit_fullscreen();
    } else if let Some(root) = document.document_element() {
        // Its promise is asked for by name: one that a frame around the page has rejected is an error in the console, unless
        // somebody hears of it.
        let ask = js_sys::Reflect::get(&root, &JsValue::from_str("requestFullscreen")).ok();
        let asked = ask.and_then(|ask| ask.dyn_into::<js_sys::Function>().ok()?.call0(&root).ok());
        if let Some(promise) = asked.and_then(|asked| asked.dyn_into::<js_sys::Promise>().ok()) {
            wasm_bindgen_futures::spawn_local(async move {
                drop(wasm_bindgen_futures::JsFuture::from(promise).await);
            });
        }
    }
}

/// Marks the page as dark, light, or as the system says.
pub(crate) fn set_theme(theme: Theme) {
    let Some(root) = document().and_then(|document| document.document_element()) else { return };
    let name = match theme {
        Theme::Auto => "auto",
        Theme::Light => "light",
        Theme::Dark => "dark",
    };
    drop(root.set_attribute("data-theme", name));
}

/// Whether the system prefers dark, now.
pub(crate) fn system_is_dark() -> bool {
    window()
        .and_then(|window| window.match_media("(prefers-color-scheme: dark)").ok()?)
        .is_some_and(|m| m.matches())
}

/// Whether there is room for something beside the terminal.
pub(crate) fn is_wide() -> bool {
    window().and_then(|window| window.match_media("(min-width: 901px)").ok()?).is_some_and(|m| m.matches())
}

/// Calls back when the system's preference changes.
pub(crate) fn on_system_theme(changed: impl Fn() + 'static) {
    let media = window().and_then(|window| window.match_media("(prefers-color-scheme: dark)").ok()?);
    if let Some(media) = media {
        listen(&media, "change", changed);
    }
}

/// Calls back for as long as the page lives.
fn listen(target: &web_sys::EventTarget, name: &str, heard: impl Fn() + 'static) {
    let closure = Closure::<dyn Fn()>::new(heard);
    drop(target.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref()));
    closure.forget();
}

/// Calls back when the person looks at the page again, or the network is back.
pub(crate) fn on_wake(woken: impl Fn() + Clone + 'static) {
    let Some(window) = window() else { return };
    listen(&window, "online", woken.clone());
    listen(&window, "pageshow", woken.clone());
    if let Some(document) = window.document() {
        let visible = document.clone();
        listen(&document, "visibilitychange", move || {
            if !visible.hidden() {
                woken();
            }
        });
    }
}

/// Another link in the address bar is another session.
pub(crate) fn on_other_link() {
    if let Some(window) = window() {
        listen(&window, "hashchange", reload);
    }
}

/// Keeps the page as tall as what the on-screen keyboard leaves of it.
pub(crate) fn follow_keyboard() {
    let Some(viewport) = window().and_then(|window| window.visual_viewport()) else { return };
    let apply = {
        let viewport = viewport.clone();
        move || {
            let root = document().and_then(|document| document.document_element());
            if let Some(root) = root.and_then(|root| root.dyn_into::<web_sys::HtmlElement>().ok()) {
                // A page that is zoomed by pinching keeps its own height.
                if (viewport.scale() - 1.0).abs() < 0.01 {
                    drop(root.style().set_property("--height", &pixels(viewport.height())));
                    drop(root.style().set_property("--offset", &pixels(viewport.offset_top())));
                }
            }
        }
    };
    apply();
    listen(&viewport, "resize", apply.clone());
    listen(&viewport, "scroll", apply);
}

/// 32 bytes from the browser's generator; `None` where it has none, and nothing may run without it.
pub(crate) fn seed() -> Option<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::getrandom(&mut seed).ok()?;
    Some(seed)
}

/// A length as styles have it; whole, so that no code for fractions is in the page.
#[allow(clippy::cast_possible_truncation, reason = "a place in a window")]
fn pixels(length: f64) -> String {
    format!("{}px", length as i32)
}
