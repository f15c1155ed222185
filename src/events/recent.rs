//! The latest events, kept for streams that resume after a cursor.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Announced;

/// The most events that are remembered.
pub const RECENT_EVENTS: usize = 10_000;
/// The most memory that remembered events keep alive, in bytes: arguments and results can be large.
pub const RECENT_BYTES: usize = 32 << 20;
/// How long events are remembered after the last stream is closed.
pub const REMEMBER_FOR: Duration = Duration::from_secs(10 * 60);

/// The latest events, with consecutive positions.
#[derive(Default)]
pub(super) struct Recent {
    events: VecDeque<Arc<Announced>>,
    bytes: usize,
    /// The position before the oldest.
    before: u64,
}

impl Recent {
    /// The position of the next event; the first is 1.
    pub(super) fn next(&self) -> u64 {
        self.before + self.events.len() as u64 + 1
    }

    /// The position before the oldest remembered event.
    pub(super) fn before(&self) -> u64 {
        self.before
    }

    /// Adds an event and returns those that it pushes out, so that the caller can drop them outside of
    /// the lock.
    pub(super) fn push(&mut self, event: Arc<Announced>) -> Vec<Arc<Announced>> {
        self.bytes += event.bytes;
        self.events.push_back(event);
        let mut dropped = Vec::new();
        while self.events.len() > RECENT_EVENTS || self.bytes > RECENT_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.bytes;
            self.before += 1;
            dropped.push(oldest);
        }
        dropped
    }

    /// The events after this position.
    pub(super) fn after(&self, position: u64) -> impl Iterator<Item = &Arc<Announced>> {
        let skipped = usize::try_from(position.saturating_sub(self.before)).unwrap_or(usize::MAX);
        self.events.range(skipped.min(self.events.len())..)
    }

    /// Removes and returns every event, and skips a position: the next events are not recorded, so an
    /// older cursor must find a gap.
    pub(super) fn clear(&mut self) -> VecDeque<Arc<Announced>> {
        self.before = self.next();
        self.bytes = 0;
        std::mem::take(&mut self.events)
    }
}

#[test]
fn a_large_event_returns_all_events_that_it_pushes_out() {
    let event_of = |bytes| {
        let mut event = Announced::from(super::examples::lagged(1));
        event.bytes = bytes;
        Arc::new(event)
    };
    let mut recent = Recent::default();
    for _ in 0..3 {
        assert_eq!(recent.push(event_of(1)).len(), 0);
    }
    let dropped = recent.push(event_of(RECENT_BYTES));
    assert_eq!((dropped.len(), recent.before(), recent.next()), (3, 3, 5));
    assert_eq!(recent.clear().len(), 1);
}
