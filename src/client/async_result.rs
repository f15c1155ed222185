//! A handle to a task: its state, progress, logs and result.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::answers::{part, state};
use crate::client::call::{Limits, deadline};
use crate::client::outcome::{self, Ended};
use crate::client::retry::Repeat;
use crate::client::{Callbacks, ClientError, TaskClient, TaskList, TaskOutcome, TaskWatch, Update};
use crate::models::{CancelRequest, CancelVerdict, LogLine, State, TaskId};
use crate::{pb, wire};

/// The longest wait of one GetResult call; a longer wait takes several calls.
const LONGEST_POLL: Duration = Duration::from_secs(60);
/// The shortest timeout of a call, however little time is left.
const LEAST_CALL: Duration = Duration::from_secs(1);

/// A handle to one task on the server. It is cheap to clone; dropping it has no effect on the task.
#[derive(Clone, Debug)]
pub struct AsyncResult {
    client: TaskClient,
    id: TaskId,
    joined: bool,
    replaced: bool,
}

/// The progress that a handler reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// 0 to 1.
    pub fraction: f64,
    /// A short message; empty before the handler reports one.
    pub message: String,
}

impl AsyncResult {
    pub(super) fn new(client: TaskClient, id: TaskId) -> Self {
        Self { client, id, joined: false, replaced: false }
    }

    /// Sets how the server accepted the task.
    pub(super) fn accepted_as(self, joined: bool, replaced: bool) -> Self {
        Self { joined, replaced, ..self }
    }

    /// The id of the task.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Whether the server had the task already: an earlier request had the same id (also an earlier
    /// attempt of the same call) or the same unique key.
    pub fn joined(&self) -> bool {
        self.joined
    }

    /// Whether the first task with the same unique key got the arguments of this one.
    pub fn replaced(&self) -> bool {
        self.replaced
    }

    /// The state of the task.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND` when it was never accepted or is no longer kept.
    pub async fn state(&self) -> Result<State, ClientError> {
        let within = self.client.call_timeout();
        let answer = self.get_result(Duration::ZERO, within, self.client.tries()).await?;
        state("GetResult", answer.state)
    }

    /// The progress that its handler last reported.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn progress(&self) -> Result<Progress, ClientError> {
        let task = self.client.get_task(&self.id).await?;
        Ok(Progress { fraction: task.progress, message: task.progress_message })
    }

    /// Whether the task has ended.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn is_ready(&self) -> Result<bool, ClientError> {
        Ok(self.state().await?.has_ended())
    }

    /// Waits for the task to end and returns its result. The wait survives lost connections and restarts
    /// of the server; with a zero `timeout` it makes one call.
    ///
    /// # Errors
    /// [`Failed`](ClientError::Failed) when the task did not succeed; [`Timeout`](ClientError::Timeout)
    /// when it has not ended within `timeout`; `TASK_NOT_FOUND`; [`Transport`](ClientError::Transport)
    /// when the server could not be reached within `timeout`.
    pub async fn get(&self, timeout: Duration) -> Result<TaskOutcome, ClientError> {
        match self.ended(timeout).await? {
            Some(Ok(outcome)) => Ok(outcome),
            Some(Err(failed)) => Err(ClientError::Failed(Box::new(failed))),
            None => Err(ClientError::Timeout { id: Some(self.id.clone()), waited: timeout }),
        }
    }

    /// Waits for the task to end, successfully or not; `false` when it has not ended within `timeout`.
    ///
    /// # Errors
    /// As [`get`](Self::get), without `Failed` and `Timeout`.
    pub async fn wait(&self, timeout: Duration) -> Result<bool, ClientError> {
        Ok(self.ended(timeout).await?.is_some())
    }

    /// Calls one of the two functions when the task has ended, on a spawned Tokio task that runs until the
    /// returned value is dropped. `on_failure` is also called when the server cannot be reached.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn then<S, F>(&self, on_success: S, on_failure: F) -> Callbacks
    where
        S: FnOnce(TaskOutcome) + Send + 'static,
        F: FnOnce(ClientError) + Send + 'static,
    {
        let task = self.clone();
        Callbacks::spawn(async move {
            match task.outcome().await {
                Ok(Ok(outcome)) => on_success(outcome),
                Ok(Err(failed)) => on_failure(ClientError::Failed(Box::new(failed))),
                Err(error) => on_failure(error),
            }
        })
    }

    /// A stream of its state changes, progress and log lines, from the beginning.
    pub fn watch(&self) -> TaskWatch {
        self.watch_from(String::new())
    }

    /// The same, from the position of an earlier watch with this [`cursor`](TaskWatch::cursor) on.
    pub fn watch_from(&self, cursor: String) -> TaskWatch {
        TaskWatch::new(self.client.clone(), self.id.clone(), cursor)
    }

    /// Cancels the task and returns the effect. The server keeps the reason in the task's history.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses.
    pub async fn revoke(&self, reason: impl Into<String>) -> Result<CancelVerdict, ClientError> {
        let request = CancelRequest {
            ids: vec![self.id.clone()],
            reason: reason.into(),
            ..CancelRequest::default()
        };
        let verdict = self.client.cancel(request).await?.pop().map(|(_, verdict)| verdict);
        part("CancelTasks", verdict, "no outcome")
    }

    /// Lists the tasks that its handler spawned or that it was expanded into, newest first. The first call
    /// is made when the list is read.
    pub fn children(&self) -> TaskList {
        let parent_id = self.id.as_str().to_owned();
        let request = pb::ListTasksRequest { parent_id, ..pb::ListTasksRequest::default() };
        TaskList::new(self.client.clone(), request)
    }

    /// The lines of its log so far, at most 1,000.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn logs(&self) -> Result<Vec<LogLine>, ClientError> {
        let last = self.client.get_task(&self.id).await?.log_lines;
        let mut lines: Vec<LogLine> = Vec::new();
        let mut watch = self.watch();
        let until = deadline(self.client.call_timeout());
        while lines.last().map_or(0, |line| line.number) < last {
            let Ok(update) = tokio::time::timeout_at(until, watch.next()).await else {
                let waited = self.client.call_timeout();
                return Err(ClientError::Timeout { id: Some(self.id.clone()), waited });
            };
            match update.transpose()? {
                Some(Update::Log(line)) => lines.push(line),
                Some(_) => {}
                None => break,
            }
        }
        Ok(lines)
    }

    /// The outcome if the task ends within `timeout`.
    async fn ended(&self, timeout: Duration) -> Result<Option<Ended>, ClientError> {
        let until = deadline(timeout);
        let mut early = 0;
        loop {
            let started = Instant::now();
            let left = until.saturating_duration_since(started);
            let wait = left.min(LONGEST_POLL);
            // The time is the only bound: faults do not end the wait.
            let answer = match self.get_result(wait, left.max(LEAST_CALL), u32::MAX).await {
                Err(ClientError::Timeout { .. }) => return Ok(None),
                answer => answer?,
            };
            let ended = outcome::ended("GetResult", &self.id, answer)?;
            if ended.is_some() || Instant::now() >= until {
                return Ok(ended);
            }
            early = self.pause(started, wait, early, until).await;
        }
    }

    /// The outcome, however long the task takes.
    async fn outcome(&self) -> Result<Ended, ClientError> {
        let mut early = 0;
        loop {
            let started = Instant::now();
            let within = LONGEST_POLL + self.client.call_timeout();
            let answer = self.get_result(LONGEST_POLL, within, self.client.tries()).await?;
            if let Some(ended) = outcome::ended("GetResult", &self.id, answer)? {
                return Ok(ended);
            }
            early = self.pause(started, LONGEST_POLL, early, deadline(Duration::MAX)).await;
        }
    }

    async fn get_result(
        &self,
        wait: Duration,
        within: Duration,
        tries: u32,
    ) -> Result<pb::ResultResponse, ClientError> {
        let wait = wire::checked_duration((!wait.is_zero()).then_some(wait), "wait")?;
        let request = pb::ResultRequest { task_id: self.id.as_str().into(), wait };
        self.client
            .call_within(
                Limits { within, tries, repeat: Repeat::IDEMPOTENT },
                &request,
                |mut rpc, it| async move { rpc.get_result(it).await },
            )
            .await
            .map_err(|error| error.about(&self.id))
    }

    /// Waits before the next call if the server answered early, which it does while it drains, or if it
    /// does not support waiting. Returns the number of early answers in a row.
    async fn pause(&self, started: Instant, wait: Duration, early: u32, until: Instant) -> u32 {
        if started.elapsed() >= wait / 2 {
            return 0;
        }
        let early = early.saturating_add(1);
        let pause = self.client.shared.patience.backoff(early, fastrand::f64());
        sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
        early
    }
}

impl TaskClient {
    fn call_timeout(&self) -> Duration {
        self.shared.call_timeout
    }

    fn tries(&self) -> u32 {
        self.shared.patience.tries
    }
}
