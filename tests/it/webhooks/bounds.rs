//! Limits of a webhook, and its queue.

use task_scheduler::error::Code;
use task_scheduler::models::{MAX_WEBHOOKS, QueueLimits, QueueName};
use task_scheduler::webhooks::WebhookRequest;

use super::given::*;

const URL: &str = "http://127.0.0.1:9/";

fn queue() -> QueueName {
    QueueName::parse("webhook.crm", "queue").unwrap()
}

async fn limits(system: &task_scheduler::TaskSystem) -> Option<QueueLimits> {
    let queues = system.tasks().queues().await.unwrap();
    queues.into_iter().find(|it| it.queue == queue()).map(|it| it.settings.limits)
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_deliveries_are_concurrent_by_default() {
    let system = system().await;
    system.webhooks().put(draft("crm", URL)).await.unwrap();
    assert_eq!(limits(&system).await.unwrap().concurrency, Some(8));
    let mine = QueueLimits { concurrency: Some(1), ..QueueLimits::default() };
    system.tasks().limit(&queue(), mine).await.unwrap();
    system.webhooks().put(draft("crm", URL)).await.unwrap();
    assert_eq!(limits(&system).await, Some(mine));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_deleted_leaves_no_queue_behind() {
    let system = system().await;
    system.webhooks().put(draft("crm", URL)).await.unwrap();
    system.webhooks().delete(&name("crm")).await.unwrap();
    assert_eq!(limits(&system).await, None);
    for refused in [
        system.webhooks().delete(&name("crm")).await.expect_err("the webhook is deleted"),
        system.webhooks().get(&name("crm")).await.expect_err("the webhook is deleted"),
    ] {
        assert_eq!(refused.code, Code::WebhookNotFound);
        assert_eq!(refused.message, "no webhook crm is known");
    }
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_listed_by_name() {
    let system = system().await;
    for name in ["b", "a", "c"] {
        let described = WebhookRequest { description: format!("the {name}"), ..draft(name, URL) };
        system.webhooks().put(described).await.unwrap();
    }
    let listed = system.webhooks().list().await.unwrap();
    let shown: Vec<_> = listed
        .iter()
        .map(|it| (it.webhook.name.as_str(), &*it.webhook.description, &*it.queue))
        .collect();
    let expected =
        [("a", "the a", "webhook.a"), ("b", "the b", "webhook.b"), ("c", "the c", "webhook.c")];
    assert_eq!(shown, expected);
    assert!(!format!("{listed:?}").contains("whsec_"), "secrets are not printed");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_among_the_subscribers() {
    let system = system().await;
    system.webhooks().put(draft("crm", URL)).await.unwrap();
    let subscribers = system.subscribers().await.unwrap();
    let found: Vec<_> = subscribers.iter().filter(|it| it.name == "crm").collect();
    assert_eq!(found.len(), 1, "{subscribers:?}");
    assert_eq!(found[0].events, ["task.completed"]);
    assert_eq!(found[0].declared_at, "", "a URL may hold a secret");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_webhook_leaves_nothing_behind() {
    let system = system().await;
    let refused = system.webhooks().put(draft("crm", "ftp://h/")).await.expect_err("refused");
    assert_eq!(refused.code, Code::InvalidArgument);
    assert_eq!(refused.violations[0].field, "webhook.url");
    assert_eq!(system.webhooks().list().await.unwrap().len(), 0);
    assert_eq!(limits(&system).await, None);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_beyond_the_limit_is_refused_and_leaves_no_queue_behind() {
    let system = system().await;
    for number in 0..MAX_WEBHOOKS {
        system.webhooks().put(draft(&format!("w{number}"), URL)).await.unwrap();
    }
    let refused = system.webhooks().put(draft("crm", URL)).await.expect_err("one too many");
    assert_eq!(refused.code, Code::WrongState);
    assert_eq!(limits(&system).await, None);
    // Replacing an existing webhook is allowed at the limit.
    system.webhooks().put(draft("w0", URL)).await.unwrap();
    system.stop();
}
