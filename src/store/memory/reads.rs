//! Reads of the tables.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::tables::Tables;
use crate::clock::Timestamp;
use crate::models::{LogLine, QueueName, Sequence, Snapshot, State, TaskFilter, TaskId, TaskPage};
use crate::store::queue_state::MAX_PRIORITIES;
use crate::store::{ClaimableTask, LIST_BUDGET, Position, QueueState};

impl Tables {
    /// Whether a task has this id.
    pub fn knows(&self, id: &TaskId) -> bool {
        self.ids.contains_key(id)
    }

    /// The task with this id.
    pub fn find(&self, id: &TaskId) -> Option<Snapshot> {
        self.ids.get(id).map(|sequence| self.rows[sequence].snapshot())
    }

    /// See [`Store::window`](crate::store::Store::window).
    pub fn window(
        &self,
        queue: &QueueName,
        after: Option<Position>,
        limit: usize,
    ) -> Vec<ClaimableTask> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.queued
            .get(queue)
            .into_iter()
            .flat_map(|places| places.range((from, Bound::Unbounded)))
            .take(limit)
            .map(|position| self.rows[&position.sequence].ready())
            .collect()
    }

    /// See [`Store::list`](crate::store::Store::list).
    pub fn list(&self, filter: &TaskFilter, before: Option<Sequence>, limit: usize) -> TaskPage {
        let to = before.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = TaskPage::default();
        let rows = self.rows.range((Bound::Unbounded, to)).rev();
        for (scanned, (sequence, row)) in rows.enumerate() {
            if scanned == LIST_BUDGET || page.tasks.len() == limit {
                break;
            }
            page.next = Some(*sequence);
            let ended_at = row.ended.as_ref().map(|ended| ended.outcome.ended_at);
            if filter.matches(&row.task, row.state, ended_at) {
                page.tasks.push(row.snapshot());
            }
        }
        if self.rows.first_key_value().map(|(first, _)| *first) == page.next {
            page.next = None;
        }
        page
    }

    /// See [`Store::logs`](crate::store::Store::logs).
    pub fn log(&self, id: &TaskId, after: u32, limit: usize) -> Vec<LogLine> {
        let lines = self.ids.get(id).and_then(|sequence| self.logs.get(sequence));
        let lines = lines.into_iter().flatten().filter(|line| line.number > after);
        lines.take(limit).cloned().collect()
    }

    /// See [`Store::queues`](crate::store::Store::queues).
    pub fn queues(&self) -> Vec<QueueState> {
        let names: BTreeSet<&QueueName> =
            self.states_in.keys().chain(self.settings.keys()).collect();
        let states = names.into_iter().map(|queue| self.queue_state(queue));
        states.filter(|state| !state.is_empty()).collect()
    }

    fn queue_state(&self, queue: &QueueName) -> QueueState {
        let mut found = QueueState::empty(queue.clone());
        found.settings = self.settings.get(queue).copied().unwrap_or_default();
        let counts = self.states_in.get(queue).copied().unwrap_or_default();
        for (state, count) in State::ALL.into_iter().zip(counts) {
            found.add(state, count);
        }
        let slots_taken = self.slots_taken.get(queue).copied().unwrap_or(0);
        found.suspended = found.running - u64::from(slots_taken);
        found.oldest_queued_at = self.oldest_queued(queue);
        found
    }

    /// When the longest waiting claimable task of a queue was accepted.
    fn oldest_queued(&self, queue: &QueueName) -> Option<Timestamp> {
        let places = self.queued.get(queue)?;
        let mut first_of_each = Vec::new();
        let mut next = places.first();
        while let Some(position) = next.filter(|_| first_of_each.len() < MAX_PRIORITIES) {
            first_of_each.push(position.sequence);
            let last = Position { priority: position.priority, sequence: Sequence(u64::MAX) };
            next = places.range((Bound::Excluded(last), Bound::Unbounded)).next();
        }
        let oldest = first_of_each.into_iter().min()?;
        Some(self.rows[&oldest].task.submitted_at)
    }

    /// See [`Store::key_free_at`](crate::store::Store::key_free_at).
    pub fn key_free_at(&self, queue: &QueueName, key: &str, now: Timestamp) -> Option<Timestamp> {
        let rate = self.settings.get(queue)?.limits.rate_per_key?;
        self.paces.get(&(queue.clone(), key.to_owned()))?.free_at(rate, now)
    }

    /// See [`Store::holders`](crate::store::Store::holders).
    pub fn holding(&self, queue: &QueueName, key: &str, limit: usize) -> Vec<TaskId> {
        let rows = self.keyed.get(&(queue.clone(), key.to_owned()));
        let holders = rows.into_iter().flat_map(|rows| &rows.holders).take(limit);
        holders.map(|sequence| self.rows[sequence].task.id.clone()).collect()
    }

    /// Whether a task waits for this task of another store.
    pub fn waits_for(&self, id: &TaskId) -> bool {
        self.waiting_foreign.contains_key(id)
    }

    /// Whether no task waits for another, as is so when all have ended.
    #[cfg(test)]
    pub(crate) fn nobody_waits(&self) -> bool {
        self.waiting.is_empty()
            && self.waiting_foreign.is_empty()
            && self.pending_dependants.is_empty()
    }

    /// How many tasks there are, ended or not.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no tasks.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
