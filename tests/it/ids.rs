//! Idempotency: a second request with the same task id joins the first, or gets its outcome.

use std::collections::BTreeMap;

use task_scheduler::models::ArgValue;
use task_scheduler::pb;

use crate::client::{NOTHING, Refused, after, named, task, with};
use crate::server::with_methods;
use crate::waiting::soon;

#[tokio::test]
async fn a_second_request_joins_the_first_while_it_runs() {
    let server = with_methods();
    let client = server.client().await;
    let request = || {
        let args = [server.path("ledger"), "ran".into(), server.path("gate")];
        named("one", "write_and_wait", args)
    };
    let first = tokio::spawn({
        let (client, request) = (client.clone(), request());
        async move { client.run(request).await }
    });
    client.once("one", pb::TaskState::Running).await;
    assert!(client.enqueue(request()).await.unwrap().joined);
    let second = tokio::spawn({
        let (client, request) = (server.client().await, request());
        async move { client.run(request).await }
    });
    server.open_gate("gate");
    assert_eq!(soon(first).await.unwrap(), "ran");
    assert_eq!(soon(second).await.unwrap(), "ran");
    assert_eq!(server.ledger("ledger"), ["ran"]);
}

#[tokio::test]
async fn a_request_after_the_end_gets_the_outcome_without_running_again() {
    let server = with_methods();
    let client = server.client().await;
    let request = || named("one", "write", [server.path("ledger"), "ran".into()]);
    let first = client.submit(request()).await.unwrap();
    assert_eq!(client.submit(request()).await.unwrap(), first);
    let joined = client.enqueue(request()).await.unwrap();
    assert_eq!((joined.joined, joined.state()), (true, pb::TaskState::Succeeded));
    assert_eq!(server.ledger("ledger"), ["ran"]);
}

#[tokio::test]
async fn a_known_failed_task_is_not_retried() {
    let server = with_methods();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let id = format!("{durability:?}");
        let request = || {
            with(named(&id, "snooze_once", [server.path("no/such/folder")]), |o| {
                o.durability = durability.into();
            })
        };
        let first = client.fail(request()).await;
        assert_eq!(first.attempts, 1, "{first:?}");
        assert_eq!(client.fail(request()).await, first);
    }
}

#[tokio::test]
async fn sixty_four_clients_race_for_one_id_and_the_task_runs_once() {
    let server = with_methods();
    let observer = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let (ledger, gate) = (format!("{durability:?}"), format!("gate of {durability:?}"));
        let mut racing = Vec::new();
        for _ in 0..64 {
            let client = server.client().await;
            let args = [server.path(&ledger), "ran".into(), server.path(&gate)];
            let request = with(named(&ledger, "write_and_wait", args), |o| {
                o.durability = durability.into();
            });
            racing.push(tokio::spawn(async move { client.run(request).await }));
        }
        observer.once(&ledger, pb::TaskState::Running).await;
        server.open_gate(&gate);
        for racer in racing {
            assert_eq!(soon(racer).await.unwrap(), "ran");
        }
        assert_eq!(server.ledger(&ledger), ["ran"]);
        assert_eq!(observer.task(&ledger).await.unwrap().attempts, 1);
    }
}

#[tokio::test]
async fn of_racing_requests_with_one_id_and_different_content_one_runs() {
    let server = with_methods();
    let mut racing = Vec::new();
    for number in 0..64 {
        let client = server.client().await;
        let args = [server.path("ledger"), format!("line {number}")];
        racing.push(tokio::spawn(async move { client.submit(named("one", "write", args)).await }));
    }
    let mut results = Vec::new();
    for racer in racing {
        match soon(racer).await.unwrap() {
            Ok(answer) => results.push(answer.result),
            Err(status) => assert_eq!(Refused::from(status).reason, "ID_TAKEN"),
        }
    }
    assert_eq!(results.len(), 1, "{results:?}");
    assert_eq!(server.ledger("ledger"), results);
}

#[tokio::test]
async fn the_content_of_a_task_is_its_method_arguments_and_dependencies() {
    let server = with_methods();
    let client = server.client().await;
    client.run(named("dep", "add", [1])).await;
    let request = || after(["dep"], named("one", "add", [1, 2]));
    client.run(request()).await;
    let same = [
        pb::TaskRequest { is_async: true, ..request() },
        with(request(), |o| o.priority = Some(9)),
        with(request(), |o| o.tags = vec!["again".into()]),
    ];
    for request in same {
        assert_eq!(client.run(request).await, "3");
    }
    let other = [
        named("one", "add", [1, 2]),
        after(["dep"], named("one", "add", [2, 1])),
        after(["dep"], named("one", "add", [1_i64, 2])),
        after(["dep"], named("one", "default/add", [1, 2])),
        after(["dep", "dep"], named("one", "add", [1, 2])),
    ];
    for request in other {
        assert_eq!(client.refused(request.clone()).await.reason, "ID_TAKEN", "{request:?}");
    }
}

#[tokio::test]
async fn the_order_of_a_maps_entries_does_not_matter() {
    let server = with_methods();
    let client = server.client().await;
    let map = |key: &str, value: i32| {
        let fields: BTreeMap<_, _> = [(key.to_owned(), ArgValue::from(value))].into();
        task("process_collection", [ArgValue::Map(fields)]).args.remove(0)
    };
    let (a, b) = (map("a", 1), map("b", 2));
    let joined = |one: &prost_types::Any, other: &prost_types::Any| prost_types::Any {
        type_url: one.type_url.clone(),
        value: [&one.value[..], &other.value[..]].concat(),
    };
    for args in [joined(&a, &b), joined(&b, &a)] {
        let request = named("one", "process_collection", NOTHING);
        let request = pb::TaskRequest { args: vec![args], ..request };
        assert_eq!(client.run(request).await, "Map: 2 items");
    }
}

#[tokio::test]
async fn a_known_id_is_answered_even_when_the_queue_is_full() {
    let server = crate::server::Setup::with_methods().flags(["--queue-length", "1"]).start();
    let client = server.client().await;
    client.run(named("known", "add", [1])).await;
    let later = with(task("add", [1]), |o| o.delay = crate::client::an_hour());
    client.enqueue(later.clone()).await.unwrap();
    assert_eq!(client.refused(later).await.reason, "QUEUE_FULL");
    assert_eq!(client.run(named("known", "add", [1])).await, "1");
}
