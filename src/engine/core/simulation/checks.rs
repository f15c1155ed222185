//! Invariants that hold at every moment, and those that hold at the end.

use super::world::{Work, World};
use crate::models::{Fence, QueueName};

impl World {
    /// Checks what holds at every moment.
    pub(super) fn check(&self) {
        let abandoned = |fence: &Fence| {
            self.core.attempts.get(fence).is_none_or(|attempt| attempt.is_concluded())
        };
        self.handlers.check(&self.settings, abandoned);
        self.check_counters();
        let limits = self.settings.limits;
        for (name, queue) in self.core.dispatch.queues() {
            assert!(queue.held() <= limits.window, "the window of {name} is bounded");
        }
    }

    /// Checks what holds when every task has ended.
    pub(super) fn check_end(&mut self) {
        self.ledger.check_end(&self.store, &self.cache);
        self.requests.check_end();
        self.events.check_end();
        let core = &self.core;
        assert!(core.attempts.iter().next().is_none(), "{:#?}", core.attempts);
        assert!(!core.dispatch.has_pending_claims(), "{:?}", core.dispatch);
        assert!(core.active.is_empty(), "{:#?}", core.active);
        assert!(core.ephemeral.is_empty(), "{:#?}", core.ephemeral);
        assert!(
            self.store.nobody_waits() && core.ephemeral.nobody_waits(),
            "no dependants are left"
        );
        let slots = |handlers: usize| isize::try_from(handlers).expect("few");
        let settings = &self.settings;
        let free = (slots(settings.async_slots), slots(settings.sync_slots), 0);
        assert_eq!(core.slots.counts(), free, "async, sync, replaced");
        for (name, queue) in core.dispatch.queues() {
            assert_eq!((queue.running, queue.waiting), (0, 0), "running, waiting in {name}");
        }
    }

    /// How many inline handlers of ephemeral tasks run on other threads.
    pub(super) fn inline_running(&self, queue: &QueueName) -> usize {
        let is_there = |work: &&Work| matches!(work, Work::Inline(start, _) if start.claimed.task.options.queue == *queue);
        self.work.iter().filter(is_there).count()
    }
}
