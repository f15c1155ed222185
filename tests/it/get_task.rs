//! GetTask: all fields of a task.

use task_scheduler::models::ArgValue;
use task_scheduler::pb;
use task_scheduler::pb::TaskState;

use crate::client::{NOTHING, after, an_hour, named, retries, with};
use crate::server::{stock, with_methods};
use crate::waiting::eventually;

#[tokio::test]
async fn a_task_has_its_request_and_its_outcome() {
    let server = stock();
    let client = server.client().await;
    client.run(named("dep", "add", [1])).await;
    let request = after(["dep"], named("one", "add", [1, 2]));
    let request = with(request, |o| {
        *o = pb::TaskOptions {
            queue: "reports".into(),
            priority: Some(-3),
            tags: vec!["a".into(), "b".into()],
            initiator: "ann".into(),
            reason: "month's end".into(),
            source_system: "shop".into(),
            correlation_id: "c-1".into(),
            ..Default::default()
        };
    });
    client.run(request).await;
    let task = client.task("one").await.unwrap();
    let (submitted, started, ended) = (task.submitted_at, task.started_at, task.ended_at);
    let times = [submitted, started, ended].map(|at| {
        let at = at.expect("the task was submitted, started and ended");
        (at.seconds, at.nanos)
    });
    assert!(times.is_sorted() && times[0].0 > 1_700_000_000, "{times:?}");
    let expected = pb::Task {
        task_id: "one".into(),
        method: "add".into(),
        queue: "reports".into(),
        priority: -3,
        state: TaskState::Succeeded.into(),
        result: "3".into(),
        attempts: 1,
        deps: vec!["dep".into()],
        tags: vec!["a".into(), "b".into()],
        submitted_at: submitted,
        started_at: started,
        ended_at: ended,
        history: task.history.clone(),
        durability: pb::Durability::Durable.into(),
        initiator: "ann".into(),
        reason: "month's end".into(),
        source_system: "shop".into(),
        correlation_id: "c-1".into(),
        args: vec!["1".into(), "2".into()],
        ..Default::default()
    };
    assert_eq!(task, expected);
}

#[tokio::test]
async fn the_history_has_every_state_with_its_attempt_and_error() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(named("two", "fail", [2]), |o| o.retry = retries(5));
    assert_eq!(client.run(request).await, "3");
    let task = client.task("two").await.unwrap();
    let history: Vec<_> = task
        .history
        .iter()
        .map(|entry| (entry.state(), entry.attempt, entry.error.as_str()))
        .collect();
    assert_eq!(
        history,
        [
            (TaskState::Running, 1, ""),
            (TaskState::Retrying, 1, "attempt 1 failed"),
            (TaskState::Queued, 1, ""),
            (TaskState::Running, 2, ""),
            (TaskState::Retrying, 2, "attempt 2 failed"),
            (TaskState::Queued, 2, ""),
            (TaskState::Running, 3, ""),
            (TaskState::Succeeded, 3, ""),
        ]
    );
    let times: Vec<_> = task.history.iter().map(|entry| entry.at.unwrap()).collect();
    assert!(times.is_sorted_by_key(|at| (at.seconds, at.nanos)), "{times:?}");
    assert_eq!(Some(times[7]), task.ended_at);
}

#[tokio::test]
async fn a_history_keeps_its_beginning_and_its_latest_entries() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(named("many", "fail", [100]), |o| o.retry = retries(100));
    assert_eq!(client.run(request).await, "101");
    let task = client.task("many").await.unwrap();
    assert_eq!((task.attempts, task.history.len()), (101, 64));
    let (first, last) = (&task.history[0], &task.history[63]);
    assert_eq!((first.state(), first.attempt), (TaskState::Running, 1));
    assert_eq!((last.state(), last.attempt), (TaskState::Succeeded, 101));
}

#[tokio::test]
async fn a_snooze_uses_no_attempt() {
    let server = with_methods();
    let client = server.client().await;
    assert_eq!(client.run(named("s", "snooze_once", [server.path("ledger")])).await, "1");
    assert_eq!(server.ledger("ledger"), ["attempt 1", "attempt 1"]);
    let task = client.task("s").await.unwrap();
    let states: Vec<_> = task.history.iter().map(pb::HistoryEntry::state).collect();
    let expected = [
        TaskState::Running,
        TaskState::Pending,
        TaskState::Queued,
        TaskState::Running,
        TaskState::Succeeded,
    ];
    assert_eq!((task.attempts, &*states), (1, &expected[..]));
}

#[tokio::test]
async fn progress_is_visible_while_the_handler_runs() {
    let server = with_methods();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let id = format!("{durability:?}");
        let args = [ArgValue::from(0.25), "a quarter".into(), server.path("gate").into()];
        let request = with(named(&id, "progress", args), |o| o.durability = durability.into());
        client.enqueue(request).await.unwrap();
        let seen = eventually("it reports progress", async || {
            client.task(&id).await.ok().filter(|task| task.progress > 0.0)
        })
        .await;
        assert_eq!((seen.progress, seen.progress_message.as_str()), (0.25, "a quarter"));
        assert_eq!(seen.state(), TaskState::Running);
    }
    server.open_gate("gate");
    client.once("Durable", TaskState::Succeeded).await;
}

#[tokio::test]
async fn a_delayed_task_shows_its_start_time() {
    let server = stock();
    let client = server.client().await;
    let later = with(named("later", "ping", NOTHING), |o| o.delay = an_hour());
    client.enqueue(later).await.unwrap();
    let task = client.task("later").await.unwrap();
    let (run_at, submitted) = (task.run_at.unwrap(), task.submitted_at.unwrap());
    assert_eq!(run_at.seconds - submitted.seconds, 3_600);
    assert_eq!((task.started_at, task.ended_at, task.attempts), (None, None, 0));
}

#[tokio::test]
async fn long_arguments_are_shown_truncated() {
    let server = stock();
    let client = server.client().await;
    client.run(named("long", "echo_string", ["x".repeat(100_000)])).await;
    let shown = &client.task("long").await.unwrap().args[0];
    assert!(shown.len() <= 4_096 && shown.ends_with('…'), "{} bytes", shown.len());
}

#[tokio::test]
async fn a_methods_defaults_apply_where_the_request_sets_nothing() {
    let server = with_methods();
    let client = server.client().await;
    let failed = client.fail(named("n", "narrow", NOTHING)).await;
    assert_eq!((failed.message.as_str(), failed.attempts), ("attempt 2 of 1s", 2));
    let task = client.task("n").await.unwrap();
    assert_eq!((task.queue.as_str(), task.durability()), ("narrow", pb::Durability::Ephemeral));
}
