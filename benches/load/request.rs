//! The requests: `add(1, 2, 3)`, alone or many per call.

use clap::ValueEnum;
use prost::Message as _;
use task_scheduler::pb;
use task_scheduler::pb::enqueue_outcome::Outcome;

use crate::client::Call;

/// The source of the task ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ids {
    /// The server: each is greater than the one before.
    Given,
    /// The client, at random (UUIDv4): each belongs somewhere else.
    Random,
}

/// A durable `add(1, 2, 3)`.
pub(crate) fn durable_add() -> pb::TaskRequest {
    add(pb::Durability::Durable)
}

/// An ephemeral `add(1, 2, 3)`.
pub(crate) fn ephemeral_add() -> pb::TaskRequest {
    add(pb::Durability::Ephemeral)
}

fn add(durability: pb::Durability) -> pb::TaskRequest {
    let args = [1, 2, 3].map(|number: i32| prost_types::Any {
        type_url: "type.googleapis.com/google.protobuf.Int32Value".to_owned(),
        value: number.encode_to_vec(),
    });
    let options = pb::TaskOptions { durability: durability.into(), ..Default::default() };
    pb::TaskRequest {
        method: "add".to_owned(),
        args: args.to_vec(),
        options: Some(options),
        ..Default::default()
    }
}

/// A random id, as clients generate them.
pub(crate) fn random_id() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid().to_string()
}

/// A reusable SubmitTask request.
pub(crate) struct Submits {
    request: pb::TaskRequest,
    ids: Ids,
    call: Call,
}

impl Submits {
    pub(crate) fn new(request: pb::TaskRequest, ids: Ids) -> Self {
        let call = Call::new("SubmitTask", &request);
        Self { request, ids, call }
    }

    pub(crate) fn next(&mut self) -> Call {
        match self.ids {
            Ids::Given => self.call.clone(),
            Ids::Random => {
                self.request.task_id = random_id();
                self.call.with(&self.request)
            }
        }
    }
}

/// A reusable EnqueueTasks request.
pub(crate) struct Batches {
    batch: pb::EnqueueTasksRequest,
    ids: Ids,
    call: Call,
}

impl Batches {
    /// Each asks for `request` so many times at the most.
    pub(crate) fn new(request: &pb::TaskRequest, size: usize, ids: Ids) -> Self {
        let batch = pb::EnqueueTasksRequest { tasks: vec![request.clone(); size] };
        let call = Call::new("EnqueueTasks", &batch);
        Self { batch, ids, call }
    }

    /// Asks for `size` tasks; every one after that for no more.
    pub(crate) fn next(&mut self, size: usize) -> Call {
        if size < self.batch.tasks.len() {
            self.batch.tasks.truncate(size);
            self.call = self.call.with(&self.batch);
        }
        match self.ids {
            Ids::Given => self.call.clone(),
            Ids::Random => {
                for task in &mut self.batch.tasks {
                    task.task_id = random_id();
                }
                self.call.with(&self.batch)
            }
        }
    }
}

/// Panics unless each of `size` tasks was accepted, and as a new one.
pub(crate) fn assert_accepted(answer: &pb::EnqueueTasksResponse, size: usize) {
    assert_eq!(answer.outcomes.len(), size);
    for outcome in &answer.outcomes {
        let is_new = matches!(&outcome.outcome, Some(Outcome::Accepted(task)) if !task.joined);
        assert!(is_new, "{outcome:?}");
    }
}
