//! The press that starts typing.

use leptos::prelude::*;
use shared::viewer::Typing;

use super::{Action, Face};

/// "Type here", and the way back.
#[component]
pub(crate) fn TypeHere() -> impl IntoView {
    let face = Face::here();
    let typing = Memo::new(move |_| {
        face.view.with(|view| view.as_ref().map_or(Typing::Never, |view| view.typing.clone()))
    });
    move || match typing.get() {
        Typing::Never => ().into_any(),
        Typing::Offered => view! {
            <button class="primary" on:click=move |_| face.act(Action::StartTyping)>"Type here"</button>
        }
        .into_any(),
        Typing::On | Typing::Paused | Typing::Lost(_) => view! {
            <button class="primary on" on:click=move |_| face.act(Action::StopTyping)>"Stop typing"</button>
        }
        .into_any(),
    }
}
