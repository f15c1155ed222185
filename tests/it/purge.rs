//! PurgeTasks: deletes tasks that have ended, and no others.

use task_scheduler::pb;
use task_scheduler::pb::TaskState;
use tonic::Code;

use crate::client::{Client, NOTHING, Refused, after, in_queue, later, named, task, waits, with};
use crate::server::{stock, with_methods};

fn ids<const N: usize>(ids: [&str; N]) -> pb::PurgeTasksRequest {
    pb::PurgeTasksRequest { task_ids: ids.map(String::from).into(), ..Default::default() }
}

/// Purges until there are no more; returns how many were purged.
async fn purged(client: &Client, request: pb::PurgeTasksRequest) -> u64 {
    const MANY_CALLS: usize = 100;
    let mut purged = 0;
    for _ in 0..MANY_CALLS {
        let answer = client.purge(request.clone()).await.unwrap();
        purged += answer.purged;
        if !answer.more {
            return purged;
        }
    }
    panic!("the purge does not end");
}

async fn is_purged(client: &Client, id: &str) -> bool {
    let found = client.task(id).await;
    match &found {
        Ok(_) => false,
        Err(status) => {
            assert_eq!(status.code(), Code::NotFound, "{status:?}");
            assert_eq!(client.result(id).await.unwrap_err().code(), Code::NotFound);
            true
        }
    }
}

#[tokio::test]
async fn purged_tasks_are_deleted_and_their_ids_are_free() {
    let server = with_methods();
    let client = server.client().await;
    client.run(named("a", "add", [1])).await;
    client.fail(named("b", "fail_permanently", NOTHING)).await;
    client.run(named("kept", "add", [1])).await;
    client.enqueue(later(named("waits", "add", [1]))).await.unwrap();
    assert_eq!(purged(&client, ids(["a", "b", "a", "waits", "unknown"])).await, 2);
    for (id, forgotten) in [("a", true), ("b", true), ("kept", false), ("waits", false)] {
        assert_eq!(is_purged(&client, id).await, forgotten, "{id}");
    }
    assert_eq!(client.run(named("a", "add", [2])).await, "2");
}

#[tokio::test]
async fn a_task_must_match_every_filter_of_a_purge() {
    let server = with_methods();
    let client = server.client().await;
    let red = |request| with(request, |o| o.tags = vec!["red".into()]);
    let make = async || {
        client.run(red(named("a", "add", [1]))).await;
        client.fail(in_queue("mail", red(named("b", "fail_permanently", NOTHING)))).await;
        client.run(in_queue("mail", named("c", "ping", NOTHING))).await;
        client
            .enqueue(in_queue("mail", red(later(named("waits", "ping", NOTHING)))))
            .await
            .unwrap();
    };
    let succeeded = vec![TaskState::Succeeded.into()];
    let none = pb::PurgeTasksRequest::default;
    let checks = [
        (pb::PurgeTasksRequest { states: succeeded.clone(), ..none() }, "b"),
        (pb::PurgeTasksRequest { queue: "mail".into(), ..none() }, "a"),
        (pb::PurgeTasksRequest { method: "ping".into(), ..none() }, "ab"),
        (pb::PurgeTasksRequest { tag: "red".into(), ..none() }, "c"),
        (pb::PurgeTasksRequest { tag: "red".into(), states: succeeded.clone(), ..none() }, "bc"),
        (pb::PurgeTasksRequest { tag: "blue".into(), ..none() }, "abc"),
        (pb::PurgeTasksRequest { tag: "red".into(), ..ids(["a", "c"]) }, "bc"),
        (pb::PurgeTasksRequest { ended_before: Some(Default::default()), ..none() }, "abc"),
        (
            pb::PurgeTasksRequest {
                ended_before: Some(prost_types::Timestamp { seconds: 253_402_300_799, nanos: 0 }),
                ..none()
            },
            "",
        ),
    ];
    for (request, left) in checks {
        make().await;
        purged(&client, request.clone()).await;
        for id in ["a", "b", "c"] {
            let forgotten = is_purged(&client, id).await;
            assert_eq!(forgotten, !left.contains(id), "{id} after {request:?}");
        }
        assert!(
            !is_purged(&client, "waits").await,
            "purged although it has not ended: {request:?}"
        );
    }
}

#[tokio::test]
async fn a_task_with_waiting_dependants_is_not_purged() {
    let server = stock();
    let client = server.client().await;
    client.run(named("parent", "ping", NOTHING)).await;
    client.enqueue(waits(later(after(["parent"], named("child", "ping", NOTHING))))).await.unwrap();
    assert_eq!(purged(&client, ids(["parent"])).await, 0);
    assert!(!is_purged(&client, "parent").await);
    let cancel = pb::CancelTasksRequest { task_ids: vec!["child".into()], ..Default::default() };
    client.cancel(cancel).await.unwrap();
    assert_eq!(purged(&client, ids(["parent", "child"])).await, 2);
}

#[tokio::test]
async fn thousands_of_tasks_are_purged_in_several_calls() {
    const TASKS: usize = 3_000;
    let server = stock();
    let client = server.client().await;
    let tagged = |request| with(request, |o| o.tags = vec!["many".into()]);
    let many = (0..TASKS).map(|n| tagged(named(&format!("t{n}"), "ping", NOTHING)));
    client.enqueue_many(many.collect()).await.unwrap();
    for n in 0..TASKS {
        client.once(&format!("t{n}"), TaskState::Succeeded).await;
    }
    client.run(task("ping", NOTHING)).await;
    let request = pb::PurgeTasksRequest { tag: "many".into(), ..Default::default() };
    assert_eq!(purged(&client, request).await, TASKS as u64);
    let left = client.list(pb::ListTasksRequest::default()).await.unwrap();
    assert_eq!(left.tasks.len(), 1);
}

#[tokio::test]
async fn a_purge_without_filters_or_of_unfinished_states_is_refused() {
    let server = stock();
    let client = server.client().await;
    let check = async |request: pb::PurgeTasksRequest, field: &str, why: &str| {
        let refused = Refused::from(client.purge(request).await.unwrap_err());
        assert_eq!(refused, Refused::invalid(field, why));
    };
    let none = pb::PurgeTasksRequest::default;
    check(
        none(),
        "task_ids",
        "empty, and nothing else is set; expected ids, states, a queue, a method, a tag or a time",
    )
    .await;
    check(
        pb::PurgeTasksRequest { states: vec![6, 3], ..none() },
        "states[1]",
        "RUNNING is not a final state; expected SUCCEEDED (5), FAILED (6), CANCELLED (7) or EXPIRED (8)",
    )
    .await;
    check(
        pb::PurgeTasksRequest { task_ids: vec!["a".into(); 1_001], ..none() },
        "task_ids",
        "1001 ids; at most 1000 are accepted",
    )
    .await;
}
