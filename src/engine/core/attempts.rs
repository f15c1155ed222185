//! Attempts: executions of handlers, their timeouts, and how the engine stops them.
//!
//! An attempt lives from its claim until its conclusion is stored and its handler has returned. A
//! handler that runs into its timeout, or whose task is cancelled, is signalled to stop. After a grace
//! the core drops an async handler. A sync handler cannot be dropped: after a longer time the core
//! abandons it, and it is stuck until it returns.

use std::sync::Arc;
use std::time::Duration;

use ahash::{HashMap, HashMapExt};

use super::conclusion::{Conclusion, StopReason, timed_out};
use super::slots::Slots;
use super::timers::{Timer, Timers};
use super::{Hook, Settings, StartAttempt};
use crate::clock::Now;
use crate::error::Code;
use crate::models::{
    Durability, Failure, Fence, MAX_NAMED, QueueName, RetryPolicy, Sequence, Task, TaskId,
};
use crate::tasks::{Handler, HandlerKind, Method, TaskError};

/// One execution of the handler of a task.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(super) sequence: Sequence,
    pub(super) task: Arc<Task>,
    pub(super) durability: Durability,
    method: Arc<Method>,
    number: u32,
    /// How many attempts before it do not count against the retries of the task.
    attempts_before_retry: u32,
    /// The kind of slot that it holds.
    pub(super) slot: HandlerKind,
    /// Its handler waits for children and holds no slot.
    pub(super) suspended: bool,
    /// How many joins of its handler wait for children at the same time.
    joins: u32,
    stop_reason: StopReason,
    timer: Option<(Duration, Timer)>,
    /// Its conclusion is on its way to the store; a later end of the handler does not count.
    concluded: bool,
    /// Its conclusion is stored.
    stored: bool,
    /// Its handler has returned.
    pub(super) gone: bool,
    /// The core abandoned its handler.
    abandoned: bool,
    /// A spare thread has its slot.
    replaced: bool,
    /// Queues whose waiting tasks were counted up before the conclusion is stored.
    counted: Vec<QueueName>,
    hook: Option<Hook>,
}

impl Attempt {
    pub(super) fn new(start: &StartAttempt, slot: HandlerKind, now: Now) -> Self {
        let claimed = &start.claimed;
        let deadline = now.steady + claimed.task.options.timeout;
        Self {
            sequence: claimed.sequence,
            task: claimed.task.clone(),
            durability: start.durability,
            method: start.method.clone(),
            number: claimed.attempt,
            attempts_before_retry: claimed.attempts_before_retry,
            slot,
            suspended: false,
            joins: 0,
            stop_reason: StopReason::Nothing,
            // An inline handler takes microseconds and needs no timer.
            timer: (slot != HandlerKind::Inline)
                .then_some((deadline, Timer::Deadline(claimed.fence))),
            concluded: false,
            stored: false,
            gone: false,
            abandoned: false,
            replaced: false,
            counted: Vec::new(),
            hook: None,
        }
    }

    /// The attempt of an inline handler that has returned.
    pub(super) fn returned(start: &StartAttempt, now: Now) -> Self {
        Self { gone: true, ..Self::new(start, HandlerKind::Inline, now) }
    }

    /// Whether its conclusion is on its way to the store.
    #[cfg(test)]
    pub(super) fn is_concluded(&self) -> bool {
        self.concluded
    }

    /// Its number among those that count against the retries of the task, from 1.
    fn counted_number(&self) -> u32 {
        self.number.saturating_sub(self.attempts_before_retry).max(1)
    }

    /// Whether the core abandoned its handler, which has not returned.
    fn is_stuck(&self) -> bool {
        self.abandoned && !self.gone
    }

    fn is_keyed(&self) -> bool {
        self.task.options.concurrency_key().is_some()
    }

    fn set_timer(&mut self, next: Option<(Duration, Timer)>, timers: &mut Timers) {
        if let Some((at, timer)) = std::mem::replace(&mut self.timer, next) {
            timers.cancel(at, timer);
        }
        if let Some((at, timer)) = next {
            timers.set(at, timer);
        }
    }
}

/// What follows when a handler returns.
pub(super) enum Returned {
    /// The attempt is to be concluded.
    Conclude { policy: RetryPolicy, number: u32, stop_reason: StopReason },
    /// The attempt was concluded before.
    Concluded,
}

/// What follows when the grace of a handler is over.
pub(super) enum GraceOver {
    /// The performer drops the async handler.
    Abort,
    /// The attempt is concluded although its handler still runs.
    Conclude(Conclusion),
    /// The core waits on.
    Wait,
}

/// All attempts by fence.
#[derive(Debug)]
pub(super) struct Attempts {
    attempts: HashMap<Fence, Attempt>,
    cancel_grace: Duration,
    stuck_after: Duration,
}

impl Attempts {
    pub(super) fn new(settings: &Settings) -> Self {
        let Settings { cancel_grace, stuck_after, .. } = *settings;
        Self { attempts: HashMap::new(), cancel_grace, stuck_after }
    }

    pub(super) fn get(&self, fence: &Fence) -> Option<&Attempt> {
        self.attempts.get(fence)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Fence, &Attempt)> {
        self.attempts.iter()
    }

    /// The fences of all attempts, in order.
    pub(super) fn fences(&self) -> Vec<Fence> {
        let mut fences: Vec<Fence> = self.attempts.keys().copied().collect();
        fences.sort_unstable();
        fences
    }

    /// The tasks of the attempts that match, in the order of their claims, as many as are named.
    pub(super) fn ids_of(&self, matches: impl Fn(&Attempt) -> bool) -> Vec<TaskId> {
        let matching = self.attempts.iter().filter(|(_, attempt)| matches(attempt));
        let mut matching: Vec<(Fence, &TaskId)> =
            matching.map(|(fence, attempt)| (*fence, &attempt.task.id)).collect();
        matching.sort_unstable();
        matching.truncate(MAX_NAMED);
        matching.into_iter().map(|(_, id)| id.clone()).collect()
    }

    /// Whether every attempt is over but for stuck handlers, for which a drain does not wait.
    pub(super) fn are_quiet(&self) -> bool {
        self.attempts.values().all(|it| it.is_stuck() && it.stored)
    }

    /// How many handlers the core abandoned that have not returned.
    pub(super) fn stuck(&self) -> usize {
        self.attempts.values().filter(|it| it.is_stuck()).count()
    }

    /// An attempt that is not concluded.
    fn open(&mut self, fence: Fence) -> Option<&mut Attempt> {
        self.attempts.get_mut(&fence).filter(|it| !it.concluded)
    }

    pub(super) fn insert(&mut self, fence: Fence, attempt: Attempt, timers: &mut Timers) {
        if let Some((at, timer)) = attempt.timer {
            timers.set(at, timer);
        }
        self.attempts.insert(fence, attempt);
    }

    /// The task of an attempt that is not concluded.
    pub(super) fn task_of(&self, fence: Fence) -> Option<(Sequence, Durability)> {
        let attempt = self.attempts.get(&fence).filter(|it| !it.concluded)?;
        Some((attempt.sequence, attempt.durability))
    }

    /// The handler returned, and its slot is free.
    pub(super) fn returned(
        &mut self,
        fence: Fence,
        slots: &mut Slots,
        timers: &mut Timers,
    ) -> Option<Returned> {
        let attempt = self.attempts.get_mut(&fence)?;
        attempt.set_timer(None, timers);
        if attempt.replaced {
            slots.replaced_returned();
        } else if !attempt.suspended {
            slots.free(attempt.slot);
        }
        attempt.gone = true;
        if attempt.concluded {
            return Some(Returned::Concluded);
        }
        let policy = attempt.task.options.retry;
        let (number, stop_reason) = (attempt.counted_number(), attempt.stop_reason.clone());
        Some(Returned::Conclude { policy, number, stop_reason })
    }

    /// The conclusion of an attempt is written next. `failure` is set if the task is retried:
    /// then the handler's retry hook is called once that is stored.
    pub(super) fn conclude(&mut self, fence: Fence, failure: Option<&Failure>) -> Option<&Attempt> {
        let attempt = self.attempts.get_mut(&fence)?;
        attempt.concluded = true;
        if let (Some(failure), Handler::Object(_)) = (failure, &attempt.method.handler) {
            attempt.hook = Some(Hook::Retry {
                task: attempt.task.clone(),
                attempt: attempt.number,
                error: TaskError::new(failure.message.clone()),
            });
        }
        Some(attempt)
    }

    /// Concludes an attempt whose task is put back into its queue.
    pub(super) fn requeue(&mut self, fence: Fence) -> Option<&Attempt> {
        let attempt = self.open(fence)?;
        attempt.concluded = true;
        Some(attempt)
    }

    /// Concludes an attempt that was started early and does not count.
    pub(super) fn detach(&mut self, fence: Fence) -> Option<&Attempt> {
        let attempt = self.open(fence)?;
        (attempt.concluded, attempt.stored) = (true, true);
        Some(attempt)
    }

    /// Keeps the queues in which a conclusion was counted before it is stored.
    pub(super) fn set_counted(&mut self, fence: Fence, counted: Vec<QueueName>) {
        if let Some(attempt) = self.attempts.get_mut(&fence) {
            attempt.counted = counted;
        }
    }

    /// The queues in which the conclusion was counted; it took no effect.
    pub(super) fn take_counted(&mut self, fence: Fence) -> Vec<QueueName> {
        self.attempts.get_mut(&fence).map_or_else(Vec::new, |it| std::mem::take(&mut it.counted))
    }

    /// The conclusion is stored. Returns the hook to call.
    pub(super) fn stored(&mut self, fence: Fence) -> Option<(Arc<Method>, Hook)> {
        let attempt = self.attempts.get_mut(&fence)?;
        attempt.stored = true;
        let hook = attempt.hook.take()?;
        Some((attempt.method.clone(), hook))
    }

    /// Removes an attempt whose conclusion is stored and whose handler has returned.
    pub(super) fn remove_if_over(&mut self, fence: Fence) -> Option<Attempt> {
        self.attempts.get(&fence).filter(|it| it.gone && it.stored)?;
        self.attempts.remove(&fence)
    }

    /// The attempt ran into its timeout: its handler is signalled to stop. Returns the conclusion of an
    /// attempt that ends although its handler still runs.
    pub(super) fn timed_out(
        &mut self,
        fence: Fence,
        now: Now,
        timers: &mut Timers,
    ) -> Option<Option<Conclusion>> {
        let (cancel_grace, stuck_after) = (self.cancel_grace, self.stuck_after);
        let attempt = self.open(fence)?;
        let timeout = attempt.task.options.timeout;
        attempt.stop_reason = StopReason::OutOfTime(timeout);
        if attempt.slot == HandlerKind::Sync {
            let stuck = (now.steady + stuck_after, Timer::Stuck(fence));
            attempt.set_timer(Some(stuck), timers);
            // Waiters need not wait for a thread that cannot be stopped. But a retry must not run
            // beside a handler that is still there; nor may another task with the same key.
            let last = attempt.counted_number() > attempt.task.options.retry.retries;
            let ends = last && !attempt.is_keyed();
            return Some(ends.then(|| Conclusion::Fail(timed_out(timeout))));
        }
        attempt.set_timer(Some((now.steady + cancel_grace, Timer::Grace(fence))), timers);
        Some(None)
    }

    /// The task is cancelled, and that is stored. Returns whether the handler is signalled to stop.
    pub(super) fn cancel(
        &mut self,
        fence: Fence,
        reason: &str,
        now: Now,
        timers: &mut Timers,
    ) -> bool {
        let grace = now.steady + self.cancel_grace;
        let nothing = |it: &&mut Attempt| it.stop_reason == StopReason::Nothing;
        let Some(attempt) = self.open(fence).filter(nothing) else { return false };
        attempt.stop_reason = StopReason::Cancel(reason.to_owned());
        attempt.set_timer(Some((grace, Timer::Grace(fence))), timers);
        true
    }

    pub(super) fn grace_over(&mut self, fence: Fence, now: Now, timers: &mut Timers) -> GraceOver {
        let stuck = now.steady + self.stuck_after;
        let Some(attempt) = self.open(fence) else { return GraceOver::Wait };
        attempt.set_timer(Some((stuck, Timer::Stuck(fence))), timers);
        match (attempt.slot, &attempt.stop_reason) {
            (HandlerKind::Async, _) => GraceOver::Abort,
            // Tasks with the same key wait until the handler has returned, or is abandoned.
            (_, StopReason::Cancel(reason)) if !attempt.is_keyed() => {
                GraceOver::Conclude(Conclusion::Cancel(reason.clone()))
            }
            _ => GraceOver::Wait,
        }
    }

    /// The handler did not return for too long: the core abandons it, and a spare thread gets its
    /// slot if one is left. Returns the conclusion of an attempt that has none yet.
    pub(super) fn abandon(&mut self, fence: Fence, slots: &mut Slots) -> Option<Conclusion> {
        let stuck_after = self.stuck_after;
        let attempt = self.attempts.get_mut(&fence)?;
        attempt.timer = None;
        attempt.abandoned = true;
        if attempt.slot == HandlerKind::Sync && !attempt.suspended {
            attempt.replaced |= slots.replace_stuck();
        }
        if attempt.concluded {
            return None;
        }
        Some(match &attempt.stop_reason {
            StopReason::Cancel(reason) => Conclusion::Cancel(reason.clone()),
            _ => Conclusion::Fail(Failure {
                code: Code::Stuck,
                message: format!(
                    "the handler did not return within {stuck_after:?} after it was signalled to stop"
                ),
            }),
        })
    }

    /// The handler begins to wait for children. Returns the queue of the task if the attempt gives
    /// back its slot now.
    pub(super) fn suspend(&mut self, fence: Fence, slots: &mut Slots) -> Option<QueueName> {
        // A future that a handler left behind may begin to wait after it; it holds no slot.
        let attempt = self.attempts.get_mut(&fence).filter(|it| !it.gone)?;
        attempt.joins += 1;
        if attempt.joins > 1 {
            return None;
        }
        attempt.suspended = true;
        // The slot of a replaced thread belongs to another handler by now.
        if !attempt.replaced {
            slots.free(attempt.slot);
        }
        Some(attempt.task.options.queue.clone())
    }

    /// A join of the handler is over. Returns the queue of the task if the attempt takes its slot
    /// back now, even if that exceeds the limit.
    pub(super) fn resume(&mut self, fence: Fence, slots: &mut Slots) -> Option<QueueName> {
        let suspended = |it: &&mut Attempt| it.joins > 0 && !it.gone;
        let attempt = self.attempts.get_mut(&fence).filter(suspended)?;
        attempt.joins -= 1;
        if attempt.joins > 0 {
            return None;
        }
        attempt.suspended = false;
        if !attempt.replaced {
            slots.take(attempt.slot);
        }
        Some(attempt.task.options.queue.clone())
    }
}
