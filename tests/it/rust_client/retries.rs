//! The table of what is tried again, call by call and fault by fault.

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

/// A call, how it is made, and what answers it.
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

/// Those that can be made twice.
fn harmless() -> Vec<Call> {
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

/// Those whose refusal may leave traces.
fn together() -> Vec<Call> {
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

/// Those that do more the second time.
fn harmful() -> Vec<Call> {
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
            let came = soon(make(fake.client())).await;
            assert_eq!(fake.calls(), vec![name; expected_tries], "{name} after {what}: {came:?}");
            assert_eq!(came.is_ok(), expected_tries == 2, "{name} after {what}: {came:?}");
        }
    }
}

fn not_taken() -> [(&'static str, Step); 3] {
    let soon = Duration::from_millis(1);
    [
        ("DRAINING", Step::Refuse(refusal(Grpc::Unavailable, "DRAINING"))),
        ("STORE_UNAVAILABLE", Step::Refuse(refusal(Grpc::Unavailable, "STORE_UNAVAILABLE"))),
        ("RetryInfo", Step::Refuse(refusal_for(Grpc::ResourceExhausted, "QUEUE_FULL", soon))),
    ]
}

fn in_doubt() -> [(&'static str, Step); 3] {
    [
        ("a lost connection", Step::Cut),
        ("a stranger's UNAVAILABLE", Step::Refuse(Status::unavailable("no upstream"))),
        ("OUTCOME_UNKNOWN", Step::Refuse(refusal(Grpc::Unavailable, "OUTCOME_UNKNOWN"))),
    ]
}

fn lasting() -> [(&'static str, Step); 4] {
    [
        ("a refusal", Step::Refuse(refusal(Grpc::NotFound, "METHOD_NOT_FOUND"))),
        ("QUEUE_FULL for good", Step::Refuse(refusal(Grpc::ResourceExhausted, "QUEUE_FULL"))),
        ("a newer refusal", Step::Refuse(refusal(Grpc::Aborted, "MOON_TOO_FULL"))),
        ("a stranger's word", Step::Refuse(Status::unimplemented("an old server"))),
    ]
}

#[tokio::test]
async fn what_was_not_taken_is_asked_for_again_unless_it_left_traces() {
    check(harmless(), &not_taken(), 2).await;
    check(harmful(), &not_taken(), 2).await;
    check(together(), &not_taken(), 1).await;
}

#[tokio::test]
async fn what_is_in_doubt_is_asked_for_again_only_where_that_is_harmless() {
    check(harmless(), &in_doubt(), 2).await;
    check(together(), &in_doubt(), 2).await;
    check(harmful(), &in_doubt(), 1).await;
}

#[tokio::test]
async fn what_will_not_change_is_told_at_once() {
    check(harmless(), &lasting(), 1).await;
    check(together(), &lasting(), 1).await;
    check(harmful(), &lasting(), 1).await;
}

#[tokio::test]
async fn one_task_that_must_not_be_repeated_keeps_the_whole_call_from_it() {
    let replace = || add().unique_for("k", Duration::from_secs(1), OnConflict::Replace);
    let calls: [fn(TaskClient, TaskBuilder) -> Coming; 3] = [
        |client, odd| Box::pin(async move { client.chain([add(), odd, add()]).await.map(drop) }),
        |client, odd| Box::pin(async move { client.chord([add()], odd).await.map(drop) }),
        |client, odd| Box::pin(async move { client.batch([odd, add()]).await.remove(1).map(drop) }),
    ];
    for call in calls {
        let fake = Fake::playing([Step::Cut, Step::Cut]).await;
        let told = soon(call(fake.client(), replace())).await;
        assert!(matches!(told, Err(ClientError::Transport(_))), "{told:?}");
        assert_eq!(fake.calls().len(), 1);
    }
}

#[tokio::test]
async fn every_call_waits_for_a_server_that_is_not_there_yet() {
    for Call { name, make, answer } in harmless().into_iter().chain(together()).chain(harmful()) {
        let fake = Fake::playing([answer]).await;
        fake.proxy.down().await;
        let wait = Duration::from_millis(40);
        let twice = quick().backoff(wait, wait).tries(2).connect(fake.proxy.addr()).unwrap();
        let begun = Instant::now();
        let told = soon(make(twice)).await;
        assert!(matches!(told, Err(ClientError::Transport(_))), "{name}: {told:?}");
        // Up to half of a wait is left to chance.
        assert!(begun.elapsed() >= wait / 2, "{name} was tried once: {told:?}");

        let patient = quick().tries(u32::MAX).connect(fake.proxy.addr()).unwrap();
        let (came, ()) = soon(async { tokio::join!(make(patient), fake.proxy.up()) }).await;
        came.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(fake.calls(), [name]);
    }
}

#[tokio::test]
async fn every_try_of_a_task_carries_the_same_id() {
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
    assert_ne!(requests[0].task_id, requests[1].task_id, "two tasks are not one");
}

#[tokio::test]
async fn tries_are_bounded() {
    let lost = Step::Refuse(refusal(Grpc::Unavailable, "DRAINING"));
    let fake = Fake::playing(vec![lost; 10]).await;
    let told = soon(fake.client().send(add())).await.unwrap_err();
    assert!(told.is(Code::Draining), "{told:?}");
    assert_eq!((fake.calls().len(), fake.steps_left()), (4, 6));
}

#[tokio::test]
async fn a_wait_that_the_server_asks_for_is_kept() {
    let wait = Duration::from_millis(150);
    let full = Step::Refuse(refusal_for(Grpc::ResourceExhausted, "QUEUE_FULL", wait));
    let fake = Fake::playing([full, answer(&accepted())]).await;
    let begun = Instant::now();
    soon(fake.client().send(add())).await.unwrap();
    assert!(begun.elapsed() >= wait, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_wait_beyond_the_time_of_the_call_is_told_instead() {
    let wait = Duration::from_secs(3_600);
    let full = Step::Refuse(refusal_for(Grpc::ResourceExhausted, "QUEUE_FULL", wait));
    let fake = Fake::playing([full]).await;
    let told = soon(fake.client().send(add())).await.unwrap_err();
    assert_eq!(told.refusal().unwrap().retry_after, Some(wait));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn a_call_that_is_not_answered_ends_in_its_time() {
    let fake = Fake::playing([Step::Silence, Step::Silence]).await;
    let waited = Duration::from_millis(50);
    let client = quick().call_timeout(waited).submit_timeout(waited);
    let client = client.connect(fake.proxy.addr()).unwrap();
    for told in [
        soon(client.send(add().id("t"))).await.map(drop),
        soon(client.submit(add().id("t"))).await.map(drop),
    ] {
        match told.unwrap_err() {
            ClientError::Timeout { id: Some(named), waited: said } => {
                assert_eq!((named, said), (id(), waited));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fake.calls(), ["EnqueueTask", "SubmitTask"], "neither is made again");
}
