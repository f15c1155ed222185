//! Writes of operators: to tasks that have ended, to schedules, to webhooks and to queues.

use super::step::Step;
use super::{Command, Core, QueueChange, Tag, Waiter};
use crate::clock::Now;
use crate::error::Error;
use crate::models::{Durability, QueueName, QueueSettings};
use crate::store::memory::Tables;
use crate::store::{Change, ClaimableTask};

impl<W: Waiter> Core<W> {
    /// Writes a change to a durable task that has ended, to a schedule or to a webhook, or an event.
    /// The waiter gets the store's result.
    pub(crate) fn admin_write(&mut self, change: Change, waiter: W, out: &mut Vec<Command<W>>) {
        let tag = match &change {
            Change::Purge { id } => Tag::Purge { waiter, id: id.clone() },
            Change::SetSchedule { .. }
            | Change::RedefineSchedule { .. }
            | Change::EnableSchedule { .. }
            | Change::DeleteSchedule { .. } => Tag::Schedule(waiter),
            _ => Tag::Admin(waiter),
        };
        out.push(Command::Write(change, tag));
    }

    /// Changes the settings of a queue. The change takes effect when it is stored.
    ///
    /// # Errors
    /// `QUEUE_FULL` when as many queues as may have settings of their own; then the waiter is not
    /// answered.
    pub(crate) fn change_queue(
        &mut self,
        queue: QueueName,
        change: QueueChange,
        waiter: W,
        out: &mut Vec<Command<W>>,
    ) -> Result<(), Error> {
        self.dispatch.check_configure(&queue)?;
        let write = match change {
            QueueChange::Limits(limits) => Change::SetQueue { queue: queue.clone(), limits },
            QueueChange::Paused(paused) => Change::PauseQueue { queue: queue.clone(), paused },
        };
        out.push(Command::Write(write, Tag::Queue { waiter, queue, change }));
        Ok(())
    }
}

impl<W: Waiter> Step<'_, W> {
    /// The change of a queue is stored. Call [`dispatch`](Self::dispatch) afterwards.
    pub(super) fn queue_changed(&mut self, name: &QueueName, change: QueueChange) {
        // Another change may have set the other half meanwhile.
        let before = self.core.dispatch.settings_of(name);
        let settings = match change {
            QueueChange::Limits(limits) => QueueSettings { limits, ..before },
            QueueChange::Paused(paused) => QueueSettings { paused, ..before },
        };
        let ready = configure_ephemeral(&mut self.core.ephemeral, name, settings, self.now);
        for ready in ready {
            self.push(ready, Durability::Ephemeral);
        }
        self.core.dispatch.configure(name, settings, self.now);
    }
}

/// Sets the settings of a queue for its ephemeral tasks; returns those that become claimable.
pub(super) fn configure_ephemeral(
    ephemeral: &mut Tables,
    queue: &QueueName,
    settings: QueueSettings,
    now: Now,
) -> Vec<ClaimableTask> {
    let QueueSettings { limits, paused } = settings;
    let changes = [
        Change::SetQueue { queue: queue.clone(), limits },
        Change::PauseQueue { queue: queue.clone(), paused },
    ];
    let applied = changes.map(|change| ephemeral.apply(&change, now.wall));
    applied.into_iter().flat_map(|applied| applied.ready).collect()
}
