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
async fn a_delayed_task_starts_when_its_time_has_come() {
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
async fn a_time_in_the_past_is_now() {
    let server = with_methods();
    let client = server.client().await;
    let epoch = prost_types::Timestamp::default();
    let request = with(task("ping", NOTHING), |o| o.run_at = Some(epoch));
    assert_eq!(client.run(request).await, "pong");
}

#[tokio::test]
async fn the_end_of_the_year_9999_is_waited_for_and_later_is_refused() {
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
    // Nothing else is held up by it.
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
async fn a_task_that_has_not_started_in_its_time_expires() {
    let server = Setup::with_methods().config("[queues.narrow]\nconcurrency = 1").start();
    let client = server.client().await;
    let expired = Failed::new("EXPIRED", "its time to live was over before it started", 0);
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        // Pending, because it is delayed.
        let request = with(named(&format!("{durability:?}"), "ping", NOTHING), |o| {
            (o.delay, o.ttl, o.durability) = (an_hour(), ms(50), durability.into());
        });
        assert_eq!(client.fail(request).await, expired);
    }
    // Queued, because its queue is busy.
    let narrow = |request| with(request, |o| o.queue = "narrow".into());
    client.enqueue(narrow(named("busy", "wait", [server.path("gate")]))).await.unwrap();
    client.once("busy", TaskState::Running).await;
    let request = narrow(named("queued", "write", [server.path("ledger"), "ran".into()]));
    assert_eq!(client.fail(with(request, |o| o.ttl = ms(50))).await, expired);
    assert_eq!(client.task("queued").await.unwrap().state(), TaskState::Expired);
    // Over before it came.
    let epoch = prost_types::Timestamp::default();
    let request = with(task("ping", NOTHING), |o| o.expires_at = Some(epoch));
    assert_eq!(client.fail(request).await, expired);
    server.open_gate("gate");
    client.once("busy", TaskState::Succeeded).await;
    assert_eq!(server.ledger("ledger"), Vec::<String>::new());
}

#[tokio::test]
async fn a_task_that_started_in_its_time_may_take_longer() {
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
async fn a_failed_attempt_is_repeated_as_often_as_asked() {
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
async fn what_failed_permanently_is_not_tried_again() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(task("fail_permanently", NOTHING), |o| o.retry = retries(9));
    assert_eq!(client.fail(request).await, Failed::new("HANDLER_FAILED", "it cannot work", 1));
}

#[tokio::test]
async fn delays_between_attempts_grow_up_to_their_cap() {
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
        assert!((least - 1..least + 10_000).contains(delay), "{delays:?}");
    }
    assert_eq!(delays.len(), 4);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_a_failure_and_is_repeated() {
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
async fn a_result_that_comes_after_the_timeout_does_not_count() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(task("until_told", NOTHING), |o| o.timeout = ms(50));
    assert_eq!(client.fail(request).await.code, "TIMED_OUT");
}

#[tokio::test]
async fn the_server_s_own_timeout_applies_where_nobody_says() {
    let server = Setup::with_methods().flags(["--task-timeout", "50ms"]).start();
    let client = server.client().await;
    let failed = client.fail(task("until_told", NOTHING)).await;
    let message = "the attempt took longer than its timeout of 50ms";
    assert_eq!(failed, Failed::new("TIMED_OUT", message, 1));
}
