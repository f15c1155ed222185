//! Submits or enqueues one task.

use std::time::Duration;

use prost::Message as _;

use crate::client::answers::id;
use crate::client::call::Limits;
use crate::client::outcome::{self, Ended};
use crate::client::retry::Repeat;
use crate::client::{AsyncResult, ClientError, TaskBuilder, TaskClient, TaskOutcome};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::TaskId;
use crate::pb;

impl TaskClient {
    /// Runs a task and returns its result. Dropping this call does not stop the task, unless
    /// [`cancel_on_disconnect`](TaskBuilder::cancel_on_disconnect) is set.
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused) when the server did not accept it, [`Failed`](ClientError::Failed)
    /// when it did not succeed, [`Timeout`](ClientError::Timeout) when it has not ended within
    /// [`submit_timeout`](crate::client::ClientBuilder::submit_timeout): it continues, and
    /// [`TaskClient::result`] returns its result by its id.
    pub async fn submit(&self, task: TaskBuilder) -> Result<TaskOutcome, ClientError> {
        let repeat = repeat(&task);
        let (own_id, request) = self.build(task)?;
        let (within, tries) = (self.shared.submit_timeout, self.shared.patience.tries);
        let answer = self
            .call_within(Limits { within, tries, repeat }, &request, |mut rpc, it| async move {
                rpc.submit_task(it).await
            })
            .await
            .map_err(|error| error.about(&own_id))?;
        match submitted(answer)? {
            Ok(outcome) => Ok(outcome),
            Err(failed) => Err(ClientError::Failed(Box::new(failed))),
        }
    }

    /// Enqueues a task and returns when the server has stored it.
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused); [`Timeout`](ClientError::Timeout) and
    /// [`Transport`](ClientError::Transport) when it is unknown whether the task arrived.
    pub async fn send(&self, task: TaskBuilder) -> Result<AsyncResult, ClientError> {
        let repeat = repeat(&task);
        let (own_id, request) = self.build(task)?;
        let answer = self
            .call(repeat, &request, |mut rpc, it| async move { rpc.enqueue_task(it).await })
            .await
            .map_err(|error| error.about(&own_id))?;
        self.accepted("EnqueueTask", &answer)
    }

    /// Enqueues a task that starts at the earliest `delay` after it is accepted.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_later(
        &self,
        task: TaskBuilder,
        delay: Duration,
    ) -> Result<AsyncResult, ClientError> {
        self.send(task.delay(delay)).await
    }

    /// Enqueues a task that starts at the earliest at `time`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_at(
        &self,
        task: TaskBuilder,
        time: impl Into<Timestamp>,
    ) -> Result<AsyncResult, ClientError> {
        self.send(task.run_at(time)).await
    }

    /// The message of a task, if the server can accept it.
    pub(super) fn build(&self, task: TaskBuilder) -> Result<(TaskId, pb::TaskRequest), Error> {
        let (own_id, request) = task.build()?;
        let (bytes, bound) = (request.encoded_len(), self.shared.max_request_bytes);
        if bytes > bound {
            let why = format!("{bytes} bytes in the whole request; at most {bound} are sent");
            return Err(Error::invalid("args", why));
        }
        Ok((own_id, request))
    }

    /// The handle to the accepted task, which can be another one: see [`unique`](TaskBuilder::unique).
    pub(super) fn accepted(
        &self,
        call: &'static str,
        answer: &pb::EnqueueTaskResponse,
    ) -> Result<AsyncResult, ClientError> {
        let result = self.handle(id(call, &answer.task_id)?);
        Ok(result.accepted_as(answer.joined, answer.replaced))
    }
}

/// When a call with this task may be repeated.
pub(super) fn repeat(task: &TaskBuilder) -> Repeat {
    if task.runs_once() { Repeat::ONCE } else { Repeat::IDEMPOTENT }
}

fn submitted(answer: pb::TaskResponse) -> Result<Ended, ClientError> {
    const CALL: &str = "SubmitTask";
    let id = id(CALL, &answer.task_id)?;
    let pb::TaskResponse { status, result, failure, state, .. } = answer;
    let answer = pb::ResultResponse { status, result, failure, state };
    let ended = outcome::ended(CALL, &id, answer)?;
    super::answers::part(CALL, ended, "no outcome")
}
