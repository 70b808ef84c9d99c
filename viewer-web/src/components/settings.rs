//! What a person prefers.

use leptos::prelude::*;

use super::icon::{Drawing, Icon};
use super::{Action, Face, Panel};
use crate::preferences::Theme;

/// One step of the font's size, in percent.
const STEP: i16 = 10;

/// The panel with the settings.
#[component]
pub(crate) fn SettingsPanel() -> impl IntoView {
    let face = Face::here();
    let settings = face.settings;
    let open = Memo::new(move |_| face.page.with(|page| page.panel == Panel::Settings));
    let zoom = move |by: i16| {
        settings.update(|settings| settings.zoom = settings.zoom.saturating_add_signed(by).clamp(50, 400));
    };
    let theme = move |theme: Theme, name: &'static str| {
        view! {
            <button aria-pressed=move || (settings.with(|settings| settings.theme) == theme).to_string()
                on:click=move |_| settings.update(|settings| settings.theme = theme)>{name}</button>
        }
    };
    view! {
        <Show when=move || open.get()>
            <div class="panel" role="dialog" aria-label="Settings"
                on:keydown=move |event| if event.key() == "Escape" { face.act(Action::Close) }>
                <div class="head">
                    <h2>"Settings"</h2>
                    <button class="tool" aria-label="Close" on:click=move |_| face.act(Action::Close)><Icon drawing=Drawing::Close/></button>
                </div>
                <div class="row">
                    <span id="font-size">"Font size"</span>
                    <div class="choice" role="group" aria-labelledby="font-size">
                        <button aria-label="Smaller" on:click=move |_| zoom(-STEP)>"A−"</button>
                        <button aria-label="Size that fits" on:click=move |_| settings.update(|settings| settings.zoom = 100)>
                            {move || settings.with(|settings| format!("{} %", settings.zoom))}
                        </button>
                        <button aria-label="Larger" on:click=move |_| zoom(STEP)>"A+"</button>
                    </div>
                </div>
                <div class="row">
                    <span id="colours">"Colours"</span>
                    <div class="choice" role="group" aria-labelledby="colours">
                        {theme(Theme::Auto, "Auto")}
                        {theme(Theme::Light, "Light")}
                        {theme(Theme::Dark, "Dark")}
                    </div>
                </div>
                <label class="row">
                    <span>"Screen reader"<small>"Keeps the terminal’s text where a screen reader finds it"</small></span>
                    <input type="checkbox" role="switch" prop:checked=move || settings.with(|settings| settings.screen_reader)
                        on:change=move |event| settings.update(|settings| settings.screen_reader = event_target_checked(&event))/>
                </label>
                <div class="row narrow-only">
                    <span>"More"</span>
                    <div class="choice">
                        <button on:click=move |_| face.act(Action::Show(Panel::Find))>"Find"</button>
                        <button on:click=move |_| face.act(Action::FullScreen)>"Full screen"</button>
                    </div>
                </div>
            </div>
        </Show>
    }
}
