//! One queue as the core sees it: a window of its best tasks, and what it may run.
//!
//! However long the backlog, memory holds at most [`WINDOW`] tasks of a queue. What lies behind the
//! `horizon` stays in the store and is read when the window runs low. The window is a hint: what it
//! offers may be gone, and claiming tells.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Now;
use crate::models::{Durability, QueueSettings};
use crate::store::Position;
use crate::tasks::HandlerKind;

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
    After(Option<Position>),
}

/// A task that can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) position: Position,
    pub(crate) kind: HandlerKind,
    pub(crate) durability: Durability,
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) settings: QueueSettings,
    /// By kind, so that tasks whose kind has no free thread do not hold up the others.
    by_kind: BTreeMap<HandlerKind, BTreeMap<Position, Durability>>,
    horizon: Horizon,
    /// Whether a read behind the horizon is under way; and whether the horizon was moved since it
    /// began, so that what was read does not join on.
    refilling: bool,
    moved: bool,
    /// What arrived behind the horizon since then: the read may have missed it. At most [`WINDOW`];
    /// `arrivals_end` is the best of those that had no room.
    arrivals: BTreeMap<Position, (HandlerKind, Durability)>,
    arrivals_end: Option<Position>,
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
            by_kind: BTreeMap::new(),
            horizon: Horizon::End,
            refilling: false,
            moved: false,
            arrivals: BTreeMap::new(),
            arrivals_end: None,
            running: 0,
            waiting: 0,
            credit: 0,
            next_start: Duration::ZERO,
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.by_kind.values().map(BTreeMap::len).sum()
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
    pub(crate) fn has_claimable(&self, kind: HandlerKind) -> bool {
        self.by_kind.contains_key(&kind) || self.horizon != Horizon::End
    }

    /// How many wait, as far as was heard.
    pub(crate) fn known_to_wait(&self) -> u64 {
        u64::try_from(self.waiting).unwrap_or(0)
    }

    /// Whether nothing is known to wait.
    pub(crate) fn is_idle(&self) -> bool {
        self.by_kind.is_empty() && self.horizon == Horizon::End && !self.refilling
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
            && last.is_none_or(|last| candidate.position > last)
        {
            if self.refilling {
                self.add_arrival(candidate);
            }
            return;
        }
        self.hold(candidate);
        if self.held() > WINDOW {
            self.drop_worst();
        }
    }

    fn add_arrival(&mut self, candidate: Candidate) {
        self.arrivals.insert(candidate.position, (candidate.kind, candidate.durability));
        if self.arrivals.len() > WINDOW
            && let Some((worst, _)) = self.arrivals.pop_last()
        {
            self.arrivals_end = Some(self.arrivals_end.map_or(worst, |end| end.min(worst)));
        }
    }

    fn hold(&mut self, candidate: Candidate) {
        self.by_kind
            .entry(candidate.kind)
            .or_default()
            .insert(candidate.position, candidate.durability);
    }

    fn worst(&self) -> Option<(Position, HandlerKind)> {
        self.by_kind
            .iter()
            .filter_map(|(kind, tasks)| Some((*tasks.last_key_value()?.0, *kind)))
            .max()
    }

    fn drop_worst(&mut self) {
        if let Some((position, kind)) = self.worst() {
            self.remove(position, kind);
            let last = self.worst().map(|(position, _)| position);
            self.move_horizon(last);
        }
    }

    fn move_horizon(&mut self, last: Option<Position>) {
        self.horizon = Horizon::After(last);
        self.moved = true;
    }

    fn remove(&mut self, position: Position, kind: HandlerKind) -> Option<Durability> {
        let tasks = self.by_kind.get_mut(&kind)?;
        let durability = tasks.remove(&position);
        if tasks.is_empty() {
            self.by_kind.remove(&kind);
        }
        durability
    }

    /// The best task whose kind `may_start`.
    pub(crate) fn best(&self, may_start: impl Fn(HandlerKind) -> bool) -> Option<Candidate> {
        self.by_kind
            .iter()
            .filter(|(kind, _)| may_start(**kind))
            .filter_map(|(kind, tasks)| {
                let (position, durability) = tasks.first_key_value()?;
                Some(Candidate { position: *position, kind: *kind, durability: *durability })
            })
            .min_by_key(|candidate| candidate.position)
    }

    /// Takes a task out, to claim it.
    pub(crate) fn take(&mut self, candidate: Candidate) {
        self.remove(candidate.position, candidate.kind);
    }

    /// Where to go on reading, if the window is low and there may be more.
    pub(crate) fn wants_refill(&mut self) -> Option<Option<Position>> {
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
        last: Option<Position>,
        complete: bool,
    ) {
        let (arrivals, arrivals_end) = self.end_refill();
        if self.moved {
            return;
        }
        for candidate in candidates {
            self.hold(candidate);
        }
        let covers = |position: Position| complete || last.is_some_and(|last| position <= last);
        for (position, (kind, durability)) in arrivals {
            if covers(position) {
                self.hold(Candidate { position, kind, durability });
            }
        }
        let reached = last.map_or(self.horizon, |last| Horizon::After(Some(last)));
        self.horizon = if complete { Horizon::End } else { reached };
        if let Some(end) = arrivals_end.filter(|end| covers(*end)) {
            // Everything that is better than this did have room.
            while self.worst().is_some_and(|(position, _)| position > end) {
                self.drop_worst();
            }
            let last = self.worst().map(|(position, _)| position);
            self.move_horizon(last);
        }
        while self.held() > WINDOW {
            self.drop_worst();
        }
    }

    fn end_refill(&mut self) -> (BTreeMap<Position, (HandlerKind, Durability)>, Option<Position>) {
        self.refilling = false;
        (std::mem::take(&mut self.arrivals), self.arrivals_end.take())
    }

    /// A read failed: it is to be asked for again.
    pub(crate) fn refill_failed(&mut self) {
        self.end_refill();
    }

    /// Forgets how far the window reaches: something before it may have become claimable unseen.
    pub(crate) fn rescan(&mut self) {
        // What was known is a hint, and read again: to keep it would put better arrivals behind it.
        self.by_kind.clear();
        self.move_horizon(None);
    }
}

#[cfg(test)]
mod tests;
