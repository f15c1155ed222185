//! Custom events.

use serde::Serialize;
use serde_json::json;
use task_scheduler::models::MAX_CUSTOM_PAYLOAD_BYTES;
use task_scheduler::tasks::HostError;
use task_scheduler::testing::TestTask;
use task_scheduler::{TaskContext, TaskError, async_task, sync_task};

#[derive(Serialize)]
struct Shipped {
    order: i64,
    parcels: Vec<String>,
}

#[async_task]
async fn ship(ctx: TaskContext, order: i64) -> Result<(), TaskError> {
    ctx.emit("custom.order.shipped", &Shipped { order, parcels: vec!["a".into()] }).await?;
    Ok(())
}

/// Emits an event with a text of this many bytes.
#[sync_task]
fn tell(ctx: TaskContext, name: String, bytes: usize) -> Result<(), TaskError> {
    ctx.emit_blocking(&name, &json!({ "text": "x".repeat(bytes) }))?;
    Ok(())
}

/// Emits a payload that is not an object.
#[sync_task]
fn tell_number(ctx: TaskContext) -> Result<(), TaskError> {
    ctx.emit_blocking("custom.number", &7)?;
    Ok(())
}

#[sync_task(inline)]
fn tell_inline(ctx: TaskContext) -> Result<(), TaskError> {
    ctx.emit_blocking("custom.inline", &json!({}))?;
    Ok(())
}

#[tokio::test]
async fn a_test_sees_the_events_of_a_handler() {
    let outcome = TestTask::new("ship").arg(7_i64).run().await;
    let shipped = json!({ "order": 7, "parcels": ["a"] });
    assert_eq!(outcome.recorded.events, [("custom.order.shipped".to_owned(), shipped)]);
}

#[test]
fn an_invalid_event_is_refused_with_the_reason() {
    let check = |name: &str, bytes: usize, expected: &str| {
        let outcome = TestTask::new("tell").arg(name).arg(bytes).run_blocking();
        assert_eq!(outcome.error().message(), expected);
        assert_eq!(outcome.recorded.events, []);
    };
    // Including `{"text":""}`.
    let most = MAX_CUSTOM_PAYLOAD_BYTES - 11;
    let outcome = TestTask::new("tell").arg("custom.most").arg(most).run_blocking();
    assert_eq!(outcome.recorded.events.len(), 1);
    check(
        "custom.flood",
        most + 1,
        "the event's payload has 65537 bytes as JSON; at most 65536 are accepted: store large \
         data elsewhere, and emit its place",
    );
    for name in ["task.completed", "custom.", "custom.Order", "custom..x", ""] {
        let expected = format!(
            "name: {name:?} is no name of a custom event; expected `custom.` and lower-case words \
             of letters, digits, `_`, `-` with dots between, at most 100 bytes"
        );
        check(name, 1, &expected);
    }
    let outcome = TestTask::new("tell_number").run_blocking();
    let message = outcome.error().message();
    assert!(
        message.starts_with("the event's payload cannot be written as a JSON object"),
        "{message}"
    );
    let outcome = TestTask::new("tell_inline").run_blocking();
    assert_eq!(
        outcome.error().message(),
        "an inline handler must not wait for `emit`; make it `#[sync_task]` without `inline`"
    );
}

#[tokio::test]
async fn an_attempt_that_is_over_cannot_emit() {
    let outcome = TestTask::new("ship").arg(7_i64).host_error(HostError::Stale).run().await;
    assert_eq!(outcome.error().message(), HostError::Stale.to_string());
    assert_eq!(outcome.recorded.events, []);
}
