//! A system with a webhook, and look-ups of its deliveries.

use task_scheduler::TaskSystem;
use task_scheduler::models::{
    EventFilter, Name, NamePattern, QueueName, Request, Snapshot, State, TaskFilter,
};
use task_scheduler::tasks::make_handler;
use task_scheduler::webhooks::{WebhookRequest, WebhookStatus};

pub(crate) use crate::waiting::{PATIENCE, eventually};

/// An in-memory system with a method `fail` beside the built-in ones.
pub(crate) async fn system() -> TaskSystem {
    let fail = make_handler("fail", |_, _, _| Err(task_scheduler::TaskError::permanent("no")));
    TaskSystem::in_memory().handler(fail).start().await.unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text, "name").unwrap()
}

/// A filter by these event names.
pub(crate) fn of<const N: usize>(names: [&str; N]) -> EventFilter {
    EventFilter { names: names.map(NamePattern::parse).into(), ..EventFilter::default() }
}

/// A webhook for completed tasks.
pub(crate) fn draft(webhook: &str, url: &str) -> WebhookRequest {
    WebhookRequest { filter: of(["task.completed"]), ..WebhookRequest::new(name(webhook), url) }
}

/// Runs a task to its end.
pub(crate) async fn run(system: &TaskSystem, request: Request) {
    system.tasks().submit(request).await.unwrap();
}

/// A task `add` with this id; it succeeds.
pub(crate) fn add(id: &str) -> Request {
    use task_scheduler::models::TaskId;
    Request::of("add").arg(1).named(TaskId::parse(id, "a test's id").unwrap())
}

pub(crate) async fn status(system: &TaskSystem, webhook: &str) -> WebhookStatus {
    system.webhooks().get(&name(webhook)).await.unwrap()
}

/// The deliveries of a webhook that are in this state.
pub(crate) async fn deliveries(system: &TaskSystem, webhook: &str, state: State) -> Vec<Snapshot> {
    let queue = QueueName::parse(&format!("webhook.{webhook}"), "queue").unwrap();
    let filter = TaskFilter { states: vec![state], queue: Some(queue), ..TaskFilter::default() };
    system.tasks().list(&filter, None, 1_000).await.unwrap().tasks
}

/// The only delivery of a webhook that is in this state, once there is one.
pub(crate) async fn delivery(system: &TaskSystem, webhook: &str, state: State) -> Snapshot {
    eventually(&format!("a delivery to {webhook} is {state}"), async || {
        let mut found = deliveries(system, webhook, state).await;
        assert!(found.len() <= 1, "{found:?}");
        found.pop()
    })
    .await
}
