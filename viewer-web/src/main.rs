//! The browser viewer.
#![allow(
    unreachable_pub,
    reason = "the component and binding macros write public items into private modules"
)]

mod app;
mod xterm;

fn main() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(app::App);
}
