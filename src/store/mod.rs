//! Storage of tasks: the [`Store`] trait and its implementations.
//!
//! A store holds the truth about its tasks. It applies [`Change`]s, each a transition of the state
//! table ([`State`](crate::models::State)), and returns what followed from each. It knows nothing
//! of handlers, callers or the order between queues.
//!
//! Invariants, asserted by the conformance suite on every store:
//! - All changes of one `commit` are one transaction; a refused change has no effect, also not on
//!   its neighbours.
//! - A write of an attempt carries the fencing token of its claim; a stale one is refused.
//! - The dependants of a task are notified in the transaction that ends it, the rest of many in
//!   slices.
//! - A repeated commit changes nothing more and returns the same result: idempotency for callers
//!   that lost the reply.

mod boot;
mod change;
mod change_result;
mod claim;
mod firing;
pub mod memory;
mod position;
mod queue_state;
mod retention;
pub(crate) mod rules;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

pub use boot::{OpenOptions, OpenReport};
pub use change::{Change, Insert};
pub use change_result::{Applied, ChangeResult, Commit, DependencyProblem};
pub use claim::{ClaimRequest, Claimed, Claims};
pub use firing::{DueSchedules, Firing};
pub use memory::MemoryStore;
pub use position::{ClaimableTask, Position};
pub use queue_state::QueueState;
pub use retention::{Retention, RetentionLimit};
pub use sqlite::SqliteStore;

use crate::clock::Timestamp;
use crate::error::{self, Code};
use crate::models::{
    LogLine, Name, OutboxEntry, QueueName, ScheduleStatus, Sequence, Snapshot, TaskFilter, TaskId,
    TaskPage, Webhook,
};

/// The default of [`OpenOptions::notify_slice`].
pub const NOTIFY_SLICE: usize = 1_000;

/// How many tasks one call of [`Store::list`] looks at.
pub const LIST_BUDGET: usize = 10_000;

/// Why a store did not apply a write or answer a read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was changed; a retry may succeed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The change may or may not be stored; a retry tells.
    #[error("the outcome of the write is unknown: {0}")]
    AnswerLost(String),
    /// Everything acknowledged is safe, but the store must not acknowledge anything more, and
    /// retries do not help: the process has to end.
    #[error("the store is broken: {0}")]
    Broken(String),
    /// The files cannot be opened as a store; the message says why, and what to do.
    #[error("{0}")]
    Unusable(String),
}

impl From<Error> for error::Error {
    fn from(error: Error) -> Self {
        let code = match error {
            // A commit on a broken store ends the process; readers get the code of an outage.
            Error::Unavailable(_) | Error::Unusable(_) | Error::Broken(_) => Code::StoreUnavailable,
            Error::AnswerLost(_) => Code::OutcomeUnknown,
        };
        Self::new(code, error.to_string())
    }
}

/// The properties of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Its name, for messages.
    pub name: &'static str,
    /// Whether other nodes write to it. Only without them may a handler start before its insert is
    /// committed.
    pub shared: bool,
    /// Whether acknowledged writes survive the process.
    pub durable: bool,
}

/// Stores tasks, schedules and webhooks.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The properties of this store.
    fn properties(&self) -> Properties;

    /// Begins a boot: commits a new epoch, and queues the tasks that an earlier boot left running,
    /// or ends them if they were cancelled or are quarantined. On a shared store only those of
    /// nodes that are gone. Pending dependants are left to [`Change::NotifyDependants`].
    ///
    /// # Errors
    /// [`Error`]: the boot did not begin.
    async fn open(&self, boot: OpenOptions) -> Result<OpenReport, Error>;

    /// Applies all changes in one transaction and returns their results, in order. A call with the
    /// same `changes` (the same allocation) as the last commit returns its result again.
    ///
    /// # Errors
    /// [`Error`]: nothing was changed, or whether it was is not known.
    async fn commit(&self, changes: Arc<[Change]>, now: Timestamp) -> Result<Commit, Error>;

    /// Claims `QUEUED` tasks, each under the fencing token of its request. `None` for a task that
    /// is not claimable, also for one that is overdue, which [`Change::Promote`] will expire.
    /// Concurrency limits of queues are kept. A repeated call returns the same claims.
    ///
    /// # Errors
    /// [`Error`]: nothing was claimed, or whether it was is not known.
    async fn claim(&self, requests: Vec<ClaimRequest>, now: Timestamp) -> Result<Claims, Error>;

    /// Whether a task may have this id; `false` is certain. Answers from memory.
    fn may_know(&self, id: &TaskId) -> bool;

    /// The tasks with these ids, in the same order.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn find(&self, ids: &[TaskId]) -> Result<Vec<Option<Snapshot>>, Error>;

    /// The first `limit` claimable tasks of a queue after `after`, in the order of their positions.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn window(
        &self,
        queue: &QueueName,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<ClaimableTask>, Error>;

    /// Up to `limit` tasks that match, newest first, with sequence numbers below `before`. One call
    /// looks at up to [`LIST_BUDGET`] tasks, so a page can be short or empty although there are
    /// more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn list(
        &self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<TaskPage, Error>;

    /// Up to `limit` lines of a task's log with numbers greater than `after`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn logs(&self, id: &TaskId, after: u32, limit: usize) -> Result<Vec<LogLine>, Error>;

    /// The state of every queue that has unfinished or failed tasks, or settings other than the
    /// default, by name.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn queues(&self) -> Result<Vec<QueueState>, Error>;

    /// Up to `limit` tasks that hold this concurrency key of a queue.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn holders(
        &self,
        queue: &QueueName,
        key: &str,
        limit: usize,
    ) -> Result<Vec<TaskId>, Error>;

    /// When the rate limit permits the next start with this concurrency key; `None`: at once.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn key_free_at(
        &self,
        queue: &QueueName,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Error>;

    /// The schedule with this name, and its state.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn schedule(&self, name: &Name) -> Result<Option<ScheduleStatus>, Error>;

    /// Up to `limit` schedules with names after `after`, by name.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn schedules(
        &self,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<ScheduleStatus>, Error>;

    /// Up to `limit` enabled schedules that are due at `now`, the earliest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<DueSchedules, Error>;

    /// All webhooks, by name.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn webhooks(&self) -> Result<Vec<Arc<Webhook>>, Error>;

    /// The webhook with this name.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn webhook(&self, name: &Name) -> Result<Option<Arc<Webhook>>, Error>;

    /// Up to `limit` outbox entries after position `after`, in order.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxEntry>, Error>;
}
