//! Statuses that the server refuses with.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// A refusal with this reason.
pub(crate) fn refusal(code: Code, reason: &str) -> Status {
    refusal_with(code, reason, |_| {})
}

/// A refusal with a retry delay of `wait`.
pub(crate) fn refusal_for(code: Code, reason: &str, wait: Duration) -> Status {
    refusal_with(code, reason, |details| {
        details.set_retry_info(Some(wait));
    })
}

/// A refusal with more details.
pub(crate) fn refusal_with(
    code: Code,
    reason: &str,
    more: impl FnOnce(&mut ErrorDetails),
) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "taskscheduler", []);
    more(&mut details);
    Status::with_error_details(code, format!("because of {reason}"), details)
}
