//! The numbers that people ask for, put together.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::counts::{CountsSnapshot, Totals};
use super::methods::MethodStatistics;
use super::rates::Rates;
use crate::clock::Timestamp;
use crate::engine::{QueueState, Workers};
use crate::models::QueueName;

/// How many queues are told apart, the fullest ones if there are more.
pub const MAX_QUEUES: usize = 1_000;

/// What queues and methods that are not told apart are called; no queue and no method can have this
/// name.
pub const OTHERS: &str = "(others)";

/// How much waits, runs and ends, and how long it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// When this was so.
    pub at: Timestamp,
    /// Since when it is counted.
    pub started_at: Timestamp,
    /// By name, and the others last.
    pub queues: Vec<QueueStatistics>,
    /// Those of which a task ended or is to be retried, by name, and the others last.
    pub methods: Vec<MethodStatistics>,
    /// What bodies run in.
    pub workers: Workers,
    /// Since the start.
    pub totals: Totals,
    /// Of all queues.
    pub rates: Rates,
}

/// How one queue stands, and how fast it moves.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueStatistics {
    /// Its name, or [`OTHERS`].
    pub name: Arc<str>,
    /// Nothing of it starts.
    pub paused: bool,
    /// How many can run and do not.
    pub queued: u64,
    /// How many run.
    pub running: u64,
    /// How many wait for their time, their dependencies or another try.
    pub delayed: u64,
    /// How many are kept that ended `FAILED`.
    pub failed: u64,
    /// When the one was accepted that can run and has waited longest.
    pub oldest_queued_at: Option<Timestamp>,
    /// How fast it moves.
    pub rates: Rates,
}

/// Joins a snapshot of the counters with how queues and workers stand.
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
    let mut some_others = snapshot.others != Rates::default();
    if queues.len() > MAX_QUEUES {
        queues.sort_by_key(|queue| Reverse(queue.queued + queue.running + queue.delayed));
        for queue in queues.split_off(MAX_QUEUES) {
            others.add(&queue);
        }
        queues.sort_by(|one, other| one.name.cmp(&other.name));
        some_others = true;
    }
    if some_others {
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
    fn queues_are_those_that_stand_somehow_and_those_that_moved() {
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
        let said = combine(snapshot(moved), vec![depth], Workers::default(), at(7));
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
        assert_eq!(said.queues, [idle, full]);
        assert_eq!((said.at, said.started_at, said.totals.accepted), (at(7), at(1), 9));
        assert_eq!(said.rates, fast(9.0));
    }

    #[test]
    fn of_too_many_queues_the_fullest_are_told_apart_and_the_rest_summed() {
        let depths = (0..MAX_QUEUES as u64 + 2).map(|number| QueueState {
            queued: number,
            failed: 1,
            oldest_queued_at: Some(at(100 + number)),
            ..QueueState::empty(name(&format!("q{number:04}")))
        });
        let moved = BTreeMap::from([(name("q0000"), fast(1.0)), (name("q0001"), fast(2.0))]);
        let said = combine(snapshot(moved), depths.collect(), Workers::default(), at(7)).queues;
        assert_eq!(said.len(), MAX_QUEUES + 1);
        assert_eq!((&*said[0].name, said[0].queued), ("q0002", 2));
        assert!(said[..MAX_QUEUES].is_sorted_by_key(|queue| queue.name.clone()));
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
        assert_eq!(said.last(), Some(&others));
    }
}
