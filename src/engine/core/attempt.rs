//! Attempts: the slots they hold, the time they have, and what their ends mean.

use std::sync::Arc;
use std::time::Duration;

use super::active::{ActiveTask, Phase};
use super::conclusion::{Conclusion, StopReason, conclude, timed_out};
use super::{AttemptEnd, Command, Core, Hook, StartAttempt, Tag, Waiter, WatchKey};
use crate::clock::Now;
use crate::error::Code;
use crate::models::{Durability, Failure, Fence, QueueName, Sequence, Task};
use crate::store::{Change, Claimed, Insert};
use crate::tasks::{Handler, HandlerKind, Method, TaskError};

/// What is to happen at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An attempt's timeout.
    Deadline(Fence),
    /// A body that was told to stop has had its grace.
    Grace(Fence),
    /// It still has not returned.
    Stuck(Fence),
    /// Ended tasks are to be looked through.
    Prune,
    /// A store that failed is asked again.
    StoreRetry,
    /// Slots are given out on and on.
    Dispatch,
    /// Queues in which a claim was denied are looked at anew.
    RetryBlockedQueues,
}

/// Slots that bodies run in.
#[derive(Debug)]
pub(super) struct Slots {
    /// Less than nothing while bodies that waited for their children go on.
    free_async: isize,
    free_sync: isize,
    /// Stuck sync bodies whose threads were replaced.
    replaced: usize,
}

impl Slots {
    pub(super) fn new(async_slots: usize, sync_slots: usize) -> Self {
        let count = |bodies: usize| isize::try_from(bodies).unwrap_or(isize::MAX);
        Self { free_async: count(async_slots), free_sync: count(sync_slots), replaced: 0 }
    }

    /// Free async ones, free sync ones, and threads that stand in for stuck ones.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (isize, isize, usize) {
        (self.free_async, self.free_sync, self.replaced)
    }

    /// Inline bodies need none: they run on the thread that starts them.
    pub(super) fn has_free(&self, kind: HandlerKind) -> bool {
        match kind {
            HandlerKind::Async => self.free_async > 0,
            HandlerKind::Sync => self.free_sync > 0,
            HandlerKind::Inline => true,
        }
    }

    /// How many of `all` are taken; more than there are while bodies that waited for their children go
    /// on.
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
}

/// One execution of a task's body, from its claim until its end is stored and the body is gone.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(super) sequence: Sequence,
    pub(super) task: Arc<Task>,
    pub(super) durability: Durability,
    method: Arc<Method>,
    number: u32,
    /// How many attempts before it do not count against its retries.
    attempts_before_retry: u32,
    /// The kind of slot that it holds.
    pub(super) slot: HandlerKind,
    /// Its body waits for its children, and it holds none.
    pub(super) suspended: bool,
    /// How often it waits for children at once.
    pub(super) joins: u32,
    stop_reason: StopReason,
    timer: Option<(Duration, Timer)>,
    /// What is to be stored about it is on its way; later words of the body do not count.
    concluded: bool,
    /// That is stored.
    pub(super) stored: bool,
    /// The body is gone.
    pub(super) gone: bool,
    /// It ignored everything for too long.
    abandoned: bool,
    /// Its slot was given to another thread.
    pub(super) replaced: bool,
    /// The queues in which something waits from now on, counted before that is stored.
    counted: Vec<QueueName>,
    hook: Option<Hook>,
}

impl Attempt {
    pub(super) fn new(start: &StartAttempt, slot: HandlerKind, now: Now) -> Self {
        let deadline = now.steady + start.claimed.task.options.timeout;
        Self {
            sequence: start.claimed.sequence,
            task: start.claimed.task.clone(),
            durability: start.durability,
            method: start.method.clone(),
            number: start.claimed.attempt,
            attempts_before_retry: start.claimed.attempts_before_retry,
            slot,
            suspended: false,
            joins: 0,
            stop_reason: StopReason::Nothing,
            // What takes microseconds needs no alarm.
            timer: (slot != HandlerKind::Inline)
                .then_some((deadline, Timer::Deadline(start.claimed.fence))),
            concluded: false,
            stored: false,
            gone: false,
            abandoned: false,
            replaced: false,
            counted: Vec::new(),
            hook: None,
        }
    }

    /// The attempt of an inline body that has returned.
    pub(super) fn gone(start: &StartAttempt, now: Now) -> Self {
        Self { gone: true, ..Self::new(start, HandlerKind::Inline, now) }
    }

    /// Whether what is to be stored about it is on its way.
    pub(super) fn is_concluded(&self) -> bool {
        self.concluded
    }

    /// Which try this is of those that its policy counts, from 1.
    fn counted_number(&self) -> u32 {
        self.number.saturating_sub(self.attempts_before_retry).max(1)
    }

    /// Whether it was given up while its body is still there.
    pub(super) fn is_stuck(&self) -> bool {
        self.abandoned && !self.gone
    }
}

impl<W: Waiter> Core<W> {
    /// A claimed task is to run.
    pub(super) fn begin(
        &mut self,
        claimed: Claimed,
        method: Arc<Method>,
        durability: Durability,
        slot: HandlerKind,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let fence = claimed.fence;
        self.run_under(&claimed.task, durability, fence);
        self.notify_watchers(|| WatchKey::Sequence(claimed.sequence), out);
        let start = StartAttempt { claimed, durability, method };
        self.watch(fence, Attempt::new(&start, slot, now));
        out.push(Command::Start(Box::new(start)));
    }

    pub(super) fn watch(&mut self, fence: Fence, attempt: Attempt) {
        self.timers.extend(attempt.timer);
        self.attempts.insert(fence, attempt);
    }

    /// A body is gone, and this is how.
    pub(crate) fn ended(
        &mut self,
        fence: Fence,
        ran: AttemptEnd,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        self.set_timer(fence, None);
        let Some(attempt) = self.attempts.get_mut(&fence) else { return };
        if attempt.replaced {
            // Its slot was given away when it was given up: the spare one goes back.
            self.slots.replaced -= 1;
        } else if !attempt.suspended {
            self.slots.free(attempt.slot);
        }
        attempt.gone = true;
        if attempt.concluded {
            self.forget_if_over(fence);
        } else {
            let (number, stop_reason) = (attempt.counted_number(), attempt.stop_reason.clone());
            let policy = attempt.task.options.retry;
            let conclusion = conclude(&policy, number, &stop_reason, ran, &mut self.rng);
            self.conclude(fence, conclusion, now, out);
        }
        self.dispatch(now, out);
    }

    /// Stores what becomes of an attempt's task.
    pub(super) fn conclude(
        &mut self,
        fence: Fence,
        conclusion: Conclusion,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let children = match &conclusion {
            Conclusion::Expand(children) => children.iter().map(|task| self.child(task)).collect(),
            _ => Vec::new(),
        };
        let Some(attempt) = self.attempts.get_mut(&fence) else { return };
        attempt.concluded = true;
        let sequence = attempt.sequence;
        let change = match conclusion {
            Conclusion::Succeed(result) => Change::Complete { sequence, fence, result },
            Conclusion::Skip => Change::Skip { sequence, fence },
            Conclusion::Fail(failure) => Change::Fail { sequence, fence, failure },
            Conclusion::Cancel(reason) => Change::CancelAttempt { sequence, fence, reason },
            Conclusion::Snooze(delay) => {
                Change::Snooze { sequence, fence, due: now.wall.plus(delay) }
            }
            Conclusion::Expand(_) => Change::Expand { sequence, fence, children },
            Conclusion::Retry { failure, delay } => {
                if let Handler::Object(_) = attempt.method.handler {
                    attempt.hook = Some(Hook::Retry {
                        task: attempt.task.clone(),
                        attempt: attempt.number,
                        error: TaskError::new(failure.message.clone()),
                    });
                }
                Change::Retry { sequence, fence, failure, due: now.wall.plus(delay) }
            }
        };
        let stays =
            matches!(change, Change::Retry { .. } | Change::Snooze { .. } | Change::Expand { .. });
        let durability = attempt.durability;
        let tag = Tag::Attempt { fence, id: attempt.task.id.clone() };
        let mut counted = Vec::new();
        if stays {
            counted.push(attempt.task.options.queue.clone());
        }
        if let Change::Expand { children, .. } = &change {
            counted.extend(children.iter().map(|child| child.task.options.queue.clone()));
        }
        self.count(fence, counted);
        self.write(durability, change, tag, now, out);
    }

    pub(super) fn child(&mut self, task: &Arc<Task>) -> Insert {
        Insert {
            sequence: self.take_sequence(),
            task: task.clone(),
            deps: task.deps.clone(),
            foreign: Vec::new(),
            claim: None,
        }
    }

    /// What an attempt's end leaves waiting is counted at once, as arrivals are.
    fn count(&mut self, fence: Fence, counted: Vec<QueueName>) {
        for queue in &counted {
            self.queue(queue).waiting += 1;
        }
        if let Some(attempt) = self.attempts.get_mut(&fence) {
            attempt.counted = counted;
        }
    }

    /// The store had it otherwise: nothing waits.
    pub(super) fn uncount(&mut self, fence: Fence) {
        let attempt = self.attempts.get_mut(&fence);
        for queue in attempt.map(|it| std::mem::take(&mut it.counted)).into_iter().flatten() {
            self.queue(&queue).waiting -= 1;
        }
    }

    /// A body was started beside its insert, and the task came in as waiting: a dependency that had
    /// succeeded came back meanwhile. What the body comes to does not count.
    pub(super) fn detach(&mut self, fence: Fence, queue: &QueueName, out: &mut Vec<Command<W>>) {
        self.queue(queue).waiting += 1;
        let Some(attempt) = self.attempts.get_mut(&fence).filter(|it| !it.concluded) else {
            return;
        };
        attempt.concluded = true;
        attempt.stored = true;
        let id = attempt.task.id.clone();
        if let Some(active) = self.active.get_mut(&id) {
            active.fence = None;
        }
        out.push(Command::Signal(fence));
        self.forget_if_over(fence);
    }

    /// What is stored about an attempt is stored.
    pub(super) fn attempt_stored(&mut self, fence: Fence, out: &mut Vec<Command<W>>) {
        if let Some(attempt) = self.attempts.get_mut(&fence) {
            attempt.stored = true;
            if let Some(hook) = attempt.hook.take() {
                out.push(Command::Hook(attempt.method.clone(), hook));
            }
            self.forget_if_over(fence);
        }
    }

    /// Remembers under which fence a task runs.
    fn run_under(&mut self, task: &Task, durability: Durability, fence: Fence) {
        self.active
            .entry(task.id.clone())
            .or_insert_with(|| ActiveTask::new(task.digest, durability, Phase::Accepted))
            .fence = Some(fence);
    }

    fn forget_if_over(&mut self, fence: Fence) {
        if let Some(attempt) = self.attempts.get(&fence).filter(|it| it.gone && it.stored) {
            let (queue, suspended) = (attempt.task.options.queue.clone(), attempt.suspended);
            self.attempts.remove(&fence);
            if suspended {
                self.forget_if_empty(&queue);
            } else {
                self.left(&queue);
            }
        }
    }

    /// Sets an attempt's one alarm anew.
    fn set_timer(&mut self, fence: Fence, next: Option<(Duration, Timer)>) {
        if let Some(attempt) = self.attempts.get_mut(&fence) {
            if let Some(old) = attempt.timer.take() {
                self.timers.remove(&old);
            }
            attempt.timer = next;
            self.timers.extend(next);
        }
    }

    pub(super) fn timed_out_at(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        let Some(attempt) = self.attempts.get_mut(&fence).filter(|it| !it.concluded) else {
            return;
        };
        let timeout = attempt.task.options.timeout;
        attempt.stop_reason = StopReason::OutOfTime(timeout);
        out.push(Command::Signal(fence));
        let last = attempt.counted_number() > attempt.task.options.retry.retries;
        let keyed = attempt.task.options.concurrency_key().is_some();
        if attempt.slot == HandlerKind::Sync {
            self.set_timer(
                fence,
                Some((now.steady + self.settings.stuck_after, Timer::Stuck(fence))),
            );
            // Whoever waits need not wait for a thread that cannot be stopped. While a retry is
            // left, though, it must not start beside the body that is still there; nor may others
            // with the same key.
            if last && !keyed {
                self.conclude(fence, Conclusion::Fail(timed_out(timeout)), now, out);
            }
        } else {
            let grace = now.steady + self.settings.cancel_grace;
            self.set_timer(fence, Some((grace, Timer::Grace(fence))));
        }
    }

    /// A wish to cancel is stored; the body is told.
    pub(super) fn cancel_attempt(
        &mut self,
        fence: Fence,
        reason: &str,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        if let Some(reserved) = self.pending_claims.get_mut(&fence) {
            reserved.cancel = Some(reason.to_owned());
        }
        let Some(attempt) = self.attempts.get_mut(&fence) else { return };
        if attempt.concluded || attempt.stop_reason != StopReason::Nothing {
            return;
        }
        attempt.stop_reason = StopReason::Cancel(reason.to_owned());
        out.push(Command::Signal(fence));
        let grace = now.steady + self.settings.cancel_grace;
        self.set_timer(fence, Some((grace, Timer::Grace(fence))));
    }

    pub(super) fn grace_over(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        let Some(attempt) = self.attempts.get(&fence).filter(|it| !it.concluded) else { return };
        let (slot, stop_reason) = (attempt.slot, attempt.stop_reason.clone());
        let keyed = attempt.task.options.concurrency_key().is_some();
        self.set_timer(fence, Some((now.steady + self.settings.stuck_after, Timer::Stuck(fence))));
        match (slot, stop_reason) {
            (HandlerKind::Async, _) => out.push(Command::Abort(fence)),
            // Others with its key have to wait until the body is gone, or given up.
            (_, StopReason::Cancel(reason)) if !keyed => {
                self.conclude(fence, Conclusion::Cancel(reason), now, out);
            }
            _ => {}
        }
    }

    /// The body ignored everything for too long.
    pub(super) fn abandon(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        let Some(attempt) = self.attempts.get_mut(&fence) else { return };
        attempt.timer = None;
        attempt.abandoned = true;
        if attempt.slot == HandlerKind::Sync
            && !attempt.suspended
            && self.slots.replaced < self.settings.spare_threads
        {
            self.slots.replaced += 1;
            self.slots.free(HandlerKind::Sync);
            attempt.replaced = true;
        }
        if !attempt.concluded {
            let conclusion = match &attempt.stop_reason {
                StopReason::Cancel(reason) => Conclusion::Cancel(reason.clone()),
                _ => Conclusion::Fail(Failure {
                    code: Code::Stuck,
                    message: format!(
                        "the body did not return within {:?} after it was told to stop",
                        self.settings.stuck_after
                    ),
                }),
            };
            self.conclude(fence, conclusion, now, out);
        }
    }

    /// Puts a running task back into its queue.
    pub(super) fn requeue(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        let Some(attempt) = self.attempts.get_mut(&fence).filter(|it| !it.concluded) else {
            return;
        };
        attempt.concluded = true;
        let change = Change::Requeue { sequence: attempt.sequence, fence };
        let (durability, id) = (attempt.durability, attempt.task.id.clone());
        let queue = attempt.task.options.queue.clone();
        self.count(fence, vec![queue]);
        out.push(Command::Signal(fence));
        self.write(durability, change, Tag::Attempt { fence, id }, now, out);
    }
}
