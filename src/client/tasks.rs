//! What becomes of tasks that are there: look, cancel, repeat, settle by hand, forget.

use prost_types::Any;

use crate::client::answers::{cancel_outcome, part, state};
use crate::client::retry::Repeat;
use crate::client::{ClientError, TaskClient, TaskList};
use crate::error::Error;
use crate::models::{
    AdminResult, ArgValue, CancelRequest, CancelVerdict, Purged, QueueName, State, TaskFilter,
    TaskId,
};
use crate::pb;

impl TaskClient {
    /// Everything known about one task, as the wire has it.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`.
    pub async fn get_task(&self, id: &TaskId) -> Result<pb::Task, ClientError> {
        let request = pb::GetTaskRequest { task_id: id.as_str().into() };
        let answer = self
            .call(Repeat::HARMLESS, &request, |mut rpc, it| async move { rpc.get_task(it).await })
            .await?;
        part("GetTask", answer.task, "no task")
    }

    /// The tasks that match, newest first. Asks nothing yet.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for `ended_before`, which listings do not know.
    pub fn list(&self, filter: TaskFilter) -> Result<TaskList, ClientError> {
        let filter = only(Some(filter), "listings", |filter| TaskFilter {
            ended_before: None,
            ..filter.clone()
        })?;
        let request = pb::ListTasksRequest {
            states: filter.states.into_iter().map(state_number).collect(),
            queue: name(filter.queue),
            method: filter.method.unwrap_or_default(),
            tag: filter.tag.unwrap_or_default(),
            parent_id: filter.parent.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            submitted_after: filter.submitted_after.map(Into::into),
            submitted_before: filter.submitted_before.map(Into::into),
            ..pb::ListTasksRequest::default()
        };
        Ok(TaskList::new(self.clone(), request))
    }

    /// Cancels the tasks that are named (at most 1,000) and the first 10,000 of those that match by
    /// tag, queue and method, and says what that did to each.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it names nothing, or filters by something else.
    pub async fn cancel(
        &self,
        request: CancelRequest,
    ) -> Result<Vec<(TaskId, CancelVerdict)>, ClientError> {
        let CancelRequest { ids, matching, reason } = request;
        let TaskFilter { queue, method, tag, .. } =
            only(matching, "cancels", |filter| TaskFilter {
                queue: filter.queue.clone(),
                method: filter.method.clone(),
                tag: filter.tag.clone(),
                ..TaskFilter::default()
            })?;
        let request = pb::CancelTasksRequest {
            task_ids: texts(&ids),
            tag: tag.unwrap_or_default(),
            reason,
            queue: name(queue),
            method: method.unwrap_or_default(),
        };
        let answer =
            self.call(Repeat::HARMLESS, &request, |mut rpc, it| async move {
                rpc.cancel_tasks(it).await
            })
            .await?;
        answer.outcomes.iter().map(cancel_outcome).collect()
    }

    /// Runs a task that has ended once more, with all its retries. What ended only because it had is
    /// brought back.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `WRONG_STATE`. Sent again only if it was not sent: on
    /// [`Transport`](ClientError::Transport), look before asking again.
    pub async fn retry_task(
        &self,
        id: &TaskId,
        reason: impl Into<String>,
    ) -> Result<AdminResult, ClientError> {
        const CALL: &str = "RetryTask";
        let request = pb::RetryTaskRequest { task_id: id.as_str().into(), reason: reason.into() };
        let answer = self
            .call(Repeat::HARMFUL, &request, |mut rpc, it| async move { rpc.retry_task(it).await })
            .await?;
        Ok(AdminResult {
            state: state(CALL, answer.state)?,
            retried_dependants: answer.retried_dependants,
        })
    }

    /// Gives a task that ended badly a result by hand.
    ///
    /// # Errors
    /// As [`retry_task`](Self::retry_task).
    pub async fn resolve_task(
        &self,
        id: &TaskId,
        result: impl Into<ArgValue>,
        reason: impl Into<String>,
    ) -> Result<AdminResult, ClientError> {
        const CALL: &str = "ResolveTask";
        let request = pb::ResolveTaskRequest {
            task_id: id.as_str().into(),
            result: Some(Any::from(&result.into())),
            reason: reason.into(),
        };
        let answer =
            self.call(Repeat::HARMFUL, &request, |mut rpc, it| async move {
                rpc.resolve_task(it).await
            })
            .await?;
        Ok(AdminResult {
            state: state(CALL, answer.state)?,
            retried_dependants: answer.retried_dependants,
        })
    }

    /// Forgets tasks that have ended: those among the ids (at most 1,000; none: any) that match by
    /// state, queue, method, tag and the time when they ended. Ask again while there is more.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it names nothing, or filters by something else.
    pub async fn purge(
        &self,
        ids: &[TaskId],
        matching: Option<TaskFilter>,
    ) -> Result<Purged, ClientError> {
        let filter = only(matching, "purges", |filter| TaskFilter {
            parent: None,
            submitted_after: None,
            submitted_before: None,
            ..filter.clone()
        })?;
        let request = pb::PurgeTasksRequest {
            task_ids: texts(ids),
            states: filter.states.into_iter().map(state_number).collect(),
            queue: name(filter.queue),
            method: filter.method.unwrap_or_default(),
            tag: filter.tag.unwrap_or_default(),
            ended_before: filter.ended_before.map(Into::into),
        };
        let answer = self
            .call(Repeat::HARMFUL, &request, |mut rpc, it| async move { rpc.purge_tasks(it).await })
            .await?;
        Ok(Purged { purged: answer.purged, more: answer.more })
    }
}

/// The filter, if what the call knows is all that it asks for: nothing is left out silently.
fn only(
    filter: Option<TaskFilter>,
    call: &str,
    known: impl FnOnce(&TaskFilter) -> TaskFilter,
) -> Result<TaskFilter, Error> {
    let filter = filter.unwrap_or_default();
    let kept = known(&filter);
    if kept == filter {
        return Ok(kept);
    }
    let rows = [
        ("states", filter.states != kept.states),
        ("parent", filter.parent != kept.parent),
        ("submitted_after", filter.submitted_after != kept.submitted_after),
        ("submitted_before", filter.submitted_before != kept.submitted_before),
    ];
    let field =
        rows.iter().find(|(_, differs)| *differs).map_or("ended_before", |(field, _)| field);
    Err(Error::invalid(field, format!("set, but {call} cannot be narrowed by it; leave it out")))
}

fn state_number(state: State) -> i32 {
    pb::TaskState::from(state) as i32
}

fn texts(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

/// What is empty on the wire is not set.
fn name(queue: Option<QueueName>) -> String {
    queue.map(|queue| queue.as_str().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_cannot_filter_by_is_refused() {
        let known = |filter: &TaskFilter| TaskFilter {
            queue: filter.queue.clone(),
            ..TaskFilter::default()
        };
        let check = |filter: TaskFilter, expected: &str| {
            let refused = only(Some(filter), "cancels", known).expect_err("refused");
            let why = "set, but cancels cannot be narrowed by it; leave it out";
            assert_eq!(refused.message, format!("{expected}: {why}"));
        };
        let none = TaskFilter::default();
        let time = Some(crate::clock::Timestamp::EPOCH);
        check(TaskFilter { states: vec![State::Failed], ..none.clone() }, "states");
        check(TaskFilter { submitted_after: time, ..none.clone() }, "submitted_after");
        check(TaskFilter { submitted_before: time, ..none.clone() }, "submitted_before");
        check(TaskFilter { ended_before: time, ..none.clone() }, "ended_before");
        let queue = TaskFilter { queue: Some(QueueName::default()), ..none };
        assert_eq!(only(Some(queue.clone()), "cancels", known), Ok(queue));
    }
}
