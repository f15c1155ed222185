//! GetResult with a wait for the task's end.

use std::time::{Duration, Instant};

use task_scheduler::pb;
use task_scheduler::pb::TaskState;
use task_scheduler::pb::task_response::Status;
use tonic::Code;

use crate::client::{Failed, NOTHING, Refused, later, ms, named, span, with};
use crate::server::{stock, with_methods};
use crate::waiting::soon;

/// Longer than any test; the longest accepted wait.
fn ten_minutes() -> Option<prost_types::Duration> {
    span(Duration::from_secs(600))
}

#[tokio::test]
async fn all_waiting_calls_are_answered_when_the_task_ends() {
    let server = with_methods();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let id = format!("{durability:?}");
        let request = named(&id, "wait", [server.path(&id)]);
        let request = with(request, |o| o.durability = durability.into());
        client.enqueue(request).await.unwrap();
        client.once(&id, TaskState::Running).await;
        let waiting: Vec<_> = (0..64)
            .map(|_| {
                let (client, id) = (client.clone(), id.clone());
                tokio::spawn(async move { client.result_within(&id, ten_minutes()).await })
            })
            .collect();
        // When the server answers this, it has received the others.
        assert_eq!(client.result(&id).await.unwrap().status(), Status::Pending);
        server.open_gate(&id);
        for waiting in waiting {
            let result = soon(waiting).await.unwrap().unwrap();
            assert_eq!((result.status(), &*result.result), (Status::Success, "waited"));
        }
    }
}

#[tokio::test]
async fn a_wait_that_times_out_returns_the_tasks_state() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(later(named("waits", "ping", NOTHING))).await.unwrap();
    client.enqueue(named("runs", "wait", [server.path("gate")])).await.unwrap();
    client.once("runs", TaskState::Running).await;
    for (id, state) in [("waits", TaskState::Pending), ("runs", TaskState::Running)] {
        let start = Instant::now();
        let result = client.result_within(id, ms(50)).await.unwrap();
        assert_eq!((result.status(), result.state()), (Status::Pending, state));
        assert!(start.elapsed() >= Duration::from_millis(50), "the server did not wait");
    }
}

#[tokio::test]
async fn a_wait_for_an_ended_task_returns_at_once() {
    let server = with_methods();
    let client = server.client().await;
    client.run(named("succeeded", "add", [1, 2])).await;
    let failed = client.fail(named("failed", "fail_permanently", NOTHING)).await;
    assert_eq!(failed, Failed::new("HANDLER_FAILED", "it cannot work", 1));
    let well = client.result_within("succeeded", ten_minutes()).await.unwrap();
    assert_eq!((well.status(), &*well.result), (Status::Success, "3"));
    let badly = client.result_within("failed", ten_minutes()).await.unwrap();
    assert_eq!((badly.status(), &*badly.result), (Status::Failed, "it cannot work"));
    let refused = Refused::from(client.result_within("unknown", ten_minutes()).await.unwrap_err());
    assert_eq!((refused.code, &*refused.reason), (Code::NotFound, "TASK_NOT_FOUND"));
}

#[tokio::test]
async fn a_cancel_and_an_expiry_end_the_wait() {
    let server = stock();
    let client = server.client().await;
    client.enqueue(later(named("unwanted", "ping", NOTHING))).await.unwrap();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.result_within("unwanted", ten_minutes()).await }
    });
    let cancel = pb::CancelTasksRequest { task_ids: vec!["unwanted".into()], ..Default::default() };
    client.cancel(cancel).await.unwrap();
    assert_eq!(soon(waiting).await.unwrap().unwrap().state(), TaskState::Cancelled);
    let request = with(later(named("late", "ping", NOTHING)), |o| o.ttl = ms(50));
    client.enqueue(request).await.unwrap();
    let late = client.result_within("late", ten_minutes()).await.unwrap();
    assert_eq!(late.state(), TaskState::Expired);
}

#[tokio::test]
async fn a_wait_above_ten_minutes_is_refused() {
    let server = stock();
    let client = server.client().await;
    let refused =
        async |wait| Refused::from(client.result_within("unknown", wait).await.unwrap_err());
    assert_eq!(
        refused(span(Duration::from_millis(600_001))).await,
        Refused::invalid("wait", "600.001s; at most 10 minutes are accepted")
    );
    let backwards = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    assert_eq!(refused(backwards).await.fields, ["wait"]);
}

#[tokio::test]
async fn a_draining_server_answers_waiting_calls() {
    let mut server = stock();
    let client = server.client().await;
    client.enqueue(later(named("waits", "ping", NOTHING))).await.unwrap();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.result_within("waits", ten_minutes()).await }
    });
    client.run(named("behind it", "ping", NOTHING)).await;
    server.terminate();
    let result = soon(waiting).await.unwrap().unwrap();
    assert_eq!((result.status(), result.state()), (Status::Pending, TaskState::Pending));
    assert!(server.ended().await.success());
}
