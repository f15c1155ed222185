//! Waits with a limit, for tests.

use std::time::{Duration, Instant};

/// Long enough for a busy machine: nothing that a test waits for takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Polls `look` until it returns something; panics after [`PATIENCE`]. Prefer an event or a long
/// poll where the product has one.
#[track_caller]
pub(crate) fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            assert!(start.elapsed() < PATIENCE, "{place}: timed out waiting until {what}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Awaits `happens`; panics after [`PATIENCE`].
#[track_caller]
pub(crate) fn soon<F: Future>(happens: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        let Ok(happened) = tokio::time::timeout(PATIENCE, happens).await else {
            panic!("{place}: timed out");
        };
        happened
    }
}
