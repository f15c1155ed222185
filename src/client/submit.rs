//! One task: run it, or send it off.

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
    /// Runs a task and answers with its result. Whoever drops this call does not stop the task, unless
    /// it [says so](TaskBuilder::cancel_on_disconnect).
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused) before it ran, [`Failed`](ClientError::Failed) after,
    /// [`Timeout`](ClientError::Timeout) when it has not ended within
    /// [`submit_timeout`](crate::client::ClientBuilder::submit_timeout): it goes on, and its result can be
    /// asked for by its id.
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

    /// Sends a task off and answers when the server has stored it.
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused); [`Timeout`](ClientError::Timeout) and
    /// [`Transport`](ClientError::Transport) when it is not known whether it arrived.
    pub async fn send(&self, task: TaskBuilder) -> Result<AsyncResult, ClientError> {
        let repeat = repeat(&task);
        let (own_id, request) = self.build(task)?;
        let answer = self
            .call(repeat, &request, |mut rpc, it| async move { rpc.enqueue_task(it).await })
            .await
            .map_err(|error| error.about(&own_id))?;
        self.accepted("EnqueueTask", &answer)
    }

    /// The same; the task starts this long after it is accepted at the earliest.
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

    /// The same; the task starts at this time at the earliest.
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

    /// The message of a task, if it can be taken.
    pub(super) fn build(&self, task: TaskBuilder) -> Result<(TaskId, pb::TaskRequest), Error> {
        let (own_id, request) = task.build()?;
        let (bytes, bound) = (request.encoded_len(), self.shared.max_request_bytes);
        if bytes > bound {
            let why = format!("{bytes} bytes with everything else; at most {bound} are sent");
            return Err(Error::invalid("args", why));
        }
        Ok((own_id, request))
    }

    /// A task that was accepted, which need not be the one that was sent: see
    /// [`unique`](TaskBuilder::unique).
    pub(super) fn accepted(
        &self,
        call: &'static str,
        answer: &pb::EnqueueTaskResponse,
    ) -> Result<AsyncResult, ClientError> {
        let result = self.handle(id(call, &answer.task_id)?);
        Ok(result.entered(answer.joined, answer.replaced))
    }
}

/// After what this task may be sent twice.
pub(super) fn repeat(task: &TaskBuilder) -> Repeat {
    if task.is_harmful_twice() { Repeat::HARMFUL } else { Repeat::HARMLESS }
}

fn submitted(answer: pb::TaskResponse) -> Result<Ended, ClientError> {
    const CALL: &str = "SubmitTask";
    let id = id(CALL, &answer.task_id)?;
    let pb::TaskResponse { status, result, failure, state, .. } = answer;
    let answer = pb::ResultResponse { status, result, failure, state };
    let ended = outcome::ended(CALL, &id, answer)?;
    super::answers::part(CALL, ended, "a task that has not ended")
}
