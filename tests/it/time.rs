//! Delays, expiry, retries and timeouts.

use std::time::{Duration, SystemTime};

use task_scheduler::pb;
use task_scheduler::pb::TaskState;

use crate::client::{Client, Failed, NOTHING, an_hour, ms, named, retries, task, with};
use crate::server::{Setup, with_methods};

fn millis(at: Option<prost_types::Timestamp>) -> i64 {
    let at = at.expect("it is set");
    at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000
}

async fn delay_of(client: &Client, id: &str) -> i64 {
    let task = client.task(id).await.unwrap();
    millis(task.started_at) - millis(task.submitted_at)
}

#[tokio::test]
async fn a_delayed_task_starts_at_its_time() {
    let server = with_methods();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let id = format!("{durability:?}");
        let request = with(named(&id, "ping", NOTHING), |o| {
            (o.delay, o.durability) = (ms(150), durability.into());
        });
        assert_eq!(client.run(request).await, "pong");
        assert!(delay_of(&client, &id).await >= 149, "{id} did not wait");
    }
    let at = SystemTime::now() + Duration::from_millis(150);
    client.run(with(named("at", "ping", NOTHING), |o| o.run_at = Some(at.into()))).await;
    let started = client.task("at").await.unwrap().started_at;
    assert!(millis(started) >= millis(Some(at.into())), "it started before its time");
}

#[tokio::test]
async fn a_start_time_in_the_past_starts_the_task_at_once() {
    let server = with_methods();
    let client = server.client().await;
    let epoch = prost_types::Timestamp::default();
    let request = with(task("ping", NOTHING), |o| o.run_at = Some(epoch));
    assert_eq!(client.run(request).await, "pong");
}

#[tokio::test]
async fn a_start_time_after_the_year_9999_is_refused() {
    let server = with_methods();
    let client = server.client().await;
    let at = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    let last = at(253_402_300_799, 999_999_000);
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let id = format!("{durability:?}");
        let request = with(named(&id, "ping", NOTHING), |o| {
            (o.run_at, o.expires_at, o.durability) = (last, last, durability.into());
        });
        assert_eq!(client.enqueue(request).await.unwrap().state(), TaskState::Pending);
        let task = client.task(&id).await.unwrap();
        assert_eq!((task.run_at, task.expires_at), (last, last));
    }
    for impossible in [at(253_402_300_800, 0), at(i64::MAX, 0), at(i64::MIN, 0), at(0, -1)] {
        let request = with(task("ping", NOTHING), |o| o.run_at = impossible);
        assert_eq!(client.refused(request).await.fields, ["options.run_at"]);
        let request = with(task("ping", NOTHING), |o| o.expires_at = impossible);
        assert_eq!(client.refused(request).await.fields, ["options.expires_at"]);
    }
    // It delays no other task.
    client.run(with(task("ping", NOTHING), |o| o.delay = ms(20))).await;
}

#[tokio::test]
async fn delayed_tasks_start_in_the_order_of_their_times() {
    let server = Setup::with_methods().config("[queues.narrow]\nconcurrency = 1").start();
    let client = server.client().await;
    for (id, delay) in [("c", 300), ("a", 100), ("b", 200)] {
        let request = named(id, "write", [server.path("ledger"), id.into()]);
        let set = |o: &mut pb::TaskOptions| (o.delay, o.queue) = (ms(delay), "narrow".into());
        client.enqueue(with(request, set)).await.unwrap();
    }
    client.once("c", TaskState::Succeeded).await;
    assert_eq!(server.ledger("ledger"), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_task_that_does_not_start_within_its_ttl_expires() {
    let server = Setup::with_methods().config("[queues.narrow]\nconcurrency = 1").start();
    let client = server.client().await;
    let expired = Failed::new("EXPIRED", "its time to live was over before it started", 0);
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        // PENDING, because it has a delay.
        let request = with(named(&format!("{durability:?}"), "ping", NOTHING), |o| {
            (o.delay, o.ttl, o.durability) = (an_hour(), ms(50), durability.into());
        });
        assert_eq!(client.fail(request).await, expired);
    }
    // QUEUED, because its queue is full.
    let narrow = |request| with(request, |o| o.queue = "narrow".into());
    client.enqueue(narrow(named("busy", "wait", [server.path("gate")]))).await.unwrap();
    client.once("busy", TaskState::Running).await;
    let request = narrow(named("queued", "write", [server.path("ledger"), "ran".into()]));
    assert_eq!(client.fail(with(request, |o| o.ttl = ms(50))).await, expired);
    assert_eq!(client.task("queued").await.unwrap().state(), TaskState::Expired);
    // Expired on arrival.
    let epoch = prost_types::Timestamp::default();
    let request = with(task("ping", NOTHING), |o| o.expires_at = Some(epoch));
    assert_eq!(client.fail(request).await, expired);
    server.open_gate("gate");
    client.once("busy", TaskState::Succeeded).await;
    assert_eq!(server.ledger("ledger"), Vec::<String>::new());
}

#[tokio::test]
async fn a_task_that_started_within_its_ttl_does_not_expire() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(named("one", "wait", [server.path("gate")]), |o| o.ttl = ms(1_000));
    client.enqueue(request).await.unwrap();
    let running = client.once("one", TaskState::Running).await;
    crate::waiting::eventually("its time to live is over", async || {
        let now = millis(Some(SystemTime::now().into()));
        (now > millis(running.submitted_at) + 1_100).then_some(())
    })
    .await;
    server.open_gate("gate");
    client.once("one", TaskState::Succeeded).await;
}

#[tokio::test]
async fn a_failed_attempt_is_retried_as_often_as_requested() {
    let server = with_methods();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let request = |times, most| {
            with(task("fail", [times]), |o| {
                (o.retry, o.durability) = (retries(most), durability.into());
            })
        };
        assert_eq!(client.run(request(3, 3)).await, "4");
        let failed = client.fail(request(4, 3)).await;
        assert_eq!(failed, Failed::new("HANDLER_FAILED", "attempt 4 failed", 4));
        let failed = client.fail(request(1, 0)).await;
        assert_eq!(failed, Failed::new("HANDLER_FAILED", "attempt 1 failed", 1));
    }
}

#[tokio::test]
async fn a_permanent_failure_is_not_retried() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(task("fail_permanently", NOTHING), |o| o.retry = retries(9));
    assert_eq!(client.fail(request).await, Failed::new("HANDLER_FAILED", "it cannot work", 1));
}

#[tokio::test]
async fn the_backoff_grows_exponentially_up_to_its_cap() {
    let server = with_methods();
    let client = server.client().await;
    let policy = pb::RetryPolicy {
        retries: Some(4),
        base: ms(20),
        multiplier: Some(3.0),
        max: ms(100),
        jitter: Some(0.0),
    };
    client.run(with(named("one", "fail", [4]), |o| o.retry = Some(policy))).await;
    let history = client.task("one").await.unwrap().history;
    let delays: Vec<i64> = history
        .windows(2)
        .filter(|pair| pair[0].state() == TaskState::Retrying)
        .map(|pair| millis(pair[1].at) - millis(pair[0].at))
        .collect();
    for (delay, least) in delays.iter().zip([20, 60, 100, 100]) {
        // The backoff begins when the attempt ends; the history has the time of the commit, which can wait for
        // the fsync of the one before it.
        assert!((least / 2..least + 10_000).contains(delay), "{delays:?}");
    }
    assert_eq!(delays.len(), 4);
}

#[tokio::test]
async fn a_timed_out_attempt_is_retried() {
    let server = Setup::with_methods().flags(["--cancel-grace", "10ms"]).start();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let ledger = format!("{durability:?}");
        let request = with(task("never", [server.path(&ledger)]), |o| {
            (o.timeout, o.retry, o.durability) = (ms(50), retries(1), durability.into());
        });
        let message = "the attempt took longer than its timeout of 50ms";
        assert_eq!(client.fail(request).await, Failed::new("TIMED_OUT", message, 2));
        assert_eq!(server.ledger(&ledger), ["started", "dropped", "started", "dropped"]);
    }
}

#[tokio::test]
async fn a_result_after_the_timeout_is_dropped() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(task("until_cancelled", NOTHING), |o| o.timeout = ms(50));
    assert_eq!(client.fail(request).await.code, "TIMED_OUT");
}

#[tokio::test]
async fn the_servers_default_timeout_applies_without_one_in_the_request() {
    let server = Setup::with_methods().flags(["--task-timeout", "50ms"]).start();
    let client = server.client().await;
    let failed = client.fail(task("until_cancelled", NOTHING)).await;
    let message = "the attempt took longer than its timeout of 50ms";
    assert_eq!(failed, Failed::new("TIMED_OUT", message, 1));
}
