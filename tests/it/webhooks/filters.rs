//! A webhook receives the events that match its filter, and no others.

use task_scheduler::TaskSystem;
use task_scheduler::models::{Category, EventFilter, QueueName, Request};
use task_scheduler::webhooks::WebhookRequest;

use super::given::*;
use super::receiver::{Answer, Received, Receiver};

/// The events that a webhook with this filter receives. The last one is the completion of the task
/// `last` in the queue `mail` with the tag `vip`, which the filter must match.
async fn delivered(filter: EventFilter) -> Vec<(String, String)> {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    system
        .webhooks()
        .put(WebhookRequest { filter, ..draft("crm", &receiver.url()) })
        .await
        .unwrap();
    let queued = |request: Request, queue: &str| request.with(|it| it.queue = Some(queue.into()));
    let tagged = |request: Request| request.with(|it| it.labels.tags = vec!["vip".into()]);
    run(&system, add("plain")).await;
    run(&system, queued(add("queued"), "mail")).await;
    run(&system, tagged(add("tagged"))).await;
    let fail = Request { id: add("failed").id, ..Request::of("fail") };
    run(&system, fail).await;
    run(&system, tagged(queued(add("last"), "mail"))).await;
    let mut received = Vec::new();
    while !received.contains(&("task.completed".to_owned(), "last".to_owned())) {
        received.push(event_and_task(&receiver.next().await));
    }
    // Up to eight requests are concurrent, so others may arrive after it.
    wait_for_deliveries(&system, "crm").await;
    received.extend(receiver.so_far().iter().map(event_and_task));
    received.sort();
    system.stop();
    received
}

/// Waits until all deliveries of a webhook have ended.
async fn wait_for_deliveries(system: &TaskSystem, webhook: &str) {
    eventually(&format!("{webhook} has no delivery left"), async || {
        (status(system, webhook).await.unfinished == 0).then_some(())
    })
    .await;
}

/// The event's name and its task.
fn event_and_task(request: &Received) -> (String, String) {
    let event = request.json();
    let task = event["payload"]["task_id"].as_str().unwrap_or_default();
    (request.event(), task.to_owned())
}

fn completed<const N: usize>(ids: [&str; N]) -> Vec<(String, String)> {
    ids.map(|id| ("task.completed".to_owned(), id.to_owned())).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_filtered_by_name() {
    let all = completed(["last", "plain", "queued", "tagged"]);
    assert_eq!(delivered(of(["task.completed"])).await, all);
    let mut ended = all;
    ended.push(("task.failed".into(), "failed".into()));
    assert_eq!(delivered(of(["task.completed", "task.failed", "custom.*"])).await, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_filtered_by_queue_tag_and_task() {
    let completed_and = |change: fn(&mut EventFilter)| {
        let mut filter = of(["task.completed"]);
        change(&mut filter);
        delivered(filter)
    };
    let mail = |it: &mut EventFilter| it.queue = Some(QueueName::parse("mail", "queue").unwrap());
    assert_eq!(completed_and(mail).await, completed(["last", "queued"]));
    let vip = |it: &mut EventFilter| it.tag = Some("vip".into());
    assert_eq!(completed_and(vip).await, completed(["last", "tagged"]));
    let one = |it: &mut EventFilter| it.task = add("last").id;
    assert_eq!(completed_and(one).await, completed(["last"]));
    let both = |it: &mut EventFilter| {
        it.queue = Some(QueueName::parse("mail", "queue").unwrap());
        it.tag = Some("vip".into());
        it.categories = vec![Category::Task];
    };
    assert_eq!(completed_and(both).await, completed(["last"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_emit_no_task_events_to_webhooks() {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    let everything = EventFilter::default();
    system
        .webhooks()
        .put(WebhookRequest { filter: everything, ..draft("all", &receiver.url()) })
        .await
        .unwrap();
    run(&system, add("a")).await;
    let mut received = Vec::new();
    // All deliveries of events of `a` end before `b` starts.
    while !received.contains(&("task.completed".to_owned(), "a".to_owned())) {
        received.push(event_and_task(&receiver.next().await));
    }
    wait_for_deliveries(&system, "all").await;
    run(&system, add("b")).await;
    while !received.contains(&("task.completed".to_owned(), "b".to_owned())) {
        received.push(event_and_task(&receiver.next().await));
    }
    let others: Vec<_> = received
        .iter()
        .filter(|(event, task)| event.starts_with("task.") && !["a", "b"].contains(&task.as_str()))
        .collect();
    assert_eq!(others, Vec::<&(String, String)>::new());
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_webhook_gets_no_events_and_its_waiting_deliveries_are_cancelled() {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    let enabled = draft("crm", &receiver.url());
    system.webhooks().put(enabled.clone()).await.unwrap();
    let queue = QueueName::parse("webhook.crm", "queue").unwrap();
    system.tasks().pause(&queue).await.unwrap();
    run(&system, add("waits")).await;
    delivery(&system, "crm", task_scheduler::models::State::Queued).await;
    system.webhooks().put(WebhookRequest { enabled: false, ..enabled.clone() }).await.unwrap();
    run(&system, add("while-disabled")).await;
    system.tasks().resume(&queue).await.unwrap();
    let cancelled = delivery(&system, "crm", task_scheduler::models::State::Cancelled).await;
    let why = cancelled.outcome.unwrap().failure().unwrap().message;
    assert_eq!(why, "webhook crm is disabled");

    system.webhooks().put(enabled).await.unwrap();
    run(&system, add("enabled")).await;
    assert_eq!(receiver.next().await.json()["payload"]["task_id"], "enabled");
    assert_eq!(status(&system, "crm").await.abandoned, 0);
    system.stop();
}
