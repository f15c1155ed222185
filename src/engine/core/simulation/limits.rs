//! What limits and keys promise, checked from outside: starts per time, places per key, one holder of
//! a unique key, suspects one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::world::World;
use crate::clock::Timestamp;
use crate::models::{
    Durability, OnConflict, QueueName, Rate, Sequence, Snapshot, State, Task, TaskFilter, TaskId,
};
use crate::store::memory::Tables;
use crate::store::{ChangeResult, Claimed};

/// When something started, while nothing changed about how fast it may.
#[derive(Default)]
struct Starts {
    rate: Option<Rate>,
    times: Vec<Duration>,
}

impl Starts {
    /// One more. In any time `t` at most `count` and one every `per / count` may start.
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
    /// Their unique key was given to a newcomer while they ran.
    lost_key: BTreeSet<TaskId>,
    /// Their claims were lost or given back: they have started, and start again when they can.
    lost_claim: BTreeSet<Sequence>,
    /// Ends of processes at which they ran.
    deaths: BTreeMap<TaskId, u32>,
}

impl Limits {
    pub(super) fn reopened(&mut self) {
        self.queues.clear();
    }

    /// A claim was lost or given back.
    pub(super) fn claim_was_lost(&mut self, sequence: Sequence) {
        self.lost_claim.insert(sequence);
    }

    /// Civil time was set.
    pub(super) fn clock_was_set(&mut self) {
        self.keys.clear();
    }

    pub(super) fn is_no_suspect(&mut self, id: &TaskId) {
        self.deaths.remove(id);
    }

    /// A process ended while it ran. How often that was.
    pub(super) fn died_with(&mut self, id: &TaskId) -> u32 {
        let deaths = self.deaths.entry(id.clone()).or_default();
        *deaths += 1;
        *deaths
    }

    pub(super) fn forget(&mut self, id: &TaskId) {
        self.deaths.remove(id);
        self.lost_key.remove(id);
    }
}

fn unfinished(store: &Tables) -> Vec<Snapshot> {
    let filter = TaskFilter { states: TaskFilter::UNFINISHED.to_vec(), ..TaskFilter::default() };
    store.list(&filter, None, usize::MAX).tasks
}

impl World {
    /// The core gave a start away. Queues and rates allow it at that moment.
    pub(super) fn check_reservation(&mut self, queue: &QueueName) {
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

    /// The queue that a durable task stands in.
    pub(super) fn queue_of(&self, sequence: Sequence) -> Option<QueueName> {
        self.stands(sequence).map(|it| it.task.options.queue.clone())
    }

    /// Whether anything unfinished depends on it, or is its parent.
    pub(super) fn is_needed(&self, id: &TaskId) -> bool {
        let Some(task) = self.store.find(id).map(|it| it.task) else { return false };
        let sequence = self.store.find(id).and_then(|it| it.sequence);
        // Somebody may count on an earlier one of that name.
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

    /// A store gave a task away just now.
    pub(super) fn check_claim(&mut self, claimed: &Claimed, wall: Timestamp) {
        let task = &claimed.task;
        let quarantine_after = self.quarantine_after;
        let is_suspect = |limits: &Limits, id: &TaskId| {
            quarantine_after > 0 && limits.deaths.get(id).is_some_and(|it| *it >= quarantine_after)
        };
        if is_suspect(&self.limits, &task.id) {
            let others = unfinished(&self.store).into_iter().filter(|it| it.task.id != task.id);
            let others = others.filter(|it| !self.ledger.was_suspended.contains(&it.task.id));
            for other in others.filter(|it| it.state == State::Running) {
                assert!(!is_suspect(&self.limits, &other.task.id), "two suspects run: {other:?}");
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

    /// Of tasks with one key no more run than may; and with a limit of one nothing overtakes what
    /// waits to be tried again. Those that waited for children have lent their places.
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

    /// A store took a task in, or says whose key it has.
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
                        "{} comes in beside {holder:?}",
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
                assert!(kept > 0, "nobody else has the key of {}", task.id);
            }
            _ => {}
        }
    }

    /// Everything in every queue is counted as the stores have it; whenever nothing is on its way.
    pub(super) fn check_counters(&self) {
        let claims = self.claims_are_under_way();
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
            let inline = self.inline_under_way(&name);
            let at_work = attempts().filter(|it| !it.suspended).count() + inline;
            assert_eq!(queue.map_or(0, |it| it.running) as usize, at_work, "at work in {name}");
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

    /// The children of what ended badly have ended, or are told to.
    fn check_children(&self) {
        for tables in [&self.store, &self.core.ephemeral] {
            for child in unfinished(tables) {
                let Some(parent) = child.task.parent.as_ref().and_then(|id| tables.find(id)) else {
                    continue;
                };
                // Another may have its name by now.
                if parent.sequence > child.sequence {
                    continue;
                }
                let badly = parent.state.has_ended() && parent.state != State::Succeeded;
                let told = child.state == State::Running && child.cancel_requested;
                let alone = self.ledger.came_back.contains(&child.task.id);
                assert!(!badly || told || alone, "{child:#?} outlives {parent:#?}");
            }
        }
    }
}

fn unique_window(task: &Task) -> bool {
    task.options.unique().is_some_and(|it| it.window.is_some())
}
