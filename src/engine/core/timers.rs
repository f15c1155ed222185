//! Timers of the core, on the steady clock.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::models::Fence;

/// What happens when a timer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An attempt runs into its timeout.
    Deadline(Fence),
    /// The grace of a handler that was signalled to stop is over.
    Grace(Fence),
    /// A handler that still has not returned is abandoned.
    Stuck(Fence),
    /// Ended tasks are pruned.
    Prune,
    /// The engine uses a store again that has failed.
    StoreRetry,
    /// Free slots are given to waiting tasks.
    Dispatch,
    /// Queues in which a claim was denied are read again.
    RetryBlockedQueues,
}

/// The timers that are set, each at most once for a time.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Duration, Timer)>);

impl Timers {
    pub(super) fn set(&mut self, at: Duration, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn cancel(&mut self, at: Duration, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    /// When the next timer is over.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Removes the next timer that is over at `now`.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Timer> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop_first().map(|(_, timer)| timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_due_in_the_order_of_their_times() {
        let mut timers = Timers::default();
        let at = Duration::from_secs;
        timers.set(at(3), Timer::Prune);
        timers.set(at(1), Timer::Dispatch);
        timers.set(at(1), Timer::Dispatch);
        timers.set(at(2), Timer::StoreRetry);
        timers.cancel(at(2), Timer::StoreRetry);
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.pop_due(at(2)), Some(Timer::Dispatch));
        assert_eq!(timers.pop_due(at(2)), None);
        assert_eq!(timers.pop_due(at(3)), Some(Timer::Prune));
        assert_eq!(timers.next(), None);
    }
}
