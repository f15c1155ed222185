//! Concurrency keys: the limits per key, and its rate limit.
//!
//! As many tasks of a key as may run hold the key, from when they become claimable. The others are
//! `QUEUED` and blocked: no window offers them. A task that releases the key passes it to the first
//! blocked one, in the same transaction. With a limit of one, a task keeps the key while it waits
//! for a retry: this is strict order.
//!
//! With a rate limit, at most one task per key is claimable. Idle time therefore does not
//! accumulate burst credit.

use std::time::Duration;

use super::{Pace, Row, Rows, Transition};
use crate::clock::Timestamp;
use crate::models::{BlockedBy, QueueName, Rate, Sequence};

/// What a task gets when it is queued: its key and the quarantine slot, or a reason to be blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyClaim {
    holds_key: bool,
    quarantine_slot: bool,
    blocked_by: Option<BlockedBy>,
}

impl Pace {
    /// The pace without debts from an earlier rate limit, or from a clock that was ahead.
    fn under(self, rate: Rate, now: Timestamp) -> Self {
        Self { next: self.next.min(now.plus(rate.interval() * rate.count)), ..self }
    }

    /// When the next task may start; `None`: at once.
    pub(crate) fn free_at(self, rate: Rate, now: Timestamp) -> Option<Timestamp> {
        let wait = self.under(rate, now).wait(rate, now);
        (!wait.is_zero()).then(|| now.plus(wait))
    }

    /// How long the next start has to wait.
    fn wait(self, rate: Rate, now: Timestamp) -> Duration {
        self.next.since(now.plus(rate.interval() * (rate.count - 1)))
    }
}

impl Row {
    pub(super) fn apply_key_claim(&mut self, key_claim: KeyClaim) {
        self.holds_key = key_claim.holds_key;
        self.quarantine_slot = key_claim.quarantine_slot;
        self.blocked_by = key_claim.blocked_by;
    }
}

impl<R: Rows> Transition<'_, R> {
    /// What a task that is about to be `QUEUED` gets.
    pub(super) fn key_claim(&mut self, row: &Row) -> Result<KeyClaim, R::Error> {
        let mut key_claim = KeyClaim {
            holds_key: row.holds_key,
            quarantine_slot: row.quarantine_slot,
            blocked_by: None,
        };
        if let Some(key) = row.task.options.concurrency_key() {
            let queue = &row.task.options.queue;
            key_claim.holds_key = if row.holds_key {
                !self.is_crowded(queue, key)?
            } else {
                // Tasks that are blocked already come first.
                self.rows.next_held(queue, key)?.is_none() && self.has_room(queue, key)?
            };
            if !key_claim.holds_key {
                // A task that is blocked by its key does not take the quarantine slot: the holder
                // of the key may need it.
                return Ok(KeyClaim {
                    blocked_by: Some(BlockedBy::ConcurrencyKey),
                    ..KeyClaim::default()
                });
            }
        }
        if row.quarantine_candidate && !row.quarantine_slot {
            key_claim.quarantine_slot = !self.rows.quarantine_slot_taken()?;
            key_claim.blocked_by = (!key_claim.quarantine_slot).then_some(BlockedBy::Quarantine);
        }
        Ok(key_claim)
    }

    /// Whether more tasks hold the key than may: a limit was lowered, or an attempt resumed.
    fn is_crowded(&mut self, queue: &QueueName, key: &str) -> Result<bool, R::Error> {
        let limits = self.rows.settings(queue)?.limits;
        Ok(self.rows.holders(queue, key)?.all > limits.concurrency_per_key)
    }

    /// Whether one more task may hold the key. If only the rate forbids it, a timer is set.
    fn has_room(&mut self, queue: &QueueName, key: &str) -> Result<bool, R::Error> {
        let limits = self.rows.settings(queue)?.limits;
        let holders = self.rows.holders(queue, key)?;
        if holders.all >= limits.concurrency_per_key {
            return Ok(false);
        }
        let Some(rate) = limits.rate_per_key else { return Ok(true) };
        if holders.claimable > 0 {
            return Ok(false);
        }
        let pace = self.rows.pace(queue, key)?.unwrap_or_default().under(rate, self.now);
        let wait = pace.wait(rate, self.now);
        let free = wait.is_zero();
        if !free {
            let wake = self.now.plus(wait);
            self.rows.set_pace(queue, key, Some(Pace { wake: Some(wake), ..pace }))?;
        }
        Ok(free)
    }

    /// Counts a start against the rate limit of the key.
    pub(super) fn advance_pace(
        &mut self,
        queue: &QueueName,
        key: &str,
        rate: Rate,
    ) -> Result<(), R::Error> {
        let pace = self.rows.pace(queue, key)?.unwrap_or_default().under(rate, self.now);
        let next = pace.next.max(self.now).plus(rate.interval());
        // Once that time has passed, the pace is forgotten.
        let pace = Pace { next, wake: Some(next) };
        self.rows.set_pace(queue, key, Some(pace))?;
        self.fill_key(queue, key)
    }

    /// Passes free places of a key to blocked tasks.
    pub(super) fn fill_key(&mut self, queue: &QueueName, key: &str) -> Result<(), R::Error> {
        self.fill_key_slots(queue, key, self.rows.notify_slice())?;
        Ok(())
    }

    /// Passes up to `limit` free places of a key to blocked tasks, and returns how many. If there
    /// may be more, the key becomes due at once.
    fn fill_key_slots(
        &mut self,
        queue: &QueueName,
        key: &str,
        limit: usize,
    ) -> Result<usize, R::Error> {
        for given in 0..limit {
            let Some(next) = self.rows.next_held(queue, key)? else { return Ok(given) };
            if !self.has_room(queue, key)? {
                return Ok(given);
            }
            let row = self.row(next)?;
            let quarantine_candidate = row.quarantine_candidate && !row.quarantine_slot;
            let blocked_by = (quarantine_candidate && self.rows.quarantine_slot_taken()?)
                .then_some(BlockedBy::Quarantine);
            let ready = self.rows.update(next, |row| {
                row.holds_key = true;
                row.quarantine_slot |= quarantine_candidate && blocked_by.is_none();
                row.blocked_by = blocked_by;
                row.is_claimable().then(|| row.ready())
            })?;
            self.applied.ready.extend(ready);
        }
        let pace = self.rows.pace(queue, key)?.unwrap_or_default();
        self.rows.set_pace(queue, key, Some(Pace { wake: Some(self.now), ..pace }))?;
        Ok(limit)
    }

    /// Releases what a task that waits for a retry does not keep: the quarantine slot, and the key
    /// unless strict order is required. Returns when the retry is due, which the key's rate can
    /// delay.
    pub(super) fn wait_for_retry(&mut self, sequence: Sequence) -> Result<Timestamp, R::Error> {
        let task = self.row(sequence)?.task.clone();
        let queue = &task.options.queue;
        let limits = self.rows.settings(queue)?.limits;
        if let Some(key) = task.options.concurrency_key()
            && (limits.concurrency_per_key > 1 || self.is_crowded(queue, key)?)
        {
            self.leave_key_slot(sequence)?;
        }
        self.leave_quarantine(sequence)?;
        if let (Some(key), Some(rate)) = (task.options.concurrency_key(), limits.rate_per_key)
            && self.row(sequence)?.holds_key
        {
            self.wait_for_the_rate(sequence, queue, key, rate)?;
        }
        Ok(self.row(sequence)?.due.expect("a delayed task has a due time"))
    }

    fn wait_for_the_rate(
        &mut self,
        sequence: Sequence,
        queue: &QueueName,
        key: &str,
        rate: Rate,
    ) -> Result<(), R::Error> {
        // No other task of the key starts before this one.
        let pace = self.rows.pace(queue, key)?.unwrap_or_default();
        let wait = pace.under(rate, self.now).wait(rate, self.now);
        if !wait.is_zero() {
            let free = self.now.plus(wait);
            self.rows.update(sequence, |row| row.due = row.due.max(Some(free)))?;
        }
        Ok(())
    }

    /// Releases the key and the quarantine slot of a task that waits for other tasks: they may need
    /// them.
    pub(super) fn leave_slots(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        self.leave_key_slot(sequence)?;
        self.leave_quarantine(sequence)
    }

    /// Releases the key, if the task holds it.
    fn leave_key_slot(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        let held = self.rows.update(sequence, |row| std::mem::take(&mut row.holds_key))?;
        let task = self.row(sequence)?.task.clone();
        match task.options.concurrency_key() {
            Some(key) if held => self.fill_key(&task.options.queue, key),
            _ => Ok(()),
        }
    }

    /// Handles keys that are due, until `limit` keys and tasks are handled.
    pub(super) fn wake_due_keys(&mut self, limit: usize) -> Result<(), R::Error> {
        let mut left = limit;
        while left > 0
            && let Some((queue, key)) = self.rows.next_key(self.now)?
        {
            let pace = self.rows.pace(&queue, &key)?.unwrap_or_default();
            let kept = (pace.next > self.now).then_some(Pace { wake: Some(pace.next), ..pace });
            self.rows.set_pace(&queue, &key, kept)?;
            left -= self.fill_key_slots(&queue, &key, left)?.max(1);
        }
        Ok(())
    }
}
