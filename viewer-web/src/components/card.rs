//! What a pill's card says while the pointer or the keyboard is on the pill.

use leptos::prelude::*;
use shared::time::UnixMs;
use shared::viewer::{Details, Selection};

use super::pill::{Bars, look, of_pill, words};

/// The card's width and its distance from the window's edge, in CSS pixels.
const WIDTH: f64 = 340.0;
const EDGE: f64 = 12.0;

/// The pill under the pointer or the keyboard, and where it is in the page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pointed {
    pub(crate) selects: Selection,
    /// Its left and lower edge, in CSS pixels.
    pub(crate) left: f64,
    pub(crate) below: f64,
}

/// The card.
#[component]
pub(crate) fn Card(bar: Bars, pointed: RwSignal<Option<Pointed>>) -> impl IntoView {
    let about = Memo::new(move |_| {
        let at = pointed.get()?;
        of_pill(bar, &at.selects, |pill| Some(pill.clone())).map(|pill| (at, pill))
    });
    move || {
        about.get().map(|(at, pill)| {
            let room = window().inner_width().ok().and_then(|width| width.as_f64()).unwrap_or_default();
            let left = pixels(at.left.min(room - WIDTH - EDGE).max(EDGE));
            let words = words(&pill);
            let lines = pill.details.as_ref().map(lines).unwrap_or_default();
            let driver = pill.driver.map(|driver| ("Runs on", driver));
            let lines =
                lines.into_iter().chain(driver).map(|(word, text)| view! { <dt>{word}</dt><dd>{text}</dd> });
            let reason = pill.details.map(|details| details.reason).filter(|reason| !reason.is_empty());
            view! {
                <div class="about" role="tooltip" data-state=look(pill.status).0
                    style=format!("left:{left}px;top:{}px", pixels(at.below) + 8)>
                    <h3>{pill.name}</h3>
                    <p class="state">{words}</p>
                    {reason.map(|reason| view! { <p>{reason}</p> })}
                    <dl>{lines.collect_view()}</dl>
                </div>
            }
        })
    }
}

/// What there is to say, under which word.
fn lines(details: &Details) -> Vec<(&'static str, String)> {
    let until = details.ended.unwrap_or_else(|| UnixMs(now()));
    let took = duration(until.0.saturating_sub(details.started.0) / 1000);
    let all = [
        ("Asked to", details.prompt.clone()),
        ("Command", details.command.clone()),
        ("Directory", details.directory.clone()),
        (if details.ended.is_some() { "Ran for" } else { "Runs for" }, took),
    ];
    all.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// Seconds as people say them.
fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// The wall clock, for showing how long something lasts.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970")]
fn now() -> u64 {
    js_sys::Date::now() as u64
}

#[allow(clippy::cast_possible_truncation, reason = "a place in a window")]
fn pixels(place: f64) -> i32 {
    place as i32
}
