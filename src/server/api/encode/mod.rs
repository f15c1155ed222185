//! Answers: from the facade's words to the wire.

mod composed;
mod event;
mod explanation;
mod queue;
mod schedule;
mod statistics;
mod task;
mod update;
mod webhook;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{
    Accepted, AdminResult, ArgValue, CancelVerdict, Ended, HistoryEntry, Outcome, Purged, State,
    TaskId,
};
use crate::pb;
use crate::pb::cancel_outcome::Verdict;
use crate::pb::enqueue_outcome::Outcome as EnqueueOutcome;
use crate::pb::task_response::Status as OldStatus;
use crate::tasks::{HandlerKind, Method};

pub(super) use composed::{chain, group};
pub(super) use event::{event, event_info, subscriber};
pub(super) use explanation::explanation;
pub(super) use queue::{queue, queues};
pub(super) use schedule::{schedule, schedules, times};
pub(super) use statistics::{health, statistics};
pub(super) use task::{page, task};
pub(super) use update::update;
pub(super) use webhook::{webhook, webhooks};

/// To SubmitTask.
pub(super) fn submitted(ended: &Ended) -> pb::TaskResponse {
    let Settled { status, result, failure, state } = settled(&ended.outcome);
    pb::TaskResponse { task_id: ended.task.id.as_str().into(), status, result, failure, state }
}

/// To GetResult, for a task that has its outcome.
pub(super) fn result(outcome: &Outcome) -> pb::ResultResponse {
    let Settled { status, result, failure, state } = settled(outcome);
    pb::ResultResponse { status, result, failure, state }
}

/// To GetResult, for a task that has none yet.
pub(super) fn no_result_yet(current: State) -> pb::ResultResponse {
    pb::ResultResponse {
        status: old_status(current) as i32,
        state: state(current) as i32,
        ..Default::default()
    }
}

/// To EnqueueTask.
pub(super) fn accepted(accepted: &Accepted) -> pb::EnqueueTaskResponse {
    pb::EnqueueTaskResponse {
        task_id: accepted.id.as_str().into(),
        state: state(accepted.state) as i32,
        joined: accepted.joined,
        replaced: accepted.replaced,
    }
}

/// To EnqueueTasks.
pub(super) fn enqueued(outcomes: Vec<Result<Accepted, Error>>) -> pb::EnqueueTasksResponse {
    let outcome = |outcome| match outcome {
        Ok(done) => EnqueueOutcome::Accepted(accepted(&done)),
        Err(error) => EnqueueOutcome::Refused(pb::Refusal::from(error)),
    };
    let outcomes =
        outcomes.into_iter().map(|one| pb::EnqueueOutcome { outcome: Some(outcome(one)) });
    pb::EnqueueTasksResponse { outcomes: outcomes.collect() }
}

/// To CancelTasks.
pub(super) fn cancelled(verdicts: Vec<(TaskId, CancelVerdict)>) -> pb::CancelTasksResponse {
    let outcome = |(id, verdict): (TaskId, CancelVerdict)| {
        let (verdict, at) = match verdict {
            CancelVerdict::Cancelled => (Verdict::Cancelled, state(State::Cancelled)),
            CancelVerdict::Requested => (Verdict::Requested, state(State::Running)),
            CancelVerdict::AlreadyEnded(ended) => (Verdict::AlreadyEnded, state(ended)),
            CancelVerdict::NotFound => (Verdict::NotFound, pb::TaskState::Unspecified),
        };
        pb::CancelOutcome { task_id: id.as_str().into(), verdict: verdict as i32, state: at as i32 }
    };
    pb::CancelTasksResponse { outcomes: verdicts.into_iter().map(outcome).collect() }
}

/// To RetryTask.
pub(super) fn ran_again(changed: AdminResult) -> pb::RetryTaskResponse {
    let AdminResult { state: current, retried_dependants } = changed;
    pb::RetryTaskResponse { state: state(current) as i32, retried_dependants }
}

/// To ResolveTask.
pub(super) fn resolved(changed: AdminResult) -> pb::ResolveTaskResponse {
    let AdminResult { state: current, retried_dependants } = changed;
    pb::ResolveTaskResponse { state: state(current) as i32, retried_dependants }
}

/// To PurgeTasks.
pub(super) fn purged(purged: Purged) -> pb::PurgeTasksResponse {
    let Purged { purged, more } = purged;
    pb::PurgeTasksResponse { purged, more }
}

/// One method, to ListMethods.
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

/// A point in time.
pub(super) fn stamp(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_micros();
    prost_types::Timestamp {
        seconds: (micros / 1_000_000).cast_signed(),
        nanos: i32::try_from(micros % 1_000_000 * 1_000).expect("less than a second"),
    }
}

/// What the two calls that answer with an outcome have in common.
struct Settled {
    status: i32,
    result: String,
    failure: Option<pb::TaskFailure>,
    state: i32,
}

fn settled(outcome: &Outcome) -> Settled {
    let failure = failure(outcome);
    let result = match (&failure, outcome.result()) {
        (Some(failure), _) => failure.message.clone(),
        (None, Some(value)) => text(value),
        (None, None) => String::new(),
    };
    let current = outcome.state();
    Settled { status: old_status(current) as i32, result, failure, state: state(current) as i32 }
}

fn failure(outcome: &Outcome) -> Option<pb::TaskFailure> {
    let failure = outcome.failure()?;
    Some(pb::TaskFailure {
        code: failure.code.as_str().into(),
        message: failure.message,
        attempts: outcome.attempts,
    })
}

/// A value as text. Most results are text already.
fn text(value: &ArgValue) -> String {
    match value {
        ArgValue::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn history_entry(entry: HistoryEntry) -> pb::HistoryEntry {
    pb::HistoryEntry {
        state: state(entry.state) as i32,
        at: Some(stamp(entry.at)),
        attempt: entry.attempt,
        error: entry.error.unwrap_or_default(),
    }
}

/// What clients that know only three statuses are told.
fn old_status(state: State) -> OldStatus {
    match state {
        State::Pending | State::Queued | State::Running | State::Retrying => OldStatus::Pending,
        State::Succeeded => OldStatus::Success,
        State::Failed | State::Cancelled | State::Expired => OldStatus::Failed,
    }
}

fn state(state: State) -> pb::TaskState {
    match state {
        State::Pending => pb::TaskState::Pending,
        State::Queued => pb::TaskState::Queued,
        State::Running => pb::TaskState::Running,
        State::Retrying => pb::TaskState::Retrying,
        State::Succeeded => pb::TaskState::Succeeded,
        State::Failed => pb::TaskState::Failed,
        State::Cancelled => pb::TaskState::Cancelled,
        State::Expired => pb::TaskState::Expired,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::Code;
    use crate::models::{Ending, Failure};

    fn outcome(ending: Ending) -> Outcome {
        Outcome { ending, attempts: 2, started_at: None, ended_at: Timestamp::EPOCH }
    }

    #[test]
    fn old_clients_see_three_statuses_and_new_ones_the_failure() {
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
        let said = |text: &str| Ending::Succeeded(Arc::new(ArgValue::String(text.into())));
        let failed = Failure { code: Code::HandlerFailed, message: "no".into() };
        check(said("6"), OldStatus::Success, "6", None, pb::TaskState::Succeeded);
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
            assert_eq!(answer.state, state(current) as i32);
        }
    }

    #[test]
    fn times_keep_their_microseconds() {
        let time = Timestamp::from_micros(1_700_000_000_123_456).unwrap();
        assert_eq!(
            stamp(time),
            prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_456_000 }
        );
    }
}
