//! The core's answers to callers that change something stored.

use tokio::sync::oneshot;

use super::core::{self, Answer};
use crate::error::{Code, Error};
use crate::store::ChangeResult;

/// Waits for the result of a change.
///
/// # Errors
/// The refusal of the core or the store; `DRAINING` when the engine stops before it answers.
pub(super) async fn change_result(
    receiver: oneshot::Receiver<Answer>,
) -> Result<ChangeResult, Error> {
    match receiver.await {
        Ok(Answer::Result(result)) => Ok(result),
        Ok(Answer::Refused(error)) => Err(error),
        Ok(answer) => unreachable!("{answer:?} does not answer a change"),
        Err(_) => Err(core::draining()),
    }
}

/// The error for a result that no store returns for this kind of change: a bug.
pub(super) fn unexpected(result: &ChangeResult) -> Error {
    Error::new(
        Code::Internal,
        format!("the store answered {result:?} to a change that cannot have that result"),
    )
}
