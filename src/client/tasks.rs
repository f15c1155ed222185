//! Calls about existing tasks: get, list, cancel, retry, resolve, purge.

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
    /// Returns all details of one task.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`.
    pub async fn get_task(&self, id: &TaskId) -> Result<pb::Task, ClientError> {
        let request = pb::GetTaskRequest { task_id: id.as_str().into() };
        let answer = self
            .call(Repeat::IDEMPOTENT, &request, |mut rpc, it| async move { rpc.get_task(it).await })
            .await?;
        part("GetTask", answer.task, "no task")
    }

    /// Lists the tasks that match, newest first. The first call is made when the list is read.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for `ended_before`, which listings do not support.
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

    /// Cancels the tasks with the given ids (at most 1,000) and the first 10,000 unfinished tasks that match
    /// by tag, queue and method. Returns the effect on each.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it selects nothing, or filters by another field.
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
            self.call(Repeat::IDEMPOTENT, &request, |mut rpc, it| async move {
                rpc.cancel_tasks(it).await
            })
            .await?;
        answer.outcomes.iter().map(cancel_outcome).collect()
    }

    /// Runs an ended task again, with all its retries. Dependants that failed only because of it wait for
    /// it again.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `WRONG_STATE`. The client does not repeat the call if it may have arrived: after
    /// [`Transport`](ClientError::Transport), check the state first.
    pub async fn retry_task(
        &self,
        id: &TaskId,
        reason: impl Into<String>,
    ) -> Result<AdminResult, ClientError> {
        const CALL: &str = "RetryTask";
        let request = pb::RetryTaskRequest { task_id: id.as_str().into(), reason: reason.into() };
        let answer = self
            .call(Repeat::ONCE, &request, |mut rpc, it| async move { rpc.retry_task(it).await })
            .await?;
        Ok(AdminResult {
            state: state(CALL, answer.state)?,
            retried_dependants: answer.retried_dependants,
        })
    }

    /// Sets the result of a task that did not succeed, manually.
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
        let answer = self
            .call(Repeat::ONCE, &request, |mut rpc, it| async move { rpc.resolve_task(it).await })
            .await?;
        Ok(AdminResult {
            state: state(CALL, answer.state)?,
            retried_dependants: answer.retried_dependants,
        })
    }

    /// Deletes ended tasks: those among the ids (at most 1,000; none: any) that match by state, queue,
    /// method, tag and end time. Repeat the call while [`Purged::more`] is set.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it selects nothing, or filters by another field.
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
            .call(Repeat::ONCE, &request, |mut rpc, it| async move { rpc.purge_tasks(it).await })
            .await?;
        Ok(Purged { purged: answer.purged, more: answer.more })
    }
}

/// The filter, if the call supports all of its fields: none is ignored silently.
fn only(
    filter: Option<TaskFilter>,
    call: &str,
    supported: impl FnOnce(&TaskFilter) -> TaskFilter,
) -> Result<TaskFilter, Error> {
    let filter = filter.unwrap_or_default();
    let supported_part = supported(&filter);
    if supported_part == filter {
        return Ok(supported_part);
    }
    let rows = [
        ("states", filter.states != supported_part.states),
        ("parent", filter.parent != supported_part.parent),
        ("submitted_after", filter.submitted_after != supported_part.submitted_after),
        ("submitted_before", filter.submitted_before != supported_part.submitted_before),
    ];
    let field =
        rows.iter().find(|(_, differs)| *differs).map_or("ended_before", |(field, _)| field);
    Err(Error::invalid(field, format!("set, but {call} cannot filter by it; leave it unset")))
}

fn state_number(state: State) -> i32 {
    pb::TaskState::from(state) as i32
}

fn texts(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

/// The name of a queue; empty when there is none.
fn name(queue: Option<QueueName>) -> String {
    queue.map(|queue| queue.as_str().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_field_that_a_call_does_not_support_is_refused() {
        let supported = |filter: &TaskFilter| TaskFilter {
            queue: filter.queue.clone(),
            ..TaskFilter::default()
        };
        let check = |filter: TaskFilter, expected: &str| {
            let refused = only(Some(filter), "cancels", supported).expect_err("refused");
            let why = "set, but cancels cannot filter by it; leave it unset";
            assert_eq!(refused.message, format!("{expected}: {why}"));
        };
        let none = TaskFilter::default();
        let time = Some(crate::clock::Timestamp::EPOCH);
        check(TaskFilter { states: vec![State::Failed], ..none.clone() }, "states");
        check(TaskFilter { submitted_after: time, ..none.clone() }, "submitted_after");
        check(TaskFilter { submitted_before: time, ..none.clone() }, "submitted_before");
        check(TaskFilter { ended_before: time, ..none.clone() }, "ended_before");
        let queue = TaskFilter { queue: Some(QueueName::default()), ..none };
        assert_eq!(only(Some(queue.clone()), "cancels", supported), Ok(queue));
    }
}
