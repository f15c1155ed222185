//! Receivers that fail, and the retries of their deliveries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use task_scheduler::models::{CancelRequest, QueueLimits, QueueName, Request, State};
use task_scheduler::webhooks::WebhookRequest;

use super::given::*;
use super::receiver::{Answer, Receiver, nobody};

const BUSY: Answer = Answer::Status(503, "retry-after: 0\r\n", "busy");

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_of_zero_does_not_skip_the_backoff() {
    let mut receiver = Receiver::that_answers(BUSY).await;
    let system = system().await;
    system.webhooks().put(draft("crm", &receiver.url())).await.unwrap();
    run(&system, add("a")).await;
    receiver.next().await;
    let waits = delivery(&system, "crm", State::Retrying).await;
    assert_eq!(waits.attempts, 1);
    let failed = waits.history.last().unwrap().at;
    let delay = waits.due_at.unwrap().since(failed);
    // One second, minus up to 20 % jitter; the failure's time is taken when it is stored.
    assert!(delay > Duration::from_millis(100), "{delay:?}");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_delivery_is_retried_unchanged() {
    let mut receiver =
        Receiver::start(|before, _| if before < 2 { BUSY } else { Answer::status(204) }).await;
    let system = system().await;
    system.webhooks().put(draft("crm", &receiver.url())).await.unwrap();
    run(&system, add("a")).await;
    let first = receiver.next().await;
    for _ in 0..2 {
        let again = receiver.next().await;
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
    }
    let delivery = delivery(&system, "crm", State::Succeeded).await;
    assert_eq!(delivery.attempts, 3);
    let error = status(&system, "crm").await.last_error;
    assert_eq!(error, format!("{} answered 503 Service Unavailable: busy", receiver.addr()));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backoff_between_delivery_attempts_grows() {
    let mut receiver = Receiver::that_answers(Answer::status(500)).await;
    let system = system().await;
    system.webhooks().put(draft("crm", &receiver.url())).await.unwrap();
    run(&system, add("a")).await;
    receiver.next().await;
    let delays = async |attempts: u32| {
        let waits = eventually("it waits for its next attempt", async || {
            let waits = delivery(&system, "crm", State::Retrying).await;
            (waits.attempts == attempts).then_some(waits)
        });
        let waits = waits.await;
        let failed = waits.history.last().unwrap().at;
        waits.due_at.unwrap().since(failed)
    };
    // Up to 20 % jitter; the failure's time is taken when it is stored.
    let first = delays(1).await;
    assert!(first > Duration::ZERO && first <= Duration::from_secs(1), "{first:?}");
    receiver.next().await;
    let next = delays(2).await;
    assert!(next > Duration::from_secs(2) && next <= Duration::from_secs(5), "{next:?}");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_stalls_resets_and_recovers_gets_the_event() {
    let mut receiver = Receiver::start(|before, _| match before {
        0 => Answer::Stall,
        1 => Answer::Reset,
        _ => Answer::status(200),
    })
    .await;
    let system = system().await;
    let impatient = Some(Duration::from_millis(100));
    let webhook = WebhookRequest { timeout: impatient, ..draft("crm", &receiver.url()) };
    system.webhooks().put(webhook.clone()).await.unwrap();
    run(&system, add("a")).await;
    for _ in 0..3 {
        assert_eq!(receiver.next().await.json()["payload"]["task_id"], "a");
    }
    let delivery = delivery(&system, "crm", State::Succeeded).await;
    let errors: Vec<_> = delivery.history.iter().filter_map(|entry| entry.error.clone()).collect();
    assert_eq!(errors[0], format!("{} did not answer within 100ms", receiver.addr()));
    assert!(errors[1].contains("error sending request"), "{errors:?}");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_whose_answers_have_no_end_gets_the_event_again() {
    let system = system().await;
    let mut receivers = Vec::new();
    for (name, endless) in [("drips", Answer::Drip(500)), ("floods", Answer::Flood(500, 5 << 20))] {
        let decide = move |before, _: &_| match before {
            0 => endless.clone(),
            _ => Answer::status(200),
        };
        let receiver = Receiver::start(decide).await;
        let impatient = Some(Duration::from_millis(300));
        let webhook = WebhookRequest { timeout: impatient, ..draft(name, &receiver.url()) };
        system.webhooks().put(webhook).await.unwrap();
        receivers.push((name, receiver));
    }
    run(&system, add("a")).await;
    for (name, mut receiver) in receivers {
        let first = receiver.next().await;
        assert_eq!(receiver.next().await.body, first.body);
        let delivery = delivery(&system, name, State::Succeeded).await;
        assert_eq!(delivery.attempts, 2);
        // The courier did not read the rest of the answer.
        assert_eq!(receiver.connections(), 2);
        let error = status(&system, name).await.last_error;
        assert!(error.contains("answered 500") && error.len() < 512, "{error}");
    }
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_delivery_is_listed_and_can_be_retried() {
    let fixed = Arc::new(AtomicBool::new(false));
    let is_fixed = fixed.clone();
    let mut receiver = Receiver::start(move |_, _| {
        if is_fixed.load(Ordering::Acquire) { Answer::status(200) } else { Answer::status(500) }
    })
    .await;
    let system = system().await;
    let hasty = WebhookRequest { retries: Some(0), ..draft("crm", &receiver.url()) };
    system.webhooks().put(hasty).await.unwrap();
    run(&system, add("a")).await;
    let first = receiver.next().await;
    let dead = delivery(&system, "crm", State::Failed).await;
    let error = dead.outcome.unwrap().failure().unwrap().message;
    assert_eq!(error, format!("{} answered 500 Internal Server Error", receiver.addr()));
    let counted = eventually("it is counted", async || {
        let status = status(&system, "crm").await;
        (status.abandoned == 1).then_some(status)
    });
    assert_eq!(counted.await.last_error, error);

    fixed.store(true, Ordering::Release);
    system.tasks().retry(&dead.task.id, "it is mended".into()).await.unwrap();
    let again = receiver.next().await;
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
    delivery(&system, "crm", State::Succeeded).await;
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_to_an_unreachable_host_are_abandoned_and_listed() {
    let system = system().await;
    system
        .webhooks()
        .put(WebhookRequest { retries: Some(1), ..draft("crm", &nobody()) })
        .await
        .unwrap();
    run(&system, add("a")).await;
    let dead = delivery(&system, "crm", State::Failed).await;
    assert_eq!(dead.attempts, 2);
    let error = dead.outcome.unwrap().failure().unwrap().message;
    assert!(error.contains("Connection refused"), "{error}");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_answers_410_gets_one_request() {
    let mut receiver = Receiver::that_answers(Answer::status(410)).await;
    let system = system().await;
    system.webhooks().put(draft("crm", &receiver.url())).await.unwrap();
    run(&system, add("a")).await;
    let dead = delivery(&system, "crm", State::Failed).await;
    assert_eq!(dead.attempts, 1);
    assert_eq!(receiver.so_far().len(), 1);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_deliveries_emit_one_event_and_no_endless_chain() {
    let mut receiver = Receiver::that_answers(Answer::status(410)).await;
    let system = system().await;
    let filter = of(["task.completed", "observability.webhook_abandoned"]);
    system
        .webhooks()
        .put(WebhookRequest { filter, ..draft("crm", &receiver.url()) })
        .await
        .unwrap();
    for (round, id) in ["a", "b", "c"].into_iter().enumerate() {
        run(&system, add(id)).await;
        let completed = receiver.next().await;
        assert_eq!(completed.json()["payload"]["task_id"], id);
        let abandoned = receiver.next().await;
        assert_eq!(abandoned.event(), "observability.webhook_abandoned");
        let payload = &abandoned.json()["payload"];
        let given_up = format!("webhook/crm/{}", completed.header("webhook-id"));
        assert_eq!(payload["task_id"], given_up);
        assert_eq!(payload["webhook"], "crm");
        let expected = u64::try_from(2 * (round + 1)).unwrap();
        eventually("both are abandoned", async || {
            let abandoned = status(&system, "crm").await.abandoned;
            assert!(abandoned <= expected, "{abandoned}");
            (abandoned == expected).then_some(())
        })
        .await;
    }
    assert_eq!(receiver.so_far().len(), 0);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_receiver_does_not_delay_other_webhooks() {
    let mut dead = Receiver::that_answers(Answer::Stall).await;
    let mut alive = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    let patient = Some(Duration::from_secs(60));
    system
        .webhooks()
        .put(WebhookRequest { timeout: patient, ..draft("dead", &dead.url()) })
        .await
        .unwrap();
    system.webhooks().put(draft("alive", &alive.url())).await.unwrap();
    let start = Instant::now();
    for number in 0..30 {
        run(&system, add(&format!("task-{number}"))).await;
    }
    for _ in 0..30 {
        alive.next().await;
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    for _ in 0..8 {
        dead.next().await;
    }
    // The other deliveries wait for one of the eight; no further request is sent.
    assert_eq!(deliveries(&system, "dead", State::Running).await.len(), 8);
    assert_eq!(dead.so_far().len(), 0);
    assert_eq!(status(&system, "dead").await.unfinished, 30);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_delivery_ends_its_request() {
    let mut receiver = Receiver::that_answers(Answer::Stall).await;
    let system = system().await;
    let patient = Some(Duration::from_secs(60));
    system
        .webhooks()
        .put(WebhookRequest { timeout: patient, ..draft("crm", &receiver.url()) })
        .await
        .unwrap();
    run(&system, add("a")).await;
    receiver.next().await;
    let running = delivery(&system, "crm", State::Running).await;
    let start = Instant::now();
    let ids = vec![running.task.id.clone()];
    system.tasks().cancel(CancelRequest { ids, ..CancelRequest::default() }).await.unwrap();
    delivery(&system, "crm", State::Cancelled).await;
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(status(&system, "crm").await.abandoned, 0);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_webhook_cancels_its_waiting_deliveries() {
    let mut receiver = Receiver::that_answers(Answer::status(500)).await;
    let system = system().await;
    system.webhooks().put(draft("crm", &receiver.url())).await.unwrap();
    run(&system, add("a")).await;
    receiver.next().await;
    delivery(&system, "crm", State::Retrying).await;
    system.webhooks().delete(&name("crm")).await.unwrap();
    let cancelled = delivery(&system, "crm", State::Cancelled).await;
    let why = cancelled.outcome.unwrap().failure().unwrap().message;
    assert_eq!(why, "webhook crm was deleted");
    assert_eq!(system.webhooks().list().await.unwrap().len(), 0);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_webhook_queue_delays_no_other_webhook_and_is_no_failure() {
    let mut full = Receiver::that_answers(Answer::status(200)).await;
    let mut alive = Receiver::that_answers(Answer::status(200)).await;
    let system = system().await;
    system.webhooks().put(draft("full", &full.url())).await.unwrap();
    system.webhooks().put(draft("other", &alive.url())).await.unwrap();
    let queue = QueueName::parse("webhook.full", "queue").unwrap();
    let one = QueueLimits { max_length: Some(1), ..QueueLimits::default() };
    system.tasks().limit(&queue, one).await.unwrap();
    system.tasks().pause(&queue).await.unwrap();
    let start = Instant::now();
    for number in 0..20 {
        run(&system, add(&format!("task-{number}"))).await;
    }
    for _ in 0..20 {
        alive.next().await;
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    eventually("it is refused", async || {
        status(&system, "full").await.last_error.contains("full").then_some(())
    })
    .await;
    let services = system.services();
    let courier = services.iter().find(|service| service.name == "courier").unwrap();
    assert_eq!(courier.state.last_error, None);

    // No delivery is lost, and they follow without a new event in the outbox.
    system.tasks().limit(&queue, QueueLimits::default()).await.unwrap();
    system.tasks().resume(&queue).await.unwrap();
    let mut delivered = BTreeSet::new();
    for _ in 0..20 {
        delivered.insert(full.next().await.json()["payload"]["task_id"].to_string());
    }
    assert_eq!(delivered.len(), 20);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_webhook_cancels_any_number_of_deliveries() {
    // More than one batch of the cancellation.
    const MANY: usize = 10_001;
    let system = system().await;
    system.webhooks().put(draft("crm", &nobody())).await.unwrap();
    let queue = QueueName::parse("webhook.crm", "queue").unwrap();
    system.tasks().pause(&queue).await.unwrap();
    let delivery = || {
        let request = Request::of("system/webhook").arg(1);
        Ok(request.with(|it| it.queue = Some("webhook.crm".into())))
    };
    let accepted = system.tasks().enqueue_many((0..MANY).map(|_| delivery()).collect()).await;
    assert_eq!(accepted.iter().filter(|it| it.is_ok()).count(), MANY);
    system.webhooks().delete(&name("crm")).await.unwrap();
    let queues = system.tasks().queues().await.unwrap();
    let waiting = queues.iter().find(|it| it.queue == queue).map_or(0, |it| it.waiting());
    assert_eq!(waiting, 0);
    system.stop();
}
