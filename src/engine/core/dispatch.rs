//! Dispatch between queues: weighted round robin between queues that have work, strict priority and
//! then first in, first out inside each.
//!
//! Smooth weighted round robin: every queue that could run earns its weight; the queue with the most
//! credit runs and pays what all earned together. Between two turns of a queue with weight w among a
//! total of t there are at most ⌈t / w⌉ turns of others; while others come and go, fewer than twice
//! as many.

use std::collections::{BTreeMap, BTreeSet};

use ahash::{HashMap, HashMapExt};

use super::queue::{Candidate, Queue};
use super::slots::Slots;
use super::timers::{Timer, Timers};
use super::{Limits, Settings};
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::models::{Durability, Fence, QueueName, QueueSettings};
use crate::store::{ClaimableTask, Position};
use crate::tasks::HandlerKind;

/// A claim on its way to the store. It holds a slot.
#[derive(Debug)]
pub(super) struct PendingClaim {
    pub(super) queue: QueueName,
    pub(super) kind: HandlerKind,
    /// Why the task was cancelled, if the store reported that before it reported the claim.
    pub(super) cancel: Option<String>,
}

/// The queues, what each may start, and the claims on their way.
#[derive(Debug)]
pub(crate) struct Dispatch {
    limits: Limits,
    /// Queues with settings of their own.
    configured: BTreeMap<QueueName, QueueSettings>,
    queues: BTreeMap<QueueName, Queue>,
    /// Queues that are not idle.
    ready_queues: BTreeSet<QueueName>,
    /// Queues in which the store denied a claim that their windows offered.
    blocked_queues: BTreeSet<QueueName>,
    pending_claims: HashMap<Fence, PendingClaim>,
}

impl Dispatch {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            limits: settings.limits,
            configured: settings.queues.clone(),
            queues: BTreeMap::new(),
            ready_queues: BTreeSet::new(),
            blocked_queues: BTreeSet::new(),
            pending_claims: HashMap::new(),
        }
    }

    /// The settings of a queue; the default ones if it has none of its own.
    pub(crate) fn settings_of(&self, queue: &QueueName) -> QueueSettings {
        self.configured.get(queue).copied().unwrap_or_default()
    }

    /// Whether a claim is on its way to the store. Its answer leads to a write.
    pub(crate) fn has_pending_claims(&self) -> bool {
        !self.pending_claims.is_empty()
    }

    /// Queues with settings of their own.
    pub(super) fn configured(&self) -> &BTreeMap<QueueName, QueueSettings> {
        &self.configured
    }

    /// Queues in memory.
    #[cfg(test)]
    pub(super) fn queues(&self) -> &BTreeMap<QueueName, Queue> {
        &self.queues
    }

    /// A queue, if it is in memory.
    pub(super) fn get(&self, name: &QueueName) -> Option<&Queue> {
        self.queues.get(name)
    }

    /// A queue; it is created when it is first used.
    pub(super) fn queue(&mut self, name: &QueueName) -> &mut Queue {
        if !self.queues.contains_key(name) {
            let queue = Queue::new(self.settings_of(name), self.limits.window);
            self.queues.insert(name.clone(), queue);
        }
        self.queues.get_mut(name).expect("just inserted")
    }

    /// Loads what the store counted in a queue when it was opened.
    pub(super) fn load(&mut self, name: &QueueName, waiting: u64) {
        self.queue(name).waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        if waiting > 0 {
            self.rescan(name);
        }
    }

    /// Checks whether a queue may get settings of its own.
    ///
    /// # Errors
    /// `QUEUE_FULL` when as many queues as may have settings of their own.
    pub(super) fn check_configure(&self, name: &QueueName) -> Result<(), Error> {
        let most = self.limits.configured_queues;
        if self.configured.contains_key(name) || self.configured.len() < most {
            return Ok(());
        }
        let why = format!("{most} queues have settings of their own, the most allowed");
        Err(Error::new(Code::QueueFull, why))
    }

    /// Sets the settings of a queue, which is then read again.
    pub(super) fn configure(&mut self, name: &QueueName, settings: QueueSettings, now: Now) {
        if settings == QueueSettings::default() {
            self.configured.remove(name);
        } else {
            self.configured.insert(name.clone(), settings);
        }
        self.queue(name).apply_settings(settings, now);
        self.rescan(name);
    }

    /// One more task waits in the queue.
    pub(super) fn add_waiting(&mut self, name: &QueueName) {
        self.queue(name).waiting += 1;
    }

    /// One task fewer waits in the queue.
    pub(super) fn remove_waiting(&mut self, name: &QueueName) {
        self.queue(name).waiting -= 1;
    }

    /// Whether no queue has work.
    pub(super) fn is_idle(&self) -> bool {
        self.ready_queues.is_empty()
    }

    /// Whether a task may be inserted already claimed: nothing claimable waits in its queue, no
    /// other queue is owed the slot, and slots and limits allow it.
    pub(super) fn may_start_at_once(
        &mut self,
        name: &QueueName,
        kind: HandlerKind,
        now: Now,
        slots: &Slots,
    ) -> bool {
        // A new queue is created here, with its settings.
        let queue = self.queue(name);
        let own = queue.is_idle() && queue.has_room(now);
        own && slots.has_free(kind)
            && self
                .ready_queues
                .iter()
                .filter_map(|other| self.queues.get(other))
                .all(|other| !(other.has_room(now) && other.has_claimable(kind)))
    }

    /// A task has become claimable.
    pub(super) fn push(&mut self, ready: ClaimableTask, kind: HandlerKind, durability: Durability) {
        self.queue(&ready.queue).push(Candidate { position: ready.position, kind, durability });
        self.ready_queues.insert(ready.queue);
    }

    /// Takes the best task of the queue whose turn it is. Sets a timer for each queue that a rate
    /// limit holds back.
    pub(super) fn pick(
        &mut self,
        now: Now,
        slots: &Slots,
        timers: &mut Timers,
    ) -> Option<(QueueName, Candidate)> {
        let mut total = 0;
        let mut chosen: Option<(&QueueName, i64, Candidate)> = None;
        for name in &self.ready_queues {
            let Some(queue) = self.queues.get_mut(name) else { continue };
            let Some(best) = queue.best(|kind| slots.has_free(kind)) else { continue };
            if !queue.has_room(now) {
                if let Some(at) = queue.wait_for_rate(now) {
                    timers.set(at, Timer::Dispatch);
                }
                continue;
            }
            queue.credit += i64::from(queue.settings.limits.weight);
            total += i64::from(queue.settings.limits.weight);
            if chosen.as_ref().is_none_or(|(_, credit, _)| queue.credit > *credit) {
                chosen = Some((name, queue.credit, best));
            }
        }
        let (name, _, best) = chosen?;
        let name = name.clone();
        let queue = self.queue(&name);
        queue.credit -= total;
        queue.take(best);
        Some((name, best))
    }

    /// Calls `read` with each queue whose window is low, and the position to read on from. Queues
    /// without work leave the list of ready ones.
    pub(super) fn refill(&mut self, mut read: impl FnMut(&QueueName, Option<Position>)) {
        let queues = &mut self.queues;
        self.ready_queues.retain(|name| {
            let Some(queue) = queues.get_mut(name) else { return false };
            if let Some(after) = queue.wants_refill() {
                read(name, after);
            }
            !queue.is_idle()
        });
    }

    /// A queue was read up to `last`, or to its end.
    pub(super) fn refilled(
        &mut self,
        name: &QueueName,
        candidates: Vec<Candidate>,
        last: Option<Position>,
        complete: bool,
    ) {
        self.queue(name).refilled(candidates, last, complete);
        self.ready_queues.insert(name.clone());
    }

    /// Reads a queue again from its start.
    pub(super) fn rescan(&mut self, name: &QueueName) {
        self.queue(name).rescan();
        self.ready_queues.insert(name.clone());
    }

    /// Reads every queue again in which tasks wait.
    pub(super) fn rescan_waiting(&mut self) {
        for (name, queue) in &mut self.queues {
            if queue.waiting != 0 {
                queue.rescan();
                self.ready_queues.insert(name.clone());
            }
        }
    }

    /// Marks a queue in which the store denied a claim; returns whether it is the first one.
    pub(super) fn block(&mut self, name: QueueName) -> bool {
        let first = self.blocked_queues.is_empty();
        self.blocked_queues.insert(name);
        first
    }

    /// Reads every queue again in which the store denied a claim.
    pub(super) fn rescan_blocked(&mut self) {
        for name in std::mem::take(&mut self.blocked_queues) {
            self.rescan(&name);
        }
    }

    /// A claim is on its way to the store.
    pub(super) fn claim_sent(&mut self, fence: Fence, claim: PendingClaim) {
        self.pending_claims.insert(fence, claim);
    }

    /// Removes a claim that the store has answered.
    pub(super) fn claim_answered(&mut self, fence: Fence) -> Option<PendingClaim> {
        self.pending_claims.remove(&fence)
    }

    /// The task of a claim on its way is cancelled.
    pub(super) fn cancel_claim(&mut self, fence: Fence, reason: &str) {
        if let Some(claim) = self.pending_claims.get_mut(&fence) {
            claim.cancel = Some(reason.to_owned());
        }
    }

    /// Reads the queue of a claim on its way again.
    pub(super) fn rescan_claimed(&mut self, fence: Fence) {
        if let Some(claim) = self.pending_claims.get(&fence) {
            let queue = claim.queue.clone();
            self.rescan(&queue);
        }
    }

    /// A task of the queue no longer runs, and that is stored.
    pub(super) fn task_left(&mut self, name: &QueueName) {
        self.queue(name).running -= 1;
        self.forget_if_empty(name);
    }

    /// Forgets a queue without tasks, if there are many queues.
    pub(super) fn forget_if_empty(&mut self, name: &QueueName) {
        let many = self.queues.len() > self.limits.idle_queues;
        if many && self.queues.get(name).is_some_and(Queue::is_empty) {
            self.queues.remove(name);
            self.ready_queues.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
