//! CancelTasks: the effect on a task that waits, runs, has ended, or does not exist.

use task_scheduler::pb;
use task_scheduler::pb::TaskState;
use task_scheduler::pb::cancel_outcome::Verdict;

use crate::client::{Failed, NOTHING, Refused, an_hour, named, retries, with};
use crate::server::{Setup, with_methods};
use crate::waiting::{eventually, soon};

fn ids<const N: usize>(ids: [&str; N]) -> pb::CancelTasksRequest {
    let task_ids = ids.map(String::from).into();
    pb::CancelTasksRequest { task_ids, reason: "not wanted".into(), ..Default::default() }
}

fn outcome(id: &str, verdict: Verdict, state: TaskState) -> pb::CancelOutcome {
    pb::CancelOutcome { task_id: id.into(), verdict: verdict.into(), state: state.into() }
}

#[tokio::test]
async fn each_id_has_its_verdict_in_the_order_of_the_request() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(with(named("waits", "ping", NOTHING), |o| o.delay = an_hour())).await.unwrap();
    client.run(named("ended", "ping", NOTHING)).await;
    client.fail(named("failed", "fail_permanently", NOTHING)).await;
    client.enqueue(named("runs", "until_cancelled", NOTHING)).await.unwrap();
    client.once("runs", TaskState::Running).await;
    let outcomes =
        client.cancel(ids(["ended", "waits", "unknown", "runs", "failed"])).await.unwrap();
    let expected = [
        outcome("ended", Verdict::AlreadyEnded, TaskState::Succeeded),
        outcome("waits", Verdict::Cancelled, TaskState::Cancelled),
        outcome("unknown", Verdict::NotFound, TaskState::Unspecified),
        outcome("runs", Verdict::Requested, TaskState::Running),
        outcome("failed", Verdict::AlreadyEnded, TaskState::Failed),
    ];
    assert_eq!(outcomes, expected);
    let waits = client.task("waits").await.unwrap();
    assert_eq!(waits.failure.unwrap().message, "not wanted");
    assert_eq!(waits.history.last().unwrap().error, "not wanted");
    assert_eq!(waits.attempts, 0);
    let again = client.cancel(ids(["waits"])).await.unwrap();
    assert_eq!(again, [outcome("waits", Verdict::AlreadyEnded, TaskState::Cancelled)]);
}

#[tokio::test]
async fn a_queued_task_that_is_cancelled_never_runs() {
    let server = Setup::with_methods().config("[queues.narrow]\nconcurrency = 1").start();
    let client = server.client().await;
    let narrow = |request| with(request, |o| o.queue = "narrow".into());
    client.enqueue(narrow(named("first", "wait", [server.path("gate")]))).await.unwrap();
    client.once("first", TaskState::Running).await;
    for id in ["second", "third"] {
        let line = named(id, "write", [server.path("ledger"), id.into()]);
        client.enqueue(narrow(line)).await.unwrap();
        assert_eq!(client.task(id).await.unwrap().state(), TaskState::Queued);
    }
    let caller = tokio::spawn({
        let (client, line) = (client.clone(), [server.path("ledger"), "second".into()]);
        async move { client.fail(narrow(named("second", "write", line))).await }
    });
    let outcomes = client.cancel(ids(["second"])).await.unwrap();
    assert_eq!(outcomes, [outcome("second", Verdict::Cancelled, TaskState::Cancelled)]);
    assert_eq!(soon(caller).await.unwrap(), Failed::new("CANCELLED", "not wanted", 0));
    server.open_gate("gate");
    client.once("third", TaskState::Succeeded).await;
    assert_eq!(server.ledger("ledger"), ["third"]);
}

#[tokio::test]
async fn a_running_handler_is_notified_and_its_task_may_still_succeed() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(named("runs", "until_cancelled", NOTHING)).await.unwrap();
    client.once("runs", TaskState::Running).await;
    let outcomes = client.cancel(ids(["runs"])).await.unwrap();
    assert_eq!(outcomes, [outcome("runs", Verdict::Requested, TaskState::Running)]);
    assert_eq!(client.once("runs", TaskState::Succeeded).await.result, "stopped");
}

#[tokio::test]
async fn a_handler_that_does_not_stop_is_dropped_after_the_cancel_grace() {
    let server = Setup::with_methods().flags(["--cancel-grace", "20ms"]).start();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let id = format!("{durability:?}");
        let request = || {
            let never = named(&id, "never", [server.path(&id)]);
            with(never, |o| (o.durability, o.retry) = (durability.into(), retries(5)))
        };
        client.enqueue(request()).await.unwrap();
        eventually("its handler has started", async || {
            (server.ledger(&id) == ["started"]).then_some(())
        })
        .await;
        client.cancel(ids([id.as_str()])).await.unwrap();
        assert_eq!(client.fail(request()).await, Failed::new("CANCELLED", "not wanted", 1));
        assert_eq!(server.ledger(&id), ["started", "dropped"]);
        let task = client.task(&id).await.unwrap();
        assert_eq!((task.state(), task.cancel_requested), (TaskState::Cancelled, false));
    }
}

#[tokio::test]
async fn a_pending_cancel_of_a_running_task_is_shown() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(named("runs", "wait", [server.path("gate")])).await.unwrap();
    client.once("runs", TaskState::Running).await;
    client.cancel(ids(["runs"])).await.unwrap();
    let task = client.task("runs").await.unwrap();
    assert_eq!((task.state(), task.cancel_requested), (TaskState::Running, true));
    server.open_gate("gate");
    client.once("runs", TaskState::Succeeded).await;
}

#[tokio::test]
async fn a_sync_handler_that_stops_ends_cancelled() {
    let server = with_methods();
    let client = server.client().await;
    let request = named("runs", "wait_until_cancelled", [server.path("no-gate")]);
    let request = with(request, |o| o.retry = retries(5));
    client.enqueue(request).await.unwrap();
    client.once("runs", TaskState::Running).await;
    client.cancel(ids(["runs"])).await.unwrap();
    let task = client.once("runs", TaskState::Cancelled).await;
    assert_eq!((task.attempts, task.failure.unwrap().message.as_str()), (1, "not wanted"));
}

#[tokio::test]
async fn a_task_between_two_attempts_is_cancelled_at_once() {
    let server = with_methods();
    let client = server.client().await;
    let policy =
        pb::RetryPolicy { retries: Some(3), base: an_hour(), max: an_hour(), ..Default::default() };
    let request = with(named("retries", "fail", [9]), |o| o.retry = Some(policy));
    client.enqueue(request).await.unwrap();
    client.once("retries", TaskState::Retrying).await;
    let outcomes = client.cancel(ids(["retries"])).await.unwrap();
    assert_eq!(outcomes, [outcome("retries", Verdict::Cancelled, TaskState::Cancelled)]);
}

#[tokio::test]
async fn every_unfinished_task_with_the_tag_is_cancelled_and_no_other() {
    let server = with_methods();
    let client = server.client().await;
    for (id, tag, durability) in [
        ("a", "red", pb::Durability::Durable),
        ("b", "red", pb::Durability::Ephemeral),
        ("c", "blue", pb::Durability::Durable),
        ("d", "red", pb::Durability::Durable),
    ] {
        let request = with(named(id, "ping", NOTHING), |o| {
            (o.delay, o.tags) = (an_hour(), vec!["some".into(), tag.into()]);
            o.durability = durability.into();
        });
        client.enqueue(request).await.unwrap();
    }
    client.run(with(named("e", "ping", NOTHING), |o| o.tags = vec!["red".into()])).await;
    let red = pb::CancelTasksRequest { tag: "red".into(), ..Default::default() };
    let mut outcomes = client.cancel(red).await.unwrap();
    outcomes.sort_by(|a, b| a.task_id.cmp(&b.task_id));
    let expected = ["a", "b", "d"].map(|id| outcome(id, Verdict::Cancelled, TaskState::Cancelled));
    assert_eq!(outcomes, expected);
    assert_eq!(client.task("c").await.unwrap().state(), TaskState::Pending);
    let nothing = pb::CancelTasksRequest { tag: "green".into(), ..Default::default() };
    assert_eq!(client.cancel(nothing).await.unwrap(), []);
}

#[tokio::test]
async fn a_task_that_matches_twice_has_one_verdict() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(named("a", "ping", NOTHING), |o| {
        (o.delay, o.tags) = (an_hour(), vec!["red".into()]);
    });
    client.enqueue(request).await.unwrap();
    let both = pb::CancelTasksRequest { tag: "red".into(), ..ids(["a", "a"]) };
    let outcomes = client.cancel(both).await.unwrap();
    assert_eq!(outcomes, [outcome("a", Verdict::Cancelled, TaskState::Cancelled)]);
}

#[tokio::test]
async fn a_cancel_without_ids_and_filters_is_refused() {
    let server = with_methods();
    let client = server.client().await;
    let refused = Refused::from(client.cancel(Default::default()).await.unwrap_err());
    let why = "empty, and so are `tag`, `queue` and `method`; expected at least one of them";
    assert_eq!(refused, Refused::invalid("task_ids", why));
}

#[tokio::test]
async fn every_unfinished_task_of_the_queue_and_of_the_method_is_cancelled() {
    let server = with_methods();
    let client = server.client().await;
    let make = async || {
        for (id, queue, method, tag) in [
            ("a", "mail", "ping", "red"),
            ("b", "mail", "add", "red"),
            ("c", "post", "ping", "red"),
            ("d", "post", "ping", "blue"),
        ] {
            let request = with(named(id, method, NOTHING), |o| {
                (o.delay, o.tags, o.queue) = (an_hour(), vec![tag.into()], queue.into());
            });
            client.enqueue(request).await.unwrap();
        }
    };
    let none = pb::CancelTasksRequest::default;
    for (request, expected) in [
        (pb::CancelTasksRequest { queue: "mail".into(), ..none() }, "ab"),
        (pb::CancelTasksRequest { method: "ping".into(), ..none() }, "acd"),
        (pb::CancelTasksRequest { method: "default/ping".into(), ..none() }, ""),
        (pb::CancelTasksRequest { queue: "post".into(), tag: "red".into(), ..none() }, "c"),
        (pb::CancelTasksRequest { queue: "mail".into(), method: "ping".into(), ..none() }, "a"),
        (pb::CancelTasksRequest { queue: "mail".into(), ..ids(["d", "a"]) }, "abd"),
    ] {
        make().await;
        let outcomes = client.cancel(request.clone()).await.unwrap();
        let mut cancelled: Vec<_> = outcomes.into_iter().map(|outcome| outcome.task_id).collect();
        cancelled.sort();
        assert_eq!(cancelled.concat(), expected, "{request:?}");
        let all = ["a", "b", "c", "d"].map(String::from);
        client
            .cancel(pb::CancelTasksRequest { task_ids: all.clone().into(), ..none() })
            .await
            .unwrap();
        let purge = pb::PurgeTasksRequest { task_ids: all.into(), ..Default::default() };
        assert_eq!(client.purge(purge).await.unwrap().purged, 4);
    }
}

#[tokio::test]
async fn a_cancel_that_races_a_completion_agrees_with_the_callers_outcome() {
    const ROUNDS: usize = 300;
    let server = Setup::with_methods().flags(["--cancel-grace", "1ms"]).start();
    let (client, canceller) = (server.client().await, server.client().await);
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..ROUNDS {
        let id = format!("t{round}");
        // Handlers of three kinds that return at once.
        let request = match round % 3 {
            0 => named(&id, "text", [10]),
            1 => named(&id, "dependencies", NOTHING),
            _ => named(&id, "ping", NOTHING),
        };
        let calling = tokio::spawn({
            let client = client.clone();
            async move { client.submit(request).await.unwrap() }
        });
        // Each round cancels a little later, so that some cancels precede the end and some follow
        // it.
        for _ in 0..round % 40 {
            tokio::task::yield_now().await;
        }
        let verdict = canceller.cancel(ids([id.as_str()])).await.unwrap().remove(0);
        let answer = soon(calling).await.unwrap();
        let stored = client.task(&id).await.unwrap();
        assert_eq!(answer.state, stored.state, "{verdict:?} {answer:?}");
        let possible: &[TaskState] = match verdict.verdict() {
            Verdict::NotFound => &[TaskState::Succeeded],
            Verdict::Cancelled => &[TaskState::Cancelled],
            Verdict::AlreadyEnded => &[verdict.state()],
            Verdict::Requested => &[TaskState::Succeeded, TaskState::Cancelled],
            Verdict::Unspecified => &[],
        };
        assert!(possible.contains(&stored.state()), "{verdict:?}, but it is {:?}", stored.state());
        let ends = stored
            .history
            .iter()
            .filter(|entry| matches!(entry.state(), TaskState::Succeeded | TaskState::Cancelled));
        assert_eq!(ends.count(), 1, "{stored:?}");
        assert_eq!(client.result(&id).await.unwrap().result, answer.result);
        seen.insert((verdict.verdict(), stored.state()));
    }
    assert!(seen.len() > 1, "there was no race: {seen:?}");
}
