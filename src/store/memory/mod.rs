//! The store in memory: the reference for the semantics of every verb, and where ephemeral tasks
//! live.
//!
//! [`Tables`] holds rows and indexes, without locks, clocks or chance, so that a simulation can
//! drive it; [`MemoryStore`] puts a lock around it.

#[cfg(test)]
mod check;
mod outbox;
mod reads;
mod rows;
mod schedules;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

pub use tables::Tables;

use crate::clock::Timestamp;
use crate::models::{
    LogLine, Name, OutboxEntry, QueueName, ScheduleStatus, Sequence, Snapshot, TaskFilter, TaskId,
    TaskPage, Webhook,
};
use crate::store::{
    Change, ClaimRequest, ClaimableTask, Claims, Commit, DueSchedules, Error, OpenOptions,
    OpenReport, Position, Properties, QueueState, Store,
};

/// Keeps tasks for the life of the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    /// The latest commit and its result, for a caller that lost the reply and asks again.
    latest: Mutex<Option<(Arc<[Change]>, Commit)>>,
}

#[async_trait]
impl Store for MemoryStore {
    fn properties(&self) -> Properties {
        Properties { name: "memory", shared: false, durable: false }
    }

    async fn open(&self, boot: OpenOptions) -> Result<OpenReport, Error> {
        Ok(self.tables.lock().open(boot))
    }

    async fn commit(&self, changes: Arc<[Change]>, now: Timestamp) -> Result<Commit, Error> {
        let mut latest = self.latest.lock();
        if let Some((known, commit)) = &*latest
            && Arc::ptr_eq(known, &changes)
        {
            return Ok(commit.clone());
        }
        let mut tables = self.tables.lock();
        let applied = changes.iter().map(|change| tables.apply(change, now)).collect();
        let commit = Commit { applied, due: tables.due() };
        drop(tables);
        *latest = Some((changes, commit.clone()));
        Ok(commit)
    }

    async fn claim(&self, requests: Vec<ClaimRequest>, now: Timestamp) -> Result<Claims, Error> {
        Ok(self.tables.lock().claim(&requests, now))
    }

    fn may_know(&self, id: &TaskId) -> bool {
        self.tables.lock().knows(id)
    }

    async fn find(&self, ids: &[TaskId]) -> Result<Vec<Option<Snapshot>>, Error> {
        let tables = self.tables.lock();
        Ok(ids.iter().map(|id| tables.find(id)).collect())
    }

    async fn window(
        &self,
        queue: &QueueName,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<ClaimableTask>, Error> {
        Ok(self.tables.lock().window(queue, after, limit))
    }

    async fn list(
        &self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<TaskPage, Error> {
        Ok(self.tables.lock().list(filter, before, limit))
    }

    async fn logs(&self, id: &TaskId, after: u32, limit: usize) -> Result<Vec<LogLine>, Error> {
        Ok(self.tables.lock().log(id, after, limit))
    }

    async fn queues(&self) -> Result<Vec<QueueState>, Error> {
        Ok(self.tables.lock().queues())
    }

    async fn holders(
        &self,
        queue: &QueueName,
        key: &str,
        limit: usize,
    ) -> Result<Vec<TaskId>, Error> {
        Ok(self.tables.lock().holding(queue, key, limit))
    }

    async fn key_free_at(
        &self,
        queue: &QueueName,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        Ok(self.tables.lock().key_free_at(queue, key, now))
    }

    async fn schedule(&self, name: &Name) -> Result<Option<ScheduleStatus>, Error> {
        Ok(self.tables.lock().schedules.status(name))
    }

    async fn schedules(
        &self,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<ScheduleStatus>, Error> {
        Ok(self.tables.lock().schedules.page(after, limit))
    }

    async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<DueSchedules, Error> {
        Ok(self.tables.lock().schedules.due(now, limit))
    }

    async fn webhooks(&self) -> Result<Vec<Arc<Webhook>>, Error> {
        Ok(self.tables.lock().outbox.webhooks.values().cloned().collect())
    }

    async fn webhook(&self, name: &Name) -> Result<Option<Arc<Webhook>>, Error> {
        Ok(self.tables.lock().outbox.webhooks.get(name).cloned())
    }

    async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxEntry>, Error> {
        Ok(self.tables.lock().outbox.after(after, limit))
    }
}
