//! Outcomes that people change.

use prost_types::Any;

use crate::error::Error;
use crate::models::wrappers::decode_value;
use crate::models::{ArgValue, TaskId};
use crate::pb;
use crate::server::api::decode::reason;
use crate::tasks::MAX_RESULT_BYTES;

/// A result that is given by hand.
#[derive(Debug, PartialEq)]
pub(in crate::server::api) struct Resolve {
    /// To which task.
    pub(in crate::server::api) id: TaskId,
    /// At most [`MAX_RESULT_BYTES`], in memory and as text.
    pub(in crate::server::api) result: ArgValue,
    /// Kept in its history.
    pub(in crate::server::api) reason: String,
}

/// Which task is to run once more, and why.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn retry_task(
    message: pb::RetryTaskRequest,
) -> Result<(TaskId, String), Error> {
    Ok((TaskId::parse(&message.task_id, "task_id")?, reason(message.reason)?))
}

/// Which task is given which result, and why.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault: a result that cannot be decoded, is too large, or
/// stands for another task's result, which a body could not return either.
pub(in crate::server::api) fn resolve(message: pb::ResolveTaskRequest) -> Result<Resolve, Error> {
    let id = TaskId::parse(&message.task_id, "task_id")?;
    let reason = reason(message.reason)?;
    Ok(Resolve { id, result: result(message.result)?, reason })
}

fn result(message: Option<Any>) -> Result<ArgValue, Error> {
    let Some(message) = message else { return Ok(ArgValue::Null) };
    let result = decode_value(&message, "result")?;
    if stands_for_another(&result) {
        let why = "has a taskscheduler.ResultOf in it; expected a result of its own";
        return Err(Error::invalid("result", why));
    }
    let bytes = result.heap_bytes().max(result.to_string().len());
    if bytes > MAX_RESULT_BYTES {
        let why = format!("{bytes} bytes; at most {MAX_RESULT_BYTES} are accepted");
        return Err(Error::invalid("result", why));
    }
    Ok(result)
}

/// Whether another task's result is to take its place, or that of a part. Decoding has bounded how
/// deep it nests.
fn stands_for_another(value: &ArgValue) -> bool {
    match value {
        ArgValue::ResultOf(_) => true,
        ArgValue::Array(values) => values.iter().any(stands_for_another),
        ArgValue::Map(fields) => fields.values().any(stands_for_another),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(result: Option<Any>) -> pb::ResolveTaskRequest {
        pb::ResolveTaskRequest { task_id: "a".into(), result, reason: "why".into() }
    }

    #[test]
    fn a_result_is_decoded_like_an_argument() {
        let check = |result: Option<Any>, expected: ArgValue| {
            let id = TaskId::parse("a", "x").unwrap();
            let expected = Resolve { id, result: expected, reason: "why".into() };
            assert_eq!(resolve(asked(result)), Ok(expected));
        };
        let list = ArgValue::from(vec![ArgValue::from(1), "two".into()]);
        check(None, ArgValue::Null);
        check(Some(Any::from(&list)), list);
        let longest = ArgValue::from("x".repeat(MAX_RESULT_BYTES));
        check(Some(Any::from(&longest)), longest);
    }

    #[test]
    fn what_no_body_could_have_returned_is_refused() {
        let check = |message: pb::ResolveTaskRequest, expected: &str| {
            assert_eq!(resolve(message).expect_err("refused").message, expected);
        };
        let too_long = ArgValue::from("x".repeat(MAX_RESULT_BYTES + 1));
        check(
            asked(Some(Any::from(&too_long))),
            "result: 4128769 bytes; at most 4128768 are accepted",
        );
        let other = ArgValue::ResultOf(TaskId::parse("b", "x").unwrap());
        let nested: ArgValue = [("key".to_owned(), vec![other.clone()].into())]
            .into_iter()
            .collect::<std::collections::BTreeMap<_, ArgValue>>()
            .into();
        for result in [other, nested] {
            let why = "result: has a taskscheduler.ResultOf in it; expected a result of its own";
            check(asked(Some(Any::from(&result))), why);
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
        let refused = resolve(asked(Some(list))).expect_err("refused");
        assert_eq!(refused.violations[0].field, "result.values[0]");
        check(pb::ResolveTaskRequest::default(), "task_id: empty; expected 1 to 255 bytes");
        let long = pb::ResolveTaskRequest { reason: "x".repeat(1_001), ..asked(None) };
        check(long, "reason: 1001 bytes; at most 1000 are accepted");
        let long = pb::RetryTaskRequest { task_id: "a".into(), reason: "x".repeat(1_001) };
        assert_eq!(
            retry_task(long).expect_err("refused").message,
            "reason: 1001 bytes; at most 1000 are accepted"
        );
    }
}
