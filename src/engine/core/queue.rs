//! One queue as the core sees it: a window of its best tasks, and what it may run.
//!
//! However long the backlog, memory holds at most [`WINDOW`] tasks of a queue. What lies behind the
//! `horizon` stays in the store and is read when the window runs low. The window is a hint: what it
//! offers may be gone, and claiming tells.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Now;
use crate::models::{Durability, QueueSettings};
use crate::store::Place;
use crate::tasks::Kind;

/// The most tasks of one queue that are held in memory. Tests see what lies behind it sooner.
pub(crate) const WINDOW: usize = if cfg!(test) { 8 } else { 1_024 };
/// A window that is smaller than this is refilled, if there is more.
const LOW_WATER: usize = WINDOW / 4;

/// How far into the queue the window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Horizon {
    /// To the end: everything claimable is in the window.
    End,
    /// To this place; `None`: not even the first is known.
    After(Option<Place>),
}

/// A task that can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    pub(crate) class: Durability,
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) settings: QueueSettings,
    /// By kind, so that tasks whose kind has no free thread do not hold up the others.
    lanes: BTreeMap<Kind, BTreeMap<Place, Durability>>,
    horizon: Horizon,
    /// Whether a read behind the horizon is under way; and whether the horizon was moved since it
    /// began, so that what was read does not join on.
    refilling: bool,
    moved: bool,
    /// What arrived behind the horizon since then: the read may have missed it. At most [`WINDOW`];
    /// `beside_end` is the best of those that had no room.
    beside: BTreeMap<Place, (Kind, Durability)>,
    beside_end: Option<Place>,
    /// Claimed, or about to be, and not yet stored as ended.
    pub(crate) running: u32,
    /// Accepted, and neither running nor ended.
    /// Less than none for a moment, where the claim of a task that came back is heard of before its
    /// coming back is.
    pub(crate) waiting: i64,
    /// Credit in the weighted round robin.
    pub(crate) credit: i64,
    /// When the next would start if they had started evenly, on the steady clock; where a rate is
    /// limited (the theoretical arrival time of the generic cell rate algorithm).
    next_start: Duration,
}

impl Queue {
    pub(crate) fn new(settings: QueueSettings) -> Self {
        Self {
            settings,
            lanes: BTreeMap::new(),
            horizon: Horizon::End,
            refilling: false,
            moved: false,
            beside: BTreeMap::new(),
            beside_end: None,
            running: 0,
            waiting: 0,
            credit: 0,
            next_start: Duration::ZERO,
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.lanes.values().map(BTreeMap::len).sum()
    }

    /// Whether one more may start as far as the queue is concerned.
    pub(crate) fn has_room(&self, now: Now) -> bool {
        let limits = &self.settings.limits;
        !self.settings.paused
            && limits.concurrency.is_none_or(|limit| self.running < limit)
            && self.wait_for_rate(now).is_none()
    }

    /// What holds from now on. A slower rate before does not delay anything any more.
    pub(crate) fn decide(&mut self, settings: QueueSettings, now: Now) {
        self.settings = settings;
        if let Some(rate) = settings.limits.rate {
            self.next_start = self.next_start.min(now.steady + rate.interval() * rate.count);
        }
    }

    /// When the rate allows the next start, if not at once.
    pub(crate) fn wait_for_rate(&self, now: Now) -> Option<Duration> {
        let rate = self.settings.limits.rate?;
        let free = self.next_start.saturating_sub(rate.interval() * (rate.count - 1));
        (free > now.steady).then_some(free)
    }

    /// One more starts.
    pub(crate) fn start(&mut self, now: Now) {
        self.running += 1;
        if let Some(rate) = self.settings.limits.rate {
            self.next_start = self.next_start.max(now.steady) + rate.interval();
        }
    }

    /// Whether something claimable of that kind waits, or may wait behind the horizon.
    pub(crate) fn has_claimable(&self, kind: Kind) -> bool {
        self.lanes.contains_key(&kind) || self.horizon != Horizon::End
    }

    /// How many wait, as far as was heard.
    pub(crate) fn known_to_wait(&self) -> u64 {
        u64::try_from(self.waiting).unwrap_or(0)
    }

    /// Whether nothing is known to wait.
    pub(crate) fn is_idle(&self) -> bool {
        self.lanes.is_empty() && self.horizon == Horizon::End && !self.refilling
    }

    /// Whether it can be forgotten: nothing waits, nothing runs.
    ///
    /// Where a rate is limited, how fast tasks started is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        let rests = self.is_idle() && self.running == 0 && self.waiting == 0;
        rests && self.settings.limits.rate.is_none()
    }

    /// Takes a task in, unless it belongs behind the horizon.
    pub(crate) fn arrive(&mut self, candidate: Candidate) {
        if let Horizon::After(last) = self.horizon
            && last.is_none_or(|last| candidate.place > last)
        {
            if self.refilling {
                self.stand_beside(candidate);
            }
            return;
        }
        self.hold(candidate);
        if self.held() > WINDOW {
            self.drop_worst();
        }
    }

    fn stand_beside(&mut self, candidate: Candidate) {
        self.beside.insert(candidate.place, (candidate.kind, candidate.class));
        if self.beside.len() > WINDOW
            && let Some((worst, _)) = self.beside.pop_last()
        {
            self.beside_end = Some(self.beside_end.map_or(worst, |end| end.min(worst)));
        }
    }

    fn hold(&mut self, candidate: Candidate) {
        self.lanes.entry(candidate.kind).or_default().insert(candidate.place, candidate.class);
    }

    fn worst(&self) -> Option<(Place, Kind)> {
        self.lanes.iter().filter_map(|(kind, lane)| Some((*lane.last_key_value()?.0, *kind))).max()
    }

    fn drop_worst(&mut self) {
        if let Some((place, kind)) = self.worst() {
            self.remove(place, kind);
            let last = self.worst().map(|(place, _)| place);
            self.move_horizon(last);
        }
    }

    fn move_horizon(&mut self, last: Option<Place>) {
        self.horizon = Horizon::After(last);
        self.moved = true;
    }

    fn remove(&mut self, place: Place, kind: Kind) -> Option<Durability> {
        let lane = self.lanes.get_mut(&kind)?;
        let class = lane.remove(&place);
        if lane.is_empty() {
            self.lanes.remove(&kind);
        }
        class
    }

    /// The best task whose kind `may_start`.
    pub(crate) fn best(&self, may_start: impl Fn(Kind) -> bool) -> Option<Candidate> {
        self.lanes
            .iter()
            .filter(|(kind, _)| may_start(**kind))
            .filter_map(|(kind, lane)| {
                let (place, class) = lane.first_key_value()?;
                Some(Candidate { place: *place, kind: *kind, class: *class })
            })
            .min_by_key(|candidate| candidate.place)
    }

    /// Takes a task out, to claim it.
    pub(crate) fn take(&mut self, candidate: Candidate) {
        self.remove(candidate.place, candidate.kind);
    }

    /// Where to go on reading, if the window is low and there may be more.
    pub(crate) fn wants_refill(&mut self) -> Option<Option<Place>> {
        match self.horizon {
            Horizon::After(after) if !self.refilling && self.held() < LOW_WATER => {
                self.refilling = true;
                self.moved = false;
                Some(after)
            }
            _ => None,
        }
    }

    /// What was read behind the horizon: `last` is the last place that was looked at, `complete`
    /// whether nothing more stood behind it.
    pub(crate) fn refilled(
        &mut self,
        candidates: impl IntoIterator<Item = Candidate>,
        last: Option<Place>,
        complete: bool,
    ) {
        let (beside, beside_end) = self.end_refill();
        if self.moved {
            return;
        }
        for candidate in candidates {
            self.hold(candidate);
        }
        let covers = |place: Place| complete || last.is_some_and(|last| place <= last);
        for (place, (kind, class)) in beside {
            if covers(place) {
                self.hold(Candidate { place, kind, class });
            }
        }
        let reached = last.map_or(self.horizon, |last| Horizon::After(Some(last)));
        self.horizon = if complete { Horizon::End } else { reached };
        if let Some(end) = beside_end.filter(|end| covers(*end)) {
            // Everything that is better than this did have room.
            while self.worst().is_some_and(|(place, _)| place > end) {
                self.drop_worst();
            }
            let last = self.worst().map(|(place, _)| place);
            self.move_horizon(last);
        }
        while self.held() > WINDOW {
            self.drop_worst();
        }
    }

    fn end_refill(&mut self) -> (BTreeMap<Place, (Kind, Durability)>, Option<Place>) {
        self.refilling = false;
        (std::mem::take(&mut self.beside), self.beside_end.take())
    }

    /// A read failed: it is to be asked for again.
    pub(crate) fn refill_failed(&mut self) {
        self.end_refill();
    }

    /// Forgets how far the window reaches: something before it may have become claimable unseen.
    pub(crate) fn rescan(&mut self) {
        // What was known is a hint, and read again: to keep it would put better arrivals behind it.
        self.lanes.clear();
        self.move_horizon(None);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use super::*;
    use crate::models::Sequence;

    fn place(sequence: u64) -> Place {
        Place { priority: 0, sequence: Sequence(sequence) }
    }

    fn candidate(place: Place) -> Candidate {
        Candidate { place, kind: Kind::Async, class: Durability::Durable }
    }

    fn candidates(sequences: impl IntoIterator<Item = u64>) -> Vec<Candidate> {
        sequences.into_iter().map(|sequence| candidate(place(sequence))).collect()
    }

    fn held(queue: &Queue) -> Vec<u64> {
        queue.lanes.values().flat_map(BTreeMap::keys).map(|place| place.sequence.0).collect()
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
            queue.arrive(candidate(place(sequence)));
        }
        queue
    }

    #[test]
    fn what_does_not_fit_stays_behind_the_horizon() {
        let mut queue = full();
        assert_eq!(queue.horizon, Horizon::End);
        queue.arrive(candidate(place(99)));
        assert_eq!(queue.horizon, Horizon::After(Some(place(17))));
        queue.arrive(candidate(place(98)));
        assert_eq!(held(&queue), [10, 11, 12, 13, 14, 15, 16, 17]);
    }

    #[test]
    fn a_better_arrival_takes_the_place_of_the_worst() {
        let mut queue = full();
        queue.arrive(candidate(place(1)));
        assert_eq!(held(&queue), [1, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(queue.horizon, Horizon::After(Some(place(16))));
    }

    #[test]
    fn a_low_window_is_read_on_from_its_horizon_once() {
        let mut queue = full();
        queue.arrive(candidate(place(99)));
        for sequence in 10..16 {
            assert_eq!(queue.wants_refill(), None, "{sequence}");
            queue.take(candidate(place(sequence)));
        }
        queue.take(candidate(place(16)));
        assert_eq!(queue.wants_refill(), Some(Some(place(17))));
        assert_eq!(queue.wants_refill(), None, "a read is under way");
        queue.refill_failed();
        assert_eq!(queue.wants_refill(), Some(Some(place(17))));
    }

    #[test]
    fn a_read_that_reached_the_end_leaves_nothing_behind() {
        let mut queue = unread();
        assert!(!queue.is_idle() && queue.has_claimable(Kind::Sync));
        assert_eq!(queue.wants_refill(), Some(None));
        queue.refilled(candidates([3, 5]), Some(place(5)), true);
        assert_eq!((held(&queue), queue.horizon), (vec![3, 5], Horizon::End));
        assert!(!queue.has_claimable(Kind::Sync));
    }

    #[test]
    fn an_arrival_that_a_read_missed_is_not_lost() {
        let mut queue = unread();
        queue.wants_refill();
        queue.arrive(candidate(place(4)));
        queue.arrive(candidate(place(9)));
        queue.refilled(candidates([3, 5]), Some(place(5)), true);
        assert_eq!((held(&queue), queue.horizon), (vec![3, 4, 5, 9], Horizon::End));
    }

    #[test]
    fn an_arrival_behind_what_a_read_reached_stays_there() {
        let mut queue = unread();
        queue.wants_refill();
        queue.arrive(candidate(place(4)));
        queue.arrive(candidate(place(9)));
        queue.refilled(candidates([3, 5]), Some(place(5)), false);
        assert_eq!((held(&queue), queue.horizon), (vec![3, 4, 5], Horizon::After(Some(place(5)))));
    }

    #[test]
    fn of_more_arrivals_than_fit_during_a_read_the_best_are_known() {
        let mut queue = unread();
        queue.wants_refill();
        for sequence in (20..40).rev() {
            queue.arrive(candidate(place(sequence)));
        }
        queue.refilled(candidates([3, 50]), Some(place(50)), true);
        assert_eq!(held(&queue), [3, 20, 21, 22, 23, 24, 25, 26]);
        assert_eq!(queue.horizon, Horizon::After(Some(place(26))));
    }

    #[test]
    fn what_was_read_behind_a_horizon_that_has_moved_does_not_join_on() {
        let mut queue = full();
        queue.arrive(candidate(place(99)));
        (10..17).for_each(|sequence| queue.take(candidate(place(sequence))));
        assert_eq!(queue.wants_refill(), Some(Some(place(17))));
        queue.rescan();
        queue.refilled(candidates([99]), Some(place(99)), true);
        assert_eq!((held(&queue), queue.horizon), (vec![], Horizon::After(None)));
        assert_eq!(queue.wants_refill(), Some(None));
    }

    #[test]
    fn a_better_arrival_is_not_kept_behind_a_window_that_is_read_anew() {
        let mut queue = full();
        queue.rescan();
        queue.arrive(candidate(place(1)));
        assert_eq!(queue.wants_refill(), Some(None), "it is read at once, however full it was");
        queue.refilled(candidates([1, 10]), Some(place(10)), true);
        assert_eq!(queue.best(|_| true), Some(candidate(place(1))));
    }

    /// A queue beside the store that it is a window of; news of arrivals and of reads come late.
    struct Beside {
        rng: fastrand::Rng,
        queue: Queue,
        /// What can be claimed; numbered, because a place can be left and taken again.
        stored: BTreeMap<Place, u64>,
        arrivals: u64,
        /// Those of them that the queue was told of.
        told: BTreeSet<Place>,
        news: VecDeque<(Place, u64)>,
        read: Option<(Vec<Place>, bool)>,
        reading: Option<Option<Place>>,
    }

    impl Beside {
        fn step(&mut self) {
            match self.rng.u32(0..10) {
                0..3 => {
                    let sequence = Sequence(self.rng.u64(0..200));
                    let place = Place { priority: self.rng.i32(0..3), sequence };
                    if !self.stored.contains_key(&place) {
                        self.arrivals += 1;
                        self.stored.insert(place, self.arrivals);
                        self.news.push_back((place, self.arrivals));
                    }
                }
                3..5 => {
                    if let Some((place, arrival)) = self.news.pop_front() {
                        if self.stored.get(&place) == Some(&arrival) {
                            self.told.insert(place);
                        }
                        self.queue.arrive(candidate(place));
                    }
                }
                5..7 => {
                    if let Some(best) = self.queue.best(|_| true) {
                        self.queue.take(best);
                        self.stored.remove(&best.place);
                        self.told.remove(&best.place);
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
                let behind = self.stored.keys().filter(|place| Some(**place) > after);
                let read: Vec<Place> = behind.copied().take(WINDOW).collect();
                let complete = read.len() < WINDOW;
                self.read = Some((read, complete));
            }
        }

        fn check(&self, seed: u64) {
            assert!(self.queue.held() <= WINDOW && self.queue.beside.len() <= WINDOW);
            for place in &self.told {
                let known = match self.queue.horizon {
                    Horizon::End => true,
                    Horizon::After(last) => Some(*place) <= last,
                };
                let lanes = &self.queue.lanes;
                let held = lanes.values().any(|lane| lane.contains_key(place));
                assert!(held || !known, "seed {seed}: {place:?} is missing: {:#?}", self.queue);
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
}
