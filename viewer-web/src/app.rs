//! The page.

use leptos::html::Div;
use leptos::prelude::*;

use crate::xterm;

/// Shows a terminal with a greeting.
#[component]
pub(crate) fn App() -> impl IntoView {
    let node = NodeRef::<Div>::new();
    Effect::new(move |_| {
        if let Some(element) = node.get() {
            let terminal = xterm::terminal();
            terminal.open(&element);
            terminal.write("hello \x1b[1;32mworld\x1b[0m");
        }
    });
    view! { <div node_ref=node></div> }
}
