//! Limits, checked from outside the core: rate limits, concurrency per queue and key, one holder of a
//! unique key, one quarantine candidate at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::world::World;
use crate::clock::Timestamp;
use crate::models::{
    Durability, OnConflict, QueueName, Rate, Sequence, Snapshot, State, Task, TaskFilter, TaskId,
};
use crate::store::memory::Tables;
use crate::store::{ChangeResult, Claimed};

/// Times of starts under one rate limit.
#[derive(Default)]
struct Starts {
    rate: Option<Rate>,
    times: Vec<Duration>,
}

impl Starts {
    /// Adds a start. In any time `t` at most `count`, and one every `per / count`, may start.
    fn add(&mut self, at: Duration, rate: Option<Rate>, what: &dyn std::fmt::Debug) {
        if self.rate != rate || self.times.last().is_some_and(|last| at < *last) {
            *self = Self { rate, times: Vec::new() };
        }
        self.times.push(at);
        let Some(rate) = rate else { return };
        let count_in =
            |time: Duration| u128::from(rate.count) * time.as_nanos() / rate.per.as_nanos();
        for (count, from) in self.times.iter().rev().enumerate() {
            let allowed = u128::from(rate.count) + count_in(at - *from);
            assert!(
                (count as u128) < allowed,
                "{what:?} starts too fast: {rate:?} {:?}",
                self.times
            );
        }
    }
}

#[derive(Default)]
pub(super) struct Limits {
    queues: BTreeMap<QueueName, Starts>,
    keys: BTreeMap<(QueueName, String), Starts>,
    /// Tasks whose unique key went to a new task while they ran.
    lost_key: BTreeSet<TaskId>,
    /// Tasks whose claims were lost or given back: they were counted as starts, and start again.
    lost_claim: BTreeSet<Sequence>,
    /// In how many crashes each task ran.
    crashes: BTreeMap<TaskId, u32>,
}

impl Limits {
    pub(super) fn reopened(&mut self) {
        self.queues.clear();
    }

    /// A claim was lost or given back.
    pub(super) fn claim_was_lost(&mut self, sequence: Sequence) {
        self.lost_claim.insert(sequence);
    }

    /// The wall clock was set.
    pub(super) fn clock_was_set(&mut self) {
        self.keys.clear();
    }

    pub(super) fn clear_crashes(&mut self, id: &TaskId) {
        self.crashes.remove(id);
    }

    /// A process crashed while the task ran; returns how often that was.
    pub(super) fn crashed_with(&mut self, id: &TaskId) -> u32 {
        let crashes = self.crashes.entry(id.clone()).or_default();
        *crashes += 1;
        *crashes
    }

    pub(super) fn purge(&mut self, id: &TaskId) {
        self.crashes.remove(id);
        self.lost_key.remove(id);
    }
}

fn unfinished(store: &Tables) -> Vec<Snapshot> {
    let filter = TaskFilter { states: TaskFilter::UNFINISHED.to_vec(), ..TaskFilter::default() };
    store.list(&filter, None, usize::MAX).tasks
}

impl World {
    /// The core started or claimed a task: the limits of its queue allow that at this moment.
    pub(super) fn check_start_allowed(&mut self, queue: &QueueName) {
        let known = &self.core.dispatch.queues()[queue];
        let limits = known.settings.limits;
        assert!(!known.settings.paused, "{queue} is paused and starts something");
        let running = known.running;
        assert!(
            limits.concurrency.is_none_or(|limit| running <= limit),
            "{queue} runs {running} of {limits:?}"
        );
        let starts = self.limits.queues.entry(queue.clone()).or_default();
        starts.add(self.now.steady, limits.rate, queue);
    }

    /// The queue of a durable task.
    pub(super) fn queue_of(&self, sequence: Sequence) -> Option<QueueName> {
        self.snapshot_at(sequence).map(|it| it.task.options.queue.clone())
    }

    /// Whether an unfinished task depends on it, or is its parent.
    pub(super) fn is_needed(&self, id: &TaskId) -> bool {
        let Some(task) = self.store.find(id).map(|it| it.task) else { return false };
        let sequence = self.store.find(id).and_then(|it| it.sequence);
        // A task may depend on an earlier one with this id.
        let later = |other: &&Snapshot| other.sequence > sequence;
        let dependant = |other: &Snapshot| other.task.deps.contains(id);
        let spawned = |other: &Snapshot| {
            let handlers = &self.handlers.running;
            task.parent.as_ref() == Some(&other.task.id)
                && handlers.iter().any(|(fence, it)| {
                    let attempt = self.core.attempts.get(fence);
                    it.children.contains(id) && attempt.is_some_and(|it| !it.is_concluded())
                })
        };
        let unfinished = unfinished(&self.store);
        unfinished.iter().filter(later).any(dependant) || unfinished.iter().any(spawned)
    }

    /// A store has just claimed a task.
    pub(super) fn check_claim(&mut self, claimed: &Claimed, wall: Timestamp) {
        let task = &claimed.task;
        let quarantine_after = self.quarantine_after;
        let is_suspect = |limits: &Limits, id: &TaskId| {
            quarantine_after > 0 && limits.crashes.get(id).is_some_and(|it| *it >= quarantine_after)
        };
        if is_suspect(&self.limits, &task.id) {
            let others = unfinished(&self.store).into_iter().filter(|it| it.task.id != task.id);
            let others = others.filter(|it| !self.ledger.was_suspended.contains(&it.task.id));
            for other in others.filter(|it| it.state == State::Running) {
                assert!(
                    !is_suspect(&self.limits, &other.task.id),
                    "two quarantine candidates run: {other:?}"
                );
            }
        }
        let Some(key) = task.options.concurrency_key() else { return };
        if self.changes_keys {
            return;
        }
        self.check_places(task, claimed.sequence, key);
        if self.limits.lost_claim.remove(&claimed.sequence) {
            return;
        }
        let queue = &task.options.queue;
        let rate = self.key_limits(queue).1;
        let at = wall.since(Timestamp::EPOCH);
        let starts = self.limits.keys.entry((queue.clone(), key.to_owned())).or_default();
        starts.add(at, rate, &(queue, key));
    }

    fn key_limits(&self, queue: &QueueName) -> (u32, Option<Rate>) {
        let statuses = self.store.queues();
        let settings = statuses.iter().find(|it| it.queue == *queue).map(|it| it.settings);
        let limits = settings.unwrap_or_default().limits;
        (limits.concurrency_per_key, limits.rate_per_key)
    }

    /// Of the tasks with one key no more run than the limit allows; with a limit of one no task
    /// overtakes one that waits for its retry. Tasks that waited for children do not count.
    fn check_places(&self, task: &Task, sequence: Sequence, key: &str) {
        let most = self.key_limits(&task.options.queue).0;
        let alike: Vec<Snapshot> = unfinished(&self.store)
            .into_iter()
            .filter(|it| {
                let options = &it.task.options;
                options.queue == task.options.queue && options.concurrency_key() == Some(key)
            })
            .filter(|it| {
                it.sequence != Some(sequence) && !self.ledger.was_suspended.contains(&it.task.id)
            })
            .collect();
        let running = alike.iter().filter(|it| it.state == State::Running).count();
        assert!(running < most as usize, "{} others of {most} with {key} run", running);
        let retrying = alike.iter().find(|it| it.state == State::Retrying);
        assert!(most > 1 || retrying.is_none(), "{} overtakes {retrying:?}", task.id);
    }

    /// A store inserted a task, or refused it because of its unique key.
    pub(super) fn check_unique(&mut self, task: &Task, result: &ChangeResult) {
        let Some(unique) = task.options.unique() else { return };
        let has_key = |other: &Task| other.options.unique().is_some_and(|it| it.key == unique.key);
        let holders: Vec<Snapshot> = unfinished(&self.store)
            .into_iter()
            .filter(|it| it.task.id != task.id && has_key(&it.task))
            .filter(|it| !self.limits.lost_key.contains(&it.task.id))
            .collect();
        match result {
            ChangeResult::Inserted(_) => {
                for holder in holders {
                    let replaces = unique.on_conflict == OnConflict::Replace;
                    assert!(
                        replaces && holder.started_at.is_some(),
                        "{} is inserted beside {holder:?}",
                        task.id
                    );
                    self.limits.lost_key.insert(holder.task.id.clone());
                }
            }
            ChangeResult::UniqueConflict { first, replaced } => {
                assert!(has_key(&first.task), "{first:?}");
                assert!(unique.on_conflict != OnConflict::Refuse);
                assert!(first.outcome.is_none() || unique_window(&first.task), "{first:?}");
                if *replaced {
                    assert!(
                        unique.on_conflict == OnConflict::Replace && first.started_at.is_none()
                    );
                    assert_eq!(first.task.args, task.args);
                }
            }
            ChangeResult::UniqueRefused => {
                assert!(unique.on_conflict != OnConflict::ReturnFirst);
                let kept = self.ledger.ids().filter_map(|id| self.store.find(id));
                let kept = kept.filter(|it| has_key(&it.task)).count();
                assert!(kept > 0, "no other task has the key of {}", task.id);
            }
            _ => {}
        }
    }

    /// The counters of every queue equal those of the stores, whenever no write is on its way.
    pub(super) fn check_counters(&self) {
        let claims = self.has_pending_claims();
        if !self.writes.is_empty() || self.committing.is_some() || claims {
            return;
        }
        let mut stored: BTreeMap<QueueName, (u64, u64)> = BTreeMap::new();
        for tables in [&self.store, &self.core.ephemeral] {
            for status in tables.queues() {
                let counts = stored.entry(status.queue.clone()).or_default();
                counts.0 += status.waiting();
                counts.1 += status.running;
                assert_eq!(
                    status.settings,
                    self.core.dispatch.settings_of(&status.queue),
                    "{status:?}"
                );
            }
        }
        for name in self.core.dispatch.queues().keys() {
            stored.entry(name.clone()).or_default();
        }
        for (name, (waiting, running)) in stored {
            let queue = self.core.dispatch.get(&name);
            let counted = queue.map_or(0, |it| it.waiting);
            assert_eq!(u64::try_from(counted), Ok(waiting), "waiting in {name}");
            let in_it = |task: &Task| task.options.queue == name;
            let attempts =
                || self.core.attempts.iter().map(|(_, it)| it).filter(|it| in_it(&it.task));
            let undecided = attempts().filter(|it| !it.is_concluded()).count() as u64;
            assert_eq!(undecided, running, "running in {name}");
            let inline = self.inline_running(&name);
            let taken = attempts().filter(|it| !it.suspended).count() + inline;
            assert_eq!(queue.map_or(0, |it| it.running) as usize, taken, "slots taken in {name}");
        }
        for id in self.ledger.ids() {
            let (Some(cached), Some(stored)) = (self.cache.get(id), self.store.find(id)) else {
                continue;
            };
            if cached.task.options.durability == Durability::Durable {
                assert_eq!(Some(&cached.outcome), stored.outcome.as_ref(), "{id} in the cache");
            }
        }
        self.check_children();
    }

    /// The children of a task that failed have ended, or are signalled to stop.
    fn check_children(&self) {
        for tables in [&self.store, &self.core.ephemeral] {
            for child in unfinished(tables) {
                let Some(parent) = child.task.parent.as_ref().and_then(|id| tables.find(id)) else {
                    continue;
                };
                // Another task may have its id by now.
                if parent.sequence > child.sequence {
                    continue;
                }
                let failed = parent.state.has_ended() && parent.state != State::Succeeded;
                let signalled = child.state == State::Running && child.cancel_requested;
                let alone = self.ledger.retried.contains(&child.task.id);
                assert!(!failed || signalled || alone, "{child:#?} outlives {parent:#?}");
            }
        }
    }
}

fn unique_window(task: &Task) -> bool {
    task.options.unique().is_some_and(|it| it.window.is_some())
}
