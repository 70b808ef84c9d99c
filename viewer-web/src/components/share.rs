//! The link to give away, and its QR code.

use leptos::prelude::*;

use super::icon::{Drawing, Icon};
use super::{Action, Face, Panel};

/// A QR code's dark modules as one path, with its side in modules.
fn drawn(text: &str) -> Option<(usize, String)> {
    let code = qrcode::QrCode::new(text).ok()?;
    let side = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == qrcode::Color::Dark {
            use core::fmt::Write as _;
            // Writing to a string cannot fail.
            let _written = write!(path, "M{} {}h1v1h-1z", at % side, at / side);
        }
    }
    Some((side, path))
}

/// The panel with the watch link.
#[component]
pub(crate) fn SharePanel() -> impl IntoView {
    let face = Face::here();
    let open = Memo::new(move |_| face.page.with(|page| page.panel == Panel::Share));
    let code = Memo::new(move |_| {
        face.watch_link.with(|link| link.as_deref().filter(|_| open.get()).and_then(drawn))
    });
    view! {
        <Show when=move || open.get()>
            <div class="panel" role="dialog" aria-label="Link and QR code"
                on:keydown=move |event| if event.key() == "Escape" { face.act(Action::Close) }>
                <div class="head">
                    <h2>"Let others watch"</h2>
                    <button class="tool" aria-label="Close" on:click=move |_| face.act(Action::Close)><Icon drawing=Drawing::Close/></button>
                </div>
                {move || code.get().map(|(side, path)| view! {
                    <svg class="qr" viewBox=format!("-2 -2 {0} {0}", side + 4) role="img" aria-label="QR code of the link">
                        <path d=path></path>
                    </svg>
                })}
                <input class="link" readonly=true aria-label="Link" prop:value=move || face.watch_link.get().unwrap_or_default()
                    on:focus=move |event| { event_target::<web_sys::HtmlInputElement>(&event).select(); } />
                <button class="strong" on:click=move |_| face.act(Action::CopyLink)>"Copy link"</button>
                <p class="quiet">"Who has this link can watch, not type. The part after # is the key: it never reaches the relay."</p>
            </div>
        </Show>
    }
}
