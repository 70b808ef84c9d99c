//! Waiting for conditions, never for a time.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// For what takes milliseconds on an idle machine; generous because CI's are not.
pub const SHORT: Duration = Duration::from_secs(10);

/// For what waits on the product's own timers or on a browser's start.
pub const LONG: Duration = Duration::from_mins(1);

/// How often a condition is looked at: below what a person calls a delay, above what loads a core.
const POLL: Duration = Duration::from_millis(15);

/// Looks again and again until `look` gives `Ok`, and gives its value.
///
/// `Err` says what was seen instead; the last one is part of the panic's message.
///
/// # Panics
/// When `limit` has passed.
pub async fn until<T, E, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: Debug,
{
    let start = Instant::now();
    let mut before = None;
    loop {
        // A look that hangs (a dead browser, say) must not outlive the limit either.
        let rest = limit.saturating_sub(start.elapsed()).max(POLL);
        match tokio::time::timeout(rest, look()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(seen)) if start.elapsed() >= limit => {
                panic!("waited {limit:?} for {what}; last seen: {seen:#?}")
            }
            Ok(Err(seen)) => {
                before = Some(seen);
                tokio::time::sleep(POLL).await;
            }
            Err(late) => panic!(
                "waited {limit:?} for {what}; the last look did not return: {late}; the one before saw {before:#?}"
            ),
        }
    }
}

/// Waits for a future that ends by itself.
///
/// # Panics
/// When `limit` has passed.
pub async fn within<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(late) => panic!("waited {limit:?} for {what}: {late}"),
    }
}
