//! Queues: limits and weights from the configuration file, priorities, and order.

use task_scheduler::pb;
use task_scheduler::pb::TaskState;

use crate::client::{NOTHING, in_queue, named, with};
use crate::server::{Server, Setup};

fn narrow() -> Server {
    Setup::with_methods().config("[queues.narrow]\nconcurrency = 2\n").start()
}

#[tokio::test]
async fn the_concurrency_limit_bounds_the_running_tasks_of_a_queue() {
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let server = narrow();
        let client = server.client().await;
        for n in 0..5 {
            let request = named(&format!("t{n}"), "wait", [server.path(&format!("gate{n}"))]);
            let request = with(request, |o| o.durability = durability.into());
            client.enqueue(in_queue("narrow", request)).await.unwrap();
        }
        let states = async || {
            let mut states = Vec::new();
            for n in 0..5 {
                states.push(client.task(&format!("t{n}")).await.unwrap().state());
            }
            states
        };
        use TaskState::{Queued, Running, Succeeded};
        client.once("t1", Running).await;
        assert_eq!(states().await, [Running, Running, Queued, Queued, Queued]);
        // Other queues are not affected.
        assert_eq!(client.run(named("other", "ping", NOTHING)).await, "pong");
        server.open_gate("gate1");
        client.once("t2", Running).await;
        assert_eq!(states().await, [Running, Succeeded, Running, Queued, Queued]);
        for n in [0, 2, 3, 4] {
            server.open_gate(&format!("gate{n}"));
        }
        client.once("t4", Succeeded).await;
    }
}

#[tokio::test]
async fn a_higher_priority_runs_first_and_equal_ones_in_order() {
    let server = Setup::with_methods().config("[queues.narrow]\nconcurrency = 1\n").start();
    let client = server.client().await;
    let gate = named("gate", "wait", [server.path("gate")]);
    client.enqueue(in_queue("narrow", gate)).await.unwrap();
    client.once("gate", TaskState::Running).await;
    let line = |name: &str, priority, durability: pb::Durability| {
        let request = named(name, "write", [server.path("ledger"), name.into()]);
        with(in_queue("narrow", request), |o| {
            (o.priority, o.durability) = (priority, durability.into());
        })
    };
    let (durable, ephemeral) = (pb::Durability::Durable, pb::Durability::Ephemeral);
    for (name, priority, durability) in [
        ("fifth", Some(-1), durable),
        ("third", None, durable),
        ("first", Some(i32::MAX), ephemeral),
        ("fourth", Some(0), ephemeral),
        ("second", Some(1), durable),
        ("sixth", Some(i32::MIN), ephemeral),
    ] {
        client.enqueue(line(name, priority, durability)).await.unwrap();
    }
    server.open_gate("gate");
    client.once("sixth", TaskState::Succeeded).await;
    let order = ["first", "second", "third", "fourth", "fifth", "sixth"];
    assert_eq!(server.ledger("ledger"), order);
}

#[tokio::test]
async fn queues_share_slots_by_weight() {
    // All queues share one thread for sync handlers.
    let server = Setup::with_methods()
        .flags(["--sync-threads", "1"])
        .config("[queues.heavy]\nweight = 3\n[queues.light]\nweight = 1\n")
        .start();
    let client = server.client().await;
    client.enqueue(named("gate", "wait_ignoring_cancel", [server.path("gate")])).await.unwrap();
    client.once("gate", TaskState::Running).await;
    for n in 0..16 {
        for queue in ["heavy", "light"] {
            let args = [server.path("ledger"), queue.into()];
            let request = named(&format!("{queue}-{n}"), "write", args);
            client.enqueue(in_queue(queue, request)).await.unwrap();
        }
    }
    server.open_gate("gate");
    client.once("light-15", TaskState::Succeeded).await;
    let ledger = server.ledger("ledger");
    assert_eq!(ledger.len(), 32);
    let heavy = ledger[..16].iter().filter(|queue| *queue == "heavy").count();
    assert_eq!(heavy, 12, "{ledger:?}");
}

#[tokio::test]
async fn handlers_beyond_the_thread_limit_wait() {
    let server = Setup::with_methods().flags(["--sync-threads", "2", "--async-tasks", "3"]).start();
    let client = server.client().await;
    for n in 0..6 {
        let (sync, gate) = (format!("sync-{n}"), server.path("gate"));
        client.enqueue(named(&sync, "wait_ignoring_cancel", [gate.clone()])).await.unwrap();
        client.enqueue(named(&format!("async-{n}"), "wait", [gate])).await.unwrap();
    }
    client.once("sync-1", TaskState::Running).await;
    client.once("async-2", TaskState::Running).await;
    for waiting in ["sync-2", "async-3"] {
        assert_eq!(client.task(waiting).await.unwrap().state(), TaskState::Queued);
    }
    // Inline handlers need no thread.
    assert_eq!(client.run(named("inline", "ping", NOTHING)).await, "pong");
    server.open_gate("gate");
    for n in 0..6 {
        client.once(&format!("sync-{n}"), TaskState::Succeeded).await;
        client.once(&format!("async-{n}"), TaskState::Succeeded).await;
    }
}
