//! Operators: writes to tasks that have ended, settings of queues, lists and cancels by filter.

use std::sync::Arc;
use std::time::Duration;

use super::requests::Waiting;
use super::world::{Ticket, World};
use crate::engine::core::QueueChange;
use crate::models::{ArgValue, QueueLimits, QueueName, Rate, TaskFilter, TaskId};
use crate::store::{Change, ChangeResult};

/// The queues whose settings change.
pub(super) const CONFIGURED: [&str; 3] = ["wide", "narrow", "heavy"];

impl World {
    /// An operator retries, resolves or purges a task.
    pub(super) fn operator_writes(&mut self) {
        let ids: Vec<TaskId> = self.ledger.ids().cloned().collect();
        let Some(id) = self.rng.choice(ids) else { return };
        let reason = String::new();
        let change = match self.rng.u32(0..6) {
            0..4 => Change::RetryEnded { id: id.clone(), reason },
            4 => {
                let result = Arc::new(ArgValue::Int32(5));
                Change::Resolve { id: id.clone(), result, reason }
            }
            _ => Change::Purge { id: id.clone() },
        };
        let ticket = self.requests.ticket(&mut self.rng);
        let purges = matches!(change, Change::Purge { .. });
        self.requests.waiting.insert(ticket, Waiting::Admin { id, purges });
        self.act(|core, _, out| core.admin_write(change, ticket, out));
    }

    pub(super) fn admin_answered(&mut self, id: &TaskId, purges: bool, result: &ChangeResult) {
        match result {
            ChangeResult::Done if purges => self.cache.remove(id),
            ChangeResult::Changed { state, ended, .. } => {
                // A retried task may have been cancelled with its parent at once.
                assert!(ended.is_none() || state.has_ended(), "{id}");
                if let Some(cached) = self.cache.get(id) {
                    let known = self.ledger.had_outcome(id, &cached.outcome);
                    assert!(known, "{id} was changed, and the cache has {cached:?}");
                }
            }
            ChangeResult::NotFound
            | ChangeResult::WrongState(_)
            | ChangeResult::InUse
            | ChangeResult::UniqueRefused
            | ChangeResult::Unmet { .. } => {}
            result => panic!("{result:?} is no answer to an operator"),
        }
    }

    /// An operator changes the settings of a queue.
    pub(super) fn operator_changes_queue(&mut self) {
        let name = self.rng.choice(CONFIGURED).expect("some");
        let queue = QueueName::parse(name, "").expect("a name");
        let change = if self.rng.bool() {
            QueueChange::Paused(self.rng.bool())
        } else {
            let fixed = self.limits_of(&queue);
            QueueChange::Limits(limits(&mut self.rng, name, self.changes_keys, fixed))
        };
        self.change_queue(queue, change);
    }

    pub(super) fn change_queue(&mut self, queue: QueueName, change: QueueChange) -> Ticket {
        let ticket = self.requests.ticket(&mut self.rng);
        self.requests.waiting.insert(ticket, Waiting::Queue);
        let changed = self.act(|core, _, out| core.change_queue(queue, change, ticket, out));
        changed.expect("few queues have settings of their own");
        ticket
    }

    /// The limits of a queue in the store.
    pub(super) fn limits_of(&self, queue: &QueueName) -> QueueLimits {
        let status = self.store.queues().into_iter().find(|it| it.queue == *queue);
        status.map(|it| it.settings.limits).unwrap_or_default()
    }

    /// Resumes every queue.
    pub(super) fn resume_all(&mut self) {
        for status in self.store.queues() {
            if status.settings.paused {
                self.change_queue(status.queue, QueueChange::Paused(false));
            }
        }
    }

    /// An operator lists tasks by a filter, and at times cancels them.
    pub(super) fn list_something(&mut self) {
        let queue = self.rng.choice(CONFIGURED).expect("some");
        let filter = TaskFilter {
            states: if self.rng.bool() { TaskFilter::UNFINISHED.to_vec() } else { Vec::new() },
            queue: Some(QueueName::parse(queue, "").expect("a name")),
            method: self.rng.bool().then(|| "async".to_owned()),
            ..TaskFilter::default()
        };
        let mut listed = self.store.list(&filter, None, usize::MAX).tasks;
        listed.extend(self.core.ephemeral().list(&filter, None, usize::MAX).tasks);
        let listed: std::collections::BTreeSet<TaskId> =
            listed.into_iter().map(|it| it.task.id.clone()).collect();
        for id in self.ledger.ids() {
            // An ephemeral child can have an id that the durable store knows, too.
            let known = [self.store.find(id), self.core.find(id).0];
            let matches = known.into_iter().flatten().any(|it| {
                let ended_at = it.outcome.map(|outcome| outcome.ended_at);
                filter.matches(&it.task, it.state, ended_at)
            });
            assert_eq!(listed.contains(id), matches, "{id} and {filter:?}");
        }
        if self.rng.u32(0..4) == 0 {
            for id in listed.into_iter().take(5) {
                self.cancel(id);
            }
        }
    }
}

/// Random limits of a queue. Unless limits per key may change, they stay as they were, so that they can
/// be checked exactly.
pub(super) fn limits(
    rng: &mut fastrand::Rng,
    name: &str,
    changes_keys: bool,
    before: QueueLimits,
) -> QueueLimits {
    let rate = |rng: &mut fastrand::Rng| {
        let per = Duration::from_millis(rng.u64(50..600));
        (rng.u32(0..4) == 0).then_some(Rate { count: rng.u32(1..4), per })
    };
    let drawn = QueueLimits {
        weight: rng.u32(1..4),
        concurrency: if name == "wide" { None } else { Some(rng.u32(1..4)) },
        max_length: (rng.u32(0..6) == 0).then(|| rng.u64(3..20)),
        rate: rate(rng),
        concurrency_per_key: if rng.bool() { 1 } else { rng.u32(1..4) },
        rate_per_key: rate(rng),
    };
    if changes_keys {
        drawn
    } else {
        QueueLimits {
            concurrency_per_key: before.concurrency_per_key,
            rate_per_key: before.rate_per_key,
            ..drawn
        }
    }
}
