//! What has to be said or asked, one thing at a time, the most important first.

use std::time::Duration;

use leptos::prelude::*;
use shared::viewer::{Event, LostInput, PasteQuestion, Shown, Typing};

use super::icon::{Drawing, Icon};
use super::{Action, Face};

/// How long a passing sentence stays.
const SAID_FOR: Duration = Duration::from_secs(5);

/// Everything a banner can be about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    Nothing,
    Lost(LostInput),
    Paste(PasteQuestion),
    Clipboard(usize),
    Link(String),
    Notice(&'static str),
    State { sentence: String, again: bool },
    Unconfirmed,
    Typing,
    Said(String),
}

fn about(face: Face) -> About {
    let page = face.page.get();
    let Some(view) = face.view.get() else {
        return page.said.map_or(About::Nothing, About::Said);
    };
    if let Typing::Lost(lost) = view.typing {
        return About::Lost(lost);
    }
    if let Some(question) = view.paste {
        return About::Paste(question);
    }
    if let Some(text) = page.clipboard {
        return About::Clipboard(text.chars().count());
    }
    if let Some(link) = page.link {
        return About::Link(link);
    }
    if let Some(said) = page.said {
        return About::Said(said);
    }
    if let Some(notice) = view.notice {
        return About::Notice(notice);
    }
    // Without a screen the state's sentence stands where the screen would be.
    if view.shown == Shown::Unconfirmed {
        return About::Unconfirmed;
    }
    if view.shown != Shown::Nothing
        && let Some(sentence) = view.sentence()
    {
        return About::State { sentence, again: view.state.is_final() };
    }
    if view.typing == Typing::Paused {
        return About::Notice("Typing pauses until the sharer takes keys.");
    }
    if view.typing == Typing::On && !page.typing_explained {
        return About::Typing;
    }
    About::Nothing
}

/// The banner.
#[component]
pub(crate) fn Banner() -> impl IntoView {
    let face = Face::here();
    let about = Memo::new(move |_| about(face));
    // A passing sentence passes.
    Effect::new(move |_| {
        if face.page.with(|page| page.said.is_some()) {
            set_timeout(move || face.page.update(|page| page.said = None), SAID_FOR);
        }
    });
    let give = move |event: Event| face.act(Action::Give(event));
    // An answer was for the terminal's sake: the keyboard goes back there.
    let answer = move |event: Event| {
        give(event);
        face.act(Action::Close);
    };
    let button = move |name: &'static str, class: &'static str, press: Box<dyn Fn()>| {
        view! { <button class=class on:click=move |_| press()>{name}</button> }
    };
    let body = move || {
        match about.get() {
        About::Nothing => ().into_any(),
        About::Lost(lost) => {
            let what = if lost.certain { "The sharer did not get what you typed last:" } else { "What you typed last may be lost:" };
            view! {
                <div class="banner warn" role="alertdialog" aria-label="Lost input">
                    <p>{what}" "<code>{lost.excerpt}</code>" "<span class="quiet">"It is not typed again. Look at the screen before you go on."</span></p>
                    {button("Go on", "", Box::new(move || answer(Event::GoOn)))}
                </div>
            }
            .into_any()
        }
        About::Paste(question) => view! {
            <div class="banner ask" role="alertdialog" aria-label="Paste">
                <div class="grow">
                    <p>"Paste "{question.lines}" lines? The program runs each line as it arrives."</p>
                    <pre>{question.excerpt}</pre>
                </div>
                {button("Do not paste", "", Box::new(move || answer(Event::AnswerPaste { typed: false })))}
                {button("Paste", "strong", Box::new(move || answer(Event::AnswerPaste { typed: true })))}
            </div>
        }
        .into_any(),
        About::Clipboard(length) => view! {
            <div class="banner ask" role="alertdialog" aria-label="Clipboard">
                <p>"The program wants to put "{length}" characters on your clipboard. Allow that while this page is open?"</p>
                {button("No", "", Box::new(move || face.act(Action::RefuseClipboard)))}
                {button("Allow", "strong", Box::new(move || face.act(Action::AllowClipboard)))}
            </div>
        }
        .into_any(),
        About::Link(url) => {
            let close = move || face.page.update(|page| page.link = None);
            view! {
                <div class="banner ask" role="alertdialog" aria-label="Link">
                    <p>"This link leads to "<code>{url.clone()}</code></p>
                    {button("Cancel", "", Box::new(close))}
                    <a class="strong" href=url target="_blank" rel="noopener noreferrer" on:click=move |_| close()>"Open"</a>
                </div>
            }
            .into_any()
        }
        About::Notice(notice) => view! {
            <div class="banner warn">
                <p>{notice}</p>
                <button class="tool" aria-label="Close" on:click=move |_| give(Event::NoticeSeen)><Icon drawing=Drawing::Close/></button>
            </div>
        }
        .into_any(),
        About::Unconfirmed => view! {
            <div class="banner warn"><p>"The connection is gone, and the sharer did not confirm the newest lines. Trying again."</p></div>
        }
        .into_any(),
        About::State { sentence, again } => view! {
            <div class="banner">
                <p>{sentence}</p>
                <Show when=move || again && face.of(|view| can_retry(&view.state))>
                    {button("Try again", "", Box::new(move || give(Event::Retry)))}
                </Show>
            </div>
        }
        .into_any(),
        About::Typing => view! {
            <div class="banner accent">
                <p>"You are typing on the other person’s machine: what you enter runs there. "
                    <span class="quiet keys-only">"Ctrl+Shift+↑ leaves the terminal."</span></p>
                {button("Understood", "", Box::new(move || {
                    face.page.update(|page| page.typing_explained = true);
                    face.act(Action::Close);
                }))}
            </div>
        }
        .into_any(),
        About::Said(said) => view! { <div class="banner"><p>{said}</p></div> }.into_any(),
    }
    };
    view! { <div class="banners" aria-live="polite">{body}</div> }
}

/// Whether asking again could change anything.
pub(super) fn can_retry(state: &shared::viewer::State) -> bool {
    !matches!(state, shared::viewer::State::Ended(_))
}
