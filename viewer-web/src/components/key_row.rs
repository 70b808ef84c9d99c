//! Keys that a phone's keyboard lacks.

use leptos::prelude::*;
use shared::viewer::Typing;

use super::icon::{Drawing, Icon};
use super::{Action, Face};

/// Sticky modifiers: they apply to the next key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Modifiers {
    pub(crate) ctrl: bool,
    pub(crate) alt: bool,
}

impl Modifiers {
    /// What the bytes of a key become.
    pub(crate) fn apply(self, bytes: Vec<u8>) -> Vec<u8> {
        let mut bytes = match (&bytes[..], self.ctrl) {
            ([key @ (b'@'..=b'_' | b'a'..=b'z')], true) => vec![key & 0x1f],
            ([b' '], true) => vec![0],
            _ => bytes,
        };
        if self.alt {
            bytes.insert(0, 0x1b);
        }
        bytes
    }
}

/// The keys by name, as read aloud and as drawn.
const KEYS: [(&str, &str, &str); 6] = [
    ("esc", "Escape", "Esc"),
    ("tab", "Tab", "Tab"),
    ("left", "Arrow left", "←"),
    ("down", "Arrow down", "↓"),
    ("up", "Arrow up", "↑"),
    ("right", "Arrow right", "→"),
];

/// The row; only where fingers type.
#[component]
pub(crate) fn KeyRow() -> impl IntoView {
    let face = Face::here();
    let typing =
        Memo::new(move |_| face.of(|view| view.typing == Typing::On || view.typing == Typing::Paused));
    // A press must not take the focus from the terminal: the keyboard would go.
    let keep = |event: leptos::ev::PointerEvent| event.prevent_default();
    let key = move |(name, label, drawn): (&'static str, &'static str, &'static str)| {
        view! {
            <button aria-label=label on:pointerdown=keep on:click=move |_| face.act(Action::Key(name))>{drawn}</button>
        }
    };
    let ctrl = move || face.modifiers.with(|modifiers| modifiers.ctrl);
    let alt = move || face.modifiers.with(|modifiers| modifiers.alt);
    view! {
        <Show when=move || typing.get()>
            <div class="keys" role="toolbar" aria-label="Keys">
                {KEYS[..2].iter().copied().map(key).collect_view()}
                <button aria-label="Control" aria-pressed=move || ctrl().to_string() on:pointerdown=keep
                    on:click=move |_| face.modifiers.update(|modifiers| modifiers.ctrl ^= true)>"Ctrl"</button>
                <button aria-label="Alt" aria-pressed=move || alt().to_string() on:pointerdown=keep
                    on:click=move |_| face.modifiers.update(|modifiers| modifiers.alt ^= true)>"Alt"</button>
                {KEYS[2..].iter().copied().map(key).collect_view()}
                <button aria-label="Paste" on:pointerdown=keep on:click=move |_| face.act(Action::PasteButton)>
                    <Icon drawing=Drawing::Paste/>
                </button>
                <button aria-label="Keyboard" on:click=move |_| face.act(Action::Keyboard)>
                    <Icon drawing=Drawing::Keyboard/>
                </button>
            </div>
        </Show>
    }
}
