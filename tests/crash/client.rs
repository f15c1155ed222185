//! A client that knows a refusal from an answer that was lost.

use std::net::SocketAddr;

use prost_types::Any;
use task_scheduler::models::{ArgValue, State};
use task_scheduler::pb;
use task_scheduler::pb::task_scheduler_client::TaskSchedulerClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

use crate::check::{Standing, Standings};
use crate::ledger::Told;
use crate::waiting::{PATIENCE, eventually};

/// How many calls are made at once where many are.
const AT_ONCE: usize = 64;
/// As many as a page may have.
const PAGE: u32 = 1_000;

/// What a call came to that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Not {
    /// The server said no, with this reason: nothing was changed.
    Refused(String),
    /// It did not answer, or said that it does not know what came of it.
    Answered,
}

impl From<Status> for Not {
    fn from(status: Status) -> Self {
        match status.get_details_error_info() {
            Some(info) if info.reason != "OUTCOME_UNKNOWN" => Self::Refused(info.reason),
            _ => Self::Answered,
        }
    }
}

/// A client. Clones share its connection.
#[derive(Clone)]
pub(crate) struct Client(TaskSchedulerClient<Channel>);

/// A request to run `method` under this id; the rest by struct update.
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
    /// Connects to a server that listens. Calls that take too long fail.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap().timeout(PATIENCE);
        Self(TaskSchedulerClient::new(endpoint.connect_lazy()))
    }

    pub(crate) fn rpc(&self) -> TaskSchedulerClient<Channel> {
        self.0.clone()
    }

    pub(crate) async fn submit(&self, task: pb::TaskRequest) -> Result<Option<Told>, Not> {
        let answer = self.rpc().submit_task(task).await?.into_inner();
        Ok(told(answer.state(), &answer.result, answer.failure.as_ref()))
    }

    pub(crate) async fn enqueue(
        &self,
        tasks: Vec<pb::TaskRequest>,
    ) -> Result<Vec<Result<(), Not>>, Not> {
        let request = pb::EnqueueTasksRequest { tasks };
        let outcomes = self.rpc().enqueue_tasks(request).await?.into_inner().outcomes;
        Ok(outcomes.into_iter().map(|one| accepted(one.outcome)).collect())
    }

    /// What GetResult tells; `None`: not yet.
    pub(crate) async fn result(&self, id: &str) -> Result<Option<Told>, Not> {
        let request = pb::ResultRequest { task_id: id.into(), ..Default::default() };
        let answer = self.rpc().get_result(request).await?.into_inner();
        Ok(told(answer.state(), &answer.result, answer.failure.as_ref()))
    }

    pub(crate) async fn cancel(&self, ids: Vec<String>) -> Result<Vec<pb::CancelOutcome>, Not> {
        let request = pb::CancelTasksRequest { task_ids: ids, ..Default::default() };
        Ok(self.rpc().cancel_tasks(request).await?.into_inner().outcomes)
    }

    pub(crate) async fn task(&self, id: &str) -> Result<pb::Task, Not> {
        let request = pb::GetTaskRequest { task_id: id.into() };
        let answer = self.rpc().get_task(request).await.map(Response::into_inner)?;
        Ok(answer.task.expect("an answer has a task"))
    }

    /// How one task stands; `None`: it is not known.
    pub(crate) async fn standing(&self, id: &str) -> Result<Option<Standing>, Not> {
        match self.task(id).await {
            Ok(task) => {
                let told = told(task.state(), &task.result, task.failure.as_ref());
                let (attempts, rescues) = (task.attempts, task.rescues);
                Ok(Some(Standing { told, attempts, rescues }))
            }
            Err(Not::Refused(reason)) if reason == "TASK_NOT_FOUND" => Ok(None),
            Err(not) => Err(not),
        }
    }

    /// The ids of all tasks.
    pub(crate) async fn list(&self) -> Result<Vec<String>, Not> {
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

    /// Returns when nothing waits and nothing runs.
    pub(crate) async fn at_rest(&self) {
        eventually("every task has ended", async || {
            let queues = self.rpc().list_queues(pb::ListQueuesRequest {}).await;
            let queues = queues.expect("a server that is left alone answers").into_inner().queues;
            queues.iter().all(|queue| queue.waiting + queue.running == 0).then_some(())
        })
        .await;
    }

    /// What became of a task, once it has ended.
    pub(crate) async fn outcome(&self, id: &str) -> Told {
        eventually(&format!("{id} has ended"), async || {
            self.result(id).await.expect("a server that is left alone answers")
        })
        .await
    }

    /// How every task stands.
    pub(crate) async fn standings(&self) -> Standings {
        let ids = self.list().await.expect("a server that is left alone lists");
        let mut standings = Standings::new();
        for some in ids.chunks(AT_ONCE) {
            let calls: Vec<_> = some
                .iter()
                .map(|id| {
                    let (client, id) = (self.clone(), id.clone());
                    tokio::spawn(async move { (client.standing(&id).await, id) })
                })
                .collect();
            for call in calls {
                let (standing, id) = call.await.unwrap();
                let standing = standing.expect("a server that is left alone answers");
                let standing = standing.unwrap_or_else(|| panic!("{id} is listed, and not known"));
                assert!(standings.insert(id.clone(), standing).is_none(), "{id} is listed twice");
            }
        }
        standings
    }
}

fn accepted(outcome: Option<pb::enqueue_outcome::Outcome>) -> Result<(), Not> {
    match outcome.expect("each task has an outcome") {
        pb::enqueue_outcome::Outcome::Accepted(_) => Ok(()),
        pb::enqueue_outcome::Outcome::Refused(refusal) if refusal.reason == "OUTCOME_UNKNOWN" => {
            Err(Not::Answered)
        }
        pb::enqueue_outcome::Outcome::Refused(refusal) => Err(Not::Refused(refusal.reason)),
    }
}

fn told(state: pb::TaskState, result: &str, failure: Option<&pb::TaskFailure>) -> Option<Told> {
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
    Some(Told::new(state, &text))
}

/// The word of a verdict, as the ledger has it.
pub(crate) fn verdict(outcome: &pb::CancelOutcome) -> (String, Option<State>) {
    let word = outcome.verdict().as_str_name().trim_start_matches("VERDICT_").to_owned();
    let state = State::ALL
        .into_iter()
        .find(|state| outcome.state().as_str_name().ends_with(&format!("_{state}")));
    (word, state)
}
