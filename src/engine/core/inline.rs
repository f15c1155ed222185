//! The fast path of ephemeral tasks with inline handlers: they need no row, because they end before a
//! read could find them.

use std::sync::Arc;

use super::attempts::Attempt;
use super::conclusion::{Conclusion, StopReason, conclude};
use super::{Admission, AttemptEnd, Command, Core, StartAttempt, Tag, WaitFor, Waiter, WatchKey};
use crate::clock::Now;
use crate::models::{Durability, Ended, Ending, Outcome};
use crate::store::{Change, Claimed, Insert};
use crate::tasks::HandlerKind;

impl<W: Waiter> Core<W> {
    /// The inline handler of an ephemeral task returned on the thread that started it. Its outcome
    /// goes straight to the cache; only a task that runs again gets a row. The caller publishes the
    /// events of the start and of the end.
    pub(crate) fn ended_inline(
        &mut self,
        start: &StartAttempt,
        wait_for: WaitFor,
        end: AttemptEnd,
        now: Now,
        waiter: impl FnOnce() -> W,
        out: &mut Vec<Command<W>>,
    ) -> Admission {
        let Claimed { fence, sequence, task, attempt: number, .. } = &start.claimed;
        let queue = &task.options.queue;
        let cancel = self.active.take_cancel(&task.id);
        let stop_reason =
            cancel.map_or(StopReason::Nothing, |reason| StopReason::Cancel(reason.into()));
        let conclusion = conclude(&task.options.retry, *number, &stop_reason, end, &mut self.rng);
        let ending = match conclusion {
            Conclusion::Succeed(result) => Ending::Succeeded(result),
            Conclusion::Skip => Ending::Skipped,
            Conclusion::Fail(failure) => Ending::Failed(failure),
            Conclusion::Cancel(reason) => Ending::Cancelled(reason),
            conclusion => {
                self.active.wait(&task.id, task.digest, wait_for, waiter());
                let insert = Insert {
                    sequence: *sequence,
                    task: task.clone(),
                    deps: Vec::new(),
                    foreign: Vec::new(),
                    claim: Some(*fence),
                };
                self.attempts.insert(*fence, Attempt::returned(start, now), &mut self.timers);
                let tag =
                    Tag::Insert { id: task.id.clone(), queue: queue.clone(), fence: Some(*fence) };
                let mut applied = self.ephemeral.apply(&Change::Insert(insert), now.wall);
                // The caller publishes them.
                applied.events.clear();
                let mut step = self.step(now, out);
                step.on_applied(Durability::Ephemeral, applied, tag);
                step.conclude(*fence, conclusion);
                return Admission::Wait;
            }
        };
        let outcome = Outcome {
            ending,
            attempts: 1,
            started_at: Some(task.submitted_at),
            ended_at: now.wall,
        };
        let ended = Arc::new(Ended { task: task.clone(), outcome });
        self.cache.put(ended.clone());
        self.notifications.wake_watchers(|| WatchKey::Id(task.id.clone()), out);
        self.active.ended(&ended, out);
        self.slots.free(HandlerKind::Inline);
        self.dispatch.task_left(queue);
        self.step(now, out).dispatch();
        Admission::Ended(ended)
    }
}
