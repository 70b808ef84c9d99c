//! The page's clocks.

use std::cell::Cell;

use shared::time::Now;

/// A steady clock that also counts while the computer sleeps, beside the wall clock.
///
/// Neither of the browser's clocks will do alone: `performance.now` may stand still during sleep, and the wall clock
/// may be set. So time passes by the larger of the two differences.
#[derive(Debug)]
pub(crate) struct Clock {
    steady: Cell<f64>,
    last: Cell<(f64, f64)>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { steady: Cell::new(0.0), last: Cell::new(read()) }
    }

    pub(crate) fn now(&self) -> Now {
        let (wall, ticks) = read();
        let (last_wall, last_ticks) = self.last.replace((wall, ticks));
        self.steady.set(self.steady.get() + (wall - last_wall).max(ticks - last_ticks).max(0.0));
        Now::new(whole(self.steady.get()), whole(wall))
    }
}

fn read() -> (f64, f64) {
    let ticks = web_sys::window().and_then(|window| window.performance()).map_or(0.0, |p| p.now());
    (js_sys::Date::now(), ticks)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970 fit")]
fn whole(ms: f64) -> u64 {
    ms.max(0.0) as u64
}
