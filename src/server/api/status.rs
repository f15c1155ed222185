//! Encodes errors as gRPC statuses with google.rpc details.

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};
use tracing::debug;

use crate::error::{Code, Error};
use crate::pb;

/// The domain of every google.rpc.ErrorInfo.
const DOMAIN: &str = "taskscheduler";
/// The longest message of a status, in bytes. A header contains it percent-encoded, at up to three
/// bytes for one, and again in the details; clients accept 8 kB of headers.
const MAX_MESSAGE_BYTES: usize = 1_024;
/// The largest size of all violations in a status, in bytes.
const MAX_VIOLATIONS_BYTES: usize = 2_048;
/// The longest field path in a violation, in bytes.
const MAX_FIELD_BYTES: usize = 256;
/// The longest message of a [`pb::Refusal`], in bytes: one answer may have 10,000.
const MAX_REFUSAL_BYTES: usize = 256;

/// The gRPC code for a reason.
fn grpc(code: Code) -> tonic::Code {
    match code {
        Code::MethodNotFound
        | Code::TaskNotFound
        | Code::ScheduleNotFound
        | Code::WebhookNotFound => tonic::Code::NotFound,
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::IdTaken | Code::UniqueTaken => tonic::Code::AlreadyExists,
        Code::DependencyUnmet | Code::WrongState => tonic::Code::FailedPrecondition,
        Code::QueueFull => tonic::Code::ResourceExhausted,
        Code::Draining | Code::StoreUnavailable | Code::OutcomeUnknown => tonic::Code::Unavailable,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::Internal => tonic::Code::Internal,
        // Reasons of failed tasks, which do not occur as refusals of calls.
        Code::Cancelled => tonic::Code::Cancelled,
        Code::HandlerFailed
        | Code::Panicked
        | Code::TimedOut
        | Code::Stuck
        | Code::DependencyFailed
        | Code::Expired
        | Code::ResultTooLarge
        | Code::Quarantined => tonic::Code::Unknown,
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        debug!(code = %error.code, message = error.message, "refused a call");
        let mut details = ErrorDetails::new();
        details.set_error_info(error.code.as_str(), DOMAIN, []);
        let mut room = MAX_VIOLATIONS_BYTES;
        for violation in &error.violations {
            let field = cut(&violation.field, MAX_FIELD_BYTES.min(room));
            room -= field.len();
            let description = cut(&violation.description, room);
            room -= description.len();
            details.add_bad_request_violation(field, description);
            if room < MAX_FIELD_BYTES {
                break;
            }
        }
        if let Some(wait) = error.retry_after {
            details.set_retry_info(Some(wait));
        }
        Status::with_error_details(
            grpc(error.code),
            cut(&error.message, MAX_MESSAGE_BYTES),
            details,
        )
    }
}

impl From<Error> for pb::Refusal {
    fn from(error: Error) -> Self {
        Self {
            code: grpc(error.code) as i32,
            reason: error.code.as_str().into(),
            message: cut(&error.message, MAX_REFUSAL_BYTES),
        }
    }
}

/// At most `max` bytes of `text`; `…` replaces the rest.
pub(super) fn cut(text: &str, max: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= max {
        return text.into();
    }
    let kept = &text[..text.floor_char_boundary(max.saturating_sub(MARK.len()))];
    if max < MARK.len() { String::new() } else { format!("{kept}{MARK}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::*;
    use crate::error::Violation;

    #[test]
    fn every_refusal_has_a_status_and_a_reason() {
        let check = |code: Code, expected: tonic::Code| {
            let status = Status::from(Error::new(code, "why"));
            let details = status.get_error_details();
            let info = details.error_info().expect("an ErrorInfo");
            assert_eq!(
                (status.code(), status.message(), info.reason.as_str(), info.domain.as_str()),
                (expected, "why", code.as_str(), "taskscheduler")
            );
        };
        check(Code::MethodNotFound, tonic::Code::NotFound);
        check(Code::TaskNotFound, tonic::Code::NotFound);
        check(Code::InvalidArgument, tonic::Code::InvalidArgument);
        check(Code::IdTaken, tonic::Code::AlreadyExists);
        check(Code::UniqueTaken, tonic::Code::AlreadyExists);
        check(Code::WrongState, tonic::Code::FailedPrecondition);
        check(Code::DependencyUnmet, tonic::Code::FailedPrecondition);
        check(Code::QueueFull, tonic::Code::ResourceExhausted);
        check(Code::Draining, tonic::Code::Unavailable);
        check(Code::StoreUnavailable, tonic::Code::Unavailable);
        check(Code::OutcomeUnknown, tonic::Code::Unavailable);
        check(Code::DeadlineExceeded, tonic::Code::DeadlineExceeded);
        check(Code::PermissionDenied, tonic::Code::PermissionDenied);
        check(Code::Internal, tonic::Code::Internal);
    }

    #[test]
    fn details_contain_the_field_and_the_retry_delay() {
        let invalid = Status::from(Error::invalid("args[2]", "text; expected integer"));
        let details = invalid.get_error_details();
        let violations = &details.bad_request().expect("a BadRequest").field_violations;
        assert_eq!(invalid.message(), "args[2]: text; expected integer");
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].field, "args[2]");
        assert_eq!(violations[0].description, "text; expected integer");

        let wait = Duration::from_millis(250);
        let full = Status::from(Error::new(Code::QueueFull, "full").retry_after(wait));
        assert_eq!(
            full.get_error_details().retry_info().expect("a RetryInfo").retry_delay,
            Some(wait)
        );
    }

    #[test]
    fn the_largest_refusal_fits_into_8_kb_of_headers() {
        // Three bytes of text each, nine in a header.
        let long = "€".repeat(5_000);
        let violation = Violation { field: long.clone(), description: long.clone() };
        let error = Error {
            violations: vec![violation; 100],
            retry_after: Some(Duration::MAX),
            ..Error::new(Code::InvalidArgument, long)
        };
        let mut headers = HeaderMap::new();
        Status::from(error.clone()).add_header(&mut headers).unwrap();
        let size: usize =
            headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        assert!(size < 8_000, "{size} bytes");
        assert!(pb::Refusal::from(error).message.len() <= MAX_REFUSAL_BYTES);
    }

    #[test]
    fn text_is_cut_between_characters() {
        let check = |text: &str, max: usize, expected: &str| assert_eq!(cut(text, max), expected);
        check("abc", 3, "abc");
        check("abcd", 3, "…");
        check("abcdef", 5, "ab…");
        check("€€€", 8, "€…");
        check("abc", 2, "");
        check("", 0, "");
    }
}
