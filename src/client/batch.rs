//! Enqueues many tasks in as few calls as possible.

use std::iter;

use prost::Message as _;

use crate::client::answers::part;
use crate::client::retry::Repeat;
use crate::client::submit::repeat;
use crate::client::{AsyncResult, ClientError, TaskBuilder, TaskClient};
use crate::pb;
use crate::pb::enqueue_outcome::Outcome;

/// The most tasks in one call.
const MAX_TASKS: usize = 10_000;
/// What one task takes in a message beside its own bytes, at most: a tag and a length.
const FRAME_BYTES: usize = 6;

const CALL: &str = "EnqueueTasks";

/// The tasks of one call.
struct Chunk {
    requests: Vec<pb::TaskRequest>,
    /// The position of each in the batch.
    positions: Vec<usize>,
    bytes: usize,
    repeat: Repeat,
}

impl Chunk {
    fn new() -> Self {
        Self { requests: Vec::new(), positions: Vec::new(), bytes: 0, repeat: Repeat::IDEMPOTENT }
    }

    fn has_room(&self, bytes: usize, bound: usize) -> bool {
        self.requests.is_empty() || (self.requests.len() < MAX_TASKS && self.bytes + bytes <= bound)
    }
}

impl TaskClient {
    /// Enqueues many tasks. The server accepts or refuses each one individually; the results are in the
    /// order of `tasks`. The calls, of at most 10,000 tasks and
    /// [`max_request_bytes`](crate::client::ClientBuilder::max_request_bytes), are made in sequence, so a
    /// task may depend on an earlier one. When a call fails, the calls after it are not made, and all
    /// their tasks get its error.
    pub async fn batch(
        &self,
        tasks: impl IntoIterator<Item = TaskBuilder>,
    ) -> Vec<Result<AsyncResult, ClientError>> {
        let mut results = Vec::new();
        let mut chunk = Chunk::new();
        let mut failed = None;
        for (position, task) in tasks.into_iter().enumerate() {
            let repeatable = repeat(&task);
            let request = match self.build(task) {
                Ok((_, request)) => request,
                Err(refused) => {
                    results.push(Some(Err(ClientError::from(refused))));
                    continue;
                }
            };
            results.push(None);
            let bytes = request.encoded_len() + FRAME_BYTES;
            if !chunk.has_room(bytes, self.shared.max_request_bytes) {
                let full = std::mem::replace(&mut chunk, Chunk::new());
                self.send_chunk(full, &mut results, &mut failed).await;
            }
            chunk.bytes += bytes;
            chunk.requests.push(request);
            chunk.positions.push(position);
            chunk.repeat = chunk.repeat.and(repeatable);
        }
        self.send_chunk(chunk, &mut results, &mut failed).await;
        let unanswered = || {
            let what = "fewer outcomes than tasks";
            Err(ClientError::BadAnswer { call: CALL, what })
        };
        results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect()
    }

    /// Makes the call of a chunk and fills in its results. Makes no call once one has failed (`failed`).
    async fn send_chunk(
        &self,
        chunk: Chunk,
        results: &mut [Option<Result<AsyncResult, ClientError>>],
        failed: &mut Option<ClientError>,
    ) {
        let Chunk { requests, positions, repeat, .. } = chunk;
        if requests.is_empty() {
            return;
        }
        let message = pb::EnqueueTasksRequest { tasks: requests };
        let answer = match failed.clone() {
            None => {
                self.call(
                    repeat,
                    &message,
                    |mut rpc, it| async move { rpc.enqueue_tasks(it).await },
                )
                .await
            }
            Some(error) => Err(error),
        };
        match answer {
            Ok(answer) => {
                for (position, outcome) in iter::zip(positions, answer.outcomes) {
                    results[position] = Some(self.enqueued(outcome));
                }
            }
            Err(error) => {
                for position in positions {
                    results[position] = Some(Err(error.clone()));
                }
                *failed = Some(error);
            }
        }
    }

    fn enqueued(&self, outcome: pb::EnqueueOutcome) -> Result<AsyncResult, ClientError> {
        match part(CALL, outcome.outcome, "an empty outcome")? {
            Outcome::Accepted(accepted) => self.accepted(CALL, &accepted),
            Outcome::Refused(refusal) => Err(refusal.into()),
        }
    }
}
