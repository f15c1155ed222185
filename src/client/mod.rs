//! A client of a task server: submits tasks, waits for their results, and manages tasks and queues.
//!
//! [`TaskClient`] makes the calls, [`TaskBuilder`] builds a task request, and [`AsyncResult`] is the
//! handle to a task. This module depends on the wire contract, not on the server.
//!
//! # Retries and idempotency
//!
//! The next call reconnects after a connection broke. Whether the client repeats a failed call depends
//! on the effect of a second one. The client gives every task an id (a UUIDv7) before the first
//! attempt, so that a second attempt joins the first task instead of creating another one.
//!
//! | failure | reads; what carries ids (submit, send, batch); cancel; queue settings | chain, group, chord | `retry_task`, `resolve_task`, `purge`; a task with [`OnConflict::Replace`](crate::models::OnConflict::Replace), or submitted with `cancel_on_disconnect` |
//! |---|---|---|---|
//! | no connection | repeated | repeated | repeated |
//! | refused: `DRAINING`, `STORE_UNAVAILABLE`, or with a RetryInfo | repeated | returned | repeated |
//! | connection lost, `UNAVAILABLE` of a proxy, `OUTCOME_UNKNOWN` | repeated | repeated | returned |
//! | timeout, any other refusal or status | returned | returned | returned |
//!
//! (When tasks are refused together, the server may keep some as cancelled, and a second call would
//! join those: send them under new ids.)
//!
//! Between two attempts the client waits with exponential backoff: 100 ms, doubling, at most 5 s, of
//! which up to half is random, and never less than a RetryInfo requests. It makes at most ten attempts
//! within 30 s (`submit`: 10 minutes); [`ClientBuilder`] changes these settings. Waiting for a result
//! and watching a task survive lost connections and restarts of the server, within their timeout.
//!
//! Delivery is at-least-once: if the server dies before it has stored anything of a task, the next
//! attempt is the first one that it knows.

mod answers;
mod async_result;
mod batch;
mod call;
mod callbacks;
mod check;
mod combine;
mod error;
mod list;
mod outcome;
mod queues;
mod retry;
mod settings;
mod submit;
mod task_builder;
mod tasks;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use async_result::{AsyncResult, Progress};
pub use callbacks::Callbacks;
pub use combine::Chord;
pub use error::{ClientError, Reason, Refusal, TaskFailed};
pub use list::TaskList;
pub use outcome::TaskOutcome;
pub use settings::ClientBuilder;
pub use task_builder::TaskBuilder;
pub use watch::{TaskWatch, Update};

use crate::models::TaskId;

/// A client of one server. It is cheap to clone; clones share one connection, which is opened by the
/// first call and reopened after it broke.
///
/// ```no_run
/// use std::time::Duration;
/// use task_scheduler::client::{TaskBuilder, TaskClient};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = TaskClient::connect("127.0.0.1:50051")?;
/// let sum: i64 = client.submit(TaskBuilder::new("add").args([1, 2, 3])).await?.json()?;
/// let mail = client.send(TaskBuilder::new("mail/send").arg("ada@example.org")).await?;
/// let receipt = mail.get(Duration::from_secs(60)).await?;
/// # drop((sum, receipt)); Ok(()) }
/// ```
#[derive(Clone)]
pub struct TaskClient {
    shared: Arc<Shared>,
}

struct Shared {
    rpc: call::Rpc,
    patience: retry::Patience,
    call_timeout: Duration,
    submit_timeout: Duration,
    max_request_bytes: usize,
}

impl TaskClient {
    /// Creates a client with the default settings; see [`ClientBuilder::connect`].
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when `addr` is not a server address.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect(addr: impl fmt::Display) -> Result<Self, ClientError> {
        Self::builder().connect(addr)
    }

    /// The settings, to be changed before connecting.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The handle to the task with this id, also of another client. Makes no call.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it is not a valid id.
    pub fn result(&self, id: &str) -> Result<AsyncResult, ClientError> {
        Ok(self.handle(TaskId::parse(id, "task_id")?))
    }

    /// The handle to the task with this id. Makes no call.
    pub fn handle(&self, id: TaskId) -> AsyncResult {
        AsyncResult::new(self.clone(), id)
    }
}

impl fmt::Debug for TaskClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskClient").finish_non_exhaustive()
    }
}
