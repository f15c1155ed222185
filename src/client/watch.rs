//! A stream of the updates of one task that survives lost connections.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tonic::Streaming;

use crate::client::answers::{history_entry, log_line, part};
use crate::client::async_result::Progress;
use crate::client::call::{Limits, deadline};
use crate::client::outcome::{self, Ended};
use crate::client::retry::Repeat;
use crate::client::{ClientError, TaskClient};
use crate::models::{HistoryEntry, LogLine, TaskId};
use crate::pb;
use crate::pb::watch_task_response::Update as Wire;

const CALL: &str = "WatchTask";
/// A stream that lasted this long resets the count of faults.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// An update about a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// The task entered a state.
    Entered(HistoryEntry),
    /// Its handler reported progress.
    Progress(Progress),
    /// Its handler logged a line.
    Log(LogLine),
    /// The task ended; this is the last update.
    Outcome(Ended),
}

/// The updates of one task. When the connection breaks, the next stream continues after the last
/// update, so that none is repeated and none is lost that the server still keeps.
#[derive(Debug)]
#[must_use]
pub struct TaskWatch {
    client: TaskClient,
    id: TaskId,
    cursor: String,
    stream: Option<Streaming<pb::WatchTaskResponse>>,
    opened_at: Instant,
    /// Streams that broke, or could not be opened, since the latest update.
    faults: u32,
    not_before: Option<Instant>,
    is_over: bool,
}

impl TaskWatch {
    pub(super) fn new(client: TaskClient, id: TaskId, cursor: String) -> Self {
        Self {
            client,
            id,
            cursor,
            stream: None,
            opened_at: Instant::now(),
            faults: 0,
            not_before: None,
            is_over: false,
        }
    }

    /// The position, for [`watch_from`](crate::client::AsyncResult::watch_from). Empty before the first
    /// update.
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The next update; `None` after the outcome or an error. Cancel safe: dropping the future loses no
    /// update.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, and the error of the last attempt when the server cannot be reached.
    pub async fn next(&mut self) -> Option<Result<Update, ClientError>> {
        while !self.is_over {
            let error = match self.advance().await {
                Ok(update) => {
                    self.faults = 0;
                    self.is_over = matches!(update, Update::Outcome(_));
                    return Some(Ok(update));
                }
                Err(error) => error,
            };
            if self.stream.take().is_some() && self.opened_at.elapsed() >= HEALTHY_AFTER {
                self.faults = 0;
            }
            self.faults += 1;
            let patience = &self.client.shared.patience;
            match patience.wait(&error, Repeat::IDEMPOTENT, self.faults, fastrand::f64()) {
                Some(wait) => self.not_before = Some(deadline(wait)),
                None => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    async fn advance(&mut self) -> Result<Update, ClientError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                // Kept until the wait is over: the caller may drop this future and call again.
                if let Some(time) = self.not_before {
                    sleep_until(time).await;
                    self.not_before = None;
                }
                let within = self.client.shared.call_timeout;
                let stream = open(&self.client, within, &self.id, &self.cursor).await?;
                self.opened_at = Instant::now();
                none.insert(stream)
            }
        };
        let Some(message) = stream.message().await? else {
            // The server may be draining: otherwise a stream ends only after the outcome.
            let status = tonic::Status::unavailable("the stream ended before the task did");
            return Err(ClientError::Transport(status));
        };
        let pb::WatchTaskResponse { cursor, update } = message;
        let update = match part(CALL, update, "an unknown update")? {
            Wire::Entered(entry) => Update::Entered(history_entry(CALL, entry)?),
            Wire::Progress(pb::Progress { fraction, message }) => {
                Update::Progress(Progress { fraction, message })
            }
            Wire::Log(line) => Update::Log(log_line(CALL, line)?),
            Wire::Outcome(answer) => {
                let ended = outcome::ended(CALL, &self.id, answer)?;
                Update::Outcome(part(CALL, ended, "no outcome")?)
            }
        };
        self.cursor = cursor;
        Ok(update)
    }
}

/// Opens a stream with one attempt; the caller counts the faults.
async fn open(
    client: &TaskClient,
    within: Duration,
    id: &TaskId,
    cursor: &str,
) -> Result<Streaming<pb::WatchTaskResponse>, ClientError> {
    let request = pb::WatchTaskRequest { task_id: id.as_str().into(), cursor: cursor.to_owned() };
    let limits = Limits { within, tries: 1, repeat: Repeat::IDEMPOTENT };
    client
        .call_within(limits, &request, |mut rpc, it| async move { rpc.watch_task(it).await })
        .await
        .map_err(|error| error.about(id))
}
