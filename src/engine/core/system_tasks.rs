//! Tasks that enter without a caller: runs of schedules, deliveries to webhooks. Whether they come in is
//! for the store to say, in the transaction that also takes note of why they do.

use std::sync::Arc;

use super::{Command, Core, Tag, Waiter, draining};
use crate::error::Error;
use crate::models::{Durability, QueueName, Task};
use crate::store::{Change, ChangeResult, Insert};

impl<W: Waiter> Core<W> {
    /// Has tasks enter by a change that is made of them. Runs of schedules are owed: they come in
    /// however full their queues are.
    ///
    /// # Errors
    /// `DRAINING`; then the waiter is not answered.
    pub(crate) fn fire(
        &mut self,
        runs: &[Arc<Task>],
        change: impl FnOnce(Vec<Insert>) -> Change,
        waiter: W,
        out: &mut Vec<Command<W>>,
    ) -> Result<(), Error> {
        if self.draining {
            return Err(draining());
        }
        let queues = runs.iter().map(|task| self.count_entering(task)).collect();
        let inserts = runs.iter().map(|task| self.child(task)).collect();
        out.push(Command::Write(change(inserts), Tag::Firing { waiter, queues }));
        Ok(())
    }

    /// Has a task enter by a change that is made of it.
    ///
    /// # Errors
    /// `DRAINING`, `QUEUE_FULL`; then the waiter is not answered.
    pub(crate) fn enqueue_system_task(
        &mut self,
        task: &Arc<Task>,
        change: impl FnOnce(Insert) -> Change,
        waiter: W,
        out: &mut Vec<Command<W>>,
    ) -> Result<(), Error> {
        if self.draining {
            return Err(draining());
        }
        self.check_length(&task.options.queue, Durability::Durable)?;
        let enqueued = Some(self.count_entering(task));
        let insert = self.child(task);
        out.push(Command::Write(change(insert), Tag::HostCall { waiter, enqueued }));
        Ok(())
    }

    /// Counted at once, as arrivals are.
    fn count_entering(&mut self, task: &Task) -> QueueName {
        let queue = task.options.queue.clone();
        self.queue(&queue).waiting += 1;
        queue
    }

    /// Runs that did not come in do not wait.
    pub(super) fn uncount_runs(&mut self, queues: &[QueueName], result: &ChangeResult) {
        let entered: &[bool] = match result {
            ChangeResult::Fired { entered } => entered,
            _ => &[],
        };
        for (at, queue) in queues.iter().enumerate() {
            if !entered.get(at).copied().unwrap_or(false) {
                self.queue(queue).waiting -= 1;
                self.forget_if_empty(queue);
            }
        }
    }
}
