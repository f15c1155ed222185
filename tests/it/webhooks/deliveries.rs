//! A receiver that accepts every delivery.

use http::{HeaderMap, HeaderName, HeaderValue};
use task_scheduler::models::{Durability, Secret, State};
use task_scheduler::webhooks::WebhookRequest;

use super::given::*;
use super::is_genuine::is_genuine;
use super::receiver::{Answer, Received, Receiver};

fn headers(request: &Received) -> HeaderMap {
    let pairs = request.headers.iter();
    pairs
        .map(|(name, value)| {
            (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_signed_requests() {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    let (_, secret) = system.webhooks().put(draft("crm", &receiver.url())).await.unwrap();
    run(&system, add("a")).await;

    let request = receiver.next().await;
    assert_eq!(request.line, "POST /told?of=events");
    let event = request.json();
    assert_eq!(event["event"], "task.completed");
    assert_eq!(event["category"], "task");
    assert_eq!(event["id"], request.header("webhook-id"));
    assert_eq!(event["payload"]["task_id"], "a");
    assert_eq!(event["payload"]["result"], "1");
    let secret = secret.unwrap();
    assert!(is_genuine(secret.reveal(), &headers(&request), &request.body));
    assert!(!is_genuine("another secret of mine", &headers(&request), &request.body));
    let changed = [request.body.as_slice(), b" "].concat();
    assert!(!is_genuine(secret.reveal(), &headers(&request), &changed));

    let delivery = delivery(&system, "crm", State::Succeeded).await;
    assert_eq!(delivery.task.id.as_str(), format!("webhook/crm/{}", event["id"].as_str().unwrap()));
    let counted = eventually("it is counted", async || {
        let status = status(&system, "crm").await;
        (status.delivered == 1).then_some(status)
    });
    let counted = counted.await;
    assert_eq!((counted.abandoned, &*counted.last_error, counted.unfinished), (0, "", 0));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_ephemeral_tasks_are_not_delivered() {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    system.webhooks().put(draft("crm", &receiver.url())).await.unwrap();
    let brief = add("brief").with(|it| it.durability = Some(Durability::Ephemeral));
    run(&system, brief).await;
    run(&system, add("lasting")).await;
    assert_eq!(receiver.next().await.json()["payload"]["task_id"], "lasting");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_webhook_gets_its_own_delivery_with_one_id_per_event() {
    let mut one = Receiver::that_answers(Answer::status(200)).await;
    let mut other = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    for (name, receiver) in [("one", &one), ("other", &other)] {
        system.webhooks().put(draft(name, &receiver.url())).await.unwrap();
    }
    run(&system, add("a")).await;
    let (one, other) = (one.next().await, other.next().await);
    assert_eq!(one.json()["payload"], other.json()["payload"]);
    assert_ne!(one.header("webhook-id"), other.header("webhook-id"));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_and_stays_until_it_is_replaced() {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    let first = draft("crm", &receiver.url());
    let (_, made) = system.webhooks().put(first.clone()).await.unwrap();
    let made = made.unwrap();
    let (_, again) = system.webhooks().put(first.clone()).await.unwrap();
    assert_eq!(again, None);
    run(&system, add("a")).await;
    let request = receiver.next().await;
    assert!(is_genuine(made.reveal(), &headers(&request), &request.body));

    let mine = Secret::new("a secret of my own");
    let replaced = WebhookRequest { secret: Some(mine.clone()), ..first };
    assert_eq!(system.webhooks().put(replaced).await.unwrap().1, None);
    run(&system, add("b")).await;
    let request = receiver.next().await;
    assert!(is_genuine(mine.reveal(), &headers(&request), &request.body));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox_entries_are_delivered_after_a_restart() {
    let mut receiver = Receiver::that_answers(Answer::status(200)).await;
    let dir = tempfile::tempdir().unwrap();
    let first = task_scheduler::TaskSystem::in_directory(dir.path()).start().await.unwrap();
    first.webhooks().put(draft("crm", &receiver.url())).await.unwrap();
    let queue = task_scheduler::models::QueueName::parse("webhook.crm", "queue").unwrap();
    first.tasks().pause(&queue).await.unwrap();
    run(&first, add("a")).await;
    assert!(first.shutdown(PATIENCE).await);
    drop(first);
    assert_eq!(receiver.so_far().len(), 0);

    // The threads of the first system end in the background.
    let second = eventually("the directory is free", async || {
        task_scheduler::TaskSystem::in_directory(dir.path()).start().await.ok()
    });
    let second = second.await;
    second.tasks().resume(&queue).await.unwrap();
    assert_eq!(receiver.next().await.json()["payload"]["task_id"], "a");
    second.stop();
}
