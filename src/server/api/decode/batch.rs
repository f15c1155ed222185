//! Decodes calls with several tasks: batches, chains and groups.

use std::collections::HashMap;
use std::time::Duration;

use crate::error::Error;
use crate::models::Request;
use crate::pb;
use crate::server::api::decode::{at_most, request_without_wait, wait};
use crate::wire::nested;

/// The most tasks in one EnqueueTasks call.
const MAX_TASKS: usize = 10_000;
/// The most tasks in one chain or group: a task may have as many dependencies.
const MAX_COMPOSED: usize = crate::models::MAX_DEPENDENCIES;

/// Tasks that run one after the other.
#[derive(Debug, PartialEq)]
pub(in crate::server::api) struct Chain {
    /// The tasks in their order.
    pub(in crate::server::api) tasks: Vec<Request>,
    /// How long the caller waits for the last one to end.
    pub(in crate::server::api) wait: Duration,
}

/// Tasks that run in parallel, and perhaps a callback after them.
#[derive(Debug, PartialEq)]
pub(in crate::server::api) struct Group {
    /// The tasks in the order in which the callback gets their results.
    pub(in crate::server::api) tasks: Vec<Request>,
    /// The task that runs after them.
    pub(in crate::server::api) callback: Option<Request>,
    /// How long the caller waits for the callback, or without one for all of them.
    pub(in crate::server::api) wait: Duration,
}

/// Decodes a batch; each task is accepted or refused individually.
///
/// # Errors
/// `INVALID_ARGUMENT` for more than 10,000 tasks.
pub(in crate::server::api) fn requests(
    message: pb::EnqueueTasksRequest,
) -> Result<Vec<Result<Request, Error>>, Error> {
    at_most(message.tasks.len(), MAX_TASKS, "tasks", "tasks")?;
    Ok(message.tasks.into_iter().map(request_without_wait).collect())
}

/// Decodes a chain.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault as `tasks[3].method`.
pub(in crate::server::api) fn chain(message: pb::SubmitChainRequest) -> Result<Chain, Error> {
    Ok(Chain { wait: wait(message.wait)?, tasks: composed(message.tasks)? })
}

/// Decodes a group.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault as `tasks[3].method` or `callback.method`.
pub(in crate::server::api) fn group(message: pb::SubmitGroupRequest) -> Result<Group, Error> {
    let wait = wait(message.wait)?;
    let tasks = composed(message.tasks)?;
    let callback = message.callback.map(request_without_wait).transpose();
    let callback = callback.map_err(|error| nested("callback", error))?;
    let callback_id = callback.as_ref().and_then(|callback| callback.id.as_ref());
    if let Some(at) =
        callback_id.and_then(|id| tasks.iter().position(|task| task.id.as_ref() == Some(id)))
    {
        return Err(Error::invalid("callback.task_id", same_id(at)));
    }
    Ok(Group { tasks, callback, wait })
}

fn composed(tasks: Vec<pb::TaskRequest>) -> Result<Vec<Request>, Error> {
    if tasks.is_empty() {
        return Err(Error::invalid("tasks", format!("none; expected 1 to {MAX_COMPOSED}")));
    }
    at_most(tasks.len(), MAX_COMPOSED, "tasks", "tasks")?;
    let decode = |(at, task)| {
        request_without_wait(task).map_err(|error| nested(&format!("tasks[{at}]"), error))
    };
    let tasks = tasks.into_iter().enumerate().map(decode).collect::<Result<Vec<_>, _>>()?;
    let mut positions = HashMap::with_capacity(tasks.len());
    for (at, task) in tasks.iter().enumerate() {
        if let Some(id) = &task.id
            && let Some(first) = positions.insert(id, at)
        {
            return Err(Error::invalid(format!("tasks[{at}].task_id"), same_id(first)));
        }
    }
    Ok(tasks)
}

fn same_id(at: usize) -> String {
    format!("the id of tasks[{at}]; expected one of its own, or none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(change: impl FnOnce(&mut pb::TaskRequest)) -> pb::TaskRequest {
        let mut message = pb::TaskRequest { method: "add".into(), ..Default::default() };
        change(&mut message);
        message
    }

    #[test]
    fn an_invalid_task_of_a_batch_is_refused_alone() {
        let message = pb::EnqueueTasksRequest {
            tasks: vec![task(|_| ()), task(|task| task.task_id = "\t".into()), task(|_| ())],
        };
        let sound: Vec<bool> = requests(message).unwrap().iter().map(Result::is_ok).collect();
        assert_eq!(sound, [true, false, true]);

        let message = pb::EnqueueTasksRequest { tasks: vec![task(|_| ()); 10_001] };
        assert_eq!(
            requests(message).expect_err("refused").message,
            "tasks: 10001 tasks; at most 10000 are accepted"
        );
    }

    #[test]
    fn an_invalid_task_refuses_the_whole_chain_or_group_and_is_named() {
        let options = pb::TaskOptions { cancel_on_disconnect: true, ..Default::default() };
        let bad = [
            (
                task(|task| task.task_id = "\t".into()),
                "task_id: contains the control character '\\t'; printable text is accepted",
            ),
            (
                task(|task| task.deps = vec![String::new()]),
                "deps[0]: empty; expected 1 to 255 bytes",
            ),
            (
                task(|task| task.options = Some(options)),
                "options.cancel_on_disconnect: set, but this call does not wait for the task; only SubmitTask does",
            ),
        ];
        for (bad, why) in bad {
            let tasks = vec![task(|_| ()), bad.clone()];
            let message = pb::SubmitChainRequest { tasks: tasks.clone(), wait: None };
            let refused = chain(message).expect_err("refused");
            assert_eq!(refused.message, format!("tasks[1].{why}"));
            assert!(refused.violations[0].field.starts_with("tasks[1]."), "{refused:?}");
            let message = pb::SubmitGroupRequest { tasks, ..Default::default() };
            assert_eq!(group(message).expect_err("refused"), refused);
            let message = pb::SubmitGroupRequest {
                tasks: vec![task(|_| ())],
                callback: Some(bad),
                wait: None,
            };
            let refused = group(message).expect_err("refused");
            assert_eq!(refused.message, format!("callback.{why}"));
        }
    }

    #[test]
    fn the_ids_in_a_chain_or_group_are_unique() {
        let named = |id: &str| task(|task| task.task_id = id.into());
        let tasks = vec![task(|_| ()), named("a"), task(|_| ()), named("a")];
        let message = pb::SubmitChainRequest { tasks, wait: None };
        assert_eq!(
            chain(message).expect_err("refused").message,
            "tasks[3].task_id: the id of tasks[1]; expected one of its own, or none"
        );
        let message = pb::SubmitGroupRequest {
            tasks: vec![named("a"), named("b")],
            callback: Some(named("b")),
            wait: None,
        };
        assert_eq!(
            group(message).expect_err("refused").message,
            "callback.task_id: the id of tasks[1]; expected one of its own, or none"
        );
    }

    #[test]
    fn a_chain_or_group_has_1_to_1000_tasks() {
        let check = |count: usize, expected: Result<usize, &str>| {
            let tasks = vec![task(|_| ()); count];
            let message = pb::SubmitChainRequest { tasks: tasks.clone(), wait: None };
            let chained = chain(message).map(|chain| chain.tasks.len());
            assert_eq!(chained.map_err(|error| error.message), expected.map_err(str::to_owned));
            let message = pb::SubmitGroupRequest { tasks, ..Default::default() };
            let grouped = group(message).map(|group| group.tasks.len());
            assert_eq!(grouped.map_err(|error| error.message), expected.map_err(str::to_owned));
        };
        check(0, Err("tasks: none; expected 1 to 1000"));
        check(1, Ok(1));
        check(1_000, Ok(1_000));
        check(1_001, Err("tasks: 1001 tasks; at most 1000 are accepted"));
    }
}
