//! The browser viewer: draws what `shared::viewer` says, and runs its effects. It decides nothing.
#![allow(
    unreachable_pub,
    reason = "the component and binding macros write public items into private modules"
)]

mod app;
mod components;
mod preferences;
mod shell;
mod xterm;

fn main() {
    // Elsewhere a panic is a trap without words.
    if cfg!(debug_assertions) {
        console_error_panic_hook::set_once();
    }
    shell::page::clear();
    leptos::mount::mount_to_body(app::App);
}
