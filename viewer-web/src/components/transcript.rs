//! The transcript beside the terminal: what agents and people said and did.

mod draw;

use std::rc::Rc;

use leptos::html::Div;
use leptos::prelude::*;
use shared::conversation::Transcript;
use shared::viewer::{PaneId, TranscriptView};

use self::draw::{Drawing, WINDOW};
use super::icon::{Drawing as Glyph, Icon};
use super::{Action, Face};

/// So near to the end, in pixels, a reader follows what comes.
const NEAR: i32 = 48;

/// Lets somebody read the transcript as it is now.
pub(crate) type Read = Rc<dyn Fn(&mut dyn FnMut(&Transcript))>;

/// What the panel remembers between two frames.
#[derive(Debug, Default)]
struct Reader {
    drawing: Option<Drawing>,
    pane: Option<PaneId>,
    anew: u32,
    /// How many of the newest blocks are in the page.
    count: usize,
    /// The reader is not at the end, and stays where it is.
    away: bool,
}

/// The panel.
#[component]
pub(crate) fn TranscriptPanel(read: Read, wide: fn() -> bool) -> impl IntoView {
    let face = Face::here();
    let host = NodeRef::<Div>::new();
    let reader = StoredValue::new_local(Reader { count: WINDOW, ..Reader::default() });
    let read = StoredValue::new_local(read);
    let waiting = StoredValue::new(false);
    let away = RwSignal::new(false);
    let text = RwSignal::new(String::new());
    let found = RwSignal::new(None::<(usize, usize)>);
    let seen = Memo::new(move |_| face.of(|view| (view.pane, view.transcript)));
    let shown = Memo::new(move |_| seen.get().1.is_shown(face.page.with(|page| page.transcript), wide()));

    let scroller = move || host.get_untracked().and_then(|list| list.parent_element());
    let draw = move || {
        let Some(list) = host.get_untracked() else { return };
        let Some(scroller) = scroller() else { return };
        let read = read.get_value();
        reader.update_value(|reader| {
            let (height, top) = (scroller.scroll_height(), scroller.scroll_top());
            let (pane, TranscriptView { anew, .. }) = seen.get_untracked();
            if reader.drawing.is_none() || (reader.pane, reader.anew) != (pane, anew) {
                // Numbers of blocks mean something within one session only, and until its transcript begins anew.
                list.set_text_content(None);
                let drawing = Some(Drawing::new(list.into(), document()));
                *reader = Reader { drawing, count: WINDOW, pane, anew, ..Reader::default() };
            }
            let (count, away) = (reader.count, reader.away);
            if let Some(drawing) = &mut reader.drawing {
                read(&mut |transcript| drawing.draw(transcript, count));
            }
            if !away {
                scroller.set_scroll_top(scroller.scroll_height());
            } else if top < NEAR {
                // Older blocks came above: what was read stays where it is.
                scroller.set_scroll_top(top + scroller.scroll_height() - height);
            }
        });
    };
    // At most once a frame, however much arrives.
    let draw_soon = move || {
        if !waiting.get_value() {
            waiting.set_value(true);
            request_animation_frame(move || {
                waiting.set_value(false);
                draw();
            });
        }
    };
    Effect::new(move |_| {
        seen.track();
        if shown.get() {
            draw_soon();
        }
    });

    let scrolled = move |_| {
        let Some(scroller) = scroller() else { return };
        let below = scroller.scroll_height() - scroller.scroll_top() - scroller.client_height();
        let total = seen.get_untracked().1.blocks;
        let more = reader.try_update_value(|reader| {
            reader.away = below > NEAR;
            if !reader.away {
                reader.count = WINDOW;
            }
            let more = reader.away && scroller.scroll_top() < NEAR && reader.count < total;
            if more {
                reader.count += WINDOW;
            }
            more
        });
        away.set(below > NEAR);
        if more == Some(true) {
            draw_soon();
        }
    };
    let newest = move |_| {
        reader.update_value(|reader| (reader.away, reader.count) = (false, WINDOW));
        away.set(false);
        draw_soon();
    };
    let look = move |later: bool| {
        let wanted = small_letters(&text.get_untracked());
        let mut matches = Vec::new();
        let mut total = 0;
        if !wanted.is_empty() {
            (read.get_value())(&mut |transcript| {
                total = transcript.len();
                let all = transcript.blocks().enumerate();
                matches = all
                    .filter(|(_, (_, _, block))| small_letters(&block.words()).contains(&wanted))
                    .map(|(place, (at, _, _))| (place, at))
                    .collect();
            });
        }
        let count = matches.len();
        let before = found.get_untracked().map(|(index, _)| index);
        let index = match before {
            _ if count == 0 => 0,
            Some(index) if later => (index + 1) % count,
            Some(index) => (index + count - 1) % count,
            // The newest first.
            None => count - 1,
        };
        found.set((!wanted.is_empty()).then_some((index, count)));
        if let Some((place, at)) = matches.get(index).copied() {
            reader.update_value(|reader| {
                reader.away = true;
                reader.count = reader.count.max(total - place + 8);
            });
            draw();
            reader.with_value(|reader| {
                if let Some(element) = reader.drawing.as_ref().and_then(|drawing| drawing.element(at)) {
                    if let Ok(Some(fold)) = element.query_selector("details") {
                        drop(fold.set_attribute("open", ""));
                    }
                    if let Some(old) = scroller().and_then(|s| s.query_selector(".hit").ok().flatten()) {
                        drop(old.class_list().remove_1("hit"));
                    }
                    drop(element.class_list().add_1("hit"));
                    element.scroll_into_view();
                }
            });
            away.set(true);
        }
    };
    let counted = move || match found.get() {
        None => String::new(),
        Some((_, 0)) => "none".to_owned(),
        Some((index, count)) => format!("{} of {count}", index + 1),
    };
    let pressed = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Enter" {
            look(event.shift_key());
        }
    };
    view! {
        <aside class="transcript" class:none=move || !shown.get() aria-label="Transcript">
            <header>
                <input type="search" aria-label="Find in transcript" placeholder="Find in transcript" autocomplete="off"
                    spellcheck="false" prop:value=text on:keydown=pressed
                    on:input=move |event| { text.set(event_target_value(&event)); found.set(None); look(false); }/>
                <span class="count" aria-live="polite">{counted}</span>
                <button class="tool" aria-label="Close transcript" on:click=move |_| face.act(Action::Transcript)>
                    <Icon drawing=Glyph::Close/>
                </button>
            </header>
            <div class="scroller" tabindex="0" on:scroll=scrolled>
                <div class="blocks" role="log" aria-label="Conversation" node_ref=host></div>
            </div>
            <button class="newest" class:none=move || !away.get() on:click=newest>"Newest"</button>
        </aside>
    }
}

/// As the browser writes small letters: its tables need not be in the page.
fn small_letters(text: &str) -> String {
    js_sys::JsString::from(text).to_lower_case().into()
}
