//! Handlers that misbehave: only their own task fails, and the server keeps serving.

use std::time::{Duration, Instant};

use task_scheduler::models::ArgValue;
use task_scheduler::pb;
use task_scheduler::pb::TaskState;

use crate::client::{Failed, NOTHING, ms, named, retries, task, with};
use crate::server::{Server, Setup, with_methods};

/// A server with short timeouts, and two threads for sync handlers.
fn impatient() -> Server {
    let flags = ["--cancel-grace", "20ms", "--stuck-after", "200ms", "--sync-threads", "2"];
    Setup::with_methods().flags(flags).start()
}

#[tokio::test]
async fn a_panic_is_a_failure_and_is_retried() {
    let server = with_methods();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let fails = async |request: pb::TaskRequest, message: &str, attempts: u32| {
            let request = with(request, |o| {
                (o.durability, o.retry) = (durability.into(), retries(attempts - 1));
            });
            let expected =
                Failed::new("PANICKED", &format!("the handler panicked: {message}"), attempts);
            assert_eq!(client.fail(request).await, expected);
        };
        for attempts in [1, 3] {
            fails(task("panic_sync", ["oh"]), "oh", attempts).await;
            fails(task("panic_inline", ["oh"]), "oh", attempts).await;
            for late in [false, true] {
                let args = [ArgValue::from("oh"), late.into()];
                fails(task("panic_async", args), "oh", attempts).await;
            }
        }
        fails(task("panic_with_a_number", NOTHING), "without a message", 1).await;
        client.assert_served(server.addr()).await;
    }
}

#[tokio::test]
async fn a_panic_with_a_long_message_does_not_break_the_answer() {
    let server = with_methods();
    let client = server.client().await;
    let failed = client.fail(named("long", "panic_at_length", [3_000_000])).await;
    assert_eq!(failed.code, "PANICKED");
    assert!(client.task("long").await.is_ok(), "GetTask still answers");
    // Each attempt's error is in the history.
    let request = with(named("longer", "panic_at_length", [1_000_000]), |o| o.retry = retries(9));
    assert_eq!(client.fail(request).await.attempts, 10);
    assert!(client.task("longer").await.is_ok(), "GetTask still answers");
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn an_async_handler_that_never_returns_is_dropped_at_its_timeout() {
    let server = impatient();
    let client = server.client().await;
    let request = with(task("never", [server.path("ledger")]), |o| o.timeout = ms(50));
    let message = "the attempt took longer than its timeout of 50ms";
    assert_eq!(client.fail(request).await, Failed::new("TIMED_OUT", message, 1));
    assert_eq!(server.ledger("ledger"), ["started", "dropped"]);
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn a_sync_handler_that_never_returns_is_stuck_and_its_thread_is_replaced() {
    let server = impatient();
    let client = server.client().await;
    // One per thread.
    let stuck = ["a", "b"].map(|id| {
        let request = named(id, "wait_ignoring_cancel", [server.path("gate")]);
        let request = with(request, |o| (o.timeout, o.retry) = (ms(50), retries(3)));
        let client = client.clone();
        tokio::spawn(async move { client.fail(request).await })
    });
    for task in stuck {
        let failed = crate::waiting::soon(task).await.unwrap();
        let message = "the handler did not return within 200ms after it was signalled to stop";
        assert_eq!(failed, Failed::new("STUCK", message, 1));
    }
    // The replaced threads run sync handlers.
    let write = task("write", [server.path("ledger"), "ran".into()]);
    assert_eq!(client.run(write).await, "ran");
    client.assert_served(server.addr()).await;
    // A late result changes nothing.
    server.open_gate("gate");
    for id in ["a", "b"] {
        assert_eq!(client.task(id).await.unwrap().state(), TaskState::Failed);
    }
    let write = task("write", [server.path("ledger"), "again".into()]);
    assert_eq!(client.run(write).await, "again");
}

#[tokio::test]
async fn the_last_attempt_of_a_sync_handler_is_answered_at_its_timeout_and_its_thread_is_replaced()
{
    let server = impatient();
    let client = server.client().await;
    for id in ["a", "b"] {
        let request = named(id, "wait_ignoring_cancel", [server.path("gate")]);
        let failed = client.fail(with(request, |o| o.timeout = ms(50))).await;
        let message = "the attempt took longer than its timeout of 50ms";
        assert_eq!(failed, Failed::new("TIMED_OUT", message, 1));
    }
    let write = task("write", [server.path("ledger"), "ran".into()]);
    assert_eq!(client.run(write).await, "ran");
}

#[tokio::test]
async fn a_sync_handler_that_never_returns_can_be_cancelled() {
    let server = impatient();
    let client = server.client().await;
    let request = named("one", "wait_ignoring_cancel", [server.path("gate")]);
    client.enqueue(request).await.unwrap();
    client.once("one", TaskState::Running).await;
    let cancel = pb::CancelTasksRequest { task_ids: vec!["one".into()], ..Default::default() };
    client.cancel(cancel).await.unwrap();
    client.once("one", TaskState::Cancelled).await;
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn no_retry_starts_while_a_sync_handler_still_runs() {
    let server = Setup::with_methods().flags(["--stuck-after", "1h"]).start();
    let client = server.client().await;
    let gate = server.path("gate");
    let request = with(named("one", "wait_ignoring_cancel", [gate]), |o| {
        (o.timeout, o.retry) = (ms(50), retries(1));
    });
    client.enqueue(request.clone()).await.unwrap();
    client.once("one", TaskState::Running).await;
    // It times out later than the first.
    client.fail(with(task("until_cancelled", NOTHING), |o| o.timeout = ms(300))).await;
    let task = client.task("one").await.unwrap();
    assert_eq!((task.state(), task.attempts), (TaskState::Running, 1));
    server.open_gate("gate");
    assert_eq!(client.run(request).await, "waited");
    assert_eq!(client.task("one").await.unwrap().attempts, 2);
}

#[tokio::test]
async fn a_stuck_handler_does_not_delay_the_exit() {
    let mut server = impatient();
    let client = server.client().await;
    for (id, method, tries) in [
        ("sync", "wait_ignoring_cancel", 3),
        ("async", "block_the_runtime", 3),
        ("last", "wait_ignoring_cancel", 0),
    ] {
        let request = named(id, method, [server.path("gate")]);
        let request = with(request, |o| (o.timeout, o.retry) = (ms(50), retries(tries)));
        client.fail(request).await;
    }
    server.terminate();
    let start = Instant::now();
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < Duration::from_secs(15), "it took {:?}", start.elapsed());
}

#[tokio::test]
async fn an_async_handler_that_blocks_its_thread_is_abandoned() {
    let server = impatient();
    let client = server.client().await;
    let request = with(task("block_the_runtime", [server.path("gate")]), |o| o.timeout = ms(50));
    let failed = client.fail(request).await;
    assert_eq!((failed.code.as_str(), failed.attempts), ("STUCK", 1), "{failed:?}");
    client.assert_served(server.addr()).await;
    assert_eq!(client.run(task("delete", [1])).await, "Deleted 1 items");
}

#[tokio::test]
async fn a_result_of_100_mb_is_a_failure_and_is_not_retried() {
    let server = impatient();
    let client = server.client().await;
    let request = || with(named("huge", "text", [100_u32 << 20]), |o| o.retry = retries(3));
    let failed = client.fail(request()).await;
    let message = "the result has 104857600 bytes; at most 4128768 are kept";
    assert_eq!(failed, Failed::new("RESULT_TOO_LARGE", message, 1));
    assert_eq!(client.fail(request()).await, failed);
    client.assert_served(server.addr()).await;
}
