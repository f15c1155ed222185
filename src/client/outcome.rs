//! Decodes the outcome of a task.

use std::str::FromStr;

use serde::de::DeserializeOwned;

use crate::client::answers::state;
use crate::client::error::Reason;
use crate::client::{ClientError, TaskFailed};
use crate::models::{State, TaskId};
use crate::pb;

/// The result of a task that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskOutcome {
    id: TaskId,
    text: String,
}

impl TaskOutcome {
    /// The id of the task.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// The result as text: null is empty, bytes are base64, times RFC 3339, durations `1.500s`, lists and
    /// maps JSON.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, without a copy.
    pub fn into_text(self) -> String {
        self.text
    }

    /// The result parsed as JSON, for numbers, booleans, lists, maps and `Json<T>`; empty text is `null`. A
    /// text result is not JSON: use [`text`](Self::text).
    ///
    /// # Errors
    /// When the text is not the JSON of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(if self.text.is_empty() { "null" } else { &self.text })
    }

    /// The result parsed with [`FromStr`].
    ///
    /// # Errors
    /// The errors of `T`.
    pub fn parse<T: FromStr>(&self) -> Result<T, T::Err> {
        self.text.parse()
    }
}

/// The outcome of a task.
pub(super) type Ended = Result<TaskOutcome, TaskFailed>;

/// The outcome in an answer of `call` about the task `id`; `None` while it has not ended.
pub(super) fn ended(
    call: &'static str,
    id: &TaskId,
    answer: pb::ResultResponse,
) -> Result<Option<Ended>, ClientError> {
    let pb::ResultResponse { status, result, failure, state: at } = answer;
    let status = pb::task_response::Status::try_from(status)
        .map_err(|_| ClientError::BadAnswer { call, what: "an unknown status" })?;
    match status {
        pb::task_response::Status::Pending => Ok(None),
        pb::task_response::Status::Success => {
            Ok(Some(Ok(TaskOutcome { id: id.clone(), text: result })))
        }
        pb::task_response::Status::Failed => {
            let failure = failure
                .unwrap_or(pb::TaskFailure { message: result, ..pb::TaskFailure::default() });
            Ok(Some(Err(TaskFailed {
                id: id.clone(),
                // A server of the first contract does not send a state.
                state: if at == 0 { State::Failed } else { state(call, at)? },
                reason: Reason::from(failure.code),
                message: failure.message,
                attempts: failure.attempts,
            })))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn read(answer: pb::ResultResponse) -> Result<Option<Ended>, ClientError> {
        ended("GetResult", &TaskId::parse("t", "").expect("an id"), answer)
    }

    fn success(text: &str) -> TaskOutcome {
        let status = pb::task_response::Status::Success as i32;
        let answer = pb::ResultResponse { status, result: text.into(), ..Default::default() };
        read(answer).expect("readable").expect("ended").expect("success")
    }

    #[test]
    fn a_result_is_text_and_may_be_json() {
        assert_eq!(success("hello").text(), "hello");
        assert_eq!(success("[1,2]").json::<Vec<i32>>().expect("a list"), [1, 2]);
        assert_eq!(success("6").json::<i64>().expect("a number"), 6);
        assert_eq!(success("6").parse::<u8>(), Ok(6));
        success("").json::<()>().expect("nothing");
        assert!(success("hello").json::<String>().is_err(), "text is not JSON");
    }

    #[test]
    fn a_failure_has_its_reason_as_far_as_the_server_sends_it() {
        let status = pb::task_response::Status::Failed as i32;
        let old = pb::ResultResponse { status, result: "it broke".into(), ..Default::default() };
        let failed = read(old.clone()).expect("readable").expect("ended").expect_err("failure");
        assert_eq!((failed.state, failed.reason.as_str()), (State::Failed, ""));
        assert_eq!(failed.message, "it broke");

        let failure =
            pb::TaskFailure { code: "CANCELLED".into(), message: "why".into(), attempts: 2 };
        let at = pb::TaskState::Cancelled as i32;
        let new = pb::ResultResponse { failure: Some(failure), state: at, ..old.clone() };
        let failed = read(new).expect("readable").expect("ended").expect_err("failure");
        assert_eq!(failed.state, State::Cancelled);
        assert_eq!(failed.reason, Reason::Known(Code::Cancelled));
        assert_eq!((failed.message.as_str(), failed.attempts), ("why", 2));

        let newer = pb::ResultResponse { state: 99, ..old };
        assert!(matches!(read(newer), Err(ClientError::BadAnswer { .. })));
    }

    #[test]
    fn a_pending_task_has_no_outcome() {
        assert!(read(pb::ResultResponse::default()).expect("readable").is_none());
    }
}
