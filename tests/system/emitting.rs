//! Custom events of handlers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use task_scheduler::models::{ArgValue, Event, Fact, Outcome};
use task_scheduler::store::MemoryStore;
use task_scheduler::system::TaskSystem;
use task_scheduler::tasks::{EmitError, HostError, TaskError};
use task_scheduler::{TaskContext, sync_task};

use crate::harness::*;
use crate::recorder::Recorder;

async fn start_recorded() -> (TaskSystem, Recorder) {
    let recorder = Recorder::default();
    let system = TaskSystem::on(Arc::new(MemoryStore::default()));
    let system = system.options(options()).announcer(recorder.announcer());
    (system.start().await.expect("it starts"), recorder)
}

#[sync_task(namespace = "emitting", timeout = "50ms", retries = 0)]
fn emit_late(ctx: TaskContext) -> Result<String, TaskError> {
    ctx.emit_blocking("custom.in.time", &json!({ "n": 1 }))?;
    while !ctx.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The caller is answered at the deadline; afterwards the attempt has ended.
    loop {
        match ctx.emit_blocking("custom.too.late", &json!({})) {
            Ok(()) => std::thread::sleep(Duration::from_millis(1)),
            Err(EmitError::Host(HostError::Stale)) => {
                LATE.lock().expect("sound").push(ctx.task_id().to_string());
                return Ok("over".to_owned());
            }
            Err(error) => panic!("{error}"),
        }
    }
}

static LATE: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_event_is_published_before_emit_returns() {
    let (system, recorder) = start_recorded().await;
    let recorded = recorder.clone();
    let handler = async_handler("tests/pays", move |ctx, _| {
        let recorded = recorded.clone();
        async move {
            ctx.emit("custom.order.paid", &json!({ "order": 7 })).await?;
            Ok(ArgValue::Bool(
                recorded.about(ctx.task_id().as_str()).contains(&"custom.order.paid".into()),
            ))
        }
    });
    system.register_handler(handler).expect("a valid handler");
    for request in
        [named("kept", "tests/pays", &[]), ephemeral(named("short_lived", "tests/pays", &[]))]
    {
        let task = request.id.clone().expect("it is named");
        let ended = system.tasks().submit(request).await.expect("it runs");
        assert_eq!(ended.outcome.result(), Some(&ArgValue::Bool(true)));
        let life = ["task.accepted", "task.started", "custom.order.paid", "task.completed"];
        assert_eq!(recorder.about(task.as_str()), life);
    }
    let is_custom = |event: &&Event| matches!(event.fact, Fact::Custom(_));
    let paid = recorder.events();
    let paid = paid.iter().find(is_custom).expect("it was announced").payload();
    assert_eq!((&paid["task_id"], &paid["attempt"]), (&json!("kept"), &json!(1)));
    assert_eq!(paid["data"], json!({ "order": 7 }));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_attempt_cannot_emit_events() {
    let (system, recorder) = start_recorded().await;
    let ended =
        system.tasks().submit(named("late", "emitting/emit_late", &[])).await.expect("it runs");
    assert!(ended.outcome.failure().is_some(), "{:?}", ended.outcome);
    while LATE.lock().expect("sound").is_empty() {
        tokio::task::yield_now().await;
    }
    let mut about = recorder.about("late");
    // Until the deadline is stored, an event may still be emitted.
    about.retain(|name| name != "custom.too.late");
    assert_eq!(about, ["task.accepted", "task.started", "custom.in.time", "task.failed"]);
    let names = recorder.about("late");
    assert_eq!(names.last().map(String::as_str), Some("task.failed"), "{names:?}");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_payload_that_is_too_large_fails_the_handler() {
    let (system, recorder) = start_recorded().await;
    let handler = async_handler("tests/floods", |ctx, _| async move {
        let flood = json!({ "text": "x".repeat(10 << 20) });
        ctx.emit("custom.flood", &flood)
            .await
            .map_err(|error| TaskError::permanent(error.to_string()))?;
        Ok(ArgValue::Null)
    });
    system.register_handler(handler).expect("a valid handler");
    let ended = system.tasks().submit(named("flood", "tests/floods", &[])).await.expect("it runs");
    assert_eq!(
        Outcome::failure(&ended.outcome).expect("it fails").message,
        "the event's payload has 10485771 bytes as JSON; at most 65536 are accepted: store large \
         data elsewhere, and emit its place"
    );
    assert_eq!(recorder.about("flood"), ["task.accepted", "task.started", "task.failed"]);
    system.stop();
}
