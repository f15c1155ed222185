//! Many tasks that are asked for in one call.

use std::collections::HashMap;
use std::time::Duration;

use crate::error::Error;
use crate::models::Request;
use crate::pb;
use crate::server::api::decode::{at_most, unattended, wait};

/// The most tasks in one call that have nothing to do with each other.
const MAX_TASKS: usize = 10_000;
/// The most tasks in one chain or group: as many as one task may have dependencies.
const MAX_LINKED: usize = crate::models::MAX_DEPENDENCIES;

/// Tasks that run one after the other.
#[derive(Debug, PartialEq)]
pub(in crate::server::api) struct Chain {
    /// In their order.
    pub(in crate::server::api) tasks: Vec<Request>,
    /// How long the caller waits for the last one.
    pub(in crate::server::api) wait: Duration,
}

/// Tasks that run side by side.
#[derive(Debug, PartialEq)]
pub(in crate::server::api) struct Group {
    /// In the order in which the callback gets their results.
    pub(in crate::server::api) tasks: Vec<Request>,
    /// Runs after them.
    pub(in crate::server::api) callback: Option<Request>,
    /// How long the caller waits for the callback, or without one for all of them.
    pub(in crate::server::api) wait: Duration,
}

/// Many tasks, each asked for or refused on its own. Nobody waits for them, so none can be
/// cancelled when its caller goes away.
///
/// # Errors
/// `INVALID_ARGUMENT` when they are too many for one call.
pub(in crate::server::api) fn requests(
    message: pb::EnqueueTasksRequest,
) -> Result<Vec<Result<Request, Error>>, Error> {
    at_most(message.tasks.len(), MAX_TASKS, "tasks", "tasks")?;
    Ok(message.tasks.into_iter().map(unattended).collect())
}

/// Tasks that run one after the other.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault as `tasks[3].method`.
pub(in crate::server::api) fn chain(message: pb::SubmitChainRequest) -> Result<Chain, Error> {
    Ok(Chain { wait: wait(message.wait)?, tasks: linked(message.tasks)? })
}

/// Tasks that run side by side, and perhaps one after them.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault as `tasks[3].method` or `callback.method`.
pub(in crate::server::api) fn group(message: pb::SubmitGroupRequest) -> Result<Group, Error> {
    let wait = wait(message.wait)?;
    let tasks = linked(message.tasks)?;
    let callback = message.callback.map(unattended).transpose();
    let callback = callback.map_err(|error| within("callback", error))?;
    let twice = callback.as_ref().and_then(|callback| callback.id.as_ref());
    if let Some(at) =
        twice.and_then(|id| tasks.iter().position(|task| task.id.as_ref() == Some(id)))
    {
        return Err(Error::invalid("callback.task_id", same_as(at)));
    }
    Ok(Group { tasks, callback, wait })
}

fn linked(tasks: Vec<pb::TaskRequest>) -> Result<Vec<Request>, Error> {
    if tasks.is_empty() {
        return Err(Error::invalid("tasks", format!("none; expected 1 to {MAX_LINKED}")));
    }
    at_most(tasks.len(), MAX_LINKED, "tasks", "tasks")?;
    let decode =
        |(at, task)| unattended(task).map_err(|error| within(&format!("tasks[{at}]"), error));
    let tasks = tasks.into_iter().enumerate().map(decode).collect::<Result<Vec<_>, _>>()?;
    let mut places = HashMap::with_capacity(tasks.len());
    for (at, task) in tasks.iter().enumerate() {
        if let Some(id) = &task.id
            && let Some(first) = places.insert(id, at)
        {
            return Err(Error::invalid(format!("tasks[{at}].task_id"), same_as(first)));
        }
    }
    Ok(tasks)
}

fn same_as(at: usize) -> String {
    format!("the id of tasks[{at}]; expected one of its own, or none")
}

/// The refusal of a task that stands at `place` in the request.
fn within(place: &str, error: Error) -> Error {
    match error.violations.first() {
        Some(at_fault) => {
            Error::invalid(format!("{place}.{}", at_fault.field), at_fault.description.clone())
        }
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(change: impl FnOnce(&mut pb::TaskRequest)) -> pb::TaskRequest {
        let mut message = pb::TaskRequest { method: "add".into(), ..Default::default() };
        change(&mut message);
        message
    }

    #[test]
    fn one_bad_task_of_many_is_refused_alone() {
        let message = pb::EnqueueTasksRequest {
            tasks: vec![wire(|_| ()), wire(|message| message.task_id = "\t".into()), wire(|_| ())],
        };
        let sound: Vec<bool> = requests(message).unwrap().iter().map(Result::is_ok).collect();
        assert_eq!(sound, [true, false, true]);

        let message = pb::EnqueueTasksRequest { tasks: vec![wire(|_| ()); 10_001] };
        assert_eq!(
            requests(message).expect_err("refused").message,
            "tasks: 10001 tasks; at most 10000 are accepted"
        );
    }

    #[test]
    fn what_is_wrong_with_one_linked_task_refuses_all_and_names_it() {
        let attended = pb::TaskOptions { cancel_on_disconnect: true, ..Default::default() };
        let bad = [
            (
                wire(|message| message.task_id = "\t".into()),
                "task_id: contains the control character '\\t'; printable text is accepted",
            ),
            (
                wire(|message| message.deps = vec![String::new()]),
                "deps[0]: empty; expected 1 to 255 bytes",
            ),
            (
                wire(|message| message.options = Some(attended)),
                "options.cancel_on_disconnect: set, but this call does not wait for the task; only SubmitTask does",
            ),
        ];
        for (bad, why) in bad {
            let tasks = vec![wire(|_| ()), bad.clone()];
            let message = pb::SubmitChainRequest { tasks: tasks.clone(), wait: None };
            let refused = chain(message).expect_err("refused");
            assert_eq!(refused.message, format!("tasks[1].{why}"));
            assert!(refused.violations[0].field.starts_with("tasks[1]."), "{refused:?}");
            let message = pb::SubmitGroupRequest { tasks, ..Default::default() };
            assert_eq!(group(message).expect_err("refused"), refused);
            let message = pb::SubmitGroupRequest {
                tasks: vec![wire(|_| ())],
                callback: Some(bad),
                wait: None,
            };
            let refused = group(message).expect_err("refused");
            assert_eq!(refused.message, format!("callback.{why}"));
        }
    }

    #[test]
    fn no_two_linked_tasks_have_one_id() {
        let named = |id: &str| wire(|message| message.task_id = id.into());
        let tasks = vec![wire(|_| ()), named("a"), wire(|_| ()), named("a")];
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
    fn as_many_tasks_are_linked_as_one_can_depend_on() {
        let check = |count: usize, expected: Result<usize, &str>| {
            let tasks = vec![wire(|_| ()); count];
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
