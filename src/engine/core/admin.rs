//! What people do: to tasks that have ended, and to queues.

use super::{Command, Core, QueueChange, Tag, Waiter, WatchKey};
use crate::clock::Now;
use crate::models::{QueueName, QueueSettings};
use crate::store::Change;

impl<W: Waiter> Core<W> {
    /// Has something done to a durable task that has ended, to a schedule or to a webhook; or has
    /// something announced.
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

    /// What was decided about a queue, if anything was.
    pub(crate) fn settings_of(&self, queue: &QueueName) -> QueueSettings {
        self.settings.queues.get(queue).copied().unwrap_or_default()
    }

    /// How many queues something was decided about.
    pub(crate) fn configured_queues(&self) -> usize {
        self.settings.queues.len()
    }

    /// Somebody decided about a queue. It holds once it is stored.
    pub(crate) fn change_queue(
        &mut self,
        queue: QueueName,
        decided: QueueChange,
        waiter: W,
        out: &mut Vec<Command<W>>,
    ) {
        let change = match decided {
            QueueChange::Limits(limits) => Change::SetQueue { queue: queue.clone(), limits },
            QueueChange::Paused(paused) => Change::PauseQueue { queue: queue.clone(), paused },
        };
        out.push(Command::Write(change, Tag::Queue { waiter, queue, decided }));
    }

    /// That is stored. Whoever calls this gives slots out afterwards.
    pub(super) fn apply_queue_change(&mut self, name: &QueueName, decided: QueueChange, now: Now) {
        // Somebody else may have decided about the rest of it meanwhile.
        let before = self.settings_of(name);
        let settings = match decided {
            QueueChange::Limits(limits) => QueueSettings { limits, ..before },
            QueueChange::Paused(paused) => QueueSettings { paused, ..before },
        };
        if settings == QueueSettings::default() {
            self.settings.queues.remove(name);
        } else {
            self.settings.queues.insert(name.clone(), settings);
        }
        for ready in self.change_ephemeral_queue(name, settings, now) {
            self.arrive(ready, crate::models::Durability::Ephemeral);
        }
        self.queue(name).decide(settings, now);
        self.rescan(name);
    }

    /// Ephemeral tasks stand in the same queues.
    pub(super) fn change_ephemeral_queue(
        &mut self,
        queue: &QueueName,
        settings: QueueSettings,
        now: Now,
    ) -> Vec<crate::store::ClaimableTask> {
        let QueueSettings { limits, paused } = settings;
        let changes = [
            Change::SetQueue { queue: queue.clone(), limits },
            Change::PauseQueue { queue: queue.clone(), paused },
        ];
        let applied = changes.map(|change| self.ephemeral.apply(&change, now.wall));
        applied.into_iter().flat_map(|applied| applied.ready).collect()
    }

    /// Somebody begins to watch a task, or ends.
    pub(crate) fn watch_for(&mut self, begins: bool) {
        if begins {
            self.watched += 1;
        } else {
            self.watched -= 1;
        }
    }

    /// Something about a task changed that whoever watches it should see.
    pub(super) fn notify_watchers(
        &self,
        touched: impl FnOnce() -> WatchKey,
        out: &mut Vec<Command<W>>,
    ) {
        if self.watched > 0 {
            out.push(Command::NotifyWatchers(touched()));
        }
    }
}
