//! Hears every event and counts. It is called where events are announced, a hundred thousand times a
//! second: it takes a lock that hardly anybody else wants, and allocates only for a queue or a method
//! that it never snapshot of.

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

/// How many threads count without waiting for each other; more share.
const SHARDS: usize = 8;

/// How many tasks were told of, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Accepted.
    pub accepted: u64,
    /// Attempts that began.
    pub started: u64,
    /// Ended `SUCCEEDED`, skipped ones among them.
    pub succeeded: u64,
    /// Ended `FAILED`.
    pub failed: u64,
    /// Ended `CANCELLED`.
    pub cancelled: u64,
    /// Ended `EXPIRED`.
    pub expired: u64,
    /// Attempts that ended badly and were followed by another.
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

/// What one thread, or a few, counted.
#[derive(Debug, Default)]
struct Counted {
    totals: Totals,
    all: Ring,
    queues: HashMap<QueueName, Box<Ring>>,
    /// Of queues that are not told apart.
    others: Ring,
    /// When the steady clock was last read: in civil time, and what it said.
    read: (Timestamp, Duration),
}

/// How old a reading of the steady clock may be. To read it costs as much as to count.
const READING_HOLDS: Duration = Duration::from_secs(1);

impl Counted {
    /// What the steady clock says, or said a moment ago; `at` is the present in civil time.
    fn steady(&mut self, at: Timestamp, clock: impl FnOnce() -> Duration) -> Duration {
        let (read_at, steady) = self.read;
        if at >= read_at && at.since(read_at) < READING_HOLDS {
            return steady;
        }
        // Also when civil time was set back.
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

/// On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Counted>);

/// Counts what happens to tasks. Its memory is bounded by [`MAX_QUEUES`] and
/// [`MAX_METHODS`](super::MAX_METHODS).
#[derive(Debug)]
pub struct Counts {
    started: Now,
    shards: [Shard; SHARDS],
    methods: Methods,
}

/// What was snapshot so far.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CountsSnapshot {
    pub(super) started: Now,
    pub(super) totals: Totals,
    pub(super) rates: Rates,
    pub(super) queues: BTreeMap<QueueName, Rates>,
    /// Of queues that are not told apart.
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

    /// Reads the steady clock now and then.
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
            // That somebody gave it an outcome says nothing of how its method does.
            _ => {}
        }
    }

    /// What was snapshot so far.
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

/// The shard of this thread, the same for as long as it lives.
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
