//! Waiting for something to happen, which has to happen soon.

use std::time::{Duration, Instant};

/// Long enough for a busy machine. Nothing that a test waits for takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What `look` sees, once it sees something.
#[track_caller]
pub(crate) fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            assert!(begun.elapsed() < PATIENCE, "{place}: waited in vain until {what}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
