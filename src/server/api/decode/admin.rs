//! Decodes administrative changes of ended tasks: retry and resolve.

use prost_types::Any;

use crate::error::Error;
use crate::models::wrappers::decode_value;
use crate::models::{ArgValue, TaskId};
use crate::pb;
use crate::server::api::decode::reason;
use crate::system::MAX_RESULT_BYTES;

/// A result that an operator sets.
#[derive(Debug, PartialEq)]
pub(in crate::server::api) struct Resolve {
    /// The task.
    pub(in crate::server::api) id: TaskId,
    /// The result: at most [`MAX_RESULT_BYTES`], in memory and as text.
    pub(in crate::server::api) result: ArgValue,
    /// The reason, kept in the task's history.
    pub(in crate::server::api) reason: String,
}

/// Decodes a retry: the task and the reason.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn retry_task(
    message: pb::RetryTaskRequest,
) -> Result<(TaskId, String), Error> {
    Ok((TaskId::parse(&message.task_id, "task_id")?, reason(message.reason)?))
}

/// Decodes a resolve.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault: also for a result that is too large or contains a
/// `ResultOf`, which a handler could not return either.
pub(in crate::server::api) fn resolve(message: pb::ResolveTaskRequest) -> Result<Resolve, Error> {
    let id = TaskId::parse(&message.task_id, "task_id")?;
    let reason = reason(message.reason)?;
    Ok(Resolve { id, result: result(message.result)?, reason })
}

fn result(message: Option<Any>) -> Result<ArgValue, Error> {
    let Some(message) = message else { return Ok(ArgValue::Null) };
    let result = decode_value(&message, "result")?;
    if contains_result_of(&result) {
        let why = "contains a taskscheduler.ResultOf; expected a plain value";
        return Err(Error::invalid("result", why));
    }
    let bytes = result.heap_bytes().max(result.to_string().len());
    if bytes > MAX_RESULT_BYTES {
        let why = format!("{bytes} bytes; at most {MAX_RESULT_BYTES} are accepted");
        return Err(Error::invalid("result", why));
    }
    Ok(result)
}

/// Whether it contains a reference to another task's result. Decoding has bounded the depth.
fn contains_result_of(value: &ArgValue) -> bool {
    match value {
        ArgValue::ResultOf(_) => true,
        ArgValue::Array(values) => values.iter().any(contains_result_of),
        ArgValue::Map(fields) => fields.values().any(contains_result_of),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Option<Any>) -> pb::ResolveTaskRequest {
        pb::ResolveTaskRequest { task_id: "a".into(), result, reason: "why".into() }
    }

    #[test]
    fn a_result_is_decoded_like_an_argument() {
        let check = |result: Option<Any>, expected: ArgValue| {
            let id = TaskId::parse("a", "x").unwrap();
            let expected = Resolve { id, result: expected, reason: "why".into() };
            assert_eq!(resolve(message(result)), Ok(expected));
        };
        let list = ArgValue::from(vec![ArgValue::from(1), "two".into()]);
        check(None, ArgValue::Null);
        check(Some(Any::from(&list)), list);
        let longest = ArgValue::from("x".repeat(MAX_RESULT_BYTES));
        check(Some(Any::from(&longest)), longest);
    }

    #[test]
    fn a_result_that_no_handler_could_return_is_refused() {
        let check = |message: pb::ResolveTaskRequest, expected: &str| {
            assert_eq!(resolve(message).expect_err("refused").message, expected);
        };
        let too_long = ArgValue::from("x".repeat(MAX_RESULT_BYTES + 1));
        check(
            message(Some(Any::from(&too_long))),
            "result: 4128769 bytes; at most 4128768 are accepted",
        );
        let other = ArgValue::ResultOf(TaskId::parse("b", "x").unwrap());
        let nested: ArgValue = [("key".to_owned(), vec![other.clone()].into())]
            .into_iter()
            .collect::<std::collections::BTreeMap<_, ArgValue>>()
            .into();
        for result in [other, nested] {
            let why = "result: contains a taskscheduler.ResultOf; expected a plain value";
            check(message(Some(Any::from(&result))), why);
        }
        let list = pb::ListValue {
            values: vec![Any {
                type_url: "x/google.protobuf.Int32Value".into(),
                value: vec![0xff],
            }],
        };
        let list = Any {
            type_url: "x/taskscheduler.ListValue".into(),
            value: prost::Message::encode_to_vec(&list),
        };
        let refused = resolve(message(Some(list))).expect_err("refused");
        assert_eq!(refused.violations[0].field, "result.values[0]");
        check(pb::ResolveTaskRequest::default(), "task_id: empty; expected 1 to 255 bytes");
        let long = pb::ResolveTaskRequest { reason: "x".repeat(1_001), ..message(None) };
        check(long, "reason: 1001 bytes; at most 1000 are accepted");
        let long = pb::RetryTaskRequest { task_id: "a".into(), reason: "x".repeat(1_001) };
        assert_eq!(
            retry_task(long).expect_err("refused").message,
            "reason: 1001 bytes; at most 1000 are accepted"
        );
    }
}
