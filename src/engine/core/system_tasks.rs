//! Tasks of the system: runs of schedules and deliveries to webhooks. They have no caller; the store
//! inserts them in the transaction that also records why.

use std::sync::Arc;

use super::step::Step;
use super::{Command, Core, Tag, Waiter, draining};
use crate::error::Error;
use crate::models::{Durability, QueueName, Task};
use crate::store::{Change, ChangeResult, Insert};

impl<W: Waiter> Core<W> {
    /// Inserts runs of a schedule, with the change that `change` makes of them. No bound on queues
    /// holds for them.
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
        if self.shutdown.is_draining() {
            return Err(draining());
        }
        // They count as waiting before they are stored, as submitted tasks do.
        let queues: Vec<_> = runs.iter().map(|task| task.options.queue.clone()).collect();
        queues.iter().for_each(|queue| self.dispatch.add_waiting(queue));
        let inserts = runs.iter().map(|task| self.numbers.insert(task)).collect();
        out.push(Command::Write(change(inserts), Tag::Firing { waiter, queues }));
        Ok(())
    }

    /// Inserts a task, with the change that `change` makes of it.
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
        if self.shutdown.is_draining() {
            return Err(draining());
        }
        let queue = task.options.queue.clone();
        let known = self.dispatch.get(&queue);
        self.admissions.check(Durability::Durable, self.ephemeral.len(), &queue, known)?;
        self.dispatch.add_waiting(&queue);
        let insert = self.numbers.insert(task);
        out.push(Command::Write(change(insert), Tag::HostCall { waiter, enqueued: Some(queue) }));
        Ok(())
    }
}

impl<W: Waiter> Step<'_, W> {
    /// Runs that the store did not insert do not wait.
    pub(super) fn uncount_runs(&mut self, queues: &[QueueName], result: &ChangeResult) {
        let entered: &[bool] = match result {
            ChangeResult::Fired { entered } => entered,
            _ => &[],
        };
        for (at, queue) in queues.iter().enumerate() {
            if !entered.get(at).copied().unwrap_or(false) {
                self.core.dispatch.remove_waiting(queue);
                self.core.dispatch.forget_if_empty(queue);
            }
        }
    }
}
