//! What happens to tasks as time goes by: they become due, are over, and are forgotten.

use std::collections::BTreeSet;

use super::tables::Tables;
use crate::clock::Timestamp;
use crate::models::{Ending, Sequence, State, TaskId};
use crate::store::{Applied, RELEASE_SLICE, Retention};

impl Tables {
    /// Keeps tasks that somebody unfinished will read. Answers those that are here.
    pub(super) fn hold(&mut self, ids: &[TaskId]) -> Vec<Sequence> {
        let held: BTreeSet<Sequence> =
            ids.iter().filter_map(|id| self.ids.get(id).copied()).collect();
        for sequence in &held {
            self.rows.get_mut(sequence).expect("ids point at rows").needed_by += 1;
        }
        held.into_iter().collect()
    }

    /// Whoever held these has ended.
    pub(super) fn let_go(&mut self, held: Vec<Sequence>) {
        for sequence in held {
            let Some(row) = self.rows.get_mut(&sequence) else { continue };
            row.needed_by -= 1;
            // Those whose dependants are still to be told are filed after that.
            if row.ended.is_some() && !self.dependants.contains_key(&sequence) {
                self.keep(sequence);
            }
        }
    }

    /// Files an ended task for pruning once nobody needs it, or forgets it.
    pub(super) fn keep(&mut self, sequence: Sequence) {
        if !self.keeps_ended {
            self.forget(sequence);
            return;
        }
        let row = self.rows.get_mut(&sequence).expect("only rows that are there are kept");
        if row.needed_by > 0 || row.filed {
            return;
        }
        if let Some(ended) = &row.ended {
            let entry = (ended.outcome.ended_at, sequence);
            row.filed = true;
            if row.state == State::Succeeded {
                self.succeeded.push_back(entry);
            } else {
                self.others.push_back(entry);
            }
        }
    }

    fn forget(&mut self, sequence: Sequence) {
        if let Some(row) = self.rows.remove(&sequence) {
            self.ids.remove(&row.task.id);
        }
    }

    pub(super) fn promote(&mut self, limit: usize, now: Timestamp, applied: &mut Applied) {
        for _ in 0..limit {
            let Some(&(at, sequence)) = self.timers.first() else { return };
            if at > now {
                return;
            }
            self.timers.pop_first();
            let row = &self.rows[&sequence];
            let waits = matches!(row.state, State::Pending | State::Queued);
            if waits && row.expiry().is_some_and(|expiry| expiry <= now) {
                self.end(sequence, Ending::Expired, now, applied);
                self.release(RELEASE_SLICE, now, applied);
            } else if row.due.is_some_and(|due| due <= now) {
                let row = self.rows.get_mut(&sequence).expect("timers point at rows");
                row.due = None;
                if row.unmet == 0 {
                    self.queue(sequence, now);
                    applied.ready.push(self.rows[&sequence].ready());
                }
            }
        }
        applied.more |= self.timers.first().is_some_and(|(at, _)| *at <= now);
    }

    pub(super) fn prune(
        &mut self,
        retention: Retention,
        limit: usize,
        now: Timestamp,
        applied: &mut Applied,
    ) {
        let mut left = limit;
        while left > 0 {
            let surplus = self.succeeded.len() > retention.most;
            let Some(&(at, sequence)) = self.succeeded.front() else { break };
            if !surplus && now.since(at) <= retention.succeeded_for {
                break;
            }
            self.succeeded.pop_front();
            self.forget_unless_needed(sequence);
            left -= 1;
        }
        while left > 0 {
            let Some(&(at, sequence)) = self.others.front() else { break };
            let surplus = self.others.len() > retention.most;
            if !surplus && now.since(at) <= retention.others_for {
                break;
            }
            self.others.pop_front();
            self.forget_unless_needed(sequence);
            left -= 1;
        }
        applied.more |= left == 0;
    }

    fn forget_unless_needed(&mut self, sequence: Sequence) {
        let row = self.rows.get_mut(&sequence).expect("what is filed is there");
        if row.needed_by == 0 {
            self.forget(sequence);
        } else {
            // Filed again when it is let go.
            row.filed = false;
        }
    }
}
