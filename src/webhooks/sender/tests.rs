use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::clock;
use crate::models::{EventFilter, Name, Secret};
use crate::tasks::Disposition;
use crate::webhooks::signature::{SignedHeaders, verify};

#[path = "../../../tests/it/webhooks/receiver.rs"]
#[expect(dead_code, reason = "shared with the tests of whole systems")]
mod receiver;

use receiver::{Answer, Receiver};

const SECRET: &str = "a secret of 27 characters..";

/// The delay of the next retry without a `Retry-After`.
const MIN_DELAY: Duration = Duration::from_secs(25);

fn webhook(url: &str) -> Webhook {
    Webhook {
        name: Name::parse("crm", "name").unwrap(),
        description: String::new(),
        url: url.into(),
        filter: EventFilter::default(),
        secret: Secret::new(SECRET),
        timeout: Duration::from_secs(30),
        retries: 0,
        enabled: true,
        updated_at: Timestamp::EPOCH,
    }
}

fn payload() -> DeliveryPayload {
    DeliveryPayload {
        webhook: "crm".into(),
        id: "evt_1".into(),
        event: "task.completed".into(),
        at: "2026-11-30T12:00:00Z".into(),
        payload: r#"{"task_id":"a"}"#.into(),
    }
}

async fn send(webhook: &Webhook) -> Result<StatusCode, TaskError> {
    Sender::default().send(webhook, &payload(), clock::now().wall, MIN_DELAY).await
}

/// Sends one event to a receiver with this response.
async fn send_once(answer: Answer) -> Result<StatusCode, TaskError> {
    let receiver = Receiver::that_answers(answer).await;
    let result = send(&webhook(&receiver.url())).await;
    result.map_err(|error| {
        let message = error.message().replace(&receiver.addr().to_string(), "HOST");
        match error.disposition() {
            Disposition::Retry => TaskError::new(message),
            Disposition::RetryAfter(wait) => TaskError::retry_after(message, wait),
            Disposition::Fail => TaskError::permanent(message),
            then => panic!("{then:?}"),
        }
    })
}

/// HMAC-SHA256 as in RFC 2104, without a library.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner =
        Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

#[tokio::test]
async fn a_request_contains_the_event_and_is_signed() {
    let mut receiver = Receiver::that_answers(Answer::status(204)).await;
    assert_eq!(send(&webhook(&receiver.url())).await, Ok(StatusCode::NO_CONTENT));
    let request = receiver.next().await;
    assert_eq!(request.line, "POST /told?of=events");
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-id"), "evt_1");
    assert_eq!(request.header("user-agent"), concat!("task-scheduler/", env!("CARGO_PKG_VERSION")));
    let expected = serde_json::json!({
        "id": "evt_1",
        "event": "task.completed",
        "category": "task",
        "at": "2026-11-30T12:00:00Z",
        "payload": { "task_id": "a" },
    });
    assert_eq!(request.json(), expected);

    let timestamp = request.header("webhook-timestamp");
    let signed = [b"evt_1.", timestamp.as_bytes(), b".", &request.body].concat();
    let expected = format!("v1,{}", STANDARD.encode(hmac(SECRET.as_bytes(), &signed)));
    assert_eq!(request.header("webhook-signature"), expected);
    let headers = SignedHeaders { id: "evt_1", timestamp, signature: &expected };
    assert_eq!(verify(SECRET, headers, &request.body, std::time::SystemTime::now()), Ok(()));
}

#[tokio::test]
async fn only_a_2xx_response_is_a_success() {
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(send_once(Answer::status(status)).await.unwrap().as_u16(), status);
    }
    for status in [300, 304, 400, 401, 404, 408, 422, 500, 502, 503, 504] {
        let refused = send_once(Answer::status(status)).await.expect_err("refused");
        assert_eq!(refused.disposition(), Disposition::Retry, "{status}: {refused}");
        assert!(refused.message().starts_with(&format!("HOST answered {status}")), "{refused}");
    }
}

#[tokio::test]
async fn status_410_is_a_permanent_failure() {
    let refused = send_once(Answer::Status(410, "", "moved\n\r\0 out")).await;
    assert_eq!(refused, Err(TaskError::permanent("HOST answered 410 Gone: moved out")));
}

#[tokio::test]
async fn an_overloaded_receiver_delays_the_retry_with_retry_after() {
    let busy = |status, headers| send_once(Answer::Status(status, headers, "busy"));
    let after = |status: &str, wait| {
        Err(TaskError::retry_after(format!("HOST answered {status}: busy"), wait))
    };
    let minute = Duration::from_secs(60);
    assert_eq!(busy(429, "retry-after: 60\r\n").await, after("429 Too Many Requests", minute));
    let ever = "retry-after: 99999999999\r\n";
    assert_eq!(busy(503, ever).await, after("503 Service Unavailable", MAX_BACKOFF));
    for headers in ["", "retry-after: soon\r\n", "retry-after: -1\r\n", "retry-after: \r\n"] {
        assert_eq!(
            busy(429, headers).await.unwrap_err().disposition(),
            Disposition::Retry,
            "{headers:?}"
        );
    }
    // A shorter delay than the backoff is ignored: it would use up all attempts.
    let past = "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
    for headers in ["retry-after: 0\r\n", "retry-after: 25\r\n", past] {
        assert_eq!(
            busy(503, headers).await.unwrap_err().disposition(),
            Disposition::Retry,
            "{headers:?}"
        );
    }
    let later = Duration::from_secs(26);
    assert_eq!(busy(503, "Retry-After: 26\r\n").await, after("503 Service Unavailable", later));
    // Only 429 and 503 set the delay.
    assert_eq!(
        busy(500, "retry-after: 60\r\n").await.unwrap_err().disposition(),
        Disposition::Retry
    );
}

#[test]
fn retry_after_can_be_a_date() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap());
    let at = |seconds: u64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
    let date = 1_445_412_480;
    let wait = |now| retry_after(StatusCode::SERVICE_UNAVAILABLE, &headers, at(now));
    assert_eq!(wait(date - 90), Some(Duration::from_secs(90)));
    assert_eq!(wait(date + 90), Some(Duration::ZERO));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::that_answers(Answer::status(200)).await;
    let location = format!("location: {}\r\n", elsewhere.url());
    let refused = send_once(Answer::Status(307, location.leak(), "")).await;
    assert_eq!(refused, Err(TaskError::new("HOST answered 307 Temporary Redirect")));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_costs_at_most_its_timeout() {
    let receiver = Receiver::that_answers(Answer::Stall).await;
    let patient = Webhook { timeout: Duration::from_millis(200), ..webhook(&receiver.url()) };
    let start = Instant::now();
    let refused = send(&patient).await;
    let expected = format!("{} did not answer within 200ms", receiver.addr());
    assert_eq!(refused, Err(TaskError::new(expected)));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_slow_response_is_cut_off_and_its_status_counts() {
    let receiver = Receiver::that_answers(Answer::Drip(500)).await;
    let patient = Webhook { timeout: Duration::from_millis(300), ..webhook(&receiver.url()) };
    let refused = send(&patient).await.expect_err("refused");
    let expected = format!("{} answered 500 Internal Server Error: .", receiver.addr());
    assert!(refused.message().starts_with(&expected), "{refused}");

    let receiver = Receiver::that_answers(Answer::Drip(200)).await;
    let patient = Webhook { timeout: Duration::from_secs(3600), ..webhook(&receiver.url()) };
    assert_eq!(send(&patient).await, Ok(StatusCode::OK), "without waiting for the rest");
}

#[tokio::test]
async fn only_the_beginning_of_a_large_response_is_read() {
    let refused = send_once(Answer::Flood(500, 5 << 20)).await.expect_err("refused");
    let expected =
        format!("HOST answered 500 Internal Server Error: {}", "x".repeat(EXCERPT_BYTES));
    assert_eq!(refused.message(), expected);
    assert_eq!(send_once(Answer::Flood(200, 5 << 20)).await, Ok(StatusCode::OK));
}

#[tokio::test]
async fn a_connection_that_fails_or_breaks_is_retried() {
    let refused = send_once(Answer::Reset).await.expect_err("refused");
    assert_eq!(refused.disposition(), Disposition::Retry);
    assert!(refused.message().starts_with("HOST: error sending request: "), "{refused}");

    let unreachable = send(&webhook(&receiver::nobody())).await.expect_err("refused");
    assert_eq!(unreachable.disposition(), Disposition::Retry);
    assert!(unreachable.message().contains("Connection refused"), "{unreachable}");
}

#[tokio::test]
async fn a_receiver_without_tls_is_retried() {
    let receiver = Receiver::that_answers(Answer::status(200)).await;
    let url = receiver.url().replace("http:", "https:");
    let refused = send(&webhook(&url)).await.expect_err("refused");
    assert_eq!(refused.disposition(), Disposition::Retry, "{refused}");
}

#[tokio::test]
async fn error_messages_do_not_reveal_paths_queries_and_secrets() {
    let closed = Receiver::that_answers(Answer::Reset).await;
    let url = format!("http://{}/services/T0/B0/KEY?token=KEY", closed.addr());
    let result = send(&webhook(&url)).await.expect_err("refused");
    assert!(!result.message().contains("KEY") && !result.message().contains(SECRET), "{result}");
}

#[tokio::test]
async fn connections_are_reused_for_the_next_event() {
    let mut receiver = Receiver::that_answers(Answer::Status(200, "", "thanks")).await;
    let sender = Sender::default();
    for _ in 0..5 {
        let webhook = webhook(&receiver.url());
        let result = sender.send(&webhook, &payload(), Timestamp::EPOCH, MIN_DELAY).await;
        assert_eq!(result, Ok(StatusCode::OK));
        receiver.next().await;
    }
    assert!(receiver.connections() < 5, "{} connections", receiver.connections());
}
