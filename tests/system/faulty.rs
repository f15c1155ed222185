//! A memory store that fails, or is slow, in any operation but `open` for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use task_scheduler::clock::Timestamp;
use task_scheduler::models::{
    LogLine, Name, OutboxEntry, QueueName, ScheduleStatus, Sequence, Snapshot, TaskFilter, TaskId,
    TaskPage, Webhook,
};
use task_scheduler::store::{
    Change, ClaimRequest, ClaimableTask, Claims, Commit, DueSchedules, Error, MemoryStore,
    OpenOptions, OpenReport, Position, Properties, QueueState, Store,
};

#[derive(Default)]
pub(crate) struct Faulty {
    inner: MemoryStore,
    /// Commits left to fail without a change.
    pub(crate) refused_commits: AtomicU32,
    /// Commits left to fail after they were applied.
    pub(crate) lost_answers: AtomicU32,
    /// Claims left to fail without a change.
    pub(crate) refused_claims: AtomicU32,
    /// Claims left to fail after they were applied.
    pub(crate) lost_claims: AtomicU32,
    /// Reads left to fail.
    pub(crate) refused_reads: AtomicU32,
    /// Whether every commit reports that another slice is left.
    pub(crate) never_done: AtomicBool,
    /// The delay of every operation, in milliseconds.
    pub(crate) delay: AtomicU64,
}

/// Decrements the counter; returns whether it was above 0.
fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Faulty {
    async fn dawdle(&self) {
        let delay = self.delay.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
    }

    async fn read(&self) -> Result<(), Error> {
        self.dawdle().await;
        if take(&self.refused_reads) {
            Err(Error::Unavailable("on request".into()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl Store for Faulty {
    fn properties(&self) -> Properties {
        self.inner.properties()
    }

    async fn open(&self, boot: OpenOptions) -> Result<OpenReport, Error> {
        self.inner.open(boot).await
    }

    async fn commit(&self, changes: Arc<[Change]>, now: Timestamp) -> Result<Commit, Error> {
        self.dawdle().await;
        if take(&self.refused_commits) {
            return Err(Error::Unavailable("on request".into()));
        }
        let mut commit = self.inner.commit(changes, now).await?;
        if self.never_done.load(Ordering::SeqCst) {
            commit.applied.iter_mut().for_each(|applied| applied.more = true);
        }
        if take(&self.lost_answers) {
            return Err(Error::AnswerLost("on request".into()));
        }
        Ok(commit)
    }

    async fn claim(&self, wanted: Vec<ClaimRequest>, now: Timestamp) -> Result<Claims, Error> {
        self.dawdle().await;
        if take(&self.refused_claims) {
            return Err(Error::Unavailable("on request".into()));
        }
        let claims = self.inner.claim(wanted, now).await?;
        if take(&self.lost_claims) {
            return Err(Error::AnswerLost("on request".into()));
        }
        Ok(claims)
    }

    fn may_know(&self, id: &TaskId) -> bool {
        self.inner.may_know(id)
    }

    async fn find(&self, ids: &[TaskId]) -> Result<Vec<Option<Snapshot>>, Error> {
        self.read().await?;
        self.inner.find(ids).await
    }

    async fn window(
        &self,
        queue: &QueueName,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<ClaimableTask>, Error> {
        self.read().await?;
        self.inner.window(queue, after, limit).await
    }

    async fn list(
        &self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<TaskPage, Error> {
        self.read().await?;
        self.inner.list(filter, before, limit).await
    }

    async fn logs(&self, id: &TaskId, after: u32, limit: usize) -> Result<Vec<LogLine>, Error> {
        self.read().await?;
        self.inner.logs(id, after, limit).await
    }

    async fn queues(&self) -> Result<Vec<QueueState>, Error> {
        self.read().await?;
        self.inner.queues().await
    }

    async fn key_free_at(
        &self,
        queue: &QueueName,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        self.read().await?;
        self.inner.key_free_at(queue, key, now).await
    }

    async fn holders(
        &self,
        queue: &QueueName,
        key: &str,
        limit: usize,
    ) -> Result<Vec<TaskId>, Error> {
        self.read().await?;
        self.inner.holders(queue, key, limit).await
    }

    async fn schedule(&self, name: &Name) -> Result<Option<ScheduleStatus>, Error> {
        self.read().await?;
        self.inner.schedule(name).await
    }

    async fn schedules(
        &self,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<ScheduleStatus>, Error> {
        self.read().await?;
        self.inner.schedules(after, limit).await
    }

    async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<DueSchedules, Error> {
        self.read().await?;
        self.inner.due_schedules(now, limit).await
    }

    async fn webhooks(&self) -> Result<Vec<Arc<Webhook>>, Error> {
        self.read().await?;
        self.inner.webhooks().await
    }

    async fn webhook(&self, name: &Name) -> Result<Option<Arc<Webhook>>, Error> {
        self.read().await?;
        self.inner.webhook(name).await
    }

    async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxEntry>, Error> {
        self.read().await?;
        self.inner.outbox(after, limit).await
    }
}
