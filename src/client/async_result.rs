//! A task that was sent: how it stands, and what becomes of it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::answers::{part, state};
use crate::client::call::{Limits, deadline};
use crate::client::outcome::{self, Ended};
use crate::client::retry::Repeat;
use crate::client::{Callbacks, ClientError, TaskClient, TaskList, TaskOutcome, TaskWatch, Update};
use crate::models::{CancelRequest, CancelVerdict, LogLine, State, TaskId};
use crate::{pb, wire};

/// The longest that one call waits for a task's end; a longer wait is several calls.
const LONGEST_POLL: Duration = Duration::from_secs(60);
/// What a call gets at least, however little time is left.
const LEAST_CALL: Duration = Duration::from_secs(1);

/// Follows one task. Cheap to clone; dropping it leaves the task alone.
#[derive(Clone, Debug)]
pub struct AsyncResult {
    client: TaskClient,
    id: TaskId,
    joined: bool,
    replaced: bool,
}

/// How far a body says it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// 0 to 1.
    pub fraction: f64,
    /// A few words; empty before it says anything.
    pub message: String,
}

impl AsyncResult {
    pub(super) fn new(client: TaskClient, id: TaskId) -> Self {
        Self { client, id, joined: false, replaced: false }
    }

    /// What the server said when it accepted the task.
    pub(super) fn entered(self, joined: bool, replaced: bool) -> Self {
        Self { joined, replaced, ..self }
    }

    /// The task.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Whether the server had the task already: sent before under this id (by an earlier try of the
    /// same call, too), or another one with the same unique key.
    pub fn joined(&self) -> bool {
        self.joined
    }

    /// Whether the first task with the same unique key got this one's arguments.
    pub fn replaced(&self) -> bool {
        self.replaced
    }

    /// Where it stands.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND` when it was never accepted or is not kept any more.
    pub async fn state(&self) -> Result<State, ClientError> {
        let within = self.client.call_timeout();
        let answer = self.ask(Duration::ZERO, within, self.client.tries()).await?;
        state("GetResult", answer.state)
    }

    /// How far its body says it is.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn progress(&self) -> Result<Progress, ClientError> {
        let task = self.client.get_task(&self.id).await?;
        Ok(Progress { fraction: task.progress, message: task.progress_message })
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn is_ready(&self) -> Result<bool, ClientError> {
        Ok(self.state().await?.has_ended())
    }

    /// Its result, once it has one. Waits through lost connections and restarts of the server, as long
    /// as `timeout` lasts; asks once however short that is.
    ///
    /// # Errors
    /// [`Failed`](ClientError::Failed) when it ended badly; [`Timeout`](ClientError::Timeout) when it has
    /// not ended in time; `TASK_NOT_FOUND`; [`Transport`](ClientError::Transport) when the server could
    /// not be reached in that time.
    pub async fn get(&self, timeout: Duration) -> Result<TaskOutcome, ClientError> {
        match self.ended(timeout).await? {
            Some(Ok(outcome)) => Ok(outcome),
            Some(Err(failed)) => Err(ClientError::Failed(Box::new(failed))),
            None => Err(ClientError::Timeout { id: Some(self.id.clone()), waited: timeout }),
        }
    }

    /// Waits until it has ended, well or badly; `false` when it has not in that time.
    ///
    /// # Errors
    /// As [`get`](Self::get), but neither of the first two.
    pub async fn wait(&self, timeout: Duration) -> Result<bool, ClientError> {
        Ok(self.ended(timeout).await?.is_some())
    }

    /// Calls one of the two when it has ended, in a task of its own, for as long as what this returns
    /// is kept. `on_failure` is also told when the server cannot be reached any more.
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

    /// What happens to it as it happens, from the beginning.
    pub fn watch(&self) -> TaskWatch {
        self.watch_from(String::new())
    }

    /// The same, after what the watch with this [`cursor`](TaskWatch::cursor) has told.
    pub fn watch_from(&self, cursor: String) -> TaskWatch {
        TaskWatch::new(self.client.clone(), self.id.clone(), cursor)
    }

    /// Asks for it to stop, and says what that did. The reason is kept with it.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn revoke(&self, reason: impl Into<String>) -> Result<CancelVerdict, ClientError> {
        let request = CancelRequest {
            ids: vec![self.id.clone()],
            reason: reason.into(),
            ..CancelRequest::default()
        };
        let verdict = self.client.cancel(request).await?.pop().map(|(_, verdict)| verdict);
        part("CancelTasks", verdict, "no outcome")
    }

    /// The tasks that its body spawned or that it was expanded into, newest first. Asks nothing yet.
    pub fn children(&self) -> TaskList {
        let parent_id = self.id.as_str().to_owned();
        let request = pb::ListTasksRequest { parent_id, ..pb::ListTasksRequest::default() };
        TaskList::new(self.client.clone(), request)
    }

    /// The lines of its log that are there now, at most 1,000.
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

    /// What it came to, if it does so in time.
    async fn ended(&self, timeout: Duration) -> Result<Option<Ended>, ClientError> {
        let until = deadline(timeout);
        let mut early = 0;
        loop {
            let begun = Instant::now();
            let left = until.saturating_duration_since(begun);
            let wait = left.min(LONGEST_POLL);
            // Faults are outlived: the time is the only bound.
            let answer = match self.ask(wait, left.max(LEAST_CALL), u32::MAX).await {
                Err(ClientError::Timeout { .. }) => return Ok(None),
                answer => answer?,
            };
            let ended = outcome::ended("GetResult", &self.id, answer)?;
            if ended.is_some() || Instant::now() >= until {
                return Ok(ended);
            }
            early = self.pause(begun, wait, early, until).await;
        }
    }

    /// What it came to, whenever that is.
    async fn outcome(&self) -> Result<Ended, ClientError> {
        let mut early = 0;
        loop {
            let begun = Instant::now();
            let within = LONGEST_POLL + self.client.call_timeout();
            let answer = self.ask(LONGEST_POLL, within, self.client.tries()).await?;
            if let Some(ended) = outcome::ended("GetResult", &self.id, answer)? {
                return Ok(ended);
            }
            early = self.pause(begun, LONGEST_POLL, early, deadline(Duration::MAX)).await;
        }
    }

    async fn ask(
        &self,
        wait: Duration,
        within: Duration,
        tries: u32,
    ) -> Result<pb::ResultResponse, ClientError> {
        let wait = wire::checked_duration((!wait.is_zero()).then_some(wait), "wait")?;
        let request = pb::ResultRequest { task_id: self.id.as_str().into(), wait };
        self.client
            .call_within(
                Limits { within, tries, repeat: Repeat::HARMLESS },
                &request,
                |mut rpc, it| async move { rpc.get_result(it).await },
            )
            .await
            .map_err(|error| error.about(&self.id))
    }

    /// A server that drains, or that does not know how to wait, answers early: asking again at once
    /// would keep it from its work. Returns how often in a row that was so.
    async fn pause(&self, begun: Instant, wait: Duration, early: u32, until: Instant) -> u32 {
        if begun.elapsed() >= wait / 2 {
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
