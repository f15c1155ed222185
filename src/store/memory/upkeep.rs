//! What happens to tasks as time goes by: they become due, are over, and are forgotten.

use super::tables::Tables;
use crate::clock::Timestamp;
use crate::models::{Ended, Ending, Sequence, State};
use crate::store::{Applied, RELEASE_SLICE, Retention};

impl Tables {
    /// Files an ended task for pruning, or forgets it.
    pub(super) fn keep(&mut self, sequence: Sequence, ended: &Ended) {
        if !self.keeps_ended {
            self.forget(sequence);
        } else if ended.outcome.state() == State::Succeeded {
            self.succeeded.push_back((ended.outcome.ended_at, sequence));
        } else {
            self.others.push_back((ended.outcome.ended_at, sequence));
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
        let before = self.rows.len();
        let mut spared = Vec::new();
        while left > 0 {
            let surplus = self.succeeded.len() + spared.len() > retention.succeeded_most;
            let Some(&(at, sequence)) = self.succeeded.front() else { break };
            if !surplus && now.since(at) <= retention.succeeded_for {
                break;
            }
            self.succeeded.pop_front();
            left -= 1;
            // A result that an unfinished task may still read stays.
            if self.rows[&sequence].needed_by > 0 {
                spared.push((at, sequence));
            } else {
                self.forget(sequence);
            }
        }
        while let Some(&spare) = spared.last() {
            self.succeeded.push_front(spare);
            spared.pop();
        }
        while left > 0 {
            let Some(&(at, sequence)) = self.others.front() else { break };
            if now.since(at) <= retention.others_for || self.rows[&sequence].needed_by > 0 {
                break;
            }
            self.others.pop_front();
            left -= 1;
            self.forget(sequence);
        }
        applied.more |= left == 0 && self.rows.len() < before;
    }
}
