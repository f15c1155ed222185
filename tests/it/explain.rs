//! ExplainTask: what keeps a task from running, and who holds it.

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

/// What is told of a task that waits: its obstacles, of these kinds.
async fn told<const N: usize>(client: &Client, id: &str, kinds: [Kind; N]) -> [pb::Obstacle; N] {
    let said = explain(client, id).await.unwrap();
    let found: Vec<Kind> = said.obstacles.iter().map(pb::Obstacle::kind).collect();
    assert_eq!(found, kinds, "{said:?}");
    for obstacle in &said.obstacles {
        assert!(said.summary.contains(&obstacle.description), "{said:?}");
    }
    let latest = said.obstacles.iter().filter_map(|it| it.until).map(time).max();
    assert_eq!(said.runs_at.map(time), latest, "{said:?}");
    said.obstacles.try_into().expect("as many as there are kinds")
}

fn time(at: prost_types::Timestamp) -> SystemTime {
    at.try_into().unwrap()
}

/// Fails unless that is in an hour from now.
fn assert_in_an_hour(obstacle: &pb::Obstacle) {
    let until = time(obstacle.until.expect("it is known"));
    let wait = until.duration_since(SystemTime::now()).unwrap();
    assert!(wait <= HOUR && wait + Duration::from_secs(120) > HOUR, "{obstacle:?}");
}

/// A task that waits for a gate of its own name.
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
async fn a_task_waits_for_its_time_and_for_its_next_attempt() {
    let server = with_methods();
    let client = server.client().await;
    enqueue(&client, [later(named("later", "ping", NOTHING))]).await;
    enqueue(&client, [later(ephemeral(named("later too", "ping", NOTHING)))]).await;
    for id in ["later", "later too"] {
        assert_in_an_hour(&told(&client, id, [Kind::Time]).await[0]);
        assert_eq!(explain(&client, id).await.unwrap().state(), Pending);
    }
    let policy =
        pb::RetryPolicy { retries: Some(3), base: an_hour(), max: an_hour(), ..Default::default() };
    let policy = pb::RetryPolicy { jitter: Some(0.0), ..policy };
    enqueue(&client, [with(named("fails", "fail", [9]), |o| o.retry = Some(policy))]).await;
    client.once("fails", Retrying).await;
    let [backoff] = told(&client, "fails", [Kind::Backoff]).await;
    assert_in_an_hour(&backoff);
    assert!(backoff.description.starts_with("attempt 1 ended badly"), "{backoff:?}");
}

#[tokio::test]
async fn a_task_waits_for_its_dependencies() {
    let server = with_methods();
    let client = server.client().await;
    enqueue(&client, ["a", "b"].map(|id| gated(&server, id))).await;
    enqueue(&client, [named("done", "ping", NOTHING)]).await;
    client.once("done", Succeeded).await;
    let depends = waits(after(["a", "done", "b"], named("c", "ping", NOTHING)));
    enqueue(&client, [depends, waits(after(["a"], ephemeral(named("e", "ping", NOTHING))))]).await;
    let [first] = told(&client, "c", [Kind::Dependencies]).await;
    assert_eq!((&*first.task_ids, first.count), (&["a".into(), "b".into()][..], 2));
    let [other] = told(&client, "e", [Kind::Dependencies]).await;
    assert_eq!((&*other.task_ids, other.count), (&["a".into()][..], 1));
    server.open_gate("a");
    client.once("a", Succeeded).await;
    let [first] = told(&client, "c", [Kind::Dependencies]).await;
    assert_eq!((&*first.task_ids, first.count), (&["b".into()][..], 1));
}

#[tokio::test]
async fn a_task_of_a_paused_queue_is_told_of_those_before_it_too() {
    let server = with_methods();
    let client = server.client().await;
    client.pause("mail").await;
    enqueue(&client, ["a", "b"].map(|id| in_queue("mail", named(id, "ping", NOTHING)))).await;
    let third = in_queue("mail", ephemeral(named("c", "ping", NOTHING)));
    let urgent = with(in_queue("mail", named("d", "ping", NOTHING)), |o| o.priority = Some(1));
    enqueue(&client, [third]).await;
    told(&client, "a", [Kind::Paused]).await;
    enqueue(&client, [urgent]).await;
    for (id, before) in [("d", 0), ("a", 1), ("b", 2), ("c", 3)] {
        if before == 0 {
            told(&client, id, [Kind::Paused]).await;
            continue;
        }
        let [_, behind] = told(&client, id, [Kind::Paused, Kind::QueuePosition]).await;
        assert_eq!(behind.count, before, "{id}");
    }
    enqueue(&client, [later(in_queue("mail", named("e", "ping", NOTHING)))]).await;
    told(&client, "e", [Kind::Time, Kind::Paused]).await;
}

#[tokio::test]
async fn a_full_queue_names_those_that_run() {
    let server = with_methods();
    let client = server.client().await;
    client.limit("mail", limits(|limits| limits.concurrency = 2)).await.unwrap();
    let gated = |id| in_queue("mail", gated(&server, id));
    enqueue(&client, ["a", "b"].map(gated)).await;
    for id in ["a", "b"] {
        client.once(id, Running).await;
    }
    enqueue(&client, [gated("c")]).await;
    let [full] = told(&client, "c", [Kind::QueueConcurrency]).await;
    assert_eq!((full.count, full.limit), (2, 2));
    assert_eq!(full.task_ids, ["a", "b"]);
}

#[tokio::test]
async fn a_queue_that_started_as_many_as_it_may_says_until_when() {
    let server = with_methods();
    let client = server.client().await;
    let rate = Some(pb::RateLimit { count: 1, per: an_hour() });
    client.limit("mail", limits(|limits| limits.rate = rate)).await.unwrap();
    client.run(in_queue("mail", named("a", "ping", NOTHING))).await;
    enqueue(&client, [in_queue("mail", named("b", "ping", NOTHING))]).await;
    let [rate] = told(&client, "b", [Kind::QueueRate]).await;
    assert_in_an_hour(&rate);
    assert_eq!(rate.limit, 1);
}

#[tokio::test]
async fn a_concurrency_key_names_who_holds_it_and_until_when_its_rate_does() {
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
            let said = explain(&client, id).await.unwrap();
            let found: Vec<Kind> = said.obstacles.iter().map(pb::Obstacle::kind).collect();
            assert_eq!(found, kinds, "{durability:?} {said:?}");
            let key = said.obstacles.last().unwrap();
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
        let [key] = told(&client, "second", [Kind::ConcurrencyKey]).await;
        assert_in_an_hour(&key);
        assert_eq!((key.task_ids.len(), key.limit), (0, 5));
    }
}

#[tokio::test]
async fn a_task_without_a_slot_names_those_that_have_them() {
    let flags = ["--async-tasks", "1", "--sync-threads", "1"];
    let server = Setup::with_methods().flags(flags).start();
    let client = server.client().await;
    let sync = |id| named(id, "wait_obediently", [server.path(id)]);
    enqueue(&client, [gated(&server, "a"), sync("s")]).await;
    for id in ["a", "s"] {
        client.once(id, Running).await;
    }
    enqueue(&client, [gated(&server, "b"), sync("t")]).await;
    for (id, holder) in [("b", "a"), ("t", "s")] {
        // Both stand in one queue, and those of the other kind do not keep it up; but they count.
        let said = explain(&client, id).await.unwrap();
        let capacity = said.obstacles.iter().find(|it| it.kind() == Kind::Capacity);
        let capacity = capacity.unwrap_or_else(|| panic!("{said:?}"));
        assert_eq!((capacity.count, capacity.limit), (1, 1));
        assert_eq!(capacity.task_ids, [holder]);
    }
}

#[tokio::test]
async fn a_method_that_is_gone_is_named_with_its_nearest() {
    let data = tempfile::tempdir().unwrap();
    let data_dir = data.path().to_str().unwrap();
    let server = Setup::with_methods().flags(["--data-dir", data_dir]).start();
    let client = server.client().await;
    client.pause("mail").await;
    enqueue(&client, [in_queue("mail", named("gone", "until_told", NOTHING))]).await;
    drop(server);
    let server = Setup::stock().flags(["--data-dir", data_dir]).start();
    let client = server.client().await;
    let [method, _] = told(&client, "gone", [Kind::Method, Kind::Paused]).await;
    let expected = "no body for it is here: Method not found: until_told";
    assert!(method.description.starts_with(expected), "{method:?}");
}

#[tokio::test]
async fn of_several_suspects_one_runs() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["--data-dir", data.path().to_str().unwrap(), "--quarantine-after", "1"];
    let server = Setup::with_methods().flags(flags).start();
    let client = server.client().await;
    enqueue(&client, ["a", "b"].map(|id| gated(&server, id))).await;
    for id in ["a", "b"] {
        client.once(id, Running).await;
    }
    // Killed, as it is dropped.
    drop(server);
    let server = Setup::with_methods().flags(flags).start();
    let client = server.client().await;
    client.once("a", Running).await;
    told(&client, "b", [Kind::Suspect]).await;
}

#[tokio::test]
async fn nothing_starts_while_the_server_shuts_down() {
    let mut server = with_methods();
    let client = server.client().await;
    client.pause("mail").await;
    enqueue(&client, [gated(&server, "a"), in_queue("mail", named("b", "ping", NOTHING))]).await;
    client.once("a", Running).await;
    server.terminate();
    eventually("it drains", async || {
        let said = explain(&client, "b").await.unwrap();
        let kinds: Vec<Kind> = said.obstacles.iter().map(pb::Obstacle::kind).collect();
        (kinds == [Kind::Paused, Kind::Draining]).then_some(())
    })
    .await;
    server.open_gate("a");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn of_a_task_that_runs_or_has_ended_that_is_told() {
    let server = with_methods();
    let client = server.client().await;
    enqueue(&client, [gated(&server, "runs")]).await;
    enqueue(&client, [named("parent", "have_a_child", [server.path("gate")])]).await;
    enqueue(&client, [named("bad", "fail_permanently", NOTHING)]).await;
    client.once("runs", Running).await;
    client.once("parent/child", Running).await;
    client.once("bad", Failed).await;
    for (id, state, start, end) in [
        ("runs", Running, "attempt 1 runs since ", "Z"),
        ("bad", Failed, "it ended FAILED at ", ", HANDLER_FAILED"),
    ] {
        let said = explain(&client, id).await.unwrap();
        assert!(said.summary.starts_with(start) && said.summary.ends_with(end), "{said:?}");
        assert_eq!((said.state(), said.obstacles, said.runs_at), (state, Vec::new(), None));
    }
    eventually("the parent waits for its child", async || {
        let said = explain(&client, "parent").await.unwrap();
        assert_eq!((said.state(), said.obstacles.len()), (Running, 0));
        said.summary.ends_with(", and waits for its children").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_task_that_nobody_knows_is_not_explained() {
    let server = stock();
    let client = server.client().await;
    let refused = async |id| Refused::from(explain(&client, id).await.unwrap_err());
    let unknown = Refused::new(Code::NotFound, "TASK_NOT_FOUND", "no task never is known");
    assert_eq!(refused("never").await, unknown);
    assert_eq!(refused("").await, Refused::invalid("task_id", "empty; expected 1 to 255 bytes"));
}
