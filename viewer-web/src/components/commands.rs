//! Going from command to command, where the shell marks them: how each ended, how long it took, and where.

use leptos::prelude::*;
use shared::command::Command;

use super::icon::{Drawing, Icon};
use super::{Action, Face, Panel};

/// Where a chord leads, wherever the keyboard is: `Ctrl+Alt+Page Up` back, `Ctrl+Alt+Page Down` on.
pub(crate) fn chord(event: &leptos::ev::KeyboardEvent) -> Option<bool> {
    match (event.ctrl_key() && event.alt_key(), event.code().as_str()) {
        (true, "PageUp") => Some(true),
        (true, "PageDown") => Some(false),
        _ => None,
    }
}

/// The bar: the command that is looked at, else the newest, and the ways to others.
#[component]
pub(crate) fn CommandBar() -> impl IntoView {
    let face = Face::here();
    let open = Memo::new(move |_| face.page.with(|page| page.panel == Panel::Commands));
    let number = move || face.page.with(|page| page.command.as_ref().map(|looked| looked.number));
    let line = move || {
        face.page.with(|page| page.command.as_ref().map(|looked| looked.line.clone())).unwrap_or_default()
    };
    let first = move || face.page.with(|page| page.command.as_ref().is_some_and(|looked| looked.first));
    let of = move |read: fn(&Command) -> String| {
        let number = number();
        face.of(|view| {
            view.commands.get(number.unwrap_or_else(|| view.commands.newest())).map(read).unwrap_or_default()
        })
    };
    let kind = move || of(|command| format!("told {}", command.kind()));
    let directory = move || of(|command| command.directory.clone().unwrap_or_default());
    let pressed = move |event: leptos::ev::KeyboardEvent| {
        face.act(match event.key().as_str() {
            "ArrowUp" => Action::Step { back: true },
            "ArrowDown" => Action::Step { back: false },
            "Escape" => Action::Close,
            _ => return,
        });
        event.prevent_default();
    };
    view! {
        <Show when=move || open.get()>
            <div class="find commands" role="group" aria-label="Commands" on:keydown=pressed>
                <p aria-live="polite">
                    <span class=kind>{move || of(Command::says)}</span>
                    <bdi>{line}</bdi>
                </p>
                <bdi class="directory">{directory}</bdi>
                <button class="tool" aria-label="Earlier command" title="Earlier command (Ctrl+Alt+Page Up)" disabled=first
                    on:click=move |_| face.act(Action::Step { back: true })><Icon drawing=Drawing::Up/></button>
                <button class="tool" aria-label="Later command" title="Later command (Ctrl+Alt+Page Down)" disabled=move || number().is_none()
                    on:click=move |_| face.act(Action::Step { back: false })><Icon drawing=Drawing::Down/></button>
                <button class="tool" aria-label="Close commands" on:click=move |_| face.act(Action::Close)><Icon drawing=Drawing::Close/></button>
            </div>
        </Show>
    }
}
