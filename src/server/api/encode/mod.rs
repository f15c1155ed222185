//! Encodes answers: from the facade's results to protobuf messages.

mod composed;
mod event;
mod explanation;
mod queue;
mod schedule;
mod statistics;
mod stream_item;
mod task;
mod webhook;

use prost::Message;

use crate::error::Error;
use crate::models::{Accepted, AdminResult, ArgValue, Ended, Outcome, State};
use crate::pb;
use crate::pb::enqueue_outcome::Outcome as EnqueueOutcome;
use crate::pb::task_response::Status as OldStatus;
use crate::system::{HandlerKind, Method};

pub(super) use composed::{chain, group};
pub(super) use event::{event, event_info, subscriber};
pub(super) use explanation::explanation;
pub(super) use queue::queue;
pub(super) use schedule::{schedule, schedules, times};
pub(super) use statistics::{health, statistics};
pub(super) use stream_item::{stream_item, update};
pub(super) use task::{page, task};
pub(super) use webhook::{webhook, webhooks};

/// What one entry of a page takes beside its own bytes, at most: a field number and a length.
const ENTRY_HEAD_BYTES: usize = 8;
/// Reserved for the token of the next page, in bytes.
const TOKEN_BYTES: usize = 256;

/// The answer to SubmitTask.
pub(super) fn submitted(ended: &Ended) -> pb::TaskResponse {
    let pb::ResultResponse { status, result, failure, state } = result(&ended.outcome);
    pb::TaskResponse { task_id: ended.task.id.as_str().into(), status, result, failure, state }
}

/// The answer to GetResult for a task that has ended.
pub(super) fn result(outcome: &Outcome) -> pb::ResultResponse {
    let failure = failure(outcome);
    let result = match (&failure, outcome.result()) {
        (Some(failure), _) => failure.message.clone(),
        (None, Some(value)) => text(value),
        (None, None) => String::new(),
    };
    let state = outcome.state();
    pb::ResultResponse {
        status: old_status(state) as i32,
        result,
        failure,
        state: pb::TaskState::from(state) as i32,
    }
}

/// The answer to GetResult for a task that has not ended.
pub(super) fn no_result_yet(state: State) -> pb::ResultResponse {
    pb::ResultResponse {
        status: old_status(state) as i32,
        state: pb::TaskState::from(state) as i32,
        ..Default::default()
    }
}

/// The answer to EnqueueTask.
pub(super) fn accepted(accepted: &Accepted) -> pb::EnqueueTaskResponse {
    pb::EnqueueTaskResponse {
        task_id: accepted.id.as_str().into(),
        state: pb::TaskState::from(accepted.state) as i32,
        joined: accepted.joined,
        replaced: accepted.replaced,
    }
}

/// The answer to EnqueueTasks.
pub(super) fn enqueued(outcomes: Vec<Result<Accepted, Error>>) -> pb::EnqueueTasksResponse {
    let outcome = |outcome| match outcome {
        Ok(done) => EnqueueOutcome::Accepted(accepted(&done)),
        Err(error) => EnqueueOutcome::Refused(pb::Refusal::from(error)),
    };
    let outcomes =
        outcomes.into_iter().map(|one| pb::EnqueueOutcome { outcome: Some(outcome(one)) });
    pb::EnqueueTasksResponse { outcomes: outcomes.collect() }
}

/// The answer to RetryTask.
pub(super) fn retried(
    AdminResult { state, retried_dependants }: AdminResult,
) -> pb::RetryTaskResponse {
    pb::RetryTaskResponse { state: pb::TaskState::from(state) as i32, retried_dependants }
}

/// The answer to ResolveTask.
pub(super) fn resolved(
    AdminResult { state, retried_dependants }: AdminResult,
) -> pb::ResolveTaskResponse {
    pb::ResolveTaskResponse { state: pb::TaskState::from(state) as i32, retried_dependants }
}

/// One method of ListMethods.
pub(super) fn method(method: &Method) -> pb::Method {
    let kind = match method.handler.kind() {
        HandlerKind::Sync => pb::MethodKind::Sync,
        HandlerKind::Async => pb::MethodKind::Async,
        HandlerKind::Inline => pb::MethodKind::Inline,
    };
    let parameters = method.signature.parameters.iter().flatten().map(|parameter| pb::Parameter {
        name: parameter.name.into(),
        expects: if parameter.rest {
            format!("any number of {}", parameter.expects)
        } else {
            parameter.expects.clone()
        },
        optional: parameter.optional,
    });
    pb::Method {
        name: method.name.to_string(),
        kind: kind as i32,
        description: method.description.clone(),
        parameters: parameters.collect(),
        untyped: method.signature.parameters.is_none(),
        queue: method.defaults.queue.as_ref().map_or_else(String::new, ToString::to_string),
        declared_at: method.declared_at.to_string(),
    }
}

fn failure(outcome: &Outcome) -> Option<pb::TaskFailure> {
    let failure = outcome.failure()?;
    Some(pb::TaskFailure {
        code: failure.code.as_str().into(),
        message: failure.message,
        attempts: outcome.attempts,
    })
}

/// A value as text.
fn text(value: &ArgValue) -> String {
    match value {
        ArgValue::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The status for clients that know only the first three statuses.
fn old_status(state: State) -> OldStatus {
    match state {
        State::Pending | State::Queued | State::Running | State::Retrying => OldStatus::Pending,
        State::Succeeded => OldStatus::Success,
        State::Failed | State::Cancelled | State::Expired => OldStatus::Failed,
    }
}

/// Encodes the first `items` whose messages fit into `max_bytes` together, beside a page token. The
/// first fits in any case, so that every page makes progress.
fn fit<T, M: Message>(
    items: impl IntoIterator<Item = T>,
    max_bytes: usize,
    encode: impl Fn(T) -> M,
) -> Vec<M> {
    let mut room = max_bytes.saturating_sub(TOKEN_BYTES);
    let mut messages: Vec<M> = Vec::new();
    for message in items.into_iter().map(encode) {
        let bytes = message.encoded_len() + ENTRY_HEAD_BYTES;
        if bytes > room && !messages.is_empty() {
            break;
        }
        room = room.saturating_sub(bytes);
        messages.push(message);
    }
    messages
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;
    use crate::error::Code;
    use crate::models::{Ending, Failure};

    fn outcome(ending: Ending) -> Outcome {
        Outcome { ending, attempts: 2, started_at: None, ended_at: Timestamp::EPOCH }
    }

    #[test]
    fn old_clients_see_three_statuses_and_new_clients_the_failure() {
        let check = |ending: Ending,
                     status: OldStatus,
                     result_text: &str,
                     code: Option<&str>,
                     at: pb::TaskState| {
            let answer = result(&outcome(ending));
            let failure = code.map(|code| pb::TaskFailure {
                code: code.into(),
                message: result_text.into(),
                attempts: 2,
            });
            let expected = pb::ResultResponse {
                status: status as i32,
                result: result_text.into(),
                failure,
                state: at as i32,
            };
            assert_eq!(answer, expected);
        };
        let succeeded = |text: &str| Ending::Succeeded(Arc::new(ArgValue::String(text.into())));
        let failed = Failure { code: Code::HandlerFailed, message: "no".into() };
        check(succeeded("6"), OldStatus::Success, "6", None, pb::TaskState::Succeeded);
        check(Ending::Skipped, OldStatus::Success, "", None, pb::TaskState::Succeeded);
        check(
            Ending::Failed(failed),
            OldStatus::Failed,
            "no",
            Some("HANDLER_FAILED"),
            pb::TaskState::Failed,
        );
        check(
            Ending::Cancelled("why".into()),
            OldStatus::Failed,
            "why",
            Some("CANCELLED"),
            pb::TaskState::Cancelled,
        );
        check(
            Ending::Expired,
            OldStatus::Failed,
            "its time to live was over before it started",
            Some("EXPIRED"),
            pb::TaskState::Expired,
        );
    }

    #[test]
    fn a_task_without_an_outcome_is_pending_to_old_clients() {
        for current in [State::Pending, State::Queued, State::Running, State::Retrying] {
            let answer = no_result_yet(current);
            assert_eq!(answer.status, OldStatus::Pending as i32);
            assert_eq!(answer.state, pb::TaskState::from(current) as i32);
        }
    }
}
