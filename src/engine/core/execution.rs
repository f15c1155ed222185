//! How attempts start, stop and are concluded.

use std::sync::Arc;

use super::attempts::{Attempt, GraceOver, Returned};
use super::conclusion::{Conclusion, conclude};
use super::step::Step;
use super::{AttemptEnd, Command, Core, StartAttempt, Tag, Waiter, WatchKey};
use crate::clock::Now;
use crate::models::{Durability, Fence, QueueName};
use crate::store::{Change, Claimed};
use crate::tasks::{HandlerKind, Method};

impl<W: Waiter> Core<W> {
    /// The handler of an attempt has returned, or was dropped.
    pub(crate) fn ended(
        &mut self,
        fence: Fence,
        end: AttemptEnd,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let mut step = self.step(now, out);
        let core = &mut *step.core;
        match core.attempts.returned(fence, &mut core.slots, &mut core.timers) {
            Some(Returned::Conclude { policy, number, stop_reason }) => {
                let conclusion = conclude(&policy, number, &stop_reason, end, &mut core.rng);
                step.conclude(fence, conclusion);
            }
            Some(Returned::Concluded) => step.remove_if_over(fence),
            None => return,
        }
        step.dispatch();
    }
}

impl<W: Waiter> Step<'_, W> {
    /// Starts the attempt of a claimed task.
    pub(super) fn start_attempt(
        &mut self,
        claimed: Claimed,
        method: Arc<Method>,
        durability: Durability,
        slot: HandlerKind,
    ) {
        let core = &mut *self.core;
        let fence = claimed.fence;
        core.active.attempt_started(&claimed.task, durability, fence);
        core.notifications.wake_watchers(|| WatchKey::Sequence(claimed.sequence), self.out);
        let start = StartAttempt { claimed, durability, method };
        core.attempts.insert(fence, Attempt::new(&start, slot, self.now), &mut core.timers);
        self.out.push(Command::Start(Box::new(start)));
    }

    /// Writes the conclusion of an attempt.
    pub(super) fn conclude(&mut self, fence: Fence, conclusion: Conclusion) {
        let core = &mut *self.core;
        let children = match &conclusion {
            Conclusion::Expand(children) => {
                children.iter().map(|task| core.numbers.insert(task)).collect()
            }
            _ => Vec::new(),
        };
        let failure = match &conclusion {
            Conclusion::Retry { failure, .. } => Some(failure),
            _ => None,
        };
        let Some(attempt) = core.attempts.conclude(fence, failure) else { return };
        let sequence = attempt.sequence;
        let due = |delay| self.now.wall.plus(delay);
        let change = match conclusion {
            Conclusion::Succeed(result) => Change::Complete { sequence, fence, result },
            Conclusion::Skip => Change::Skip { sequence, fence },
            Conclusion::Fail(failure) => Change::Fail { sequence, fence, failure },
            Conclusion::Cancel(reason) => Change::CancelAttempt { sequence, fence, reason },
            Conclusion::Snooze(delay) => Change::Snooze { sequence, fence, due: due(delay) },
            Conclusion::Expand(_) => Change::Expand { sequence, fence, children },
            Conclusion::Retry { failure, delay } => {
                Change::Retry { sequence, fence, failure, due: due(delay) }
            }
        };
        let durability = attempt.durability;
        let tag = Tag::Attempt { fence, id: attempt.task.id.clone() };
        let mut counted = Vec::new();
        if let Change::Retry { .. } | Change::Snooze { .. } | Change::Expand { .. } = change {
            counted.push(attempt.task.options.queue.clone());
        }
        if let Change::Expand { children, .. } = &change {
            counted.extend(children.iter().map(|child| child.task.options.queue.clone()));
        }
        self.count(fence, counted);
        self.write(durability, change, tag);
    }

    /// Puts a running task back into its queue.
    pub(super) fn requeue(&mut self, fence: Fence) {
        let Some(attempt) = self.core.attempts.requeue(fence) else { return };
        let change = Change::Requeue { sequence: attempt.sequence, fence };
        let (durability, id) = (attempt.durability, attempt.task.id.clone());
        let queue = attempt.task.options.queue.clone();
        self.count(fence, vec![queue]);
        self.out.push(Command::Signal(fence));
        self.write(durability, change, Tag::Attempt { fence, id });
    }

    /// Counts the tasks that a conclusion leaves waiting, before it is stored.
    fn count(&mut self, fence: Fence, queues: Vec<QueueName>) {
        for queue in &queues {
            self.core.dispatch.add_waiting(queue);
        }
        self.core.attempts.set_counted(fence, queues);
    }

    /// The conclusion took no effect: the tasks that it counted do not wait.
    pub(super) fn uncount(&mut self, fence: Fence) {
        for queue in self.core.attempts.take_counted(fence) {
            self.core.dispatch.remove_waiting(&queue);
        }
    }

    /// The handler was started before its insert, and the task was inserted as waiting: a dependency
    /// that had succeeded was retried meanwhile. The attempt does not count.
    pub(super) fn detach(&mut self, fence: Fence, queue: &QueueName) {
        self.core.dispatch.add_waiting(queue);
        let Some(attempt) = self.core.attempts.detach(fence) else { return };
        self.core.active.detach_attempt(&attempt.task.id);
        self.out.push(Command::Signal(fence));
        self.remove_if_over(fence);
    }

    /// The conclusion of an attempt is stored.
    pub(super) fn attempt_stored(&mut self, fence: Fence) {
        if let Some((method, hook)) = self.core.attempts.stored(fence) {
            self.out.push(Command::Hook(method, hook));
        }
        self.remove_if_over(fence);
    }

    fn remove_if_over(&mut self, fence: Fence) {
        let Some(attempt) = self.core.attempts.remove_if_over(fence) else { return };
        let queue = &attempt.task.options.queue;
        if attempt.suspended {
            self.core.dispatch.forget_if_empty(queue);
        } else {
            self.core.dispatch.task_left(queue);
        }
    }

    /// An attempt ran into its timeout.
    pub(super) fn timed_out(&mut self, fence: Fence) {
        let core = &mut *self.core;
        let Some(conclusion) = core.attempts.timed_out(fence, self.now, &mut core.timers) else {
            return;
        };
        self.out.push(Command::Signal(fence));
        if let Some(conclusion) = conclusion {
            self.conclude(fence, conclusion);
        }
    }

    /// The task of an attempt is cancelled, and that is stored: the handler is signalled to stop.
    pub(super) fn cancel_attempt(&mut self, fence: Fence, reason: &str) {
        let core = &mut *self.core;
        core.dispatch.cancel_claim(fence, reason);
        if core.attempts.cancel(fence, reason, self.now, &mut core.timers) {
            self.out.push(Command::Signal(fence));
        }
    }

    /// The grace of a handler is over that was signalled to stop.
    pub(super) fn grace_over(&mut self, fence: Fence) {
        let core = &mut *self.core;
        match core.attempts.grace_over(fence, self.now, &mut core.timers) {
            GraceOver::Abort => self.out.push(Command::Abort(fence)),
            GraceOver::Conclude(conclusion) => self.conclude(fence, conclusion),
            GraceOver::Wait => {}
        }
    }

    /// A handler did not return for too long after it was signalled to stop.
    pub(super) fn abandon(&mut self, fence: Fence) {
        let core = &mut *self.core;
        if let Some(conclusion) = core.attempts.abandon(fence, &mut core.slots) {
            self.conclude(fence, conclusion);
        }
    }
}
