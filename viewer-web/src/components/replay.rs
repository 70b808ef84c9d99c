//! The timeline of a film: where it is, and the ways to other moments.

use std::fmt::Write as _;

use leptos::html::Section;
use leptos::prelude::*;
use shared::viewer::{Control, Event, Timeline, speed_word};
use wasm_bindgen::JsCast as _;

use super::icon::Drawing;
use super::{Action, Face};

/// The line's length in the units it is drawn in.
const UNITS: u64 = 1_000;

/// What a key asks of a film, unless it is for what has the keyboard: fields, pills, and buttons that a space presses.
fn key(event: &leptos::ev::KeyboardEvent, line: &Timeline) -> Option<Control> {
    let target = event.target()?.dyn_into::<web_sys::Element>().ok()?;
    let pressed = if event.key() == " " { ",button" } else { "" };
    let takes = format!("input:not([type=range]),select,summary,[role=tab],[role=dialog]{pressed}");
    let free = target.closest(&takes).ok()?.is_none();
    let plain = !event.ctrl_key() && !event.alt_key() && !event.meta_key();
    line.key(&event.key(), event.shift_key()).filter(|_| free && plain)
}

/// Where nothing happens, as a path.
fn idle(line: &Timeline) -> String {
    let mut path = String::new();
    for (from, until) in line.idle.iter() {
        let from = line.place(*from, UNITS);
        // Writing into a string cannot fail.
        let _ = write!(path, "M{from} 0h{}v10H{from}Z", line.place(*until, UNITS).saturating_sub(from));
    }
    path
}

/// Where commands begin, as a path: those that failed, or the others.
fn commands(line: &Timeline, failed: bool) -> String {
    let mut path = String::new();
    for jump in line.jumps.iter().filter(|jump| jump.failed == failed) {
        let _ = write!(path, "M{} 0v10", line.place(jump.at, UNITS));
    }
    path
}

/// What the bar is made of. As text, because a view of it is five times as large in the page, and nothing of a film is
/// in it: what it says is set by [`draw`].
const PARTS: &str = r#"<button class="tool play" title="Play or pause (Space)"><svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path></path></svg></button>
<span class="moment"></span>
<div class="track">
<svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><path class="idle"></path><path class="mark"></path><path class="failed"></path></svg>
<input type="range" min="0" step="any" aria-label="Moment">
</div>
<span class="moment length"></span>
<button class="tool earlier" aria-label="Earlier command" title="Earlier command ([)"><svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="M5 4.5v11 M15 4.5L8.5 10l6.5 5.5Z"></path></svg></button>
<button class="tool later" aria-label="Later command" title="Later command (])"><svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="M15 4.5v11 M5 4.5L11.5 10 5 15.5Z"></path></svg></button>
<button class="speed" title="Slower (,) and faster (.)"></button>
<button class="skip" title="Leave out time in which nothing happens (i)">Skip idle</button>"#;

/// The timeline; nothing live has one.
#[component]
pub(crate) fn Replay() -> impl IntoView {
    let face = Face::here();
    let bar = NodeRef::<Section>::new();
    let shown = Memo::new(move |_| face.of(|view| view.timeline.is_some()));
    let control = move |control: Control| face.act(Action::Give(Event::Control(control)));
    // Wherever the keyboard is: nothing else on the page wants these keys.
    let pressed = window_event_listener(leptos::ev::keydown, move |event| {
        let asked = face.view.with_untracked(|view| key(&event, view.as_ref()?.timeline.as_ref()?));
        if let Some(asked) = asked.filter(|_| !event.default_prevented()) {
            event.prevent_default();
            control(asked);
        }
    });
    on_cleanup(move || pressed.remove());
    Effect::new(move |_| {
        if let Some(bar) = bar.get() {
            bar.set_inner_html(PARTS);
        }
    });
    Effect::new(move |_| {
        face.view.with(|view| {
            // Drawn when the bar is there, and whenever the view is another.
            if let (Some(bar), Some(line)) =
                (bar.get(), view.as_ref().and_then(|view| view.timeline.as_ref()))
            {
                draw(&bar, line);
            }
        });
    });
    let asked = move |event: web_sys::Event| {
        let asked = face.view.with_untracked(|view| asked(&event, view.as_ref()?.timeline.as_ref()?));
        if let Some(asked) = asked {
            control(asked);
        }
    };
    view! {
        <section class="replay" class:none=move || !shown.get() aria-label="Replay" node_ref=bar
            on:click=move |event| asked(event.into()) on:input=asked></section>
    }
}

/// What a press on the bar, or a move of its slider, asks for.
fn asked(event: &web_sys::Event, line: &Timeline) -> Option<Control> {
    let target = event.target()?.dyn_into::<web_sys::Element>().ok()?;
    if event.type_() == "input" {
        let at = target.dyn_into::<web_sys::HtmlInputElement>().ok()?.value();
        return at.split('.').next()?.parse().ok().map(Control::Seek);
    }
    let button = target.closest("button").ok()??;
    Some(match button.class_name().as_str() {
        "tool play" => Control::Play(!line.playing),
        "tool earlier" => Control::Command { back: true },
        "tool later" => Control::Command { back: false },
        "speed" => Control::NextSpeed,
        _ => Control::Skip(!line.skips),
    })
}

/// Says in the bar how the film stands.
fn draw(bar: &web_sys::Element, line: &Timeline) {
    let part = |name: &str| bar.query_selector(name).ok().flatten();
    let set = |name: &str, attribute: &str, value: &str| {
        if let Some(part) = part(name).filter(|part| part.get_attribute(attribute).as_deref() != Some(value))
        {
            drop(part.set_attribute(attribute, value));
        }
    };
    let text = |name: &str, text: &str| {
        if let Some(part) = part(name).filter(|part| part.text_content().as_deref() != Some(text)) {
            part.set_text_content(Some(text));
        }
    };
    let enable = |name: &str, enabled: bool| {
        if let Some(part) = part(name) {
            drop(part.toggle_attribute_with_force("disabled", !enabled));
        }
    };
    let (does, drawing) = if line.playing { ("Pause", Drawing::Pause) } else { ("Play", Drawing::Play) };
    set(".play", "aria-label", does);
    set(".play path", "d", drawing.path());
    text(".moment", &line.at_words());
    text(".length", &line.length_words());
    set(".idle", "d", &idle(line));
    set(".mark", "d", &commands(line, false));
    set(".failed", "d", &commands(line, true));
    set("input", "max", &line.length.max(1).to_string());
    set("input", "aria-valuetext", &line.words());
    set("input", "style", &format!("--at:{}", line.place(line.at, UNITS)));
    if let Some(slider) = part("input").and_then(|input| input.dyn_into::<web_sys::HtmlInputElement>().ok()) {
        slider.set_value(&line.at.to_string());
    }
    enable(".earlier", line.command(true).is_some());
    enable(".later", line.command(false).is_some());
    let speed = speed_word(line.speed);
    text(".speed", &speed);
    set(".speed", "aria-label", &format!("Speed {speed}"));
    set(".skip", "aria-pressed", if line.skips { "true" } else { "false" });
    set(".track", "data-waits", if line.waits { "true" } else { "false" });
}
