//! Where the session stands, in a word that is true.

use leptos::prelude::*;
use shared::viewer::{ChildSession, State};

use super::Face;
/// How a state looks: its colour and whether it moves.
fn look(state: &State) -> &'static str {
    match state {
        State::Live => "live",
        State::Connecting
        | State::CatchingUp
        | State::Child(ChildSession::NotStarted | ChildSession::Starting) => "busy",
        State::Reconnecting { .. }
        | State::Seeking { .. }
        | State::Stale { .. }
        | State::SharerAway { .. }
        | State::Child(ChildSession::Unreachable { .. }) => "waiting",
        State::Ended(_)
        | State::ClosedByRelay(_)
        | State::Recorded
        | State::Child(ChildSession::Live | ChildSession::Ended | ChildSession::Unrecorded) => "over",
        State::Failed(_) | State::Diverged(_) | State::Child(ChildSession::Failed { .. }) => "bad",
    }
}

/// The state's word, and since when.
#[component]
pub(crate) fn Status() -> impl IntoView {
    let face = Face::here();
    let word = Memo::new(move |_| {
        face.view.with(|view| view.as_ref().map_or("Connecting", |view| view.state.word()))
    });
    let look =
        Memo::new(move |_| face.view.with(|view| view.as_ref().map_or("busy", |view| look(&view.state))));
    let since = Memo::new(move |_| face.of(|view| view.state.since()));
    view! {
        <div class="status" data-look=look>
            <span class="dot" aria-hidden="true"></span>
            <span role="status">{word}</span>
            {move || since.get().map(|at| view! { <span class="since">"since "{clock_time(at)}</span> })}
        </div>
    }
}

/// A moment as people write it: hours and minutes of their own day.
pub(crate) fn clock_time(at: shared::time::UnixMs) -> String {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay far below 2^53")]
    let date = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(at.0 as f64));
    format!("{:02}:{:02}", date.get_hours(), date.get_minutes())
}
