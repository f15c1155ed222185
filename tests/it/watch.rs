//! WatchTask: the updates of a task, as they happen.

use std::time::Instant;

use task_scheduler::pb;
use task_scheduler::pb::TaskState;
use task_scheduler::pb::watch_task_response::Update;
use tonic::{Code, Streaming};

use crate::client::{Answer, Client, NOTHING, Refused, later, ms, named, with};
use crate::server::{Setup, stock, with_methods};
use crate::waiting::{PATIENCE, soon};
use crate::wire::Connection;

const WATCH: &str = "/taskscheduler.TaskScheduler/WatchTask";
/// More updates than any task here has.
const MANY_UPDATES: usize = 100;

type Updates = Streaming<pb::WatchTaskResponse>;

async fn watch(client: &Client, id: &str, cursor: &str) -> Answer<Updates> {
    let request = pb::WatchTaskRequest { task_id: id.into(), cursor: cursor.into() };
    Ok(soon(client.rpc().watch_task(request)).await?.into_inner())
}

async fn next(updates: &mut Updates) -> Option<pb::WatchTaskResponse> {
    soon(updates.message()).await.unwrap()
}

/// Reads all remaining updates.
async fn rest(updates: &mut Updates) -> Vec<pb::WatchTaskResponse> {
    let mut seen = Vec::new();
    while let Some(update) = next(updates).await {
        seen.push(update);
        assert!(seen.len() < MANY_UPDATES, "the stream does not end: {seen:?}");
    }
    seen
}

/// An update as text: `RUNNING`, `0.25 a quarter`, `1 INFO it begins`, `= SUCCEEDED the end`.
fn summary(update: &pb::WatchTaskResponse) -> String {
    let state = |state: TaskState| state.as_str_name().replace("TASK_STATE_", "");
    match update.update.as_ref().expect("the answer has an update") {
        Update::Entered(entry) => state(entry.state()),
        Update::Progress(progress) => format!("{} {}", progress.fraction, progress.message),
        Update::Log(line) => {
            let level = line.level().as_str_name().replace("LEVEL_", "");
            format!("{} {level} {}", line.number, line.text)
        }
        Update::Outcome(outcome) => format!("= {} {}", state(outcome.state()), outcome.result),
    }
}

/// The updates as text, without progress, of which a watch may skip all but the latest.
fn lasting(updates: &[pb::WatchTaskResponse]) -> Vec<String> {
    let lasting = updates.iter().filter(|one| !matches!(one.update, Some(Update::Progress(_))));
    lasting.map(summary).collect()
}

#[tokio::test]
async fn a_watch_sends_every_update_and_then_the_outcome() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(named("one", "log_and_wait", [server.path("gate")])).await.unwrap();
    let mut updates = watch(&client, "one", "").await.unwrap();
    let mut before = Vec::new();
    while before.len() < 3 {
        before.push(summary(&next(&mut updates).await.expect("the stream continues")));
    }
    before.sort();
    assert_eq!(before, ["0.25 a quarter", "1 INFO it begins", "RUNNING"]);
    server.open_gate("gate");
    let mut after = lasting(&rest(&mut updates).await);
    assert_eq!(after.pop().as_deref(), Some("= SUCCEEDED the end"));
    after.sort();
    assert_eq!(after, ["2 WARN it continues", "3 ERROR it is over", "SUCCEEDED"]);
}

#[tokio::test]
async fn an_ephemeral_task_is_watched_until_its_outcome() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(named("one", "log_and_wait", [server.path("gate")]), |o| {
        o.durability = pb::Durability::Ephemeral.into();
    });
    client.enqueue(request).await.unwrap();
    let mut updates = watch(&client, "one", "").await.unwrap();
    let mut before = Vec::new();
    while before.len() < 3 {
        before.push(summary(&next(&mut updates).await.expect("the stream continues")));
    }
    before.sort();
    assert_eq!(before, ["0.25 a quarter", "1 INFO it begins", "RUNNING"]);
    server.open_gate("gate");
    // The last log lines are deleted with the ephemeral task: only its outcome stays.
    let after = lasting(&rest(&mut updates).await);
    assert!(after.ends_with(&["SUCCEEDED".into(), "= SUCCEEDED the end".into()]), "{after:?}");
}

#[tokio::test]
async fn every_state_is_sent_with_its_time_attempt_and_error() {
    let server = with_methods();
    let client = server.client().await;
    let request = with(named("two", "fail", [2]), |o| {
        (o.retry, o.delay) = (crate::client::retries(5), ms(100));
    });
    client.enqueue(request).await.unwrap();
    let updates = rest(&mut watch(&client, "two", "").await.unwrap()).await;
    let entered: Vec<_> = updates
        .iter()
        .filter_map(|update| match &update.update {
            Some(Update::Entered(entry)) => Some(entry.clone()),
            _ => None,
        })
        .collect();
    let history = client.task("two").await.unwrap().history;
    assert_eq!(history.len(), 10, "{history:?}");
    assert_eq!(entered, history);
    assert_eq!(summary(updates.last().unwrap()), "= SUCCEEDED 3");
}

#[tokio::test]
async fn a_watch_resumes_after_its_cursor() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(named("one", "log_and_wait", [server.path("gate")])).await.unwrap();
    let mut updates = watch(&client, "one", "").await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.push(next(&mut updates).await.expect("the stream continues"));
    }
    drop(updates);
    let cursor = seen.last().unwrap().cursor.clone();
    let mut updates = watch(&client, "one", &cursor).await.unwrap();
    server.open_gate("gate");
    seen.extend(rest(&mut updates).await);
    let whole = [
        "RUNNING",
        "1 INFO it begins",
        "2 WARN it continues",
        "3 ERROR it is over",
        "SUCCEEDED",
        "= SUCCEEDED the end",
    ];
    let mut sorted = lasting(&seen);
    sorted.sort();
    let mut expected = whole;
    expected.sort_unstable();
    assert_eq!(sorted, expected, "{seen:?}");

    // Resuming after any update of an ended task yields the rest.
    let all = rest(&mut watch(&client, "one", "").await.unwrap()).await;
    for (at, update) in all.iter().enumerate() {
        let after = rest(&mut watch(&client, "one", &update.cursor).await.unwrap()).await;
        let expected = match at + 1 == all.len() {
            // Every watch ends with the outcome.
            true => &all[at..],
            false => &all[at + 1..],
        };
        assert_eq!(lasting(&after), lasting(expected), "after {update:?}");
    }
}

#[tokio::test]
async fn a_watch_of_a_cancelled_task_sends_the_reason() {
    let server = stock();
    let client = server.client().await;
    client.enqueue(later(named("unwanted", "ping", NOTHING))).await.unwrap();
    let mut updates = watch(&client, "unwanted", "").await.unwrap();
    assert_eq!(summary(&next(&mut updates).await.unwrap()), "PENDING");
    let cancel = pb::CancelTasksRequest {
        task_ids: vec!["unwanted".into()],
        reason: "not wanted".into(),
        ..Default::default()
    };
    client.cancel(cancel).await.unwrap();
    assert_eq!(lasting(&rest(&mut updates).await), ["CANCELLED", "= CANCELLED not wanted"]);
}

#[tokio::test]
async fn many_watches_of_one_task_get_its_outcome() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(named("one", "wait", [server.path("gate")])).await.unwrap();
    let mut watching = Vec::new();
    for _ in 0..200 {
        watching.push(watch(&client, "one", "").await.unwrap());
    }
    server.open_gate("gate");
    for mut updates in watching {
        let seen = rest(&mut updates).await;
        assert_eq!(summary(seen.last().unwrap()), "= SUCCEEDED waited");
    }
}

#[tokio::test]
async fn an_unknown_task_and_an_invalid_cursor_are_refused() {
    let server = stock();
    let client = server.client().await;
    client.run(named("one", "ping", NOTHING)).await;
    client.run(named("other", "ping", NOTHING)).await;
    let refused =
        async |id: &str, cursor: &str| Refused::from(watch(&client, id, cursor).await.unwrap_err());
    let unknown = refused("unknown", "").await;
    assert_eq!((unknown.code, &*unknown.reason), (Code::NotFound, "TASK_NOT_FOUND"));
    assert_eq!(refused("", "").await.fields, ["task_id"]);
    let seen = rest(&mut watch(&client, "one", "").await.unwrap()).await;
    let cursor = &seen[0].cursor;
    for (id, cursor) in
        [("other", &**cursor), ("one", "0:0:0e0"), ("one", "forged"), ("one", &cursor[1..])]
    {
        let refused = refused(id, cursor).await;
        assert_eq!(
            (refused.code, &*refused.fields),
            (Code::InvalidArgument, &["cursor".into()][..])
        );
    }
}

#[tokio::test]
async fn closed_watches_leave_nothing_behind() {
    const WATCHERS: usize = 3_000;
    let server = Setup::stock().flags(["--max-streams", "16"]).start();
    let client = server.client().await;
    client.enqueue(later(named("waits", "ping", NOTHING))).await.unwrap();
    for _ in 0..WATCHERS {
        let mut updates = watch(&client, "waits", "").await.unwrap();
        assert_eq!(summary(&next(&mut updates).await.unwrap()), "PENDING");
    }
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn a_watch_ends_at_its_deadline() {
    let server = stock();
    let client = server.client().await;
    client.enqueue(later(named("waits", "ping", NOTHING))).await.unwrap();
    let connection = Connection::open(server.addr()).await;
    let request = pb::WatchTaskRequest { task_id: "waits".into(), ..Default::default() };
    let status = connection.call(WATCH, &[("grpc-timeout", "200m")], &request).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(Refused::from(status).reason, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_draining_server_ends_its_watches() {
    let mut server = stock();
    let client = server.client().await;
    client.enqueue(later(named("waits", "ping", NOTHING))).await.unwrap();
    let mut updates = watch(&client, "waits", "").await.unwrap();
    assert_eq!(summary(&next(&mut updates).await.unwrap()), "PENDING");
    let start = Instant::now();
    server.terminate();
    let refused = Refused::from(soon(updates.message()).await.unwrap_err());
    assert_eq!((refused.code, &*refused.reason), (Code::Unavailable, "DRAINING"));
    assert!(server.ended().await.success());
    assert!(start.elapsed() < PATIENCE / 2, "the watch delayed the exit");
}

#[tokio::test]
async fn a_slow_watch_does_not_delay_the_task() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(named("one", "log_and_wait", [server.path("gate")])).await.unwrap();
    let mut idle = watch(&client, "one", "").await.unwrap();
    server.open_gate("gate");
    client.once("one", TaskState::Succeeded).await;
    let seen = rest(&mut idle).await;
    assert_eq!(summary(seen.last().unwrap()), "= SUCCEEDED the end");
}
