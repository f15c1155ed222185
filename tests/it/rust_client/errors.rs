//! The client's errors for refusals, failures and invalid answers.

use std::time::Duration;

use task_scheduler::client::{ClientError, Reason, TaskBuilder, TaskClient};
use task_scheduler::error::{Code, Violation};
use task_scheduler::models::{QueueLimits, QueueName, State};
use task_scheduler::pb;
use tonic::{Code as Grpc, Status};

use super::fake::{Fake, Step, answer};
use super::refusals::refusal_with;
use crate::waiting::soon;

async fn error_after(step: Step) -> ClientError {
    let fake = Fake::playing([step]).await;
    soon(fake.client().submit(TaskBuilder::new("add"))).await.unwrap_err()
}

#[tokio::test]
async fn a_refusal_keeps_all_its_details() {
    let status = refusal_with(Grpc::InvalidArgument, "INVALID_ARGUMENT", |details| {
        details.add_bad_request_violation("args[2]", "text; expected integer");
    });
    let error = error_after(Step::Refuse(status)).await;
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.reason, Reason::Known(Code::InvalidArgument));
    assert_eq!(refusal.message, "because of INVALID_ARGUMENT");
    let violation =
        Violation { field: "args[2]".into(), description: "text; expected integer".into() };
    assert_eq!(refusal.violations, [violation]);
    assert_eq!(refusal.retry_after, None);
    assert_eq!(error.to_string(), "because of INVALID_ARGUMENT");
    assert!(error.is(Code::InvalidArgument) && !error.is(Code::IdTaken));
}

#[tokio::test]
async fn an_unknown_reason_is_kept_as_text() {
    let wait = Duration::from_secs(3_600);
    let status = refusal_with(Grpc::Aborted, "MOON_TOO_FULL", |details| {
        details.set_retry_info(Some(wait));
    });
    let error = error_after(Step::Refuse(status)).await;
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.reason, Reason::Other("MOON_TOO_FULL".into()));
    assert_eq!(refusal.retry_after, Some(wait));
}

#[tokio::test]
async fn a_failure_has_its_attempts() {
    let failure =
        pb::TaskFailure { code: "PANICKED".into(), message: "it panicked".into(), attempts: 3 };
    let error = error_after(answer(&pb::TaskResponse {
        task_id: "t".into(),
        status: pb::task_response::Status::Failed as i32,
        result: failure.message.clone(),
        failure: Some(failure),
        state: pb::TaskState::Failed as i32,
    }))
    .await;
    let failed = error.failure().unwrap();
    assert_eq!((failed.id.as_str(), failed.state, failed.attempts), ("t", State::Failed, 3));
    assert!(error.is(Code::Panicked));
    assert_eq!(error.to_string(), "task t ended FAILED with PANICKED (attempts: 3): it panicked");
}

#[tokio::test]
async fn an_invalid_answer_is_an_error_that_names_it() {
    let check = |error: ClientError, expected: &str| assert_eq!(error.to_string(), expected);
    let pending = pb::TaskResponse { task_id: "t".into(), ..Default::default() };
    check(error_after(answer(&pending)).await, "cannot read the answer to SubmitTask: no outcome");
    check(
        error_after(answer(&pb::TaskResponse { status: 1, ..Default::default() })).await,
        "cannot read the answer to SubmitTask: an invalid task id",
    );
    assert!(matches!(
        error_after(Step::Refuse(Status::aborted("odd"))).await,
        ClientError::Transport(_)
    ));
}

#[tokio::test]
async fn an_invalid_request_is_not_sent() {
    let fake = Fake::playing([]).await;
    let client: TaskClient = fake.client();
    let refused = |result: Result<(), ClientError>| {
        let error = result.unwrap_err();
        assert!(error.is(Code::InvalidArgument), "{error:?}");
        error.to_string()
    };
    let of = async |task: TaskBuilder| refused(client.send(task).await.map(drop));
    let task = || TaskBuilder::new("add");

    assert_eq!(of(task().id("")).await, "task_id: empty; expected 1 to 255 bytes");
    assert_eq!(
        of(TaskBuilder::new("")).await,
        "method: empty; expected [namespace/]name[@version]"
    );
    assert_eq!(
        of(task().id("t").depends_on_id("t")).await,
        "deps[0]: the task's own id; a task cannot wait for itself"
    );
    assert_eq!(
        of(task().priority(1).timeout(Duration::ZERO)).await,
        "options.timeout: 0ns; expected more than 0 and at most 7 days"
    );
    assert_eq!(
        refused(client.result("a\0b").map(drop)),
        r"task_id: contains the control character '\0'; printable text is accepted"
    );
    let limits = QueueLimits { weight: 0, ..QueueLimits::default() };
    assert_eq!(
        refused(client.limit_queue(&QueueName::default(), &limits).await.map(drop)),
        "limits.weight: 0; expected 1 to 1000"
    );
    let too_large = "x".repeat(5 << 20);
    assert!(of(task().arg(too_large)).await.starts_with("args: 52429"), "the size in the message");
    assert!(fake.calls().is_empty());
}
