//! Many tasks, in as few calls as hold them.

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
/// What a task takes in a call beside its own bytes, at most: a tag and a length.
const FRAME_BYTES: usize = 6;

const CALL: &str = "EnqueueTasks";

/// Tasks that go out together.
struct Chunk {
    requests: Vec<pb::TaskRequest>,
    /// Where each stood in the batch.
    places: Vec<usize>,
    bytes: usize,
    repeat: Repeat,
}

impl Chunk {
    fn new() -> Self {
        Self { requests: Vec::new(), places: Vec::new(), bytes: 0, repeat: Repeat::HARMLESS }
    }

    fn has_room(&self, bytes: usize, bound: usize) -> bool {
        self.requests.is_empty() || (self.requests.len() < MAX_TASKS && self.bytes + bytes <= bound)
    }
}

impl TaskClient {
    /// Sends many tasks off; each is accepted or refused on its own, in the order given. They go out
    /// in calls of at most 10,000 tasks and
    /// [`max_request_bytes`](crate::client::ClientBuilder::max_request_bytes), one after the other, so that a
    /// task may depend on one that stands before it. When a call comes to nothing, those after it
    /// are not made, and all of their tasks are told why.
    pub async fn batch(
        &self,
        tasks: impl IntoIterator<Item = TaskBuilder>,
    ) -> Vec<Result<AsyncResult, ClientError>> {
        let mut results = Vec::new();
        let mut chunk = Chunk::new();
        let mut broken = None;
        for (place, task) in tasks.into_iter().enumerate() {
            let twice = repeat(&task);
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
                self.send_chunk(full, &mut results, &mut broken).await;
            }
            chunk.bytes += bytes;
            chunk.requests.push(request);
            chunk.places.push(place);
            chunk.repeat = chunk.repeat.and(twice);
        }
        self.send_chunk(chunk, &mut results, &mut broken).await;
        let unanswered = || {
            let what = "fewer outcomes than tasks";
            Err(ClientError::BadAnswer { call: CALL, what })
        };
        results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect()
    }

    /// Fills in what became of the chunk's tasks. Sends nothing more once a call is `broken`.
    async fn send_chunk(
        &self,
        chunk: Chunk,
        results: &mut [Option<Result<AsyncResult, ClientError>>],
        broken: &mut Option<ClientError>,
    ) {
        let Chunk { requests, places, repeat, .. } = chunk;
        if requests.is_empty() {
            return;
        }
        let message = pb::EnqueueTasksRequest { tasks: requests };
        let answer = match broken.clone() {
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
                for (place, outcome) in iter::zip(places, answer.outcomes) {
                    results[place] = Some(self.enqueued(outcome));
                }
            }
            Err(error) => {
                for place in places {
                    results[place] = Some(Err(error.clone()));
                }
                *broken = Some(error);
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
