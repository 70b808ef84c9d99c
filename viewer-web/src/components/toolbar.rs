//! The bar above the terminal: what is shared, where it stands, and what a person can do with it.

use leptos::html::Div;
use leptos::prelude::*;

use super::icon::{Drawing, Icon};
use super::status::Status;
use super::type_here::TypeHere;
use super::{Action, Face, Panel};

/// The bar.
#[component]
pub(crate) fn Toolbar() -> impl IntoView {
    let face = Face::here();
    let title = Memo::new(move |_| {
        face.of(|view| view.title.clone()).unwrap_or_else(|| "Shared terminal".to_owned())
    });
    let viewers = Memo::new(move |_| face.of(|view| view.viewers));
    let has_link = Memo::new(move |_| face.watch_link.with(Option::is_some));
    let talks = Memo::new(move |_| face.of(|view| view.transcript.blocks > 0));
    let has_commands = Memo::new(move |_| face.of(|view| !view.commands.is_empty()));
    let tools = NodeRef::<Div>::new();
    // The keyboard's way out of the terminal leads to the first tool.
    Effect::new(move |_| {
        let asked = face.page.with(|page| page.focus_toolbar);
        let first = tools.get().and_then(|tools| tools.query_selector("button").ok()?);
        if let Some(button) = first.filter(|_| asked > 0) {
            use wasm_bindgen::JsCast as _;
            if let Some(button) = button.dyn_ref::<web_sys::HtmlElement>() {
                drop(button.focus());
            }
        }
    });
    let tool = move |drawing: Drawing, name: &'static str, extra: &'static str, action: Action| {
        view! {
            <button class=format!("tool {extra}") aria-label=name title=name on:click=move |_| face.act(action.clone())>
                <Icon drawing=drawing/>
            </button>
        }
    };
    view! {
        <header class="bar">
            <div class="what">
                <h1 title=title>{title}</h1>
                <Status/>
            </div>
            <div class="tools" role="toolbar" aria-label="Session" node_ref=tools>
                <span class="viewers" class:none=move || viewers.get() == 0
                    title="As the relay counts"
                    aria-label=move || format!("{} watching", viewers.get())>
                    <Icon drawing=Drawing::Eye/>
                    <span aria-hidden="true">{viewers}</span>
                </span>
                <Show when=move || talks.get()>
                    {tool(Drawing::Talk, "Transcript", "", Action::Transcript)}
                </Show>
                <Show when=move || has_commands.get()>
                    {tool(Drawing::Prompt, "Commands", "", Action::Show(Panel::Commands))}
                </Show>
                {tool(Drawing::Find, "Find in terminal", "wide-only", Action::Show(Panel::Find))}
                <Show when=move || has_link.get()>
                    {tool(Drawing::Link, "Copy link", "wide-only", Action::CopyLink)}
                    {tool(Drawing::Qr, "Link and QR code", "", Action::Show(Panel::Share))}
                </Show>
                {tool(Drawing::Full, "Full screen", "wide-only", Action::FullScreen)}
                {tool(Drawing::Gear, "Settings", "", Action::Show(Panel::Settings))}
                <TypeHere/>
            </div>
        </header>
    }
}
