//! What the tables say when they are asked.

use std::ops::Bound;

use super::tables::Tables;
use crate::clock::Timestamp;
use crate::models::{QueueName, Sequence, Snapshot, TaskId};
use crate::store::{Place, Ready};

impl Tables {
    /// Whether a task of that name is here.
    pub fn knows(&self, id: &TaskId) -> bool {
        self.ids.contains_key(id)
    }

    /// What is known of a task.
    pub fn find(&self, id: &TaskId) -> Option<Snapshot> {
        self.ids.get(id).map(|sequence| self.rows[sequence].snapshot())
    }

    /// See [`Store::window`](crate::store::Store::window).
    pub fn window(&self, queue: &QueueName, after: Option<Place>, limit: usize) -> Vec<Ready> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.queued
            .get(queue)
            .into_iter()
            .flat_map(|places| places.range((from, Bound::Unbounded)))
            .take(limit)
            .map(|place| self.rows[&place.sequence].ready())
            .collect()
    }

    /// See [`Store::tagged`](crate::store::Store::tagged).
    pub fn tagged(
        &self,
        tag: &str,
        after: Option<Sequence>,
        limit: usize,
    ) -> Vec<(Sequence, TaskId)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows
            .range((from, Bound::Unbounded))
            .map(|(_, row)| row)
            .filter(|row| !row.state.has_ended())
            .filter(|row| row.task.options.tags().iter().any(|carried| carried == tag))
            .take(limit)
            .map(|row| (row.sequence, row.task.id.clone()))
            .collect()
    }

    /// When the next task is due or over.
    pub fn due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How many tasks are here, ended or not.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
