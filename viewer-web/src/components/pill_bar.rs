//! The pill bar: the orchestrator and its children, and which of them is looked at.

use leptos::html::Div;
use leptos::prelude::*;
use shared::id::TaskId;
use shared::viewer::{Bar, Event, Order, Selection, Standing};
use wasm_bindgen::JsCast as _;

use super::card::{Card, Pointed};
use super::icon::{Drawing, Icon};
use super::pill::{PillButton, key};
use super::status::clock_time;
use super::{Action, Face};

/// The element of the pill that an event happened in.
fn element(event: &web_sys::Event) -> Option<web_sys::HtmlElement> {
    let target = event.target()?.dyn_into::<web_sys::Element>().ok()?;
    target.closest("[role=tab]").ok()??.dyn_into().ok()
}

/// What the pill of that element selects.
fn selects(pill: &web_sys::HtmlElement) -> Selection {
    match pill.get_attribute("data-task") {
        Some(task) if !task.is_empty() => Selection::Child(TaskId(task)),
        _ => Selection::Own,
    }
}

/// The child that is looked at, and whether it is pinned.
fn pin(bar: &Bar) -> Option<(TaskId, bool)> {
    let pill = bar.pills.iter().find(|pill| pill.selected)?;
    match &pill.selects {
        Selection::Child(task) => Some((task.clone(), pill.pinned)),
        Selection::Own => None,
    }
}

/// The bar; nothing as long as there is no child.
#[component]
pub(crate) fn PillBar() -> impl IntoView {
    let face = Face::here();
    let bar = Memo::new(move |_| face.of(|view| view.bar.clone()));
    let shown = Memo::new(move |_| bar.with(Option::is_some));
    let all = Memo::new(move |_| {
        bar.with(|bar| {
            let pills = bar.iter().flat_map(|bar| &bar.pills);
            pills.map(|pill| pill.selects.clone()).collect::<Vec<_>>()
        })
    });
    let selected = Memo::new(move |_| {
        bar.with(|bar| bar.as_ref()?.pills.iter().find(|pill| pill.selected).map(|pill| pill.selects.clone()))
    });
    let attention =
        Memo::new(move |_| bar.with(|bar| bar.as_ref().is_some_and(|bar| bar.order == Order::Attention)));
    let looked = move || bar.with(|bar| bar.as_ref().and_then(|bar| pin(bar)));
    let standing = Memo::new(move |_| match bar.with(|bar| bar.as_ref().map(|bar| bar.standing)) {
        None | Some(Standing::Present) => String::new(),
        Some(Standing::Stale { since }) => format!("as of {}", clock_time(since)),
        Some(Standing::ParentAway { since }) => format!("parent away since {}", clock_time(since)),
        Some(Standing::Over) => "last known".to_owned(),
    });
    let pointed = RwSignal::new(None::<Pointed>);
    let list = NodeRef::<Div>::new();

    // What is selected is in sight.
    Effect::new(move |_| {
        if let Some(list) = list.get().filter(|_| selected.with(Option::is_some)) {
            request_animation_frame(move || reveal(&list));
        }
    });
    let point = move |event: &web_sys::Event| {
        let next = element(event).map(|pill| {
            let place = pill.get_bounding_client_rect();
            Pointed { selects: selects(&pill), left: place.left(), below: place.bottom() }
        });
        if pointed.with_untracked(|pointed| *pointed != next) {
            pointed.set(next);
        }
    };
    let leave = move || pointed.set(None);
    let pressed = move |event: web_sys::Event| {
        if let Some(pill) = element(&event) {
            leave();
            face.act(Action::Give(Event::Select(selects(&pill))));
        }
    };
    // A wheel that turns up and down moves the pills sideways.
    let turned = move |event: leptos::ev::WheelEvent| {
        if let Some(list) = list.get_untracked().filter(|_| event.delta_x() == 0.0) {
            event.prevent_default();
            list.scroll_by_with_x_and_y(event.delta_y(), 0.0);
        }
    };
    let order = move || if attention.get_untracked() { Order::Started } else { Order::Attention };
    view! {
        <Show when=move || shown.get()>
            <nav class="pills" aria-label="Agents">
                <div class="list" role="tablist" aria-label="Agents" node_ref=list
                    on:click=move |event| pressed(event.into())
                    on:keydown=move |event| walk(&event)
                    on:wheel=turned
                    on:pointerover=move |event| if event.pointer_type() == "mouse" { point(&event) }
                    on:pointerleave=move |_| leave()
                    on:focusin=move |event| point(&event)
                    on:focusout=move |_| leave()
                    on:scroll=move |_| leave()>
                    <For each=move || all.get() key=key
                        children=move |selects| view! { <PillButton selects=selects bar=bar/> }/>
                </div>
                <span class="count">
                    {move || all.with(|all| all.len().saturating_sub(1))}<span class="word">" agent"<i>"s"</i></span>
                </span>
                <span class="standing" role="note" class:none=move || standing.with(String::is_empty)>{standing}</span>
                <button class="tool" aria-label="Pin this agent" title="Pin this agent: in front of what needs attention"
                    disabled=move || looked().is_none()
                    aria-pressed=move || looked().is_some_and(|(_, pinned)| pinned).to_string()
                    on:click=move |_| if let Some((task, pinned)) = looked() {
                        face.act(Action::Give(Event::Pin { task, pinned: !pinned }));
                    }>
                    <Icon drawing=Drawing::Pin/>
                </button>
                <button class="tool" aria-label="Needs attention first" title="Needs attention first"
                    aria-pressed=move || attention.get().to_string()
                    on:click=move |_| face.act(Action::Give(Event::Order(order())))>
                    <Icon drawing=Drawing::Order/>
                </button>
            </nav>
            <Card bar=bar pointed=pointed/>
        </Show>
    }
}

/// What a chord selects, wherever the keyboard is: `Ctrl+Alt+[` and `Ctrl+Alt+]` go round, `Alt+1` to `Alt+9` count.
pub(crate) fn chord(event: &leptos::ev::KeyboardEvent, bar: &Bar) -> Option<Selection> {
    // By the key's place: with these modifiers many layouts give its letter another meaning.
    let selects = match (event.ctrl_key(), event.alt_key(), event.code().as_str()) {
        (true, true, "BracketLeft") => bar.next(-1),
        (true, true, "BracketRight") => bar.next(1),
        (false, true, code) => bar.nth(code.strip_prefix("Digit")?.parse::<usize>().ok()?.checked_sub(1)?),
        _ => None,
    };
    selects.cloned()
}

/// Scrolls the selected pill into sight.
fn reveal(list: &web_sys::Element) {
    if let Ok(Some(pill)) = list.query_selector("[aria-selected=true]") {
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_inline(web_sys::ScrollLogicalPosition::Nearest);
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        pill.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// The arrows move the focus, not the choice: Enter is the button's own.
fn walk(event: &leptos::ev::KeyboardEvent) {
    let Some((here, list)) = element(event).and_then(|here| Some((here.clone(), here.parent_element()?)))
    else {
        return;
    };
    let next = match event.key().as_str() {
        "ArrowRight" => here.next_element_sibling().or_else(|| list.first_element_child()),
        "ArrowLeft" => here.previous_element_sibling().or_else(|| list.last_element_child()),
        "Home" => list.first_element_child(),
        "End" => list.last_element_child(),
        _ => return,
    };
    event.prevent_default();
    if let Some(next) = next.and_then(|next| next.dyn_into::<web_sys::HtmlElement>().ok()) {
        drop(next.focus());
    }
}
