//! One step of the state machine: what several inputs do with several parts of the core.

use super::claims::RETRY_BLOCKED_AFTER;
use super::{Command, Core, PRUNE_EVERY, Tag, Waiter};
use crate::clock::Now;
use crate::models::Durability;
use crate::store::Change;

use super::timers::Timer;

/// An input that is being handled: the core, the time, and the commands so far.
///
/// The methods are in the files of their topics.
pub(super) struct Step<'a, W> {
    pub(super) core: &'a mut Core<W>,
    pub(super) now: Now,
    pub(super) out: &'a mut Vec<Command<W>>,
}

impl<W: Waiter> Step<'_, W> {
    /// Writes a change to the store of its durability. Ephemeral changes are applied at once.
    pub(super) fn write(&mut self, durability: Durability, change: Change, tag: Tag<W>) {
        match durability {
            Durability::Durable => self.out.push(Command::Write(change, tag)),
            Durability::Ephemeral => {
                let applied = self.core.ephemeral.apply(&change, self.now.wall);
                self.on_applied(durability, applied, tag);
            }
        }
    }

    pub(super) fn timer_over(&mut self, timer: Timer) {
        match timer {
            // The next boot prunes.
            Timer::Prune if self.core.shutdown.is_draining() => {}
            Timer::Prune => {
                self.out.push(Command::Write(self.core.settings.prune(), Tag::Prune));
                self.core.timers.set(self.now.steady + PRUNE_EVERY, Timer::Prune);
            }
            Timer::StoreRetry => self.core.store.resume(),
            // Every tick ends with a dispatch.
            Timer::Dispatch => {}
            Timer::RetryBlockedQueues => self.core.dispatch.rescan_blocked(),
            Timer::Deadline(fence) => self.timed_out(fence),
            Timer::Grace(fence) => self.grace_over(fence),
            Timer::Stuck(fence) => self.abandon(fence),
        }
    }

    /// The store failed: the core does not use it for a moment.
    pub(super) fn pause_store(&mut self) {
        self.core.store.pause(self.now, &mut self.core.timers);
    }

    /// Reads queues again, after a moment, in which the store denied a claim.
    pub(super) fn retry_blocked_later(&mut self) {
        let at = self.now.steady + RETRY_BLOCKED_AFTER;
        self.core.timers.set(at, Timer::RetryBlockedQueues);
    }
}
