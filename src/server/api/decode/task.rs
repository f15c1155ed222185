//! Decodes a task request.

use crate::error::Error;
use crate::models::wrappers::decode_args;
use crate::models::{MAX_DEPENDENCIES, Request, TaskId};
use crate::server::api::decode::ids;
use crate::{pb, wire};

/// Decodes a task request.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn request(message: pb::TaskRequest) -> Result<Request, Error> {
    let id = match message.task_id.as_str() {
        "" => None,
        id => Some(TaskId::parse(id, "task_id")?),
    };
    let deps = ids(&message.deps, "deps", MAX_DEPENDENCIES)?;
    if let Some(id) = &id
        && let Some(at) = deps.iter().position(|dep| dep == id)
    {
        return Err(Error::invalid(
            format!("deps[{at}]"),
            "the task's own id; a task cannot wait for itself",
        ));
    }
    let options = message.options.map(wire::task_options).transpose()?.map(Box::new);
    Ok(Request { id, method: message.method, args: decode_args(message.args)?, deps, options })
}

/// Decodes a task request of a call that does not wait for the task's end.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault, also for `cancel_on_disconnect`.
pub(in crate::server::api) fn request_without_wait(
    message: pb::TaskRequest,
) -> Result<Request, Error> {
    if cancels_on_disconnect(&message) {
        return Err(Error::invalid(
            "options.cancel_on_disconnect",
            "set, but this call does not wait for the task; only SubmitTask does",
        ));
    }
    request(message)
}

/// Whether the server cancels the task when its caller disconnects.
pub(in crate::server::api) fn cancels_on_disconnect(message: &pb::TaskRequest) -> bool {
    message.options.as_ref().is_some_and(|options| options.cancel_on_disconnect)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(change: impl FnOnce(&mut pb::TaskRequest)) -> pb::TaskRequest {
        let mut message = pb::TaskRequest { method: "add".into(), ..Default::default() };
        change(&mut message);
        message
    }

    #[test]
    fn a_plain_request_sets_no_options() {
        let expected = Request { method: "add".into(), ..Request::default() };
        assert_eq!(request(message(|message| message.is_async = true)), Ok(expected));
    }

    #[test]
    fn a_refusal_names_the_field_at_fault() {
        let check = |change: fn(&mut pb::TaskRequest), expected: &str| {
            let refused = request_without_wait(message(change)).expect_err(expected);
            assert_eq!(refused.message, expected);
        };
        check(
            |message| message.task_id = "x".repeat(10_000),
            "task_id: 10000 bytes long; at most 255 are accepted",
        );
        check(
            |message| message.deps = vec!["a".into(), String::new()],
            "deps[1]: empty; expected 1 to 255 bytes",
        );
        check(
            |message| message.deps = vec!["a".into(); 100_000],
            "deps: 100000 ids; at most 1000 are accepted",
        );
        check(
            |message| {
                message.task_id = "me".into();
                message.deps = vec!["you".into(), "me".into()];
            },
            "deps[1]: the task's own id; a task cannot wait for itself",
        );
        check(
            |message| message.options.get_or_insert_default().cancel_on_disconnect = true,
            "options.cancel_on_disconnect: set, but this call does not wait for the task; only SubmitTask does",
        );
    }
}
