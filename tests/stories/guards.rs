//! Guards on speed and size: the load program's quick run. Counts, bytes and memory hold exactly. Times and speeds hold
//! with a slack of three, and more where the machine is busy: as many times more as the floor, taken before and after,
//! is later than on a machine that is not. A time says little there, then, and is not why a run is red; a count is. The
//! figures themselves belong to an idle machine (`docs/performance.md`).

use std::time::Duration;

use e2e::load::floor;
use e2e::load::rows::{self, Size};
use e2e::load::table::{Row, table};

/// What is not reached yet, or not on every machine, and must not get worse: `docs/performance.md` says why.
const NOT_REACHED: [(&str, f64); 2] =
    [("sharer's memory after a long log", 22.0), ("bytes a keystroke, sharer to relay", 34.0)];

/// A keystroke's echo through the floor, in multiples of the worst that an idle machine has.
fn lateness() -> f64 {
    let echo = floor::echo(40).percentile(90);
    (echo.as_secs_f64() / floor::ECHO.as_secs_f64()).max(1.0)
}

/// Measures, and holds all rows; a failure shows all of them.
fn hold(measure: impl AsyncFnOnce() -> Vec<Row>) {
    let before = lateness();
    let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rows = event_loop.block_on(measure());
    let slack = 3.0 * before.max(lateness());
    let excused = |row: &Row| NOT_REACHED.iter().any(|(what, most)| row.what == *what && row.value <= *most);
    assert!(
        rows.iter().all(|row| row.guards(slack) || excused(row)),
        "not every figure holds with a slack of {slack:.1}:\n{}",
        table(&rows)
    );
}

#[test]
fn a_keystroke_is_echoed_soon_beside_a_flood_too() {
    let (floor, _) = rows::floor(Size::Quick);
    hold(async || rows::echoes(Size::Quick, &floor).await);
}

#[test]
fn a_log_arrives_whole_and_packed_and_leaves_the_sharer_small() {
    hold(async || rows::poured(Size::Quick).await);
}

#[test]
fn fifty_viewers_end_on_the_exact_screen_and_the_relay_stays_small() {
    hold(async || rows::crowded(Size::Quick).await);
}

#[test]
fn a_stuck_viewer_costs_the_relay_little_and_comes_back_exact() {
    hold(async || rows::stucks(Size::Quick).await);
}

#[test]
fn a_slow_viewer_sees_its_ctrl_c_soon() {
    hold(async || rows::stopped(Size::Quick).await);
}

#[test]
fn a_late_viewer_gets_the_screen_in_few_bytes_whatever_came_before() {
    hold(async || rows::joined(Size::Quick).await);
}

#[test]
fn keystrokes_and_rest_cost_few_bytes() {
    hold(async || rows::typed(Size::Quick).await);
    hold(async || rows::rested(Size::Quick).await);
}

#[test]
fn idle_sessions_and_viewers_are_small() {
    hold(async || rows::idled(Size::Quick).await);
}

#[test]
fn two_hundred_joins_tell_little() {
    hold(async || rows::counted(Size::Quick).await);
}

#[test]
fn a_link_is_printed_soon_and_the_binary_is_small() {
    hold(async || rows::started(Size::Quick).await);
}

#[test]
fn a_flood_is_recorded_whole() {
    hold(async || rows::recorded(Size::Quick).await);
}

#[test]
fn any_moment_of_two_recorded_hours_is_there_at_once() {
    hold(async || rows::replayed(Size::Quick).await);
}

/// The promised second, with a slack of three.
#[tokio::test]
async fn a_revoked_link_stops_soon() {
    Box::pin(crate::revoke::stops_within(Duration::from_secs(3))).await;
}
