//! Pages without a session: a field for a link, and what is wrong with one.

use leptos::prelude::*;
use shared::link::Link;

/// The page where a link is pasted.
#[component]
pub(crate) fn Start(problem: Option<String>, go: fn(&Link)) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let problem = RwSignal::new(problem);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        match text.with(|text| Link::parse(text)) {
            Ok(link) => go(&link),
            Err(error) => problem.set(Some(error.to_string())),
        }
    };
    view! {
        <main class="plain">
            <form class="card" on:submit=submit>
                <h1>"sharer"</h1>
                <p>"Open a shared terminal."</p>
                <div class="entry">
                    <input type="text" aria-label="Link" placeholder="Paste a link" autofocus autocomplete="off" autocapitalize="off"
                        spellcheck="false" prop:value=text
                        on:input=move |event| { text.set(event_target_value(&event)); problem.set(None); }/>
                    <button class="strong" type="submit">"Open"</button>
                </div>
                <p class="problem" role="alert">{move || problem.get().as_deref().map(sentence)}</p>
            </form>
        </main>
    }
}

/// One sentence about a page that cannot be shown.
#[component]
pub(crate) fn Trouble(#[prop(into)] sentence: Signal<String>) -> impl IntoView {
    view! {
        <main class="plain">
            <div class="card">
                <h1>"This link cannot be opened"</h1>
                <p role="alert">{move || sentence.with(|text| self::sentence(text))}</p>
                <p><a href="/">"Open another link"</a></p>
            </div>
        </main>
    }
}

/// Gives a clause its capital letter and full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase().to_string()).unwrap_or_default();
    let rest = chars.as_str();
    let stop = if text.ends_with(['.', '…', '!', '?']) { "" } else { "." };
    format!("{first}{rest}{stop}")
}
