//! Statistics: combines the counters with the depths of the queues and the state of the workers.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::counts::{CountsSnapshot, Totals};
use super::methods::MethodStatistics;
use super::rates::Rates;
use crate::clock::Timestamp;
use crate::engine::{QueueState, Workers};
use crate::models::QueueName;

/// How many queues are listed; if there are more, the ones with the most tasks.
pub const MAX_QUEUES: usize = 1_000;

/// The name of the entry that sums all other queues, or all other methods. No queue and no method can have
/// this name.
pub const OTHERS: &str = "(others)";

/// The statistics of a system at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// When they were computed.
    pub at: Timestamp,
    /// When counting began.
    pub started_at: Timestamp,
    /// The queues by name, [`OTHERS`] last.
    pub queues: Vec<QueueStatistics>,
    /// The methods that had a task end or retry, by name, [`OTHERS`] last.
    pub methods: Vec<MethodStatistics>,
    /// The slots and threads that run handlers.
    pub workers: Workers,
    /// Counts since the start.
    pub totals: Totals,
    /// The rates of all queues together.
    pub rates: Rates,
}

/// The depth and the rates of one queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueStatistics {
    /// The queue's name, or [`OTHERS`].
    pub name: Arc<str>,
    /// Whether the queue is paused.
    pub paused: bool,
    /// Tasks that can run and wait for a slot.
    pub queued: u64,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that wait for their time, their dependencies or their backoff.
    pub delayed: u64,
    /// Tasks that are kept as `FAILED`.
    pub failed: u64,
    /// When the oldest task that can run was accepted.
    pub oldest_queued_at: Option<Timestamp>,
    /// The queue's rates.
    pub rates: Rates,
}

/// Combines the counters with the depths of the queues and the state of the workers.
pub(super) fn combine(
    snapshot: CountsSnapshot,
    depths: Vec<QueueState>,
    workers: Workers,
    at: Timestamp,
) -> Statistics {
    let mut queues: BTreeMap<QueueName, QueueStatistics> =
        depths.into_iter().map(|depth| (depth.queue.clone(), QueueStatistics::of(depth))).collect();
    for (queue, rates) in snapshot.queues {
        let idle = QueueState::empty(queue.clone());
        queues.entry(queue).or_insert_with(|| QueueStatistics::of(idle)).rates = rates;
    }
    let mut queues: Vec<QueueStatistics> = queues.into_values().collect();
    let mut others = QueueStatistics {
        rates: snapshot.others,
        ..QueueStatistics::of(QueueState::empty(QueueName::default()))
    };
    let mut has_others = snapshot.others != Rates::default();
    if queues.len() > MAX_QUEUES {
        queues.sort_by_key(|queue| Reverse(queue.queued + queue.running + queue.delayed));
        for queue in queues.split_off(MAX_QUEUES) {
            others.add(&queue);
        }
        queues.sort_by(|one, other| one.name.cmp(&other.name));
        has_others = true;
    }
    if has_others {
        others.name = OTHERS.into();
        queues.push(others);
    }
    Statistics {
        at,
        started_at: snapshot.started.wall,
        queues,
        methods: snapshot.methods,
        workers,
        totals: snapshot.totals,
        rates: snapshot.rates,
    }
}

impl QueueStatistics {
    fn of(depth: QueueState) -> Self {
        Self {
            name: depth.queue.as_str().into(),
            paused: depth.settings.paused,
            queued: depth.queued,
            running: depth.running,
            delayed: depth.delayed,
            failed: depth.failed,
            oldest_queued_at: depth.oldest_queued_at,
            rates: Rates::default(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.queued += other.queued;
        self.running += other.running;
        self.delayed += other.delayed;
        self.failed += other.failed;
        let oldest = [self.oldest_queued_at, other.oldest_queued_at];
        self.oldest_queued_at = oldest.into_iter().flatten().min();
        self.rates.add(&other.rates);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::models::QueueSettings;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros).expect("a time")
    }

    fn name(name: &str) -> QueueName {
        QueueName::parse(name, "").expect("a name")
    }

    fn snapshot(queues: BTreeMap<QueueName, Rates>) -> CountsSnapshot {
        CountsSnapshot {
            started: Now { wall: at(1), steady: std::time::Duration::ZERO },
            totals: Totals { accepted: 9, ..Totals::default() },
            rates: Rates { accepted: [9.0; 2], ..Rates::default() },
            queues,
            others: Rates::default(),
            methods: Vec::new(),
        }
    }

    fn fast(rate: f64) -> Rates {
        Rates { accepted: [rate; 2], ..Rates::default() }
    }

    #[test]
    fn queues_with_tasks_and_queues_with_rates_are_listed() {
        let depth = QueueState {
            settings: QueueSettings { paused: true, ..QueueSettings::default() },
            queued: 1,
            running: 2,
            delayed: 3,
            failed: 4,
            oldest_queued_at: Some(at(5)),
            ..QueueState::empty(name("b"))
        };
        let moved = BTreeMap::from([(name("a"), fast(1.0)), (name("b"), fast(2.0))]);
        let statistics = combine(snapshot(moved), vec![depth], Workers::default(), at(7));
        let idle = QueueStatistics {
            name: "a".into(),
            paused: false,
            queued: 0,
            running: 0,
            delayed: 0,
            failed: 0,
            oldest_queued_at: None,
            rates: fast(1.0),
        };
        let full = QueueStatistics {
            name: "b".into(),
            paused: true,
            queued: 1,
            running: 2,
            delayed: 3,
            failed: 4,
            oldest_queued_at: Some(at(5)),
            rates: fast(2.0),
        };
        assert_eq!(statistics.queues, [idle, full]);
        assert_eq!(
            (statistics.at, statistics.started_at, statistics.totals.accepted),
            (at(7), at(1), 9)
        );
        assert_eq!(statistics.rates, fast(9.0));
    }

    #[test]
    fn beyond_the_bound_the_fullest_queues_are_listed_and_the_rest_summed() {
        let depths = (0..MAX_QUEUES as u64 + 2).map(|number| QueueState {
            queued: number,
            failed: 1,
            oldest_queued_at: Some(at(100 + number)),
            ..QueueState::empty(name(&format!("q{number:04}")))
        });
        let moved = BTreeMap::from([(name("q0000"), fast(1.0)), (name("q0001"), fast(2.0))]);
        let statistics =
            combine(snapshot(moved), depths.collect(), Workers::default(), at(7)).queues;
        assert_eq!(statistics.len(), MAX_QUEUES + 1);
        assert_eq!((&*statistics[0].name, statistics[0].queued), ("q0002", 2));
        assert!(statistics[..MAX_QUEUES].is_sorted_by_key(|queue| queue.name.clone()));
        let others = QueueStatistics {
            name: OTHERS.into(),
            paused: false,
            queued: 1,
            running: 0,
            delayed: 0,
            failed: 2,
            oldest_queued_at: Some(at(100)),
            rates: fast(3.0),
        };
        assert_eq!(statistics.last(), Some(&others));
    }
}
