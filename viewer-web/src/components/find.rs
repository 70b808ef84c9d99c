//! Finding text in the terminal and its scrollback.

use leptos::html::Input;
use leptos::prelude::*;

use super::icon::{Drawing, Icon};
use super::{Action, Face, Panel};

/// The find bar.
#[component]
pub(crate) fn Find() -> impl IntoView {
    let face = Face::here();
    let open = Memo::new(move |_| face.page.with(|page| page.panel == Panel::Find));
    let text = RwSignal::new(String::new());
    let field = NodeRef::<Input>::new();
    let look = move |back: bool| face.act(Action::Find { text: text.get_untracked(), back });
    let found = Memo::new(move |_| face.page.with(|page| page.found.clone()));
    let counted = move || match found.get() {
        _ if text.with(String::is_empty) => String::new(),
        Some((_, count)) if count == "0" => "Nothing found".to_owned(),
        Some((index, count)) if index == "0" => format!("{count} found"),
        Some((index, count)) => format!("{index} of {count}"),
        None => String::new(),
    };
    Effect::new(move |_| {
        if let Some(field) = field.get().filter(|_| open.get()) {
            drop(field.focus());
        }
    });
    let pressed = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
        "Enter" => look(!event.shift_key()),
        "Escape" => face.act(Action::Close),
        _ => {}
    };
    view! {
        <Show when=move || open.get()>
            <div class="find" role="search">
                <input type="search" aria-label="Find in terminal" placeholder="Find in terminal" autocomplete="off"
                    spellcheck="false" node_ref=field prop:value=text on:keydown=pressed
                    on:input=move |event| { text.set(event_target_value(&event)); look(true); }/>
                <span class="count" aria-live="polite">{counted}</span>
                <button class="tool" aria-label="Earlier" on:click=move |_| look(true)><Icon drawing=Drawing::Up/></button>
                <button class="tool" aria-label="Later" on:click=move |_| look(false)><Icon drawing=Drawing::Down/></button>
                <button class="tool" aria-label="Close find" on:click=move |_| face.act(Action::Close)><Icon drawing=Drawing::Close/></button>
            </div>
        </Show>
    }
}
