//! Where tasks are kept: the [`Store`] trait and the stores that implement it.
//!
//! A store owns the truth about every task that it holds. It is told of [`Change`]s, each a
//! transition of the state table ([`State`](crate::models::State)) in domain words, and answers what followed from each. It
//! knows nothing of bodies, callers or queues' turns.
//!
//! Invariants, asserted by the conformance suite on every store:
//! - All changes of one `commit` are one transaction; a change that is refused changes nothing and
//!   does not touch its neighbours.
//! - A write about an attempt carries the fence of its claim; a stale one is refused.
//! - The dependants of a task are released in the transaction that ends it.
//! - Repeating a commit whose answer was lost changes nothing more and answers the same: what it
//!   released and ended in its wake is told once more, and is told nowhere else.

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

/// How many rows one commit releases or ends in the wake of others; the rest follows in slices.
/// Unit tests see a second slice sooner.
pub const RELEASE_SLICE: usize = if cfg!(test) { 2 } else { 1_000 };

/// How many tasks one page of a listing looks at.
pub const LIST_BUDGET: usize = 10_000;

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was changed; asking again may work.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The change may or may not be there; asking again tells.
    #[error("the store's answer was lost: {0}")]
    AnswerLost(String),
    /// Nothing that it acknowledged is lost, but it must not acknowledge anything more, and asking
    /// again does not help: the process has to end.
    #[error("the store cannot go on: {0}")]
    Broken(String),
    /// What is there cannot be opened as a store; why, and what to do.
    #[error("{0}")]
    Unusable(String),
}

impl From<Error> for error::Error {
    fn from(error: Error) -> Self {
        let code = match error {
            // A commit that finds it broken ends the process; whoever reads is told what holds.
            Error::Unavailable(_) | Error::Unusable(_) | Error::Broken(_) => Code::StoreUnavailable,
            Error::AnswerLost(_) => Code::OutcomeUnknown,
        };
        Self::new(code, error.to_string())
    }
}

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Its name, for people.
    pub name: &'static str,
    /// Whether other nodes write to it. A body may start beside its insert only where none does.
    pub shared: bool,
    /// Whether what it acknowledged survives the process.
    pub durable: bool,
}

/// Keeps tasks.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What it is.
    fn properties(&self) -> Properties;

    /// Begins a boot: commits a new epoch and puts what an earlier boot left running back into its
    /// queue, or ends it if somebody had wished it cancelled or it is quarantined. On a shared store,
    /// only what nodes that are gone left running. Dependants that were not told yet are left to
    /// [`Change::NotifyDependants`].
    ///
    /// # Errors
    /// [`Error`], and then nothing was begun.
    async fn open(&self, boot: OpenOptions) -> Result<OpenReport, Error>;

    /// Makes all changes in one transaction and says what followed from each, in the same order.
    /// Asked once more with the very same `changes` (the same allocation) before any others, it
    /// says again what followed.
    ///
    /// # Errors
    /// [`Error`]: nothing was changed, or it is not known whether.
    async fn commit(&self, changes: Arc<[Change]>, now: Timestamp) -> Result<Commit, Error>;

    /// Gives tasks that are `QUEUED` to whoever asks, each under the fence it was asked with. What
    /// cannot be claimed (any more) is `None`: also a task whose time to live is over, which
    /// [`Change::Promote`] will end. A queue's concurrency limit is kept. Asked once more, it gives
    /// the same again.
    ///
    /// # Errors
    /// [`Error`]: nothing was claimed, or it is not known whether.
    async fn claim(&self, wanted: Vec<ClaimRequest>, now: Timestamp) -> Result<Claims, Error>;

    /// `false` means that this id is surely not here. Answers from memory.
    fn may_know(&self, id: &TaskId) -> bool;

    /// What is known of each id, in the same order.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn find(&self, ids: &[TaskId]) -> Result<Vec<Option<Snapshot>>, Error>;

    /// The best `limit` claimable tasks of a queue that come after `after`, best first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn window(
        &self,
        queue: &QueueName,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<ClaimableTask>, Error>;

    /// Tasks that match, newest first, from before `before` on: at most `limit`, looked for among a
    /// bounded number of tasks, so that a page can be short or empty although there are more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn list(
        &self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<TaskPage, Error>;

    /// Up to `limit` lines of a task's log whose numbers are greater than `after`.
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

    /// Up to `limit` tasks of a queue that hold a place of this concurrency key.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn holders(
        &self,
        queue: &QueueName,
        key: &str,
        limit: usize,
    ) -> Result<Vec<TaskId>, Error>;

    /// When the next task of a queue with this concurrency key may start as far as the rate per key is
    /// concerned; `None`: at once.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn key_free_at(
        &self,
        queue: &QueueName,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Error>;

    /// A schedule and how it stands.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn schedule(&self, name: &Name) -> Result<Option<ScheduleStatus>, Error>;

    /// Up to `limit` schedules whose names come after `after`, by name.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn schedules(
        &self,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<ScheduleStatus>, Error>;

    /// Up to `limit` enabled schedules whose next time is not after `now`, the earliest first.
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

    /// Up to `limit` events that are put aside for webhooks behind `after`, in order.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxEntry>, Error>;
}
