//! A webhook is told of what it asked for, and of nothing else.

use task_scheduler::TaskSystem;
use task_scheduler::models::{Category, EventFilter, QueueName, Request};
use task_scheduler::webhooks::Draft;

use super::given::*;
use super::receiver::{Answer, Received, Receiver};

/// What a webhook with this filter is told of, up to `add` under the id `last`, in the queue `mail`
/// with the tag `vip`, which it has to be told of.
async fn told(filter: EventFilter) -> Vec<(String, String)> {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    system.put_webhook(Draft { filter, ..draft("crm", &receiver.url()) }).await.unwrap();
    let queued = |request: Request, queue: &str| request.with(|it| it.queue = Some(queue.into()));
    let tagged = |request: Request| request.with(|it| it.labels.tags = vec!["vip".into()]);
    run(&system, add("plain")).await;
    run(&system, queued(add("queued"), "mail")).await;
    run(&system, tagged(add("tagged"))).await;
    let fail = Request { id: add("failed").id, ..Request::of("fail") };
    run(&system, fail).await;
    run(&system, tagged(queued(add("last"), "mail"))).await;
    let mut told = Vec::new();
    while !told.contains(&("task.completed".to_owned(), "last".to_owned())) {
        told.push(said(&receiver.next().await));
    }
    // They may have come in another order, up to eight at once.
    all_told(&system, "crm").await;
    told.extend(receiver.so_far().iter().map(said));
    told.sort();
    system.stop();
    told
}

/// Waits until all deliveries of a webhook have ended.
async fn all_told(system: &TaskSystem, webhook: &str) {
    eventually(&format!("{webhook} has been told of all"), async || {
        (status(system, webhook).await.unfinished == 0).then_some(())
    })
    .await;
}

/// Which event, and of which task.
fn said(request: &Received) -> (String, String) {
    let said = request.json();
    let task = said["payload"]["task_id"].as_str().unwrap_or_default();
    (request.event(), task.to_owned())
}

fn completed<const N: usize>(ids: [&str; N]) -> Vec<(String, String)> {
    ids.map(|id| ("task.completed".to_owned(), id.to_owned())).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_name() {
    let all = completed(["last", "plain", "queued", "tagged"]);
    assert_eq!(told(of(["task.completed"])).await, all);
    let mut ended = all;
    ended.push(("task.failed".into(), "failed".into()));
    assert_eq!(told(of(["task.completed", "task.failed", "custom.*"])).await, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_queue_by_tag_and_by_task() {
    let completed_and = |change: fn(&mut EventFilter)| {
        let mut filter = of(["task.completed"]);
        change(&mut filter);
        told(filter)
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
async fn deliveries_are_no_events_for_webhooks() {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    let everything = EventFilter::default();
    system
        .put_webhook(Draft { filter: everything, ..draft("all", &receiver.url()) })
        .await
        .unwrap();
    run(&system, add("a")).await;
    let mut told = Vec::new();
    // The deliveries of what is said of `a` have ended by the time `b` begins, as far as they are
    // told of.
    while !told.contains(&("task.completed".to_owned(), "a".to_owned())) {
        told.push(said(&receiver.next().await));
    }
    all_told(&system, "all").await;
    run(&system, add("b")).await;
    while !told.contains(&("task.completed".to_owned(), "b".to_owned())) {
        told.push(said(&receiver.next().await));
    }
    let strangers: Vec<_> = told
        .iter()
        .filter(|(event, task)| event.starts_with("task.") && !["a", "b"].contains(&task.as_str()))
        .collect();
    assert_eq!(strangers, Vec::<&(String, String)>::new());
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_disabled_is_told_of_nothing_and_what_waits_is_cancelled() {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    let enabled = draft("crm", &receiver.url());
    system.put_webhook(enabled.clone()).await.unwrap();
    let queue = QueueName::parse("webhook.crm", "queue").unwrap();
    system.pause(&queue).await.unwrap();
    run(&system, add("waits")).await;
    delivery(&system, "crm", task_scheduler::models::State::Queued).await;
    system.put_webhook(Draft { enabled: false, ..enabled.clone() }).await.unwrap();
    run(&system, add("unheard")).await;
    system.resume(&queue).await.unwrap();
    let cancelled = delivery(&system, "crm", task_scheduler::models::State::Cancelled).await;
    let why = cancelled.outcome.unwrap().failure().unwrap().message;
    assert_eq!(why, "webhook crm is disabled");

    system.put_webhook(enabled).await.unwrap();
    run(&system, add("heard")).await;
    assert_eq!(receiver.next().await.json()["payload"]["task_id"], "heard");
    assert_eq!(status(&system, "crm").await.abandoned, 0);
    system.stop();
}
