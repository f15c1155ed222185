//! GetStatistics and WatchStatistics: exact numbers after known work.

use std::time::{Duration, Instant};

use task_scheduler::pb;
use task_scheduler::pb::TaskState::{Cancelled, Failed, Running, Succeeded};
use tonic::{Code, Request};

use crate::client::{
    Client, NOTHING, Refused, in_queue, later, ms, named, retries, span, task, with,
};
use crate::server::{stock, with_methods};
use crate::waiting::{eventually, soon};

async fn statistics(client: &Client) -> pb::Statistics {
    let answer = soon(client.rpc().get_statistics(pb::GetStatisticsRequest {})).await.unwrap();
    answer.into_inner().statistics.expect("the answer has statistics")
}

/// Waits until the statistics satisfy `is`: an event is counted shortly after the answer.
async fn once(client: &Client, what: &str, is: impl Fn(&pb::Statistics) -> bool) -> pb::Statistics {
    eventually(what, async || Some(statistics(client).await).filter(&is)).await
}

fn queue(statistics: &pb::Statistics, name: &str) -> pb::QueueStatistics {
    let found = statistics.queues.iter().find(|queue| queue.name == name);
    found.unwrap_or_else(|| panic!("no queue {name} in {statistics:?}")).clone()
}

fn method(statistics: &pb::Statistics, name: &str) -> pb::MethodStatistics {
    let found = statistics.methods.iter().find(|method| method.method == name);
    found.unwrap_or_else(|| panic!("no method {name} in {statistics:?}")).clone()
}

fn length(length: Option<prost_types::Duration>) -> Duration {
    length.expect("the time was measured").try_into().unwrap()
}

#[tokio::test]
async fn tasks_are_counted_exactly() {
    let server = with_methods();
    let client = server.client().await;
    let ephemeral = |request| with(request, |o| o.durability = pb::Durability::Ephemeral.into());
    for _ in 0..3 {
        client.run(in_queue("sums", task("add", [1, 2]))).await;
    }
    for _ in 0..4 {
        client.run(ephemeral(in_queue("sums", task("add", [1, 2])))).await;
    }
    for _ in 0..2 {
        client.fail(task("fail_permanently", NOTHING)).await;
    }
    client.run(with(task("fail", [2]), |o| o.retry = retries(2))).await;
    client.enqueue(later(named("unwanted", "ping", NOTHING))).await.unwrap();
    let ids = vec!["unwanted".into()];
    client.cancel(pb::CancelTasksRequest { task_ids: ids, ..Default::default() }).await.unwrap();
    client.once("unwanted", Cancelled).await;

    let expected = pb::TaskTotals {
        accepted: 11,
        started: 12,
        succeeded: 8,
        failed: 2,
        cancelled: 1,
        expired: 0,
        retried: 2,
    };
    let seen = once(&client, "all is counted", |seen| seen.totals == Some(expected)).await;
    let counts = |name| {
        let method = method(&seen, name);
        (method.succeeded, method.failed, method.retried)
    };
    assert_eq!(counts("add"), (7, 0, 0));
    assert_eq!(counts("fail_permanently"), (0, 2, 0));
    assert_eq!(counts("fail"), (1, 0, 2));
    assert_eq!(counts("ping"), (0, 1, 0));
    let names: Vec<&str> = seen.methods.iter().map(|it| &*it.method).collect();
    assert_eq!(names, ["add", "fail", "fail_permanently", "ping"]);
    assert_eq!((queue(&seen, "default").failed, queue(&seen, "sums").failed), (2, 0));

    // Every count is of the last minute, so the rates have the same ratios as the counts.
    let (all, sums) = (seen.rates.unwrap(), queue(&seen, "sums").rates.unwrap());
    assert!(all.accepted_1m > 0.0 && all.accepted_1m == all.accepted_5m, "{all:?}");
    for (rate, part) in [
        (all.started_1m, 12.0 / 11.0),
        (all.succeeded_1m, 8.0 / 11.0),
        (all.failed_1m, 2.0 / 11.0),
        (sums.accepted_1m, 7.0 / 11.0),
        (sums.failed_1m, 0.0),
    ] {
        assert!((rate - part * all.accepted_1m).abs() < 1e-9, "{rate} {part} {all:?}");
    }
}

#[tokio::test]
async fn latency_and_duration_are_measured() {
    let server = with_methods();
    let client = server.client().await;
    client.pause("slow").await;
    client.enqueue(in_queue("slow", named("a", "wait", [server.path("gate")]))).await.unwrap();
    // A fixed time: it is the latency and the duration that the server must measure.
    let pause = Duration::from_millis(50);
    tokio::time::sleep(pause).await;
    client.resume("slow").await;
    client.once("a", Running).await;
    tokio::time::sleep(pause).await;
    server.open_gate("gate");
    let task = client.once("a", Succeeded).await;
    let seen = once(&client, "it is counted", |seen| !seen.methods.is_empty()).await;
    let time = |at: Option<prost_types::Timestamp>| std::time::SystemTime::try_from(at.unwrap());
    let (submitted, started) = (time(task.submitted_at).unwrap(), time(task.started_at).unwrap());
    let ended = time(task.ended_at).unwrap();
    let method = method(&seen, "wait");
    for (reported, real) in [
        (method.latency.unwrap(), started.duration_since(submitted).unwrap()),
        (method.duration.unwrap(), ended.duration_since(started).unwrap()),
    ] {
        assert!(real >= pause);
        assert_eq!((reported.count, length(reported.max)), (1, real));
        assert_eq!([reported.p50, reported.p90, reported.p99], [reported.max; 3]);
    }
}

#[tokio::test]
async fn queues_and_workers_are_reported() {
    let server = with_methods();
    let client = server.client().await;
    let ephemeral = |request| with(request, |o| o.durability = pb::Durability::Ephemeral.into());
    let gated = |id| in_queue("mail", named(id, "wait", [server.path("gate")]));
    client.enqueue(gated("runs")).await.unwrap();
    client.enqueue(ephemeral(gated("runs too"))).await.unwrap();
    let sync = in_queue("mail", named("sync", "wait_ignoring_cancel", [server.path("gate")]));
    client.enqueue(sync).await.unwrap();
    for id in ["runs", "runs too", "sync"] {
        client.once(id, Running).await;
    }
    client.fail(in_queue("mail", task("fail_permanently", NOTHING))).await;
    client.pause("mail").await;
    for id in ["first", "second"] {
        client.enqueue(gated(id)).await.unwrap();
    }
    client.enqueue(ephemeral(gated("third"))).await.unwrap();
    client.enqueue(later(gated("later"))).await.unwrap();
    client.enqueue(later(ephemeral(gated("later too")))).await.unwrap();
    let seen = statistics(&client).await;
    let mail = queue(&seen, "mail");
    let expected = pb::QueueStatistics {
        name: "mail".into(),
        paused: true,
        queued: 3,
        running: 3,
        delayed: 2,
        failed: 1,
        oldest_queued_at: client.task("first").await.unwrap().submitted_at,
        rates: mail.rates,
    };
    assert_eq!(mail, expected);
    let workers = seen.workers.unwrap();
    assert_eq!((workers.async_active, workers.sync_active, workers.stuck), (2, 1, 0));
    assert_eq!(workers.async_slots, 1_024);
    assert!(seen.started_at.map(|at| at.seconds) <= seen.at.map(|at| at.seconds));
    server.open_gate("gate");
    for id in ["runs", "runs too", "sync"] {
        client.once(id, Succeeded).await;
    }
    let idle = once(&client, "slots are free", |seen| {
        seen.workers.as_ref().is_some_and(|it| it.async_active + it.sync_active == 0)
    });
    assert_eq!(queue(&idle.await, "mail").running, 0);
}

#[tokio::test]
async fn a_watch_sends_a_sample_at_once_and_then_at_its_interval() {
    let server = stock();
    let client = server.client().await;
    let every = ms(100);
    let start = Instant::now();
    let request = pb::WatchStatisticsRequest { every };
    let mut samples = soon(client.rpc().watch_statistics(request)).await.unwrap().into_inner();
    let mut accepted = Vec::new();
    for number in 0..100_u32 {
        let sample = soon(samples.message()).await.unwrap().expect("the stream continues");
        accepted.push(sample.statistics.unwrap().totals.unwrap().accepted);
        assert!(start.elapsed() >= Duration::from_millis(100) * number);
        // On a busy machine the server may have sent several samples before the first task.
        if number >= 2 && accepted.last() != Some(&0) {
            break;
        }
        client.run(task("ping", NOTHING)).await;
    }
    assert_eq!(accepted[0], 0);
    assert!(accepted.is_sorted() && accepted.last() != Some(&0), "{accepted:?}");
}

#[tokio::test]
async fn a_watch_ends_at_its_deadline_and_with_the_server() {
    let mut server = with_methods();
    let client = server.client().await;
    let mut short =
        Request::new(pb::WatchStatisticsRequest { every: span(Duration::from_secs(60)) });
    short.set_timeout(Duration::from_millis(300));
    let mut samples = soon(client.rpc().watch_statistics(short)).await.unwrap().into_inner();
    soon(samples.message()).await.unwrap().expect("the first sample comes at once");
    assert_eq!(soon(samples.message()).await.unwrap_err().code(), Code::DeadlineExceeded);

    let every = pb::WatchStatisticsRequest { every: span(Duration::from_secs(60)) };
    let mut samples = soon(client.rpc().watch_statistics(every)).await.unwrap().into_inner();
    soon(samples.message()).await.unwrap().expect("the first sample comes at once");
    server.terminate();
    let refused = Refused::from(soon(samples.message()).await.unwrap_err());
    assert_eq!((refused.code, &*refused.reason), (Code::Unavailable, "DRAINING"));
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn an_interval_that_is_too_short_is_refused() {
    let server = stock();
    let client = server.client().await;
    let request = pb::WatchStatisticsRequest { every: ms(99) };
    let refused = soon(client.rpc().watch_statistics(request)).await;
    let expected = Refused::invalid("every", "99ms; expected 100 ms to 1 hour");
    assert_eq!(Refused::from(refused.map(drop).unwrap_err()), expected);
}

#[tokio::test]
async fn a_restart_keeps_queue_counts_and_resets_totals() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["--data-dir", data.path().to_str().unwrap()];
    let server = crate::server::Setup::with_methods().flags(flags).start();
    let client = server.client().await;
    client.fail(named("bad", "fail_permanently", NOTHING)).await;
    client.once("bad", Failed).await;
    client.enqueue(later(task("ping", NOTHING))).await.unwrap();
    drop(server);
    let server = crate::server::Setup::with_methods().flags(flags).start();
    let seen = statistics(&server.client().await).await;
    let queue = queue(&seen, "default");
    assert_eq!((queue.failed, queue.delayed, queue.queued), (1, 1, 0));
    assert_eq!(seen.totals, Some(pb::TaskTotals::default()));
}
