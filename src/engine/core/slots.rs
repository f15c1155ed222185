//! The slots that handlers run in.

use super::Settings;
use crate::tasks::HandlerKind;

/// Free slots by kind of handler, and spare threads that replace stuck ones.
#[derive(Debug)]
pub(super) struct Slots {
    /// Negative while handlers run that have resumed without a free slot.
    free_async: isize,
    free_sync: isize,
    /// Stuck sync handlers whose threads were replaced.
    replaced: usize,
    spare_threads: usize,
}

impl Slots {
    pub(super) fn new(settings: &Settings) -> Self {
        let count = |slots: usize| isize::try_from(slots).unwrap_or(isize::MAX);
        Self {
            free_async: count(settings.async_slots),
            free_sync: count(settings.sync_slots),
            replaced: 0,
            spare_threads: settings.spare_threads,
        }
    }

    /// Free async slots, free sync slots and replaced threads.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (isize, isize, usize) {
        (self.free_async, self.free_sync, self.replaced)
    }

    /// Inline handlers need no slot: they run on the thread that starts them.
    pub(super) fn has_free(&self, kind: HandlerKind) -> bool {
        match kind {
            HandlerKind::Async => self.free_async > 0,
            HandlerKind::Sync => self.free_sync > 0,
            HandlerKind::Inline => true,
        }
    }

    /// How many of `all` slots are taken; more than there are while handlers run that have resumed
    /// without a free slot.
    pub(super) fn taken(&self, kind: HandlerKind, all: usize) -> usize {
        let free = match kind {
            HandlerKind::Async => self.free_async,
            HandlerKind::Sync => self.free_sync,
            HandlerKind::Inline => return 0,
        };
        all.saturating_add_signed(free.saturating_neg())
    }

    pub(super) fn take(&mut self, kind: HandlerKind) {
        match kind {
            HandlerKind::Async => self.free_async -= 1,
            HandlerKind::Sync => self.free_sync -= 1,
            HandlerKind::Inline => {}
        }
    }

    pub(super) fn free(&mut self, kind: HandlerKind) {
        match kind {
            HandlerKind::Async => self.free_async += 1,
            HandlerKind::Sync => self.free_sync += 1,
            HandlerKind::Inline => {}
        }
    }

    /// Frees the slot of a stuck sync handler if a spare thread is left to replace its thread.
    pub(super) fn replace_stuck(&mut self) -> bool {
        let spare = self.replaced < self.spare_threads;
        if spare {
            self.replaced += 1;
            self.free_sync += 1;
        }
        spare
    }

    /// A stuck handler whose thread was replaced has returned.
    pub(super) fn replaced_returned(&mut self) {
        self.replaced -= 1;
    }
}
