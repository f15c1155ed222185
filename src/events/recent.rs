//! The latest events, for whoever comes back for what he has not seen.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Announced;

/// How many events are remembered.
pub const RECENT_EVENTS: usize = 10_000;
/// How many bytes they may keep alive: arguments and results can be large.
pub const RECENT_BYTES: usize = 32 << 20;
/// How long after the last stream has gone events are remembered still.
pub const LINGER: Duration = Duration::from_secs(10 * 60);

/// The latest events, without a gap.
#[derive(Default)]
pub(super) struct Recent {
    events: VecDeque<Arc<Announced>>,
    bytes: usize,
    /// The position before the oldest.
    before: u64,
}

impl Recent {
    /// The position that the next event gets. The first is 1.
    pub(super) fn next(&self) -> u64 {
        self.before + self.events.len() as u64 + 1
    }

    /// The position before the oldest one that is still known.
    pub(super) fn before(&self) -> u64 {
        self.before
    }

    /// Remembers one more, and answers all that had to go for it: they are dropped where nobody waits
    /// for a lock.
    pub(super) fn push(&mut self, told: Arc<Announced>) -> Vec<Arc<Announced>> {
        self.bytes += told.bytes;
        self.events.push_back(told);
        let mut gone = Vec::new();
        while self.events.len() > RECENT_EVENTS || self.bytes > RECENT_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.bytes;
            self.before += 1;
            gone.push(oldest);
        }
        gone
    }

    /// Those after that position.
    pub(super) fn after(&self, position: u64) -> impl Iterator<Item = &Arc<Announced>> {
        let skipped = usize::try_from(position.saturating_sub(self.before)).unwrap_or(usize::MAX);
        self.events.range(skipped.min(self.events.len())..)
    }

    /// Forgets them all, and answers them. Nobody remembers what happens next, so no position from
    /// before goes on after this without a gap.
    pub(super) fn forget(&mut self) -> VecDeque<Arc<Announced>> {
        self.before = self.next();
        self.bytes = 0;
        std::mem::take(&mut self.events)
    }
}

#[test]
fn a_large_event_hands_out_all_that_it_drives_out() {
    let of = |bytes| {
        let mut event = Announced::from(super::examples::lagged(1));
        event.bytes = bytes;
        Arc::new(event)
    };
    let mut recent = Recent::default();
    for _ in 0..3 {
        assert_eq!(recent.push(of(1)).len(), 0);
    }
    let gone = recent.push(of(RECENT_BYTES));
    assert_eq!((gone.len(), recent.before(), recent.next()), (3, 3, 5));
    assert_eq!(recent.forget().len(), 1);
}
