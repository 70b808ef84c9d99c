//! The page: a session, a field to paste a link into, or a sentence about what is wrong.

use std::rc::Rc;

use leptos::prelude::*;
use shared::viewer::{Event, PaneId, Typing, View};

use crate::components::banner::Banner;
use crate::components::commands::{CommandBar, chord as command_chord};
use crate::components::find::Find;
use crate::components::key_row::{KeyRow, Modifiers};
use crate::components::pill_bar::{PillBar, chord};
use crate::components::replay::Replay;
use crate::components::settings::SettingsPanel;
use crate::components::share::SharePanel;
use crate::components::start::{Start, Trouble};
use crate::components::terminal::Terminal;
use crate::components::toolbar::Toolbar;
use crate::components::transcript::{Read, TranscriptPanel};
use crate::components::{Action, Face, Page, Panel};
use crate::preferences::Theme;
use crate::shell::page::{self, Asked, Opened};
use crate::shell::runner::Runner;
use crate::shell::screens::Screens;
use crate::shell::storage;
use crate::xterm::{Happened, Screen};

/// Whatever the address bar asks for.
#[component]
pub(crate) fn App() -> impl IntoView {
    let settings = storage::settings();
    page::set_theme(settings.theme);
    page::on_other_link();
    match page::asked() {
        Asked::Start => view! { <Start problem=None go=page::open/> }.into_any(),
        Asked::Damaged(error) => view! { <Trouble sentence=error.to_string()/> }.into_any(),
        Asked::Refused(sentence) => view! { <Trouble sentence=sentence.to_owned()/> }.into_any(),
        Asked::Watch(opened) => view! { <Session opened=opened/> }.into_any(),
    }
}

fn is_dark(theme: Theme) -> bool {
    match theme {
        Theme::Auto => page::system_is_dark(),
        Theme::Light => false,
        Theme::Dark => true,
    }
}

/// Everything that lives as long as the session's page.
struct Parts {
    screens: Rc<Screens>,
    runner: Rc<Runner>,
}

/// A session, or a film of one: bar, terminal, and what has to be said about it.
#[component]
fn Session(opened: Opened) -> impl IntoView {
    let (view, set_view) = signal(None::<View>);
    let (watch_link, set_watch_link) = signal(None::<String>);
    let settings = RwSignal::new(storage::settings());
    let parts = StoredValue::new_local(None::<Parts>);
    let page = RwSignal::new(Page::default());
    let modifiers = RwSignal::new(Modifiers::default());
    let host = opened.host();

    let screens = move || parts.with_value(|parts| parts.as_ref().map(|parts| Rc::clone(&parts.screens)));
    // What a person does concerns the terminal that is seen.
    let screen = move || screens().and_then(|screens| screens.shown());
    let give = move |event: Event| {
        let runner = parts.with_value(|parts| parts.as_ref().map(|parts| Rc::clone(&parts.runner)));
        if let Some(runner) = runner {
            runner.give(event);
        }
    };
    let keys = move |pane: PaneId, bytes: Vec<u8>| {
        give(Event::Keys { pane, bytes: modifiers.get_untracked().apply(bytes) });
        // Sticky ones hold for one key.
        modifiers.set(Modifiers::default());
    };
    let copy = move |text: String, said: &'static str| {
        page::copy(&text, move |copied| {
            let said =
                if copied { said } else { "The browser does not let this page copy. Use the QR code panel." };
            page.update(|page| page.said = Some(said.to_owned()));
        });
    };
    let act = UnsyncCallback::new(move |action: Action| match action {
        Action::Give(event) => give(event),
        Action::StartTyping => {
            give(Event::StartTyping);
            page.update(|page| page.typing_explained = false);
            if let Some(screen) = screen() {
                screen.set_typing(true);
                screen.focus();
            }
        }
        Action::StopTyping => give(Event::StopTyping),
        Action::Key(name) => {
            let pane = screens().and_then(|screens| screens.shown_pane());
            if let (Some(pane), Some(screen)) = (pane, screen()) {
                keys(pane, screen.key_bytes(name));
                screen.focus();
            }
        }
        // It goes where the person was when they pressed, or nowhere.
        Action::PasteButton => page::read_clipboard({
            let screen = screen();
            move |text| match text {
                Some(text) => {
                    if let Some(screen) = &screen {
                        screen.pasted(&text);
                    }
                }
                None => page.update(|page| {
                    page.said = Some("The browser does not let this page read the clipboard.".to_owned());
                }),
            }
        }),
        Action::Keyboard => {
            if let Some(screen) = screen() {
                screen.blur();
                screen.focus();
            }
        }
        Action::CopyLink => {
            if let Some(link) = watch_link.get_untracked() {
                copy(link, "Copied. Who opens this link can watch.");
            }
        }
        Action::AllowClipboard => {
            let text = page.try_update(|page| {
                page.clipboard_allowed = true;
                page.clipboard.take()
            });
            if let Some(Some(text)) = text {
                copy(text, "The program wrote to your clipboard.");
            }
        }
        Action::RefuseClipboard => page.update(|page| {
            page.clipboard = None;
            page.clipboard_refused = true;
        }),
        Action::FullScreen => page::toggle_full_screen(),
        Action::Transcript => {
            let seen =
                view.with_untracked(|view| view.as_ref().map(|view| view.transcript)).unwrap_or_default();
            page.update(|page| page.transcript = Some(!seen.is_shown(page.transcript, page::is_wide())));
        }
        Action::Show(panel) => {
            page.update(|page| page.panel = if page.panel == panel { Panel::None } else { panel });
            let panel = page.with_untracked(|page| page.panel);
            if let Some(screen) = screen() {
                if panel == Panel::Commands {
                    screen.step(true);
                } else {
                    screen.end_steps();
                }
            }
        }
        Action::Close => {
            page.update(|page| page.panel = Panel::None);
            if let Some(screen) = screen() {
                screen.end_find();
                screen.end_steps();
                screen.focus();
            }
        }
        Action::Step { back } => {
            page.update(|page| page.panel = Panel::Commands);
            if let Some(screen) = screen() {
                screen.step(back);
            }
        }
        Action::Find { text, back } => {
            if let Some(screen) = screen() {
                screen.find(&text, back);
            }
        }
    });

    let happened = move |pane: PaneId, happened: Happened| match happened {
        Happened::Typed(bytes) => keys(pane, bytes),
        Happened::Pasted { text, bracketed } => give(Event::Paste { pane, text, bracketed }),
        Happened::Parsed(ticket) => give(Event::Parsed { pane, ticket }),
        Happened::Title(title) => give(Event::Title { pane, title }),
        Happened::Clipboard(text) => {
            let (allowed, refused) =
                page.with_untracked(|page| (page.clipboard_allowed, page.clipboard_refused));
            if allowed {
                copy(text, "The program wrote to your clipboard.");
            } else if !refused {
                page.update(|page| page.clipboard = Some(text));
            }
        }
        Happened::Link(url) => page.update(|page| page.link = Some(url)),
        Happened::Hover(url) => page.update(|page| page.hover = url),
        Happened::Found(index, count) => page.update(|page| page.found = Some((index, count))),
        Happened::Command(looked) => page.update(|page| {
            if looked.is_some() {
                page.panel = Panel::Commands;
            }
            page.command = looked;
        }),
        Happened::Fits(size) => give(Event::Fits(Some(size))),
        Happened::Leave => {
            if let Some(screen) = screen() {
                screen.blur();
            }
            page.update(|page| page.focus_toolbar += 1);
        }
    };

    // Once the terminal's element is in the page, the machine may begin.
    let mounted = UnsyncCallback::new(move |element: web_sys::HtmlElement| {
        let screens = Screens::new(element, move |host, pane| {
            let settings = settings.get_untracked();
            let screen = Screen::new(host, is_dark(settings.theme), move |event| happened(pane, event));
            screen.set_zoom(settings.zoom);
            screen.set_screen_reader(settings.screen_reader);
            screen
        });
        match Runner::start(opened.clone(), Rc::clone(&screens), set_view, set_watch_link) {
            Some(runner) => parts.set_value(Some(Parts { screens, runner })),
            None => page.update(|page| {
                page.said = Some(
                    "This browser has no source of randomness; nothing can be opened safely.".to_owned(),
                );
            }),
        }
        let woken = move || give(Event::Wake);
        page::on_wake(woken);
        page::follow_keyboard();
        page::on_system_theme(move || settings.update(|_| {}));
        // Until now there was no terminal to have them.
        settings.update(|_| {});
    });

    Effect::new(move |_| {
        let wanted = settings.get();
        storage::keep_settings(&wanted);
        page::set_theme(wanted.theme);
        if let Some(screens) = screens() {
            let dark = is_dark(wanted.theme);
            screens.each(|screen| {
                screen.set_theme(dark);
                screen.set_zoom(wanted.zoom);
                screen.set_screen_reader(wanted.screen_reader);
            });
        }
    });
    let typing = Memo::new(move |_| {
        view.with(|view| {
            let typing = |view: &View| matches!(view.typing, Typing::On | Typing::Paused);
            view.as_ref().map(|view| (view.pane, typing(view)))
        })
    });
    Effect::new(move |_| {
        let typing = typing.get().is_some_and(|(_, typing)| typing);
        if let Some(screen) = screen() {
            screen.set_typing(typing);
        }
    });

    let read: Read = Rc::new(move |reader| {
        let runner = parts.with_value(|parts| parts.as_ref().map(|parts| Rc::clone(&parts.runner)));
        if let Some(runner) = runner {
            runner.transcript(reader);
        }
    });

    provide_context(Face {
        view: view.into(),
        watch_link: watch_link.into(),
        settings,
        page,
        modifiers,
        act,
    });
    // Escape closes what is open, wherever the focus is; without anything open it is the program's.
    let pressed = move |event: leptos::ev::KeyboardEvent| {
        // The bar of commands takes no key from a program: it closes itself where it has the keyboard.
        let closes = |page: &Page| !matches!(page.panel, Panel::None | Panel::Commands);
        if event.key() == "Escape" && page.with_untracked(closes) {
            event.stop_propagation();
            act.run(Action::Close);
        }
        let steps = view.with_untracked(|view| view.as_ref().is_some_and(|view| !view.commands.is_empty()));
        if let Some(back) = command_chord(&event).filter(|_| steps) {
            event.prevent_default();
            event.stop_propagation();
            act.run(Action::Step { back });
        }
        // To another pill, from anywhere; what is on the keyboard's way there is not for the program.
        let selects = view.with_untracked(|view| chord(&event, view.as_ref()?.bar.as_deref()?));
        if let Some(selects) = selects {
            event.prevent_default();
            event.stop_propagation();
            give(Event::Select(selects));
        }
    };
    view! {
        <div class="session" class:typing=move || typing.get().is_some_and(|(_, typing)| typing) on:keydown:capture=pressed>
            <Toolbar/>
            <PillBar/>
            <Find/>
            <CommandBar/>
            <Banner/>
            <div class="stages">
                <Terminal mounted=mounted host=host/>
                <TranscriptPanel read=read wide=page::is_wide/>
            </div>
            <KeyRow/>
            <Replay/>
            <SharePanel/>
            <SettingsPanel/>
        </div>
    }
}
