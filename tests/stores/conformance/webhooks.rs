//! Webhooks: created, replaced, deleted and read.

use std::sync::Arc;

use task_scheduler::models::{Category, EventFilter, MAX_WEBHOOKS, NamePattern, Webhook};
use task_scheduler::store::{Change, ChangeResult};

use super::defined::*;
use super::given::*;

on_every_store!(
    webhooks_are_listed_by_name,
    a_webhook_is_replaced,
    a_deleted_webhook_is_gone_with_its_outbox_entries,
    webhooks_are_bounded,
    webhooks_survive_the_process,
);

async fn webhooks(given: &Given) -> Vec<Webhook> {
    let webhooks = given.store.webhooks().await.expect("it reads");
    webhooks.into_iter().map(Arc::unwrap_or_clone).collect()
}

fn choosy() -> Webhook {
    let filter = EventFilter {
        names: vec![
            NamePattern::Exactly("task.failed".into()),
            NamePattern::StartingWith("custom.".into()),
        ],
        categories: Category::ALL.to_vec(),
        queue: Some(queue("billing")),
        tag: Some("red".into()),
        task: Some(name("a")),
    };
    Webhook { filter, enabled: false, ..webhook("choosy", "*") }
}

async fn webhooks_are_listed_by_name(given: Given) {
    assert_eq!(webhooks(&given).await, []);
    given.watch(webhook("b", "*")).await;
    given.watch(choosy()).await;
    given.watch(webhook("a", "task.*")).await;
    assert_eq!(webhooks(&given).await, [webhook("a", "task.*"), webhook("b", "*"), choosy()]);
    let found = async |name| {
        let found = given.store.webhook(&called(name)).await.expect("it reads");
        found.map(Arc::unwrap_or_clone)
    };
    assert_eq!(found("choosy").await, Some(choosy()));
    assert_eq!(found("b").await, Some(webhook("b", "*")));
    assert_eq!(found("ab").await, None);
}

async fn a_webhook_is_replaced(given: Given) {
    given.watch(webhook("a", "task.*")).await;
    given.enter(task("t")).await;
    let before = given.outbox().await;
    let other = Webhook { url: "https://localhost/elsewhere".into(), ..webhook("a", "queue.*") };
    given.watch(other.clone()).await;
    assert_eq!(webhooks(&given).await, [other]);
    given.enter(task("u")).await;
    assert_eq!((before.len(), given.outbox().await), (1, before));
}

async fn a_deleted_webhook_is_gone_with_its_outbox_entries(given: Given) {
    given.watch(webhook("a", "*")).await;
    given.watch(webhook("b", "*")).await;
    given.enter(task("t")).await;
    let delete = Change::DeleteWebhook { name: called("a") };
    assert_eq!(given.commit(delete.clone()).await.result, ChangeResult::Done);
    assert_eq!(webhooks(&given).await, [webhook("b", "*")]);
    let left: Vec<String> =
        given.outbox().await.into_iter().map(|posted| posted.webhook.to_string()).collect();
    assert_eq!(left, ["b"]);
    assert_eq!(given.commit(delete).await.result, ChangeResult::NotFound);
}

async fn webhooks_are_bounded(given: Given) {
    let set = |at: usize| Change::SetWebhook(Arc::new(webhook(&format!("w{at}"), "*")));
    given.commit_all((0..MAX_WEBHOOKS).map(set).collect()).await;
    assert_eq!(given.commit(set(MAX_WEBHOOKS)).await.result, ChangeResult::LimitReached);
    assert_eq!(given.commit(set(0)).await.result, ChangeResult::Done, "it is there already");
    given.commit(Change::DeleteWebhook { name: called("w5") }).await;
    assert_eq!(given.commit(set(MAX_WEBHOOKS)).await.result, ChangeResult::Done);
    assert_eq!(webhooks(&given).await.len(), MAX_WEBHOOKS);
}

async fn webhooks_survive_the_process(mut given: Given) {
    given.watch(choosy()).await;
    given.watch(webhook("a", "task.*")).await;
    let before = webhooks(&given).await;
    let durable = given.store.properties().durable;
    given.restart().await;
    let expected = if durable { before } else { Vec::new() };
    assert_eq!(webhooks(&given).await, expected);
    given.enter(task("t")).await;
    assert_eq!(given.outbox().await.len(), usize::from(durable));
}
