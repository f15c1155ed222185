//! ExplainTask: what keeps a task from running, and which tasks hold it up.

use std::time::{Duration, SystemTime};

use task_scheduler::pb;
use task_scheduler::pb::TaskState::{Failed, Pending, Retrying, Running, Succeeded};
use task_scheduler::pb::obstacle::Kind;
use tonic::{Code, Response};

use crate::client::{
    Answer, Client, NOTHING, Refused, after, an_hour, in_queue, later, named, waits, with,
};
use crate::server::{Server, Setup, stock, with_methods};
use crate::waiting::{eventually, soon};

const HOUR: Duration = Duration::from_secs(3_600);

async fn explain(client: &Client, id: &str) -> Answer<pb::ExplainTaskResponse> {
    let request = pb::ExplainTaskRequest { task_id: id.into() };
    soon(client.rpc().explain_task(request)).await.map(Response::into_inner)
}

/// The obstacles of a task that waits; asserts their kinds.
async fn obstacles<const N: usize>(
    client: &Client,
    id: &str,
    kinds: [Kind; N],
) -> [pb::Obstacle; N] {
    let answer = explain(client, id).await.unwrap();
    let found: Vec<Kind> = answer.obstacles.iter().map(pb::Obstacle::kind).collect();
    assert_eq!(found, kinds, "{answer:?}");
    for obstacle in &answer.obstacles {
        assert!(answer.summary.contains(&obstacle.description), "{answer:?}");
    }
    let latest = answer.obstacles.iter().filter_map(|it| it.until).map(time).max();
    assert_eq!(answer.runs_at.map(time), latest, "{answer:?}");
    answer.obstacles.try_into().expect("one obstacle for each kind")
}

fn time(at: prost_types::Timestamp) -> SystemTime {
    at.try_into().unwrap()
}

/// Asserts that the obstacle ends in an hour.
fn assert_in_an_hour(obstacle: &pb::Obstacle) {
    let until = time(obstacle.until.expect("the obstacle has a time"));
    let wait = until.duration_since(SystemTime::now()).unwrap();
    assert!(wait <= HOUR && wait + Duration::from_secs(120) > HOUR, "{obstacle:?}");
}

/// A task that waits for a gate with its own id.
fn gated(server: &Server, id: &str) -> pb::TaskRequest {
    named(id, "wait", [server.path(id)])
}

async fn enqueue(client: &Client, requests: impl IntoIterator<Item = pb::TaskRequest>) {
    for request in requests {
        client.enqueue(request).await.unwrap();
    }
}

fn limits(set: impl FnOnce(&mut pb::QueueLimits)) -> Option<pb::QueueLimits> {
    let mut limits = pb::QueueLimits::default();
    set(&mut limits);
    Some(limits)
}

fn ephemeral(request: pb::TaskRequest) -> pb::TaskRequest {
    with(request, |o| o.durability = pb::Durability::Ephemeral.into())
}

fn keyed(request: pb::TaskRequest) -> pb::TaskRequest {
    with(request, |o| o.concurrency_key = "ann".into())
}

#[tokio::test]
async fn a_start_time_and_a_backoff_are_explained() {
    let server = with_methods();
    let client = server.client().await;
    enqueue(&client, [later(named("later", "ping", NOTHING))]).await;
    enqueue(&client, [later(ephemeral(named("later too", "ping", NOTHING)))]).await;
    for id in ["later", "later too"] {
        assert_in_an_hour(&obstacles(&client, id, [Kind::Time]).await[0]);
        assert_eq!(explain(&client, id).await.unwrap().state(), Pending);
    }
    let policy =
        pb::RetryPolicy { retries: Some(3), base: an_hour(), max: an_hour(), ..Default::default() };
    let policy = pb::RetryPolicy { jitter: Some(0.0), ..policy };
    enqueue(&client, [with(named("fails", "fail", [9]), |o| o.retry = Some(policy))]).await;
    client.once("fails", Retrying).await;
    let [backoff] = obstacles(&client, "fails", [Kind::Backoff]).await;
    assert_in_an_hour(&backoff);
    assert!(backoff.description.starts_with("attempt 1 failed"), "{backoff:?}");
}

#[tokio::test]
async fn unmet_dependencies_are_explained() {
    let server = with_methods();
    let client = server.client().await;
    enqueue(&client, ["a", "b"].map(|id| gated(&server, id))).await;
    enqueue(&client, [named("done", "ping", NOTHING)]).await;
    client.once("done", Succeeded).await;
    let depends = waits(after(["a", "done", "b"], named("c", "ping", NOTHING)));
    enqueue(&client, [depends, waits(after(["a"], ephemeral(named("e", "ping", NOTHING))))]).await;
    let [first] = obstacles(&client, "c", [Kind::Dependencies]).await;
    assert_eq!((&*first.task_ids, first.count), (&["a".into(), "b".into()][..], 2));
    let [other] = obstacles(&client, "e", [Kind::Dependencies]).await;
    assert_eq!((&*other.task_ids, other.count), (&["a".into()][..], 1));
    server.open_gate("a");
    client.once("a", Succeeded).await;
    let [first] = obstacles(&client, "c", [Kind::Dependencies]).await;
    assert_eq!((&*first.task_ids, first.count), (&["b".into()][..], 1));
}

#[tokio::test]
async fn a_paused_queue_and_the_queue_position_are_explained() {
    let server = with_methods();
    let client = server.client().await;
    client.pause("mail").await;
    enqueue(&client, ["a", "b"].map(|id| in_queue("mail", named(id, "ping", NOTHING)))).await;
    let third = in_queue("mail", ephemeral(named("c", "ping", NOTHING)));
    let urgent = with(in_queue("mail", named("d", "ping", NOTHING)), |o| o.priority = Some(1));
    enqueue(&client, [third]).await;
    obstacles(&client, "a", [Kind::Paused]).await;
    enqueue(&client, [urgent]).await;
    for (id, before) in [("d", 0), ("a", 1), ("b", 2), ("c", 3)] {
        if before == 0 {
            obstacles(&client, id, [Kind::Paused]).await;
            continue;
        }
        let [_, behind] = obstacles(&client, id, [Kind::Paused, Kind::QueuePosition]).await;
        assert_eq!(behind.count, before, "{id}");
    }
    enqueue(&client, [later(in_queue("mail", named("e", "ping", NOTHING)))]).await;
    obstacles(&client, "e", [Kind::Time, Kind::Paused]).await;
}

#[tokio::test]
async fn a_concurrency_limit_names_the_running_tasks() {
    let server = with_methods();
    let client = server.client().await;
    client.limit("mail", limits(|limits| limits.concurrency = 2)).await.unwrap();
    let gated = |id| in_queue("mail", gated(&server, id));
    enqueue(&client, ["a", "b"].map(gated)).await;
    for id in ["a", "b"] {
        client.once(id, Running).await;
    }
    enqueue(&client, [gated("c")]).await;
    let [full] = obstacles(&client, "c", [Kind::QueueConcurrency]).await;
    assert_eq!((full.count, full.limit), (2, 2));
    assert_eq!(full.task_ids, ["a", "b"]);
}

#[tokio::test]
async fn a_rate_limit_has_its_end() {
    let server = with_methods();
    let client = server.client().await;
    let rate = Some(pb::RateLimit { count: 1, per: an_hour() });
    client.limit("mail", limits(|limits| limits.rate = rate)).await.unwrap();
    client.run(in_queue("mail", named("a", "ping", NOTHING))).await;
    enqueue(&client, [in_queue("mail", named("b", "ping", NOTHING))]).await;
    let [rate] = obstacles(&client, "b", [Kind::QueueRate]).await;
    assert_in_an_hour(&rate);
    assert_eq!(rate.limit, 1);
}

#[tokio::test]
async fn a_concurrency_key_names_its_holders_and_the_end_of_its_rate_limit() {
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let server = with_methods();
        let client = server.client().await;
        let of = |request| keyed(with(request, |o| o.durability = durability.into()));
        enqueue(&client, ["a", "b"].map(|id| of(gated(&server, id)))).await;
        client.once("a", Running).await;
        enqueue(&client, [later(of(named("c", "ping", NOTHING)))]).await;
        for (id, kinds) in
            [("b", &[Kind::ConcurrencyKey][..]), ("c", &[Kind::Time, Kind::ConcurrencyKey])]
        {
            let answer = explain(&client, id).await.unwrap();
            let found: Vec<Kind> = answer.obstacles.iter().map(pb::Obstacle::kind).collect();
            assert_eq!(found, kinds, "{durability:?} {answer:?}");
            let key = answer.obstacles.last().unwrap();
            assert_eq!((key.count, key.limit), (1, 1));
            assert_eq!(key.task_ids, ["a"]);
        }
        server.open_gate("a");
        client.once("b", Running).await;

        let rate_per_key = Some(pb::RateLimit { count: 1, per: an_hour() });
        let slow = limits(|limits| {
            limits.concurrency_per_key = 5;
            limits.rate_per_key = rate_per_key;
        });
        client.limit("slow", slow).await.unwrap();
        client.run(in_queue("slow", of(named("first", "ping", NOTHING)))).await;
        enqueue(&client, [in_queue("slow", of(named("second", "ping", NOTHING)))]).await;
        let [key] = obstacles(&client, "second", [Kind::ConcurrencyKey]).await;
        assert_in_an_hour(&key);
        assert_eq!((key.task_ids.len(), key.limit), (0, 5));
    }
}

#[tokio::test]
async fn a_task_without_a_slot_names_the_tasks_that_have_one() {
    let flags = ["--async-tasks", "1", "--sync-threads", "1"];
    let server = Setup::with_methods().flags(flags).start();
    let client = server.client().await;
    let sync = |id| named(id, "wait_until_cancelled", [server.path(id)]);
    enqueue(&client, [gated(&server, "a"), sync("s")]).await;
    for id in ["a", "s"] {
        client.once(id, Running).await;
    }
    enqueue(&client, [gated(&server, "b"), sync("t")]).await;
    for (id, holder) in [("b", "a"), ("t", "s")] {
        // Both are in one queue; tasks of the other kind do not block them, but count.
        let answer = explain(&client, id).await.unwrap();
        let capacity = answer.obstacles.iter().find(|it| it.kind() == Kind::Capacity);
        let capacity = capacity.unwrap_or_else(|| panic!("{answer:?}"));
        assert_eq!((capacity.count, capacity.limit), (1, 1));
        assert_eq!(capacity.task_ids, [holder]);
    }
}

#[tokio::test]
async fn a_missing_method_is_named_with_the_nearest() {
    let data = tempfile::tempdir().unwrap();
    let data_dir = data.path().to_str().unwrap();
    let server = Setup::with_methods().flags(["--data-dir", data_dir]).start();
    let client = server.client().await;
    client.pause("mail").await;
    enqueue(&client, [in_queue("mail", named("unknown-method", "until_cancelled", NOTHING))]).await;
    drop(server);
    let server = Setup::stock().flags(["--data-dir", data_dir]).start();
    let client = server.client().await;
    let [method, _] = obstacles(&client, "unknown-method", [Kind::Method, Kind::Paused]).await;
    let expected = "its method is not registered here: Method not found: until_cancelled";
    assert!(method.description.starts_with(expected), "{method:?}");
}

#[tokio::test]
async fn a_quarantine_suspect_waits_for_the_one_that_runs() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["--data-dir", data.path().to_str().unwrap(), "--quarantine-after", "1"];
    let server = Setup::with_methods().flags(flags).start();
    let client = server.client().await;
    enqueue(&client, ["a", "b"].map(|id| gated(&server, id))).await;
    for id in ["a", "b"] {
        client.once(id, Running).await;
    }
    // Dropping the server kills it.
    drop(server);
    let server = Setup::with_methods().flags(flags).start();
    let client = server.client().await;
    client.once("a", Running).await;
    obstacles(&client, "b", [Kind::Suspect]).await;
}

#[tokio::test]
async fn a_drain_is_explained() {
    let mut server = with_methods();
    let client = server.client().await;
    client.pause("mail").await;
    enqueue(&client, [gated(&server, "a"), in_queue("mail", named("b", "ping", NOTHING))]).await;
    client.once("a", Running).await;
    server.terminate();
    eventually("it drains", async || {
        let answer = explain(&client, "b").await.unwrap();
        let kinds: Vec<Kind> = answer.obstacles.iter().map(pb::Obstacle::kind).collect();
        (kinds == [Kind::Paused, Kind::Draining]).then_some(())
    })
    .await;
    server.open_gate("a");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn a_running_or_ended_task_has_no_obstacles() {
    let server = with_methods();
    let client = server.client().await;
    enqueue(&client, [gated(&server, "runs")]).await;
    enqueue(&client, [named("parent", "spawn_child", [server.path("gate")])]).await;
    enqueue(&client, [named("bad", "fail_permanently", NOTHING)]).await;
    client.once("runs", Running).await;
    client.once("parent/child", Running).await;
    client.once("bad", Failed).await;
    for (id, state, start, end) in [
        ("runs", Running, "attempt 1 runs since ", "Z"),
        ("bad", Failed, "it ended FAILED at ", ", HANDLER_FAILED"),
    ] {
        let answer = explain(&client, id).await.unwrap();
        assert!(answer.summary.starts_with(start) && answer.summary.ends_with(end), "{answer:?}");
        assert_eq!((answer.state(), answer.obstacles, answer.runs_at), (state, Vec::new(), None));
    }
    eventually("the parent waits for its child", async || {
        let answer = explain(&client, "parent").await.unwrap();
        assert_eq!((answer.state(), answer.obstacles.len()), (Running, 0));
        answer.summary.ends_with(", and waits for its children").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_unknown_task_is_not_explained() {
    let server = stock();
    let client = server.client().await;
    let refused = async |id| Refused::from(explain(&client, id).await.unwrap_err());
    let unknown = Refused::new(Code::NotFound, "TASK_NOT_FOUND", "no task never is known");
    assert_eq!(refused("never").await, unknown);
    assert_eq!(refused("").await, Refused::invalid("task_id", "empty; expected 1 to 255 bytes"));
}
