//! Which calls the client retries, call by call and fault by fault.

use std::pin::Pin;
use std::time::{Duration, Instant};

use task_scheduler::client::{ClientError, TaskBuilder, TaskClient};
use task_scheduler::error::Code;
use task_scheduler::models::{
    CancelRequest, OnConflict, QueueLimits, QueueName, TaskFilter, TaskId,
};
use task_scheduler::pb;
use tonic::{Code as Grpc, Status};

use super::fake::{Fake, Step, answer, quick};
use super::refusals::{refusal, refusal_for};
use crate::waiting::soon;

type Coming = Pin<Box<dyn Future<Output = Result<(), ClientError>> + Send>>;

/// A call, a function that makes it, and its answer.
struct Call {
    name: &'static str,
    make: fn(TaskClient) -> Coming,
    answer: Step,
}

fn call(name: &'static str, answer: Step, make: fn(TaskClient) -> Coming) -> Call {
    Call { name, make, answer }
}

fn id() -> TaskId {
    TaskId::parse("t", "").unwrap()
}

fn add() -> TaskBuilder {
    TaskBuilder::new("add").args([1, 2])
}

fn success() -> Step {
    let status = pb::task_response::Status::Success as i32;
    answer(&pb::TaskResponse { task_id: "t".into(), status, ..Default::default() })
}

fn accepted() -> pb::EnqueueTaskResponse {
    pb::EnqueueTaskResponse { task_id: "t".into(), ..Default::default() }
}

/// Idempotent calls.
fn idempotent() -> Vec<Call> {
    let queue = || Some(pb::Queue { name: "q".into(), ..Default::default() });
    let running = pb::TaskState::Running as i32;
    let outcome =
        pb::EnqueueOutcome { outcome: Some(pb::enqueue_outcome::Outcome::Accepted(accepted())) };
    vec![
        call("SubmitTask", success(), |client| {
            Box::pin(async move { client.submit(add()).await.map(drop) })
        }),
        call("EnqueueTask", answer(&accepted()), |client| {
            Box::pin(async move { client.send(add()).await.map(drop) })
        }),
        call("EnqueueTasks", answer(&pb::EnqueueTasksResponse { outcomes: vec![outcome] }), |c| {
            Box::pin(async move { c.batch([add()]).await.remove(0).map(drop) })
        }),
        call(
            "GetResult",
            answer(&pb::ResultResponse { state: running, ..Default::default() }),
            |client| Box::pin(async move { client.handle(id()).state().await.map(drop) }),
        ),
        call("GetTask", answer(&pb::GetTaskResponse { task: Some(pb::Task::default()) }), |c| {
            Box::pin(async move { c.get_task(&id()).await.map(drop) })
        }),
        call("ListTasks", answer(&pb::ListTasksResponse::default()), |client| {
            Box::pin(async move {
                let mut list = client.list(TaskFilter::default())?;
                list.next().await.map(drop)
            })
        }),
        call("CancelTasks", answer(&pb::CancelTasksResponse::default()), |client| {
            Box::pin(async move {
                let request = CancelRequest { ids: vec![id()], ..CancelRequest::default() };
                client.cancel(request).await.map(drop)
            })
        }),
        call("ListQueues", answer(&pb::ListQueuesResponse::default()), |client| {
            Box::pin(async move { client.queues().await.map(drop) })
        }),
        call("PauseQueue", answer(&pb::PauseQueueResponse { queue: queue() }), |client| {
            Box::pin(async move { client.pause_queue(&QueueName::default()).await.map(drop) })
        }),
        call("ResumeQueue", answer(&pb::ResumeQueueResponse { queue: queue() }), |client| {
            Box::pin(async move { client.resume_queue(&QueueName::default()).await.map(drop) })
        }),
        call("SetQueueLimits", answer(&pb::SetQueueLimitsResponse { queue: queue() }), |client| {
            Box::pin(async move {
                let limits = QueueLimits::default();
                client.limit_queue(&QueueName::default(), &limits).await.map(drop)
            })
        }),
        call("ListMethods", answer(&pb::ListMethodsResponse::default()), |client| {
            Box::pin(async move { client.methods("").await.map(drop) })
        }),
    ]
}

/// Calls that are idempotent, but whose refusal may leave a part done.
fn partly_idempotent() -> Vec<Call> {
    let ids = || vec!["t".to_owned()];
    let group =
        pb::SubmitGroupResponse { task_ids: ids(), callback_id: "c".into(), ..Default::default() };
    vec![
        call(
            "SubmitChain",
            answer(&pb::SubmitChainResponse { task_ids: ids(), outcome: None }),
            |client| Box::pin(async move { client.chain([add()]).await.map(drop) }),
        ),
        call("SubmitGroup", answer(&group), |client| {
            Box::pin(async move { client.chord([add()], add()).await.map(drop) })
        }),
    ]
}

/// Calls that are not idempotent.
fn not_idempotent() -> Vec<Call> {
    let state = pb::TaskState::Queued as i32;
    vec![
        call(
            "RetryTask",
            answer(&pb::RetryTaskResponse { state, retried_dependants: 0 }),
            |client| Box::pin(async move { client.retry_task(&id(), "why").await.map(drop) }),
        ),
        call(
            "ResolveTask",
            answer(&pb::ResolveTaskResponse { state, retried_dependants: 0 }),
            |c| Box::pin(async move { c.resolve_task(&id(), 6, "why").await.map(drop) }),
        ),
        call("PurgeTasks", answer(&pb::PurgeTasksResponse::default()), |client| {
            Box::pin(async move { client.purge(&[id()], None).await.map(drop) })
        }),
        call("SubmitTask", success(), |client| {
            Box::pin(async move { client.submit(add().cancel_on_disconnect()).await.map(drop) })
        }),
        call("EnqueueTask", answer(&accepted()), |client| {
            Box::pin(async move {
                let task = add().unique_for("k", Duration::from_secs(1), OnConflict::Replace);
                client.send(task).await.map(drop)
            })
        }),
    ]
}

async fn check(calls: Vec<Call>, faults: &[(&str, Step)], expected_tries: usize) {
    for Call { name, make, answer } in calls {
        for (what, fault) in faults {
            let fake = Fake::playing([fault.clone(), answer.clone()]).await;
            let result = soon(make(fake.client())).await;
            assert_eq!(fake.calls(), vec![name; expected_tries], "{name} after {what}: {result:?}");
            assert_eq!(result.is_ok(), expected_tries == 2, "{name} after {what}: {result:?}");
        }
    }
}

fn refused_for_now() -> [(&'static str, Step); 3] {
    let soon = Duration::from_millis(1);
    [
        ("DRAINING", Step::Refuse(refusal(Grpc::Unavailable, "DRAINING"))),
        ("STORE_UNAVAILABLE", Step::Refuse(refusal(Grpc::Unavailable, "STORE_UNAVAILABLE"))),
        ("RetryInfo", Step::Refuse(refusal_for(Grpc::ResourceExhausted, "QUEUE_FULL", soon))),
    ]
}

fn outcome_unknown() -> [(&'static str, Step); 3] {
    [
        ("a lost connection", Step::Cut),
        ("a proxy's UNAVAILABLE", Step::Refuse(Status::unavailable("no upstream"))),
        ("OUTCOME_UNKNOWN", Step::Refuse(refusal(Grpc::Unavailable, "OUTCOME_UNKNOWN"))),
    ]
}

fn permanent() -> [(&'static str, Step); 4] {
    [
        ("a refusal", Step::Refuse(refusal(Grpc::NotFound, "METHOD_NOT_FOUND"))),
        ("QUEUE_FULL for good", Step::Refuse(refusal(Grpc::ResourceExhausted, "QUEUE_FULL"))),
        ("a newer refusal", Step::Refuse(refusal(Grpc::Aborted, "MOON_TOO_FULL"))),
        ("an unknown method", Step::Refuse(Status::unimplemented("an old server"))),
    ]
}

#[tokio::test]
async fn a_refused_call_is_retried_unless_a_part_may_be_done() {
    check(idempotent(), &refused_for_now(), 2).await;
    check(not_idempotent(), &refused_for_now(), 2).await;
    check(partly_idempotent(), &refused_for_now(), 1).await;
}

#[tokio::test]
async fn a_call_with_unknown_outcome_is_retried_only_if_idempotent() {
    check(idempotent(), &outcome_unknown(), 2).await;
    check(partly_idempotent(), &outcome_unknown(), 2).await;
    check(not_idempotent(), &outcome_unknown(), 1).await;
}

#[tokio::test]
async fn a_permanent_failure_is_not_retried() {
    check(idempotent(), &permanent(), 1).await;
    check(partly_idempotent(), &permanent(), 1).await;
    check(not_idempotent(), &permanent(), 1).await;
}

#[tokio::test]
async fn one_task_that_is_not_idempotent_prevents_retries_of_the_call() {
    let replace = || add().unique_for("k", Duration::from_secs(1), OnConflict::Replace);
    let calls: [fn(TaskClient, TaskBuilder) -> Coming; 3] = [
        |client, odd| Box::pin(async move { client.chain([add(), odd, add()]).await.map(drop) }),
        |client, odd| Box::pin(async move { client.chord([add()], odd).await.map(drop) }),
        |client, odd| Box::pin(async move { client.batch([odd, add()]).await.remove(1).map(drop) }),
    ];
    for call in calls {
        let fake = Fake::playing([Step::Cut, Step::Cut]).await;
        let result = soon(call(fake.client(), replace())).await;
        assert!(matches!(result, Err(ClientError::Transport(_))), "{result:?}");
        assert_eq!(fake.calls().len(), 1);
    }
}

#[tokio::test]
async fn every_call_is_retried_until_the_server_is_reachable() {
    for Call { name, make, answer } in
        idempotent().into_iter().chain(partly_idempotent()).chain(not_idempotent())
    {
        let fake = Fake::playing([answer]).await;
        fake.proxy.down().await;
        let wait = Duration::from_millis(40);
        let twice = quick().backoff(wait, wait).tries(2).connect(fake.proxy.addr()).unwrap();
        let start = Instant::now();
        let result = soon(make(twice)).await;
        assert!(matches!(result, Err(ClientError::Transport(_))), "{name}: {result:?}");
        // Jitter takes up to half of the backoff.
        assert!(start.elapsed() >= wait / 2, "{name} was tried once: {result:?}");

        let patient = quick().tries(u32::MAX).connect(fake.proxy.addr()).unwrap();
        let (result, ()) = soon(async { tokio::join!(make(patient), fake.proxy.up()) }).await;
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(fake.calls(), [name]);
    }
}

#[tokio::test]
async fn every_try_of_a_submission_has_the_same_id() {
    let lost = Step::Refuse(Status::unavailable("lost"));
    let fake = Fake::playing([lost.clone(), lost, success()]).await;
    soon(fake.client().submit(add())).await.unwrap();
    let requests: Vec<pb::TaskRequest> = fake.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].task_id.len(), 36, "a UUID: {:?}", requests[0].task_id);
    assert!(requests.iter().all(|request| *request == requests[0]), "{requests:?}");

    fake.then([answer(&accepted()), answer(&accepted())]);
    soon(fake.client().send(add())).await.unwrap();
    soon(fake.client().send(add())).await.unwrap();
    let requests: Vec<pb::TaskRequest> = fake.requests();
    assert_ne!(requests[0].task_id, requests[1].task_id, "two tasks have two ids");
}

#[tokio::test]
async fn the_number_of_tries_is_bounded() {
    let lost = Step::Refuse(refusal(Grpc::Unavailable, "DRAINING"));
    let fake = Fake::playing(vec![lost; 10]).await;
    let result = soon(fake.client().send(add())).await.unwrap_err();
    assert!(result.is(Code::Draining), "{result:?}");
    assert_eq!((fake.calls().len(), fake.steps_left()), (4, 6));
}

#[tokio::test]
async fn a_retry_delay_of_the_server_is_kept() {
    let wait = Duration::from_millis(150);
    let full = Step::Refuse(refusal_for(Grpc::ResourceExhausted, "QUEUE_FULL", wait));
    let fake = Fake::playing([full, answer(&accepted())]).await;
    let start = Instant::now();
    soon(fake.client().send(add())).await.unwrap();
    assert!(start.elapsed() >= wait, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_retry_delay_beyond_the_calls_timeout_is_an_error() {
    let wait = Duration::from_secs(3_600);
    let full = Step::Refuse(refusal_for(Grpc::ResourceExhausted, "QUEUE_FULL", wait));
    let fake = Fake::playing([full]).await;
    let result = soon(fake.client().send(add())).await.unwrap_err();
    assert_eq!(result.refusal().unwrap().retry_after, Some(wait));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn a_call_without_an_answer_ends_at_its_timeout() {
    let fake = Fake::playing([Step::Silence, Step::Silence]).await;
    let waited = Duration::from_millis(50);
    let client = quick().call_timeout(waited).submit_timeout(waited);
    let client = client.connect(fake.proxy.addr()).unwrap();
    for result in [
        soon(client.send(add().id("t"))).await.map(drop),
        soon(client.submit(add().id("t"))).await.map(drop),
    ] {
        match result.unwrap_err() {
            ClientError::Timeout { id: Some(named), waited: reported } => {
                assert_eq!((named, reported), (id(), waited));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fake.calls(), ["EnqueueTask", "SubmitTask"], "neither is retried");
}
