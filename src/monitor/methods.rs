//! Counters and timings for each method.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::{HashMap, HashMapExt};
use parking_lot::Mutex;

use super::statistics::OTHERS;
use super::timing::{Percentiles, Timing};
use crate::models::{Ended, Ending, State, Task};

/// How many methods have counters of their own, of 10 KiB each; the tasks of all others are counted
/// together as [`OTHERS`].
pub const MAX_METHODS: usize = 1_000;

/// Shards of the table, each with a lock, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// The counters and timings of one method since the server started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodStatistics {
    /// The method as callers wrote it, or [`OTHERS`].
    pub method: Arc<str>,
    /// Tasks that ended `SUCCEEDED`, including skipped ones.
    pub succeeded: u64,
    /// Tasks that ended in any other state.
    pub failed: u64,
    /// Attempts that failed and were followed by another one.
    pub retried: u64,
    /// From the task's acceptance, or its `run_at` if that is later, to the start of its last attempt. This
    /// includes waits for dependencies and earlier attempts. Of tasks that succeeded or failed after an
    /// attempt.
    pub latency: Percentiles,
    /// From the start of the last attempt to the task's end, of the same tasks.
    pub duration: Percentiles,
}

#[derive(Debug, Default)]
struct Counted {
    succeeded: u64,
    failed: u64,
    retried: u64,
    latency: Timing,
    duration: Timing,
}

impl Counted {
    fn end(&mut self, ended: &Ended) {
        let Ended { task, outcome } = ended;
        match outcome.state() {
            State::Succeeded => self.succeeded += 1,
            _ => self.failed += 1,
        }
        // A cancelled task may have waited for its next attempt.
        let ran = matches!(outcome.ending, Ending::Succeeded(_) | Ending::Failed(_));
        if let Some(started) = outcome.started_at.filter(|_| ran) {
            let startable = task.submitted_at.max(task.options.run_at.unwrap_or_default());
            self.latency.record(started.since(startable));
            self.duration.record(outcome.ended_at.since(started));
        }
    }

    fn snapshot(&self, method: Arc<str>) -> MethodStatistics {
        MethodStatistics {
            method,
            succeeded: self.succeeded,
            failed: self.failed,
            retried: self.retried,
            latency: self.latency.percentiles(),
            duration: self.duration.percentiles(),
        }
    }
}

/// The counters of all methods, up to [`MAX_METHODS`].
#[derive(Debug)]
pub(super) struct Methods {
    shards: [Mutex<HashMap<Arc<str>, Box<Counted>>>; SHARDS],
    known: AtomicUsize,
    others: Mutex<Counted>,
}

impl Default for Methods {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
            known: AtomicUsize::new(0),
            others: Mutex::default(),
        }
    }
}

impl Methods {
    /// Counts a task that ended.
    pub(super) fn ended(&self, ended: &Ended) {
        self.with(&ended.task, |counted| counted.end(ended));
    }

    /// Counts a failed attempt that another one follows.
    pub(super) fn retrying(&self, task: &Task) {
        self.with(task, |counted| counted.retried += 1);
    }

    fn with(&self, task: &Task, count: impl FnOnce(&mut Counted)) {
        let mut shard = self.shards[shard_of(&task.method)].lock();
        if let Some(counted) = shard.get_mut(&task.method) {
            return count(counted);
        }
        let has_room = self.known.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |known| {
            (known < MAX_METHODS).then_some(known + 1)
        });
        if has_room.is_ok() {
            return count(shard.entry(task.method.clone()).or_default());
        }
        drop(shard);
        count(&mut self.others.lock());
    }

    /// The statistics of each method, sorted by name, [`OTHERS`] last.
    pub(super) fn snapshot(&self) -> Vec<MethodStatistics> {
        let mut all = BTreeMap::new();
        for shard in &self.shards {
            for (method, counted) in shard.lock().iter() {
                all.insert(method.clone(), counted.snapshot(method.clone()));
            }
        }
        let others = self.others.lock().snapshot(OTHERS.into());
        let has_others = others.succeeded + others.failed + others.retried > 0;
        all.into_values().chain(has_others.then_some(others)).collect()
    }
}

/// Cheaper than hashing the name a second time: names differ in their lengths and last letters.
fn shard_of(method: &str) -> usize {
    let last = method.as_bytes().last().copied().unwrap_or(0);
    (method.len() + usize::from(last)) % SHARDS
}
