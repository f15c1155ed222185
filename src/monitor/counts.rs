//! Counts events. It is called on the threads that announce, up to a hundred thousand times a second: it
//! takes a lock that is rarely contended, and allocates only for a queue or a method that is new to it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ahash::HashMap;
use parking_lot::Mutex;

use super::methods::{MethodStatistics, Methods};
use super::rates::{Mark, Rates, Recent, Ring};
use super::statistics::MAX_QUEUES;
use crate::clock::{Now, Timestamp, now};
use crate::events::Observer;
use crate::models::{Event, Fact, QueueName, State, TaskFact};

/// How many threads can count without sharing a lock.
const SHARDS: usize = 8;

/// How many tasks and attempts there were since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tasks that were accepted.
    pub accepted: u64,
    /// Attempts that started.
    pub started: u64,
    /// Tasks that ended `SUCCEEDED`, including skipped ones.
    pub succeeded: u64,
    /// Tasks that ended `FAILED`.
    pub failed: u64,
    /// Tasks that ended `CANCELLED`.
    pub cancelled: u64,
    /// Tasks that ended `EXPIRED`.
    pub expired: u64,
    /// Attempts that failed and were followed by another one.
    pub retried: u64,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        let Self { accepted, started, succeeded, failed, cancelled, expired, retried } = other;
        self.accepted += accepted;
        self.started += started;
        self.succeeded += succeeded;
        self.failed += failed;
        self.cancelled += cancelled;
        self.expired += expired;
        self.retried += retried;
    }
}

/// The counters of one shard.
#[derive(Debug, Default)]
struct Counted {
    totals: Totals,
    all: Ring,
    queues: HashMap<QueueName, Box<Ring>>,
    /// The sum of all queues beyond [`MAX_QUEUES`].
    others: Ring,
    /// The last reading of the steady clock, and the wall time of that reading.
    read: (Timestamp, Duration),
}

/// How old a reading of the steady clock may be. A reading costs as much as counting an event.
const READING_HOLDS: Duration = Duration::from_secs(1);

impl Counted {
    /// The steady clock, read at most once a second; `at` is the wall time.
    fn steady(&mut self, at: Timestamp, clock: impl FnOnce() -> Duration) -> Duration {
        let (read_at, steady) = self.read;
        if at >= read_at && at.since(read_at) < READING_HOLDS {
            return steady;
        }
        // Also after the wall clock was set back.
        self.read = (at, clock());
        self.read.1
    }

    fn mark(&mut self, queue: &QueueName, mark: Mark, now: Duration) {
        self.all.count(mark, now);
        if let Some(ring) = self.queues.get_mut(queue) {
            return ring.count(mark, now);
        }
        if self.queues.len() < MAX_QUEUES {
            self.queues.entry(queue.clone()).or_default().count(mark, now);
        } else {
            self.others.count(mark, now);
        }
    }
}

/// Aligned so that no two shards share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Counted>);

/// Counts the events of tasks, by queue and by method. [`MAX_QUEUES`] and
/// [`MAX_METHODS`](super::MAX_METHODS) bound its memory.
#[derive(Debug)]
pub struct Counts {
    started: Now,
    shards: [Shard; SHARDS],
    methods: Methods,
}

/// The counters at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CountsSnapshot {
    pub(super) started: Now,
    pub(super) totals: Totals,
    pub(super) rates: Rates,
    pub(super) queues: BTreeMap<QueueName, Rates>,
    /// The sum of all queues beyond [`MAX_QUEUES`].
    pub(super) others: Rates,
    pub(super) methods: Vec<MethodStatistics>,
}

impl Default for Counts {
    fn default() -> Self {
        Self::starting(now())
    }
}

impl Observer for Counts {
    fn observe(&self, event: &Event) {
        self.observe_with(event, || now().steady);
    }
}

impl Counts {
    fn starting(started: Now) -> Self {
        Self { started, shards: Default::default(), methods: Methods::default() }
    }

    /// Counts an event; reads the steady clock at most once a second.
    fn observe_with(&self, event: &Event, clock: impl FnOnce() -> Duration) {
        let Fact::Task(task, fact) = &event.fact else { return };
        let queue = &task.options.queue;
        let shard = &self.shards[own_shard()].0;
        match fact {
            TaskFact::Accepted(_) => {
                let mut counted = shard.lock();
                counted.totals.accepted += 1;
                let now = counted.steady(event.at, clock);
                counted.mark(queue, Mark::Accepted, now);
            }
            TaskFact::Started { .. } => {
                let mut counted = shard.lock();
                counted.totals.started += 1;
                let now = counted.steady(event.at, clock);
                counted.mark(queue, Mark::Started, now);
            }
            TaskFact::Retrying { .. } => {
                shard.lock().totals.retried += 1;
                self.methods.retrying(task);
            }
            TaskFact::Ended(ended) => {
                let mut counted = shard.lock();
                match ended.outcome.state() {
                    State::Succeeded => {
                        counted.totals.succeeded += 1;
                        let now = counted.steady(event.at, clock);
                        counted.mark(queue, Mark::Succeeded, now);
                    }
                    State::Cancelled => counted.totals.cancelled += 1,
                    State::Expired => counted.totals.expired += 1,
                    _ => {
                        counted.totals.failed += 1;
                        let now = counted.steady(event.at, clock);
                        counted.mark(queue, Mark::Failed, now);
                    }
                }
                drop(counted);
                self.methods.ended(ended);
            }
            // `Resolved` is not counted: an operator's result says nothing about the method.
            _ => {}
        }
    }

    /// The counters at `now` on the steady clock.
    pub(super) fn snapshot(&self, now: Duration) -> CountsSnapshot {
        let mut totals = Totals::default();
        let (mut all, mut others) = (Recent::default(), Recent::default());
        let mut queues: BTreeMap<QueueName, Recent> = BTreeMap::new();
        for shard in &self.shards {
            let counted = shard.0.lock();
            totals.add(&counted.totals);
            counted.all.add_to(&mut all, now);
            counted.others.add_to(&mut others, now);
            for (queue, ring) in &counted.queues {
                ring.add_to(queues.entry(queue.clone()).or_default(), now);
            }
        }
        let rates = |recent: Recent| recent.rates(self.started.steady, now);
        CountsSnapshot {
            started: self.started,
            totals,
            rates: rates(all),
            queues: queues.into_iter().map(|(queue, recent)| (queue, rates(recent))).collect(),
            others: rates(others),
            methods: self.methods.snapshot(),
        }
    }
}

/// The index of this thread's shard.
fn own_shard() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    })
}

#[cfg(test)]
mod tests;
