//! The short cut of ephemeral tasks with inline bodies: they need no row, because they have ended before
//! anybody could look.

use std::sync::Arc;

use super::conclusion::{Conclusion, StopReason, conclude};
use super::{
    Admission, Attempt, AttemptEnd, Command, Core, StartAttempt, Tag, WaitFor, Waiter, WatchKey,
};
use crate::clock::Now;
use crate::models::{Durability, Ended, Ending, Outcome};
use crate::store::{Change, Claimed, Insert};
use crate::tasks::HandlerKind;

impl<W: Waiter> Core<W> {
    /// An inline body of an ephemeral task returned on the thread that started it. Unless it is to
    /// run again, its outcome goes straight to the cache: it never needs a row. Whoever ran it
    /// announces that it began, and that it has ended.
    pub(crate) fn ended_inline(
        &mut self,
        start: &StartAttempt,
        wait_for: WaitFor,
        ran: AttemptEnd,
        now: Now,
        waiter: impl FnOnce() -> W,
        out: &mut Vec<Command<W>>,
    ) -> Admission {
        let Claimed { fence, sequence, task, attempt: number, .. } = &start.claimed;
        let queue = &task.options.queue;
        let cancel = self.active.get_mut(&task.id).and_then(|active| active.cancel.take());
        let stop_reason =
            cancel.map_or(StopReason::Nothing, |reason| StopReason::Cancel(reason.into()));
        let conclusion = conclude(&task.options.retry, *number, &stop_reason, ran, &mut self.rng);
        let ending = match conclusion {
            Conclusion::Succeed(result) => Ending::Succeeded(result),
            Conclusion::Skip => Ending::Skipped,
            Conclusion::Fail(failure) => Ending::Failed(failure),
            Conclusion::Cancel(reason) => Ending::Cancelled(reason),
            again => {
                self.wait(&task.id, task.digest, wait_for, waiter());
                let insert = Insert {
                    sequence: *sequence,
                    task: task.clone(),
                    deps: Vec::new(),
                    foreign: Vec::new(),
                    claim: Some(*fence),
                };
                self.watch(*fence, Attempt::gone(start, now));
                let tag =
                    Tag::Insert { id: task.id.clone(), queue: queue.clone(), fence: Some(*fence) };
                let mut applied = self.ephemeral.apply(&Change::Insert(insert), now.wall);
                // Whoever ran the body has told of its beginning.
                applied.events.clear();
                self.on_applied(Durability::Ephemeral, applied, tag, now, out);
                self.conclude(*fence, again, now, out);
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
        self.notify_watchers(|| WatchKey::Id(task.id.clone()), out);
        self.answer_ended(&task.id, &ended, out);
        self.slots.free(HandlerKind::Inline);
        self.left(queue);
        self.dispatch(now, out);
        Admission::Ended(ended)
    }
}
