//! Reads of the core for monitoring and for explanations.

use super::active::Phase;
use super::{Core, CoreStatus, CoreView, Pauses, SlotsFull, Waiter, Workers, resolve};
use crate::clock::Now;
use crate::models::{Task, TaskId};
use crate::tasks::HandlerKind;

impl<W: Waiter> Core<W> {
    /// What the core knows that bears on a task.
    pub(crate) fn view(&self, task: &Task, now: Now) -> CoreView {
        let name = &task.options.queue;
        let queue = self.dispatch.get(name);
        let settings =
            queue.map_or_else(|| self.dispatch.settings_of(name), |queue| queue.settings);
        let kind = resolve(&self.registry, &task.method).map(|method| method.handler.kind());
        let full = kind.filter(|kind| !self.slots.has_free(*kind)).map(|kind| {
            let Workers { async_slots, async_active, sync_slots, sync_active, .. } = self.workers();
            let (slots, taken) = match kind {
                HandlerKind::Async => (async_slots, async_active),
                _ => (sync_slots, sync_active),
            };
            let ids = self.attempts.ids_of(|it| it.slot == kind && !it.suspended && !it.gone);
            SlotsFull { kind, slots, taken, ids }
        });
        let rate_free_at = queue
            .and_then(|queue| queue.wait_for_rate(now))
            .map(|at| now.wall.plus(at.saturating_sub(now.steady)));
        let own = self.active.get(&task.id).and_then(|active| active.fence);
        CoreView {
            pauses: self.pauses(),
            paused: settings.paused,
            limits: settings.limits,
            running: queue.map_or(0, |queue| queue.running),
            running_ids: self.attempts.ids_of(|it| it.task.options.queue == *name),
            rate_free_at,
            full,
            suspended: own.and_then(|own| self.attempts.get(&own)).is_some_and(|it| it.suspended),
        }
    }

    /// What the core knows of a task that could not be read from the store; `None` if nothing.
    pub(crate) fn status(&self, id: &TaskId) -> Option<CoreStatus> {
        let active = self.active.get(id)?;
        match active.phase {
            Phase::Reserved => None,
            _ if active.fence.is_some() => Some(CoreStatus::Running),
            Phase::Inserting => Some(CoreStatus::Inserting),
            Phase::Accepted => Some(CoreStatus::Awaited),
        }
    }

    /// Why the engine as a whole starts nothing.
    pub(crate) fn pauses(&self) -> Pauses {
        Pauses { draining: self.shutdown.is_draining(), store: self.store.is_paused() }
    }

    /// The slots for handlers, and how many are taken.
    pub(crate) fn workers(&self) -> Workers {
        let (async_slots, sync_slots) = (self.settings.async_slots, self.settings.sync_slots);
        Workers {
            async_slots,
            async_active: self.slots.taken(HandlerKind::Async, async_slots),
            sync_slots,
            sync_active: self.slots.taken(HandlerKind::Sync, sync_slots),
            stuck: self.attempts.stuck(),
        }
    }
}
