//! Consistency checks of the tables, computed from the rows alone.

use std::collections::BTreeMap;

use super::tables::Tables;
use crate::models::{BlockedBy, Sequence, State};
use crate::store::rules::IndexEntry;
use crate::store::rules::{Row, Rows};

impl Tables {
    /// Panics if an index disagrees with the rows, or if a task waits for nothing.
    pub(crate) fn check(&mut self) {
        for row in self.rows.values() {
            check_row(row);
        }
        self.check_indexes();
        self.check_relatives();
        self.check_keys();
        self.schedules.check();
        self.outbox.check();
    }

    /// Compares the indexes with fresh ones built from the rows.
    fn check_indexes(&self) {
        let mut fresh = Self::default();
        for (sequence, row) in &self.rows {
            assert_eq!((*sequence, Some(sequence)), (row.sequence, self.ids.get(&row.task.id)));
            let options = &row.task.options;
            let key = options.concurrency_key();
            fresh.index(&options.queue, key, row.position(), None, Some(IndexEntry::of(row)));
            fresh.count_state(&options.queue, None, Some(row.state));
        }
        assert_eq!(self.ids.len(), self.rows.len());
        assert_eq!(self.queued, fresh.queued);
        assert_eq!(self.timers, fresh.timers);
        assert_eq!(self.running, fresh.running);
        assert_eq!(self.slots_taken, fresh.slots_taken);
        assert_eq!(self.states_in, fresh.states_in);
        assert_eq!(self.children, fresh.children);
        assert_eq!(self.failed_for, fresh.failed_for);
        assert_eq!(self.keyed, fresh.keyed);
        assert_eq!(self.quarantine_slots, fresh.quarantine_slots);
        assert_eq!(self.quarantine_queue, fresh.quarantine_queue);
        assert_eq!(self.succeeded, fresh.succeeded);
        assert_eq!(self.others, fresh.others);
        for (sequence, lines) in &self.logs {
            let last = lines.last().expect("logs are not empty").number;
            assert_eq!(self.rows[sequence].log_lines, last);
        }
        for (key, holder) in &self.uniques {
            let unique = self.rows[holder].task.options.unique().expect("it has a unique key");
            assert_eq!(unique.key, *key);
        }
    }

    /// Checks that each waiting task counts all its unfinished parents, and that those are kept for
    /// it.
    fn check_relatives(&self) {
        let mut unmet: BTreeMap<Sequence, u32> = BTreeMap::new();
        for (parent, children) in &self.waiting {
            let parent = &self.rows[parent];
            assert!(
                !parent.state.has_ended() || parent.dependants_pending,
                "{parent:?} has ended, and tasks still wait for it"
            );
            for child in children {
                assert!(self.rows[child].parents.contains(&parent.sequence));
                *unmet.entry(*child).or_default() += 1;
            }
        }
        for (parent, children) in &self.waiting_foreign {
            for child in children {
                assert!(self.rows[child].foreign.contains(parent));
                *unmet.entry(*child).or_default() += 1;
            }
        }
        let mut needed: BTreeMap<Sequence, u32> = BTreeMap::new();
        for row in self.rows.values() {
            for parent in &row.parents {
                *needed.entry(*parent).or_default() += 1;
            }
        }
        for (sequence, row) in &self.rows {
            let of = |counts: &BTreeMap<Sequence, u32>| counts.get(sequence).copied().unwrap_or(0);
            assert_eq!((row.unmet, row.needed_by), (of(&unmet), of(&needed)), "{row:?}");
            let marks =
                self.pending_dependants.iter().filter(|pending| *pending == sequence).count();
            assert_eq!(marks, usize::from(row.dependants_pending), "{row:?}");
            assert!(
                self.keeps_ended || !self.is_over(row),
                "{row:?} is kept although no task needs it"
            );
        }
        assert!(self.pending_dependants.iter().all(|pending| self.rows.contains_key(pending)));
    }

    fn is_over(&self, row: &Row) -> bool {
        row.is_unneeded() && !row.dependants_pending && row.due.is_none()
    }

    /// Checks that every blocked task has something that will unblock it.
    fn check_keys(&mut self) {
        for ((queue, key), pace) in &self.paces {
            let timer = pace.wake.map(|at| (at, queue.clone(), key.clone()));
            let timer = timer.expect("every pace has a timer");
            assert!(self.key_timers.contains(&timer));
        }
        assert_eq!(self.key_timers.len(), self.paces.len());
        let keyed: Vec<_> = self.keyed.keys().cloned().collect();
        for (queue, key) in keyed {
            let rows = &self.keyed[&(queue.clone(), key.clone())];
            let (blocked, holders, claimable) =
                (!rows.blocked.is_empty(), rows.holders.len(), !rows.claimable.is_empty());
            let Ok(settings) = self.settings(&queue);
            let limits = settings.limits;
            let full = holders >= limits.concurrency_per_key as usize;
            let turn = limits.rate_per_key.is_some() && claimable;
            let paced = self.paces.contains_key(&(queue, key.clone()));
            assert!(!blocked || full || turn || paced, "nothing will unblock key {key}");
        }
        assert!(
            self.quarantine_queue.is_empty() || !self.quarantine_slots.is_empty(),
            "quarantine candidates that wait for nothing"
        );
        for quarantine_candidate in &self.quarantine_slots {
            let row = &self.rows[quarantine_candidate];
            assert!(
                row.is_claimable() || row.holds_slot(),
                "{row:?} keeps quarantine candidates from running"
            );
        }
    }
}

fn check_row(row: &Row) {
    let ended = row.state.has_ended();
    assert_eq!(row.ended.is_some(), ended, "{row:?}");
    assert!(row.blocked_by.is_none() || row.state == State::Queued, "{row:?}");
    assert!(!row.holds_key || row.blocked_by != Some(BlockedBy::ConcurrencyKey), "{row:?}");
    assert!(!row.holds_key || !ended, "{row:?}");
    assert!(!row.quarantine_slot || row.quarantine_candidate && !ended, "{row:?}");
    assert!(!row.suspended || row.state == State::Running, "{row:?}");
    assert!(row.cancel_requested.is_none() || row.state == State::Running, "{row:?}");
    assert!(row.failed_for.is_none() || ended, "{row:?}");
    assert!(row.fence.is_some() || row.state != State::Running, "{row:?}");
    assert!(row.fence.is_none() || row.state == State::Running || ended, "{row:?}");
    match row.state {
        State::Pending => assert!(row.unmet > 0 || row.due.is_some(), "{row:?}"),
        State::Retrying => assert!(row.due.is_some() && row.unmet == 0, "{row:?}"),
        State::Queued | State::Running => {
            assert!(row.due.is_none() && row.unmet == 0, "{row:?}");
        }
        _ => assert!(row.parents.is_empty() && row.foreign.is_empty(), "{row:?}"),
    }
}
