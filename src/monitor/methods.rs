//! What becomes of each method's tasks, and how long they take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::{HashMap, HashMapExt};
use parking_lot::Mutex;

use super::statistics::OTHERS;
use super::timing::{Percentiles, Timing};
use crate::models::{Ended, Ending, State, Task};

/// How many methods are snapshot apart; the tasks of others are counted together. Each takes 10 KiB.
pub const MAX_METHODS: usize = 1_000;

/// Locks over parts of the table, so that methods seldom wait for each other.
const PARTS: usize = 16;

/// What became of one method's tasks since the start, and how long they took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodStatistics {
    /// As it was asked for; [`OTHERS`] for those that are not snapshot apart.
    pub method: Arc<str>,
    /// Ended `SUCCEEDED`, skipped ones among them.
    pub succeeded: u64,
    /// Ended in any other way.
    pub failed: u64,
    /// Attempts that ended badly and were followed by another.
    pub retried: u64,
    /// From when a task could be started as far as its caller was concerned (its acceptance, or its
    /// `run_at` if that is later) to the start of its last attempt: so it has the waits for
    /// dependencies, and the attempts before that one, in it. Of tasks that ran to an end, well or
    /// badly.
    pub latency: Percentiles,
    /// From the start of the last attempt to the end; of the same tasks.
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
        // Whoever was cancelled may have waited for another try when that came.
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

/// All methods whose tasks ended, up to [`MAX_METHODS`].
#[derive(Debug)]
pub(super) struct Methods {
    parts: [Mutex<HashMap<Arc<str>, Box<Counted>>>; PARTS],
    known: AtomicUsize,
    others: Mutex<Counted>,
}

impl Default for Methods {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| Mutex::new(HashMap::new())),
            known: AtomicUsize::new(0),
            others: Mutex::default(),
        }
    }
}

impl Methods {
    /// A task of it ended.
    pub(super) fn ended(&self, ended: &Ended) {
        self.with(&ended.task, |counted| counted.end(ended));
    }

    /// An attempt of it ended badly and is followed by another.
    pub(super) fn retrying(&self, task: &Task) {
        self.with(task, |counted| counted.retried += 1);
    }

    fn with(&self, task: &Task, count: impl FnOnce(&mut Counted)) {
        let mut part = self.parts[part_of(&task.method)].lock();
        if let Some(counted) = part.get_mut(&task.method) {
            return count(counted);
        }
        let has_room = self.known.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |known| {
            (known < MAX_METHODS).then_some(known + 1)
        });
        if has_room.is_ok() {
            return count(part.entry(task.method.clone()).or_default());
        }
        drop(part);
        count(&mut self.others.lock());
    }

    /// By name; those that are not snapshot apart last.
    pub(super) fn snapshot(&self) -> Vec<MethodStatistics> {
        let mut all = BTreeMap::new();
        for part in &self.parts {
            for (method, counted) in part.lock().iter() {
                all.insert(method.clone(), counted.snapshot(method.clone()));
            }
        }
        let others = self.others.lock().snapshot(OTHERS.into());
        let some = others.succeeded + others.failed + others.retried > 0;
        all.into_values().chain(some.then_some(others)).collect()
    }
}

/// Cheaper than to hash the name twice: names differ in length and in their last letters.
fn part_of(method: &str) -> usize {
    let last = method.as_bytes().last().copied().unwrap_or(0);
    (method.len() + usize::from(last)) % PARTS
}
