//! Concurrency keys: tasks of one queue and one key run one after the other.

use std::time::Duration;

use task_scheduler::pb;
use task_scheduler::pb::TaskState;

use crate::client::{Client, NOTHING, Refused, named, retries, span, task, with};
use crate::server::{Server, with_methods};
use crate::waiting::eventually;

fn keyed(key: &str, request: pb::TaskRequest) -> pb::TaskRequest {
    with(request, |o| o.concurrency_key = key.into())
}

async fn states(client: &Client, names: &[&str]) -> Vec<TaskState> {
    let mut states = Vec::new();
    for name in names {
        states.push(client.task(name).await.unwrap().state());
    }
    states
}

/// Enqueues tasks that wait for gates with their own ids.
async fn enqueue(server: &Server, client: &Client, key: &str, names: &[&str]) {
    for name in names {
        let request = keyed(key, named(name, "wait", [server.path(name)]));
        client.enqueue(request).await.unwrap();
    }
}

#[tokio::test]
async fn tasks_with_one_key_run_one_after_the_other_beside_others() {
    use TaskState::{Queued, Running, Succeeded};
    let server = with_methods();
    let client = server.client().await;
    enqueue(&server, &client, "ann", &["a1", "a2", "a3"]).await;
    enqueue(&server, &client, "bob", &["b1"]).await;
    client.once("b1", Running).await;
    client.once("a1", Running).await;
    assert_eq!(client.run(named("without", "ping", NOTHING)).await, "pong");
    assert_eq!(
        states(&client, &["a1", "a2", "a3", "b1"]).await,
        [Running, Queued, Queued, Running]
    );
    assert_eq!(client.task("a2").await.unwrap().concurrency_key, "ann");
    server.open_gate("a1");
    client.once("a2", Running).await;
    assert_eq!(states(&client, &["a1", "a2", "a3"]).await, [Succeeded, Running, Queued]);
    for name in ["a2", "a3", "b1"] {
        server.open_gate(name);
        client.once(name, Succeeded).await;
    }
}

#[tokio::test]
async fn a_retried_task_keeps_its_place_before_the_next() {
    let server = with_methods();
    let client = server.client().await;
    let names = ["a", "b", "c", "d"];
    for name in names {
        let request = named(name, "fail_once", [server.path("ledger"), name.into()]);
        let request = with(request, |o| o.retry = retries(3));
        client.enqueue(keyed("ann", request)).await.unwrap();
    }
    client.once("d", TaskState::Succeeded).await;
    let expected = ["a 1", "a 2", "b 1", "b 2", "c 1", "c 2", "d 1", "d 2"];
    assert_eq!(server.ledger("ledger"), expected);
}

#[tokio::test]
async fn tasks_with_one_key_run_in_order_of_acceptance_across_clients() {
    const TASKS: usize = 50;
    let server = with_methods();
    let client = server.client().await;
    let order: Vec<String> = (0..TASKS).map(|n| format!("t{n}")).collect();
    let tasks = order
        .iter()
        .map(|name| keyed("ann", named(name, "write", [server.path("ledger"), name.clone()])));
    client.enqueue_many(tasks.collect()).await.unwrap();
    client.once(order.last().unwrap(), TaskState::Succeeded).await;
    assert_eq!(server.ledger("ledger"), order);
}

#[tokio::test]
async fn the_queue_sets_how_many_tasks_with_one_key_run() {
    use TaskState::{Queued, Running};
    let server = with_methods();
    let client = server.client().await;
    let limits = pb::QueueLimits { concurrency_per_key: 2, ..Default::default() };
    client.limit("default", Some(limits)).await.unwrap();
    let names = ["a", "b", "c"];
    enqueue(&server, &client, "ann", &names).await;
    client.once("b", Running).await;
    assert_eq!(states(&client, &names).await, [Running, Running, Queued]);
    server.open_gate("b");
    client.once("c", Running).await;
    for name in names {
        server.open_gate(name);
        client.once(name, TaskState::Succeeded).await;
    }
}

#[tokio::test]
async fn the_rate_limit_of_a_key_delays_only_that_key() {
    use TaskState::{Queued, Succeeded};
    let server = with_methods();
    let client = server.client().await;
    let per = span(Duration::from_secs(7_200));
    let limits = pb::QueueLimits {
        rate_per_key: Some(pb::RateLimit { count: 2, per }),
        concurrency_per_key: 10,
        ..Default::default()
    };
    client.limit("default", Some(limits)).await.unwrap();
    for name in ["a1", "a2", "a3"] {
        client.enqueue(keyed("ann", named(name, "ping", NOTHING))).await.unwrap();
    }
    client.enqueue(keyed("bob", named("b1", "ping", NOTHING))).await.unwrap();
    client.once("a2", Succeeded).await;
    client.once("b1", Succeeded).await;
    assert_eq!(states(&client, &["a1", "a2", "a3"]).await, [Succeeded, Succeeded, Queued]);
}

#[tokio::test]
async fn cancelling_the_holder_of_a_key_frees_it() {
    let server = crate::server::Setup::with_methods().flags(["--cancel-grace", "10ms"]).start();
    let client = server.client().await;
    let never = named("first", "never", [server.path("ledger")]);
    client.enqueue(keyed("ann", never)).await.unwrap();
    eventually("its handler has started", async || {
        (server.ledger("ledger") == ["started"]).then_some(())
    })
    .await;
    client.enqueue(keyed("ann", named("second", "ping", NOTHING))).await.unwrap();
    assert_eq!(states(&client, &["second"]).await, [TaskState::Queued]);
    let cancel = pb::CancelTasksRequest { task_ids: vec!["first".into()], ..Default::default() };
    client.cancel(cancel).await.unwrap();
    client.once("second", TaskState::Succeeded).await;
}

#[tokio::test]
async fn ephemeral_tasks_respect_concurrency_keys() {
    use TaskState::{Queued, Running};
    let server = with_methods();
    let client = server.client().await;
    for name in ["a", "b"] {
        let request = keyed("ann", named(name, "wait", [server.path(name)]));
        let ephemeral = |o: &mut pb::TaskOptions| o.durability = pb::Durability::Ephemeral.into();
        client.enqueue(with(request, ephemeral)).await.unwrap();
    }
    client.once("a", Running).await;
    assert_eq!(states(&client, &["a", "b"]).await, [Running, Queued]);
    for name in ["a", "b"] {
        server.open_gate(name);
        client.once(name, TaskState::Succeeded).await;
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_refused() {
    let server = with_methods();
    let client = server.client().await;
    let refused = client.refused(keyed(&"k".repeat(256), task("ping", NOTHING))).await;
    let why = "256 bytes long; at most 255 are accepted";
    assert_eq!(refused, Refused::invalid("options.concurrency_key", why));
    assert_eq!(client.run(keyed(&"k".repeat(255), task("ping", NOTHING))).await, "pong");
}
