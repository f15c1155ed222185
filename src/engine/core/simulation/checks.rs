//! What must hold at every moment, and what when everything has ended.

use super::world::{Work, World};
use crate::models::{Fence, QueueName};

impl World {
    /// What holds at every moment.
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

    /// What holds when everything has ended.
    pub(super) fn check_the_end(&mut self) {
        self.ledger.check_the_end(&self.store, &self.cache);
        self.requests.check_the_end();
        self.events.check_the_end();
        let core = &self.core;
        assert!(core.attempts.iter().next().is_none(), "{:#?}", core.attempts);
        assert!(!core.dispatch.has_pending_claims(), "{:?}", core.dispatch);
        assert!(core.active.is_empty(), "{:#?}", core.active);
        assert!(core.ephemeral.is_empty(), "{:#?}", core.ephemeral);
        assert!(self.store.nobody_waits() && core.ephemeral.nobody_waits(), "lists of dependants");
        let slots = |handlers: usize| isize::try_from(handlers).expect("few");
        let settings = &self.settings;
        let free = (slots(settings.async_slots), slots(settings.sync_slots), 0);
        assert_eq!(core.slots.counts(), free, "async, sync, replaced");
        for (name, queue) in core.dispatch.queues() {
            assert_eq!((queue.running, queue.waiting), (0, 0), "running, waiting in {name}");
        }
    }

    /// Inline bodies of ephemeral tasks, at work on other threads.
    pub(super) fn inline_under_way(&self, queue: &QueueName) -> usize {
        let is_there = |work: &&Work| matches!(work, Work::Inline(start, _) if start.claimed.task.options.queue == *queue);
        self.work.iter().filter(is_there).count()
    }
}
