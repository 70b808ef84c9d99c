//! The terminal's place in the page, and what stands there while it must not be seen.

use leptos::html::Div;
use leptos::prelude::*;
use shared::viewer::{ChildSession, Event, Shown, State};

use super::banner::can_retry;
use super::{Action, Face};

/// The terminals' place; `mounted` is told its element once.
#[component]
pub(crate) fn Terminal(mounted: UnsyncCallback<web_sys::HtmlElement>, host: String) -> impl IntoView {
    let face = Face::here();
    let node = NodeRef::<Div>::new();
    let done = StoredValue::new(false);
    Effect::new(move |_| {
        if let Some(element) = node.get()
            && !done.get_value()
        {
            done.set_value(true);
            mounted.run(element.into());
        }
    });
    let shown =
        Memo::new(move |_| face.view.with(|view| view.as_ref().map_or(Shown::Nothing, |view| view.shown)));
    let look = move || match shown.get() {
        Shown::Nothing => "nothing",
        Shown::Screen => "screen",
        Shown::Unconfirmed => "unconfirmed",
        Shown::Hidden => "hidden",
    };
    let old = Memo::new(move |_| {
        face.of(|view| {
            matches!(
                view.state,
                State::Reconnecting { .. }
                    | State::Seeking { .. }
                    | State::Stale { .. }
                    | State::SharerAway { .. }
            )
        })
    });
    let hover = Memo::new(move |_| face.page.with(|page| page.hover.clone()));
    view! {
        <main class="frame" id="terminal" data-shown=look class:old=old>
            <div class="stage" node_ref=node aria-hidden=move || matches!(shown.get(), Shown::Nothing | Shown::Hidden).then_some("true")></div>
            <Curtain host=host/>
            <div class="target" class:none=move || hover.with(String::is_empty)>{hover}</div>
        </main>
    }
}

/// What a person reads where there is no screen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    head: &'static str,
    sentence: String,
    busy: bool,
    again: bool,
}

/// What stands in the terminal's place.
#[component]
fn Curtain(host: String) -> impl IntoView {
    let face = Face::here();
    let connecting = move |attempts: u32| Said {
        head: "Connecting",
        sentence: if attempts == 0 {
            format!("Waiting for the relay at {}.", host_of(&host))
        } else {
            format!("The relay at {} does not answer. Trying again.", host_of(&host))
        },
        busy: true,
        again: false,
    };
    let said = Memo::new(move |_| {
        let Some(view) = face.view.get() else { return Some(connecting(0)) };
        if view.shown == Shown::Hidden && !view.state.is_final() {
            return Some(Said {
                head: "Not confirmed",
                sentence: "The sharer did not confirm what arrived last. It is hidden until that happens."
                    .to_owned(),
                busy: false,
                again: false,
            });
        }
        if !matches!(view.shown, Shown::Nothing | Shown::Hidden) {
            return None;
        }
        Some(match &view.state {
            State::Connecting | State::Reconnecting { .. } => connecting(view.attempts),
            State::CatchingUp | State::Live => Said {
                head: "Opening",
                sentence: "Waiting for the first screen.".to_owned(),
                busy: true,
                again: false,
            },
            state @ (State::Child(_)
            | State::Seeking { .. }
            | State::Stale { .. }
            | State::SharerAway { .. }
            | State::Ended(_)
            | State::Recorded
            | State::ClosedByRelay(_)
            | State::Failed(_)
            | State::Diverged(_)) => Said {
                head: state.word(),
                sentence: view.sentence().unwrap_or_default(),
                busy: !state.is_final()
                    && !matches!(state, State::Child(ChildSession::Failed { .. } | ChildSession::Unrecorded)),
                again: state.is_final() && can_retry(state),
            },
        })
    });
    move || {
        said.get().map(|said| {
            view! {
                <div class="curtain" class:busy=said.busy>
                    <div class="card">
                        <h2>{said.head}</h2>
                        <p>{said.sentence}</p>
                        {said.again.then(|| view! {
                            <button class="strong" on:click=move |_| face.act(Action::Give(Event::Retry))>"Try again"</button>
                        })}
                    </div>
                </div>
            }
        })
    }
}

/// The host of a base address, for people.
fn host_of(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_, rest)| rest)
}
