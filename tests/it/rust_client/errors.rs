//! What refusals, failures and odd answers become.

use std::time::Duration;

use task_scheduler::client::{ClientError, Reason, TaskBuilder, TaskClient};
use task_scheduler::error::{Code, Violation};
use task_scheduler::models::{QueueLimits, QueueName, State};
use task_scheduler::pb;
use tonic::{Code as Grpc, Status};

use super::fake::{Fake, Step, answer};
use super::refusals::refusal_with;
use crate::waiting::soon;

async fn told(step: Step) -> ClientError {
    let fake = Fake::playing([step]).await;
    soon(fake.client().submit(TaskBuilder::new("add"))).await.unwrap_err()
}

#[tokio::test]
async fn a_refusal_is_told_whole() {
    let status = refusal_with(Grpc::InvalidArgument, "INVALID_ARGUMENT", |details| {
        details.add_bad_request_violation("args[2]", "text; expected integer");
    });
    let error = told(Step::Refuse(status)).await;
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
async fn a_reason_of_a_newer_server_is_kept_as_a_word() {
    let wait = Duration::from_secs(3_600);
    let status = refusal_with(Grpc::Aborted, "MOON_TOO_FULL", |details| {
        details.set_retry_info(Some(wait));
    });
    let error = told(Step::Refuse(status)).await;
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.reason, Reason::Other("MOON_TOO_FULL".into()));
    assert_eq!(refusal.retry_after, Some(wait));
}

#[tokio::test]
async fn a_failure_is_told_with_its_attempts() {
    let failure =
        pb::TaskFailure { code: "PANICKED".into(), message: "it panicked".into(), attempts: 3 };
    let error = told(answer(&pb::TaskResponse {
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
    assert_eq!(
        error.to_string(),
        "the task t ended FAILED with PANICKED (attempts: 3): it panicked"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_of_the_contract_is_named() {
    let check = |error: ClientError, expected: &str| assert_eq!(error.to_string(), expected);
    let pending = pb::TaskResponse { task_id: "t".into(), ..Default::default() };
    check(
        told(answer(&pending)).await,
        "the answer to SubmitTask is not understood: a task that has not ended",
    );
    check(
        told(answer(&pb::TaskResponse { status: 1, ..Default::default() })).await,
        "the answer to SubmitTask is not understood: no id of a task",
    );
    assert!(matches!(told(Step::Refuse(Status::aborted("odd"))).await, ClientError::Transport(_)));
}

#[tokio::test]
async fn what_cannot_be_right_is_not_sent() {
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
    assert!(of(task().arg(too_large)).await.starts_with("args: 52429"), "more than fits");
    assert!(fake.calls().is_empty());
}
