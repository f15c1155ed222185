use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::models::Sequence;

const WINDOW: usize = 8;

fn position(sequence: u64) -> Position {
    Position { priority: 0, sequence: Sequence(sequence) }
}

fn candidate(position: Position) -> Candidate {
    Candidate { position, kind: HandlerKind::Async, durability: Durability::Durable }
}

fn candidates(sequences: impl IntoIterator<Item = u64>) -> Vec<Candidate> {
    sequences.into_iter().map(|sequence| candidate(position(sequence))).collect()
}

fn held(queue: &Queue) -> Vec<u64> {
    queue.by_kind.values().flat_map(BTreeMap::keys).map(|position| position.sequence.0).collect()
}

/// A queue of which nothing was read yet.
fn unread() -> Queue {
    let mut queue = Queue::new(QueueSettings::default(), WINDOW);
    queue.rescan();
    queue
}

fn full() -> Queue {
    let mut queue = Queue::new(QueueSettings::default(), WINDOW);
    for sequence in 10..10 + WINDOW as u64 {
        queue.push(candidate(position(sequence)));
    }
    queue
}

#[test]
fn tasks_that_do_not_fit_stay_behind_the_horizon() {
    let mut queue = full();
    assert_eq!(queue.horizon, Horizon::End);
    queue.push(candidate(position(99)));
    assert_eq!(queue.horizon, Horizon::After(Some(position(17))));
    queue.push(candidate(position(98)));
    assert_eq!(held(&queue), [10, 11, 12, 13, 14, 15, 16, 17]);
}

#[test]
fn a_better_arrival_replaces_the_worst_task() {
    let mut queue = full();
    queue.push(candidate(position(1)));
    assert_eq!(held(&queue), [1, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(queue.horizon, Horizon::After(Some(position(16))));
}

#[test]
fn a_low_window_is_refilled_from_its_horizon_once() {
    let mut queue = full();
    queue.push(candidate(position(99)));
    for sequence in 10..16 {
        assert_eq!(queue.wants_refill(), None, "{sequence}");
        queue.take(candidate(position(sequence)));
    }
    queue.take(candidate(position(16)));
    assert_eq!(queue.wants_refill(), Some(Some(position(17))));
    assert_eq!(queue.wants_refill(), None, "a read is under way");
    queue.refill_failed();
    assert_eq!(queue.wants_refill(), Some(Some(position(17))));
}

#[test]
fn a_read_that_reaches_the_end_moves_the_horizon_to_the_end() {
    let mut queue = unread();
    assert!(!queue.is_idle() && queue.has_claimable(HandlerKind::Sync));
    assert_eq!(queue.wants_refill(), Some(None));
    queue.refilled(candidates([3, 5]), Some(position(5)), true);
    assert_eq!((held(&queue), queue.horizon), (vec![3, 5], Horizon::End));
    assert!(!queue.has_claimable(HandlerKind::Sync));
}

#[test]
fn an_arrival_that_a_read_missed_is_not_lost() {
    let mut queue = unread();
    queue.wants_refill();
    queue.push(candidate(position(4)));
    queue.push(candidate(position(9)));
    queue.refilled(candidates([3, 5]), Some(position(5)), true);
    assert_eq!((held(&queue), queue.horizon), (vec![3, 4, 5, 9], Horizon::End));
}

#[test]
fn an_arrival_behind_the_end_of_a_read_stays_there() {
    let mut queue = unread();
    queue.wants_refill();
    queue.push(candidate(position(4)));
    queue.push(candidate(position(9)));
    queue.refilled(candidates([3, 5]), Some(position(5)), false);
    assert_eq!((held(&queue), queue.horizon), (vec![3, 4, 5], Horizon::After(Some(position(5)))));
}

#[test]
fn of_more_arrivals_than_fit_during_a_read_the_best_are_kept() {
    let mut queue = unread();
    queue.wants_refill();
    for sequence in (20..40).rev() {
        queue.push(candidate(position(sequence)));
    }
    queue.refilled(candidates([3, 50]), Some(position(50)), true);
    assert_eq!(held(&queue), [3, 20, 21, 22, 23, 24, 25, 26]);
    assert_eq!(queue.horizon, Horizon::After(Some(position(26))));
}

#[test]
fn a_read_behind_a_horizon_that_has_moved_is_dropped() {
    let mut queue = full();
    queue.push(candidate(position(99)));
    (10..17).for_each(|sequence| queue.take(candidate(position(sequence))));
    assert_eq!(queue.wants_refill(), Some(Some(position(17))));
    queue.rescan();
    queue.refilled(candidates([99]), Some(position(99)), true);
    assert_eq!((held(&queue), queue.horizon), (vec![], Horizon::After(None)));
    assert_eq!(queue.wants_refill(), Some(None));
}

#[test]
fn a_rescan_finds_a_better_arrival_at_once() {
    let mut queue = full();
    queue.rescan();
    queue.push(candidate(position(1)));
    assert_eq!(queue.wants_refill(), Some(None), "it is read at once");
    queue.refilled(candidates([1, 10]), Some(position(10)), true);
    assert_eq!(queue.best(|_| true), Some(candidate(position(1))));
}

/// A queue and its store; reports of arrivals and results of reads come late.
struct WindowAndStore {
    rng: fastrand::Rng,
    queue: Queue,
    /// Claimable tasks; numbered, because a position can become free and be used again.
    stored: BTreeMap<Position, u64>,
    arrivals: u64,
    /// Those of them that were reported to the queue.
    reported: BTreeSet<Position>,
    reports: VecDeque<(Position, u64)>,
    read: Option<(Vec<Position>, bool)>,
    reading: Option<Option<Position>>,
}

impl WindowAndStore {
    fn step(&mut self) {
        match self.rng.u32(0..10) {
            0..3 => {
                let sequence = Sequence(self.rng.u64(0..200));
                let position = Position { priority: self.rng.i32(0..3), sequence };
                if !self.stored.contains_key(&position) {
                    self.arrivals += 1;
                    self.stored.insert(position, self.arrivals);
                    self.reports.push_back((position, self.arrivals));
                }
            }
            3..5 => {
                if let Some((position, arrival)) = self.reports.pop_front() {
                    if self.stored.get(&position) == Some(&arrival) {
                        self.reported.insert(position);
                    }
                    self.queue.push(candidate(position));
                }
            }
            5..7 => {
                if let Some(best) = self.queue.best(|_| true) {
                    self.queue.take(best);
                    self.stored.remove(&best.position);
                    self.reported.remove(&best.position);
                }
            }
            7 => self.reading = self.reading.or_else(|| self.queue.wants_refill()),
            8 => self.read_or_finish(),
            _ if self.rng.u32(0..8) == 0 => self.queue.rescan(),
            _ => {}
        }
    }

    fn read_or_finish(&mut self) {
        if let Some((read, complete)) = self.read.take() {
            let after = self.reading.take().expect("a read is under way");
            let last = read.last().copied().max(after);
            self.queue.refilled(read.into_iter().map(candidate), last, complete);
        } else if let Some(after) = self.reading {
            let behind = self.stored.keys().filter(|position| Some(**position) > after);
            let read: Vec<Position> = behind.copied().take(WINDOW).collect();
            let complete = read.len() < WINDOW;
            self.read = Some((read, complete));
        }
    }

    fn check(&self, seed: u64) {
        assert!(self.queue.held() <= WINDOW && self.queue.arrivals.len() <= WINDOW);
        for position in &self.reported {
            let known = match self.queue.horizon {
                Horizon::End => true,
                Horizon::After(last) => Some(*position) <= last,
            };
            let by_kind = &self.queue.by_kind;
            let held = by_kind.values().any(|lane| lane.contains_key(position));
            assert!(held || !known, "seed {seed}: {position:?} is missing: {:#?}", self.queue);
        }
    }
}

#[test]
fn every_reported_task_before_the_horizon_is_in_the_window() {
    for seed in 0..2_000 {
        let mut given = WindowAndStore {
            rng: fastrand::Rng::with_seed(seed),
            queue: Queue::new(QueueSettings::default(), WINDOW),
            stored: BTreeMap::new(),
            arrivals: 0,
            reported: BTreeSet::new(),
            reports: VecDeque::new(),
            read: None,
            reading: None,
        };
        for _ in 0..300 {
            given.step();
            given.check(seed);
        }
    }
}
