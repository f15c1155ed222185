//! A client of a task server: asks for tasks, waits for their results, steers what runs.
//!
//! [`TaskClient`] makes the calls, [`TaskBuilder`] says what a task is, [`AsyncResult`] follows one
//! that was sent. This module knows the wire contract and nothing of the server's inside.
//!
//! # What is tried again
//!
//! A connection that breaks is made anew by the next call. Whether a call that came to nothing is
//! *made* again depends on what making it twice would do. The client gives every task an id of its
//! own (a UUIDv7) before the first try, so that a second one joins the first instead of doubling it.
//!
//! | what came back | reads; what carries ids (submit, send, batch); cancel; what is set on a queue | chain, group, chord | `retry_task`, `resolve_task`, `purge`; a task with [`OnConflict::Replace`](crate::models::OnConflict::Replace), or submitted with `cancel_on_disconnect` |
//! |---|---|---|---|
//! | no connection could be made | again | again | again |
//! | refused: `DRAINING`, `STORE_UNAVAILABLE`, anything with a RetryInfo | again | told | again |
//! | connection lost, `UNAVAILABLE` of a stranger, `OUTCOME_UNKNOWN` | again | again | told |
//! | no answer in time, any other refusal or status | told | told | told |
//!
//! (Of tasks that are refused together, those that had come in may be kept as cancelled, and a second
//! call would join them: send them under new ids.)
//!
//! Between two tries it waits: 100 ms, doubling, at most 5 s, up to half of that left to chance; and
//! never shorter than a RetryInfo says. A call is made at most ten times, within 30 s (`submit`: 10
//! minutes); all of that can be set ([`ClientBuilder`]). Waiting for a result or watching a task
//! outlives connections and restarts of the server, within the time that was given.
//!
//! What a server may do twice it may still do twice: if it dies before it has stored anything of a
//! task, the try that comes after is the first that it knows of.

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

/// Makes the calls. Cheap to clone; clones share one connection, which is made when it is first
/// needed and again when it broke.
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
    /// A client with the standard settings, see [`ClientBuilder::connect`].
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when `addr` is no address.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect(addr: impl fmt::Display) -> Result<Self, ClientError> {
        Self::builder().connect(addr)
    }

    /// Settings to change before connecting.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Follows the task with this id, which may be anybody's. Asks nothing yet.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it cannot be an id.
    pub fn result(&self, id: &str) -> Result<AsyncResult, ClientError> {
        Ok(self.handle(TaskId::parse(id, "task_id")?))
    }

    /// Follows the task with this id. Asks nothing yet.
    pub fn handle(&self, id: TaskId) -> AsyncResult {
        AsyncResult::new(self.clone(), id)
    }
}

impl fmt::Debug for TaskClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskClient").finish_non_exhaustive()
    }
}
