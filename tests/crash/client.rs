//! A client that distinguishes a refusal from a lost answer.

use std::net::SocketAddr;

use prost_types::Any;
use task_scheduler::models::{ArgValue, State};
use task_scheduler::pb;
use task_scheduler::pb::task_scheduler_client::TaskSchedulerClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

use crate::check::{TaskStatus, TaskStatuses};
use crate::ledger::Outcome;
use crate::waiting::{PATIENCE, eventually};

/// Most concurrent calls.
const AT_ONCE: usize = 64;
/// The largest page size.
const PAGE: u32 = 1_000;

/// How long the server holds a GetResult of a task that has not ended.
const LONG_POLL: prost_types::Duration = prost_types::Duration { seconds: 5, nanos: 0 };

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The server refused the request with this reason and changed nothing.
    Refused(String),
    /// The server did not answer, or answered that the outcome is unknown.
    OutcomeUnknown,
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        match status.get_details_error_info() {
            Some(info) if info.reason != "OUTCOME_UNKNOWN" => Self::Refused(info.reason),
            _ => Self::OutcomeUnknown,
        }
    }
}

/// A client. Clones share its connection.
#[derive(Clone)]
pub(crate) struct Client(TaskSchedulerClient<Channel>);

/// A request to run `method` as a durable task with this id.
pub(crate) fn named(
    id: &str,
    method: &str,
    args: impl IntoIterator<Item = ArgValue>,
) -> pb::TaskRequest {
    let args = args.into_iter().map(|arg| Any::from(&arg)).collect();
    pb::TaskRequest {
        task_id: id.into(),
        method: method.into(),
        args,
        options: Some(pb::TaskOptions {
            durability: pb::Durability::Durable.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

impl Client {
    /// Connects to a running server. Calls time out after [`PATIENCE`].
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap().timeout(PATIENCE);
        Self(TaskSchedulerClient::new(endpoint.connect_lazy()))
    }

    pub(crate) fn rpc(&self) -> TaskSchedulerClient<Channel> {
        self.0.clone()
    }

    pub(crate) async fn submit(&self, task: pb::TaskRequest) -> Result<Option<Outcome>, CallError> {
        let answer = self.rpc().submit_task(task).await?.into_inner();
        Ok(reported_outcome(answer.state(), &answer.result, answer.failure.as_ref()))
    }

    pub(crate) async fn enqueue(
        &self,
        tasks: Vec<pb::TaskRequest>,
    ) -> Result<Vec<Result<(), CallError>>, CallError> {
        let request = pb::EnqueueTasksRequest { tasks };
        let outcomes = self.rpc().enqueue_tasks(request).await?.into_inner().outcomes;
        Ok(outcomes.into_iter().map(|one| accepted(one.outcome)).collect())
    }

    /// Calls GetResult; `None`: the task has not ended.
    pub(crate) async fn result(&self, id: &str) -> Result<Option<Outcome>, CallError> {
        self.result_within(id, None).await
    }

    async fn result_within(
        &self,
        id: &str,
        wait: Option<prost_types::Duration>,
    ) -> Result<Option<Outcome>, CallError> {
        let request = pb::ResultRequest { task_id: id.into(), wait };
        let answer = self.rpc().get_result(request).await?.into_inner();
        Ok(reported_outcome(answer.state(), &answer.result, answer.failure.as_ref()))
    }

    pub(crate) async fn cancel(
        &self,
        ids: Vec<String>,
    ) -> Result<Vec<pb::CancelOutcome>, CallError> {
        let request = pb::CancelTasksRequest { task_ids: ids, ..Default::default() };
        Ok(self.rpc().cancel_tasks(request).await?.into_inner().outcomes)
    }

    pub(crate) async fn task(&self, id: &str) -> Result<pb::Task, CallError> {
        let request = pb::GetTaskRequest { task_id: id.into() };
        let answer = self.rpc().get_task(request).await.map(Response::into_inner)?;
        Ok(answer.task.expect("an answer has a task"))
    }

    /// The status of one task; `None`: the server has no such task.
    pub(crate) async fn status(&self, id: &str) -> Result<Option<TaskStatus>, CallError> {
        match self.task(id).await {
            Ok(task) => {
                let outcome = reported_outcome(task.state(), &task.result, task.failure.as_ref());
                let (attempts, rescues) = (task.attempts, task.rescues);
                Ok(Some(TaskStatus { outcome, attempts, rescues }))
            }
            Err(CallError::Refused(reason)) if reason == "TASK_NOT_FOUND" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The ids of all tasks.
    pub(crate) async fn list(&self) -> Result<Vec<String>, CallError> {
        let mut ids = Vec::new();
        let mut page_token = String::new();
        loop {
            let request =
                pb::ListTasksRequest { page_size: PAGE, page_token, ..Default::default() };
            let page = self.rpc().list_tasks(request).await?.into_inner();
            ids.extend(page.tasks.into_iter().map(|task| task.task_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(ids);
            }
        }
    }

    /// Returns when no task waits or runs.
    pub(crate) async fn wait_until_idle(&self) {
        eventually("every task has ended", async || {
            let queues = self.rpc().list_queues(pb::ListQueuesRequest {}).await;
            let queues = queues.expect("an undisturbed server answers").into_inner().queues;
            queues.iter().all(|queue| queue.waiting + queue.running == 0).then_some(())
        })
        .await;
    }

    /// The outcome of a task; waits until it has ended.
    pub(crate) async fn outcome(&self, id: &str) -> Outcome {
        eventually(&format!("{id} has ended"), async || {
            let wait = Some(LONG_POLL);
            self.result_within(id, wait).await.expect("an undisturbed server answers")
        })
        .await
    }

    /// The status of every task.
    pub(crate) async fn statuses(&self) -> TaskStatuses {
        let ids = self.list().await.expect("an undisturbed server answers");
        let mut statuses = TaskStatuses::new();
        for some in ids.chunks(AT_ONCE) {
            let calls: Vec<_> = some
                .iter()
                .map(|id| {
                    let (client, id) = (self.clone(), id.clone());
                    tokio::spawn(async move { (client.status(&id).await, id) })
                })
                .collect();
            for call in calls {
                let (status, id) = call.await.unwrap();
                let status = status.expect("an undisturbed server answers");
                let status = status
                    .unwrap_or_else(|| panic!("{id} is listed, but GetTask does not find it"));
                assert!(statuses.insert(id.clone(), status).is_none(), "{id} is listed twice");
            }
        }
        statuses
    }
}

fn accepted(outcome: Option<pb::enqueue_outcome::Outcome>) -> Result<(), CallError> {
    match outcome.expect("each task has an outcome") {
        pb::enqueue_outcome::Outcome::Accepted(_) => Ok(()),
        pb::enqueue_outcome::Outcome::Refused(refusal) if refusal.reason == "OUTCOME_UNKNOWN" => {
            Err(CallError::OutcomeUnknown)
        }
        pb::enqueue_outcome::Outcome::Refused(refusal) => Err(CallError::Refused(refusal.reason)),
    }
}

fn reported_outcome(
    state: pb::TaskState,
    result: &str,
    failure: Option<&pb::TaskFailure>,
) -> Option<Outcome> {
    let state = match state {
        pb::TaskState::Succeeded => State::Succeeded,
        pb::TaskState::Failed => State::Failed,
        pb::TaskState::Cancelled => State::Cancelled,
        pb::TaskState::Expired => State::Expired,
        _ => return None,
    };
    let text = match failure {
        Some(failure) if state == State::Failed => {
            format!("{}:{}", failure.code, failure.message)
        }
        _ if state == State::Succeeded => result.to_owned(),
        _ => String::new(),
    };
    Some(Outcome::new(state, &text))
}

/// The verdict and state as the ledger writes them.
pub(crate) fn verdict(outcome: &pb::CancelOutcome) -> (String, Option<State>) {
    let word = outcome.verdict().as_str_name().trim_start_matches("VERDICT_").to_owned();
    let state = State::ALL
        .into_iter()
        .find(|state| outcome.state().as_str_name().ends_with(&format!("_{state}")));
    (word, state)
}
