//! Sends one request and interprets the response.
//!
//! The cost of a receiver is bounded: connect time, total time, bytes of the response, open connections.
//! Redirects are not followed: only the configured URL receives events.

use std::sync::OnceLock;
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response, StatusCode};

use super::request::DeliveryPayload;
use super::resolver::Resolver;
use super::signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use crate::clock::Timestamp;
use crate::models::{MAX_BACKOFF, Webhook};
use crate::tasks::TaskError;

/// The time limit of a connect. The webhook's timeout may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of idle connections to one receiver, and how long they stay open.
const MAX_IDLE: usize = 8;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The number of bytes of an error response that a message quotes. No more are read.
const EXCERPT_BYTES: usize = 256;
/// The maximum length of a host in a message, in bytes.
const SHOWN_HOST_BYTES: usize = 255;

/// Sends requests. Creates its clients on first use: one for `https`, which reads the system's
/// certificates, and one for `http`, which works without any.
#[derive(Default)]
pub(super) struct Sender {
    resolver: Resolver,
    plain: OnceLock<Client>,
    secure: OnceLock<Client>,
}

impl Sender {
    fn client(&self, url: &str) -> Result<&Client, TaskError> {
        let is_plain = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"));
        let cell = if is_plain { &self.plain } else { &self.secure };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let builder = client(self.resolver.clone());
        let builder = if is_plain { builder.tls_certs_only([]) } else { builder };
        let client = builder.build()?;
        Ok(cell.get_or_init(|| client))
    }

    /// Sends an event and returns the status of a successful response.
    ///
    /// # Errors
    /// Retryable, except for status 410 (Gone), which is permanent. A `Retry-After` beyond `min_delay`
    /// sets the time of the retry. The message contains only the host of the URL.
    pub(super) async fn send(
        &self,
        webhook: &Webhook,
        payload: &DeliveryPayload,
        now: Timestamp,
        min_delay: Duration,
    ) -> Result<StatusCode, TaskError> {
        let client = self.client(&webhook.url)?;
        let body = payload.body().map_err(|error| TaskError::permanent(error.to_string()))?;
        let seconds = now.as_micros() / 1_000_000;
        let request = client
            .post(&webhook.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ID_HEADER, &payload.id)
            .header(TIMESTAMP_HEADER, seconds)
            .header(SIGNATURE_HEADER, sign(&webhook.secret, &payload.id, seconds, &body))
            .body(body);
        let deadline = tokio::time::Instant::now() + webhook.timeout;
        let host = host(&webhook.url);
        let mut response = match tokio::time::timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(unreachable(&host, error)),
            Err(_) => {
                let why = format!("{host} did not answer within {:?}", webhook.timeout);
                return Err(TaskError::new(why));
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(status);
        }
        // A shorter delay would use up all attempts before the receiver recovers.
        let wait = retry_after(status, response.headers(), now).filter(|wait| *wait > min_delay);
        let mut excerpt = Vec::new();
        // A slow response is cut off at the deadline; the message quotes what has arrived.
        if tokio::time::timeout_at(deadline, read(&mut response, &mut excerpt)).await.is_err() {
            tracing::debug!(host, "webhook response exceeded its time limit");
        }
        let quoted = printable(&excerpt);
        let why = if quoted.is_empty() {
            format!("{host} answered {status}")
        } else {
            format!("{host} answered {status}: {quoted}")
        };
        Err(match (status, wait) {
            (StatusCode::GONE, _) => TaskError::permanent(why),
            (_, Some(wait)) => TaskError::retry_after(why, wait),
            _ => TaskError::new(why),
        })
    }
}

fn client(resolver: Resolver) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("task-scheduler/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        // The delivery task counts and delays the attempts.
        .retry(reqwest::retry::never())
        // Only the configured URL receives events, whatever the environment sets.
        .no_proxy()
        .dns_resolver(resolver)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE)
        .pool_idle_timeout(IDLE_TIMEOUT)
}

/// The host of a URL for messages. Paths and queries may be secrets.
fn host(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(reqwest::Url::host_str).unwrap_or("the receiver");
    let host = &host[..host.floor_char_boundary(SHOWN_HOST_BYTES)];
    match parsed.as_ref().and_then(reqwest::Url::port) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn unreachable(host: &str, error: reqwest::Error) -> TaskError {
    let error = TaskError::from(error.without_url());
    TaskError::new(format!("{host}: {}", error.message()))
}

/// The `Retry-After` of an overloaded receiver: seconds or an HTTP date.
fn retry_after(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let micros = rfc2822::parse(value).ok()?.timestamp().as_microsecond();
            Timestamp::from_micros(u64::try_from(micros).ok()?)?.since(now)
        }
    };
    Some(wait.min(MAX_BACKOFF))
}

/// Reads the part of a response that messages quote.
async fn read(response: &mut Response, excerpt: &mut Vec<u8>) {
    while excerpt.len() < EXCERPT_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = EXCERPT_BYTES - excerpt.len();
                excerpt.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(None) => return,
            Err(error) => {
                // The status is known, which is enough.
                tracing::debug!(%error, "webhook response ended early");
                return;
            }
        }
    }
}

/// The text on one line, without control characters.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
