//! One pill: who, and how it stands.

use std::sync::Arc;

use leptos::prelude::*;
use shared::viewer::{Bar, COLOURS, Pill, Selection, Status};

use super::icon::{Drawing, Icon};
use super::status::clock_time;

/// How a status looks: the word that style sheets know it by, and its glyph.
pub(crate) fn look(status: Status) -> (&'static str, Drawing) {
    match status {
        Status::Starting => ("starting", Drawing::Starting),
        Status::Running => ("running", Drawing::Running),
        Status::Waiting => ("waiting", Drawing::Waiting),
        Status::Blocked => ("blocked", Drawing::Blocked),
        Status::Done => ("done", Drawing::Done),
        Status::Error => ("error", Drawing::Error),
        Status::Cancelled => ("cancelled", Drawing::Cancelled),
        Status::Unreachable => ("unreachable", Drawing::Unreachable),
        Status::Unknown => ("unknown", Drawing::Unknown),
    }
}

/// A pill's status in words, and since when.
pub(crate) fn words(pill: &Pill) -> String {
    let since = pill.details.as_ref().map(|details| format!(" since {}", clock_time(details.since)));
    let calls = if pill.attention { ", wants attention" } else { "" };
    let pinned = if pill.pinned { ", pinned" } else { "" };
    format!("{}{}{calls}{pinned}", pill.status.word(), since.unwrap_or_default())
}

/// The bar as every part of it sees it.
pub(crate) type Bars = Memo<Option<Arc<Bar>>>;

/// Something of the pill that selects this.
pub(crate) fn of_pill<T: Default>(bar: Bars, selects: &Selection, read: impl FnOnce(&Pill) -> T) -> T {
    let found = |bar: &Arc<Bar>| bar.pills.iter().find(|pill| pill.selects == *selects).map(read);
    bar.with(|bar| bar.as_ref().and_then(found)).unwrap_or_default()
}

/// What a selection is called in the page: a child's task, or nothing.
pub(crate) fn key(selects: &Selection) -> String {
    match selects {
        Selection::Own => String::new(),
        Selection::Child(task) => task.0.clone(),
    }
}

/// The button of the pill that selects this.
#[component]
pub(crate) fn PillButton(selects: Selection, bar: Bars) -> impl IntoView {
    let lead = selects == Selection::Own;
    let key = key(&selects);
    // Compared whole: nothing below runs unless this very pill has changed.
    let pill = Memo::new(move |_| of_pill(bar, &selects, |pill| Some(pill.clone())));
    let text = move |read: fn(&Pill) -> String| {
        Signal::derive(move || pill.with(|pill| pill.as_ref().map(read).unwrap_or_default()))
    };
    let has = move |read: fn(&Pill) -> bool| {
        Signal::derive(move || pill.with(|pill| pill.as_ref().is_some_and(read)))
    };
    let hidden = has(|pill| pill.driver.is_none());
    view! {
        <button class="pill" role="tab" data-task=key aria-controls="terminal"
            class:calls=has(|pill| pill.attention) class:pinned=has(|pill| pill.pinned) class:gone=has(|pill| pill.status == Status::Unreachable)
            data-state=text(|pill| look(pill.status).0.to_owned())
            aria-selected=text(|pill| pill.selected.to_string())
            tabindex=text(|pill| if pill.selected { "0" } else { "-1" }.to_owned())
            aria-label=text(|pill| format!("{}, {}", pill.name, words(pill)))>
            <span class="disc" class:lead=lead
                style=text(|pill| format!("--hue:{}", u16::from(pill.colour) * (360 / u16::from(COLOURS))))>
                {lead.then(|| view! { <Icon drawing=Drawing::Lead/> })}
                {(!lead).then(|| text(|pill| pill.initial.clone()))}
            </span>
            <span class="name">{text(|pill| pill.name.clone())}</span>
            <span class="far" class:none=hidden><Icon drawing=Drawing::Far/></span>
            <span class="badge">
                <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
                    <path d=text(|pill| look(pill.status).1.path().to_owned())></path>
                </svg>
            </span>
        </button>
    }
}
