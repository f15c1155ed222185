//! One queue as the core sees it: a window of its best claimable tasks, and what it may run.
//!
//! However long the backlog, memory holds at most [`Limits::window`](super::Limits::window) tasks of
//! a queue. Tasks behind the `horizon` stay in the store; the core reads them when the window is low.
//! The window is a hint: the claim decides whether a task can still be had.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Now;
use crate::models::{Durability, QueueSettings};
use crate::store::Position;
use crate::tasks::HandlerKind;

/// How far into the queue the window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Horizon {
    /// To the end: every claimable task is in the window.
    End,
    /// To this position; `None`: not even the first task is known.
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
    /// How many tasks are held in memory. A window with less than a quarter of them is refilled.
    window: usize,
    /// By kind of handler, so that tasks whose kind has no free slot do not hold up the others.
    by_kind: BTreeMap<HandlerKind, BTreeMap<Position, Durability>>,
    horizon: Horizon,
    /// Whether a read behind the horizon is under way.
    refilling: bool,
    /// Whether the horizon has moved since the read began; then its result does not fit.
    moved: bool,
    /// Arrivals behind the horizon since the read began, which it may have missed. At most a window;
    /// `arrivals_end` is the best of those that found no room.
    arrivals: BTreeMap<Position, (HandlerKind, Durability)>,
    arrivals_end: Option<Position>,
    /// Tasks that are claimed, or about to be, and whose end is not stored yet.
    pub(crate) running: u32,
    /// Tasks that are accepted and neither run nor have ended. Negative for a moment when the claim
    /// of a retried task is reported before its retry.
    pub(crate) waiting: i64,
    /// Credit in the weighted round robin.
    pub(crate) credit: i64,
    /// For a rate limit: the theoretical arrival time of the generic cell rate algorithm, on the
    /// steady clock.
    next_start: Duration,
}

impl Queue {
    pub(crate) fn new(settings: QueueSettings, window: usize) -> Self {
        Self {
            settings,
            window,
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

    /// How many tasks are in the window.
    pub(crate) fn held(&self) -> usize {
        self.by_kind.values().map(BTreeMap::len).sum()
    }

    /// Whether the limits of the queue allow one more start.
    pub(crate) fn has_room(&self, now: Now) -> bool {
        let limits = &self.settings.limits;
        !self.settings.paused
            && limits.concurrency.is_none_or(|limit| self.running < limit)
            && self.wait_for_rate(now).is_none()
    }

    /// Sets the settings. A slower rate that held before delays no start any more.
    pub(crate) fn apply_settings(&mut self, settings: QueueSettings, now: Now) {
        self.settings = settings;
        if let Some(rate) = settings.limits.rate {
            self.next_start = self.next_start.min(now.steady + rate.interval() * rate.count);
        }
    }

    /// When the rate limit allows the next start, if not at once.
    pub(crate) fn wait_for_rate(&self, now: Now) -> Option<Duration> {
        let rate = self.settings.limits.rate?;
        let free = self.next_start.saturating_sub(rate.interval() * (rate.count - 1));
        (free > now.steady).then_some(free)
    }

    /// One more task starts.
    pub(crate) fn start(&mut self, now: Now) {
        self.running += 1;
        if let Some(rate) = self.settings.limits.rate {
            self.next_start = self.next_start.max(now.steady) + rate.interval();
        }
    }

    /// Whether a claimable task of this kind waits, or may wait behind the horizon.
    pub(crate) fn has_claimable(&self, kind: HandlerKind) -> bool {
        self.by_kind.contains_key(&kind) || self.horizon != Horizon::End
    }

    /// How many tasks wait, as far as is known.
    pub(crate) fn known_to_wait(&self) -> u64 {
        u64::try_from(self.waiting).unwrap_or(0)
    }

    /// Whether no claimable task is known, nor may lie behind the horizon.
    pub(crate) fn is_idle(&self) -> bool {
        self.by_kind.is_empty() && self.horizon == Horizon::End && !self.refilling
    }

    /// Whether it can be forgotten: no task waits or runs, and no rate limit needs the times of past
    /// starts.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_idle()
            && self.running == 0
            && self.waiting == 0
            && self.settings.limits.rate.is_none()
    }

    /// Adds a claimable task, unless it belongs behind the horizon.
    pub(crate) fn push(&mut self, candidate: Candidate) {
        if let Horizon::After(last) = self.horizon
            && last.is_none_or(|last| candidate.position > last)
        {
            if self.refilling {
                self.add_arrival(candidate);
            }
            return;
        }
        self.insert(candidate);
        if self.held() > self.window {
            self.drop_worst();
        }
    }

    fn add_arrival(&mut self, candidate: Candidate) {
        self.arrivals.insert(candidate.position, (candidate.kind, candidate.durability));
        if self.arrivals.len() > self.window
            && let Some((worst, _)) = self.arrivals.pop_last()
        {
            self.arrivals_end = Some(self.arrivals_end.map_or(worst, |end| end.min(worst)));
        }
    }

    fn insert(&mut self, candidate: Candidate) {
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

    /// The best task whose kind of handler `may_start`.
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

    /// Removes a task, to claim it.
    pub(crate) fn take(&mut self, candidate: Candidate) {
        self.remove(candidate.position, candidate.kind);
    }

    /// The position to read on from, if the window is low and more tasks may lie behind the horizon.
    pub(crate) fn wants_refill(&mut self) -> Option<Option<Position>> {
        match self.horizon {
            Horizon::After(after) if !self.refilling && self.held() < self.window / 4 => {
                self.refilling = true;
                self.moved = false;
                Some(after)
            }
            _ => None,
        }
    }

    /// Adds the result of a read behind the horizon: `last` is the last position read, `complete`
    /// whether it was the last of the queue.
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
            self.insert(candidate);
        }
        let covers = |position: Position| complete || last.is_some_and(|last| position <= last);
        for (position, (kind, durability)) in arrivals {
            if covers(position) {
                self.insert(Candidate { position, kind, durability });
            }
        }
        let reached = last.map_or(self.horizon, |last| Horizon::After(Some(last)));
        self.horizon = if complete { Horizon::End } else { reached };
        if let Some(end) = arrivals_end.filter(|end| covers(*end)) {
            // Every arrival better than this one found room.
            while self.worst().is_some_and(|(position, _)| position > end) {
                self.drop_worst();
            }
            let last = self.worst().map(|(position, _)| position);
            self.move_horizon(last);
        }
        while self.held() > self.window {
            self.drop_worst();
        }
    }

    fn end_refill(&mut self) -> (BTreeMap<Position, (HandlerKind, Durability)>, Option<Position>) {
        self.refilling = false;
        (std::mem::take(&mut self.arrivals), self.arrivals_end.take())
    }

    /// A read failed; [`wants_refill`](Self::wants_refill) asks for it again.
    pub(crate) fn refill_failed(&mut self) {
        self.end_refill();
    }

    /// Empties the window and reads the queue from its start: a task before the horizon may have
    /// become claimable without a report.
    pub(crate) fn rescan(&mut self) {
        // If the window kept its tasks, better arrivals would be put behind the horizon.
        self.by_kind.clear();
        self.move_horizon(None);
    }
}

#[cfg(test)]
mod tests;
