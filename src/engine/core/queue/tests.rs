use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::models::Sequence;

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

/// A queue whose store holds something that nothing is known of.
fn unread() -> Queue {
    let mut queue = Queue::new(QueueSettings::default());
    queue.rescan();
    queue
}

fn full() -> Queue {
    let mut queue = Queue::new(QueueSettings::default());
    for sequence in 10..10 + WINDOW as u64 {
        queue.arrive(candidate(position(sequence)));
    }
    queue
}

#[test]
fn what_does_not_fit_stays_behind_the_horizon() {
    let mut queue = full();
    assert_eq!(queue.horizon, Horizon::End);
    queue.arrive(candidate(position(99)));
    assert_eq!(queue.horizon, Horizon::After(Some(position(17))));
    queue.arrive(candidate(position(98)));
    assert_eq!(held(&queue), [10, 11, 12, 13, 14, 15, 16, 17]);
}

#[test]
fn a_better_arrival_takes_the_place_of_the_worst() {
    let mut queue = full();
    queue.arrive(candidate(position(1)));
    assert_eq!(held(&queue), [1, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(queue.horizon, Horizon::After(Some(position(16))));
}

#[test]
fn a_low_window_is_read_on_from_its_horizon_once() {
    let mut queue = full();
    queue.arrive(candidate(position(99)));
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
fn a_read_that_reached_the_end_leaves_nothing_behind() {
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
    queue.arrive(candidate(position(4)));
    queue.arrive(candidate(position(9)));
    queue.refilled(candidates([3, 5]), Some(position(5)), true);
    assert_eq!((held(&queue), queue.horizon), (vec![3, 4, 5, 9], Horizon::End));
}

#[test]
fn an_arrival_behind_what_a_read_reached_stays_there() {
    let mut queue = unread();
    queue.wants_refill();
    queue.arrive(candidate(position(4)));
    queue.arrive(candidate(position(9)));
    queue.refilled(candidates([3, 5]), Some(position(5)), false);
    assert_eq!((held(&queue), queue.horizon), (vec![3, 4, 5], Horizon::After(Some(position(5)))));
}

#[test]
fn of_more_arrivals_than_fit_during_a_read_the_best_are_known() {
    let mut queue = unread();
    queue.wants_refill();
    for sequence in (20..40).rev() {
        queue.arrive(candidate(position(sequence)));
    }
    queue.refilled(candidates([3, 50]), Some(position(50)), true);
    assert_eq!(held(&queue), [3, 20, 21, 22, 23, 24, 25, 26]);
    assert_eq!(queue.horizon, Horizon::After(Some(position(26))));
}

#[test]
fn what_was_read_behind_a_horizon_that_has_moved_does_not_join_on() {
    let mut queue = full();
    queue.arrive(candidate(position(99)));
    (10..17).for_each(|sequence| queue.take(candidate(position(sequence))));
    assert_eq!(queue.wants_refill(), Some(Some(position(17))));
    queue.rescan();
    queue.refilled(candidates([99]), Some(position(99)), true);
    assert_eq!((held(&queue), queue.horizon), (vec![], Horizon::After(None)));
    assert_eq!(queue.wants_refill(), Some(None));
}

#[test]
fn a_better_arrival_is_not_kept_behind_a_window_that_is_read_anew() {
    let mut queue = full();
    queue.rescan();
    queue.arrive(candidate(position(1)));
    assert_eq!(queue.wants_refill(), Some(None), "it is read at once, however full it was");
    queue.refilled(candidates([1, 10]), Some(position(10)), true);
    assert_eq!(queue.best(|_| true), Some(candidate(position(1))));
}

/// A queue beside the store that it is a window of; news of arrivals and of reads come late.
struct Beside {
    rng: fastrand::Rng,
    queue: Queue,
    /// What can be claimed; numbered, because a place can be left and taken again.
    stored: BTreeMap<Position, u64>,
    arrivals: u64,
    /// Those of them that the queue was told of.
    told: BTreeSet<Position>,
    news: VecDeque<(Position, u64)>,
    read: Option<(Vec<Position>, bool)>,
    reading: Option<Option<Position>>,
}

impl Beside {
    fn step(&mut self) {
        match self.rng.u32(0..10) {
            0..3 => {
                let sequence = Sequence(self.rng.u64(0..200));
                let position = Position { priority: self.rng.i32(0..3), sequence };
                if !self.stored.contains_key(&position) {
                    self.arrivals += 1;
                    self.stored.insert(position, self.arrivals);
                    self.news.push_back((position, self.arrivals));
                }
            }
            3..5 => {
                if let Some((position, arrival)) = self.news.pop_front() {
                    if self.stored.get(&position) == Some(&arrival) {
                        self.told.insert(position);
                    }
                    self.queue.arrive(candidate(position));
                }
            }
            5..7 => {
                if let Some(best) = self.queue.best(|_| true) {
                    self.queue.take(best);
                    self.stored.remove(&best.position);
                    self.told.remove(&best.position);
                }
            }
            7 => self.reading = self.reading.or_else(|| self.queue.wants_refill()),
            8 => self.read_or_hear(),
            _ if self.rng.u32(0..8) == 0 => self.queue.rescan(),
            _ => {}
        }
    }

    fn read_or_hear(&mut self) {
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
        for position in &self.told {
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
fn whatever_comes_late_everything_before_the_horizon_is_in_the_window() {
    for seed in 0..2_000 {
        let mut beside = Beside {
            rng: fastrand::Rng::with_seed(seed),
            queue: Queue::new(QueueSettings::default()),
            stored: BTreeMap::new(),
            arrivals: 0,
            told: BTreeSet::new(),
            news: VecDeque::new(),
            read: None,
            reading: None,
        };
        for _ in 0..300 {
            beside.step();
            beside.check(seed);
        }
    }
}
