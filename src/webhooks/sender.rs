//! Sends one request and says what its answer means.
//!
//! What a receiver can cost is bounded: the time of a connection and of the whole exchange, the bytes
//! of its answer that are looked at, connections kept open. Redirects are not followed: the receiver
//! is who was named, and nobody that he names.

use std::sync::OnceLock;
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response, StatusCode};

use super::request::Notice;
use super::resolver::Resolver;
use super::signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use crate::clock::Timestamp;
use crate::models::{MAX_BACKOFF, Webhook};
use crate::tasks::TaskError;

/// The bound on making a connection; that on the whole exchange may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections that are kept open to one receiver, and how long.
const MAX_IDLE: usize = 8;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a refusal is kept for people, in bytes. No more of an answer is read.
const EXCERPT_BYTES: usize = 256;
/// The most receivers' names that a message has, in bytes.
const SHOWN_HOST_BYTES: usize = 255;

/// Sends requests. Clients are made when they are needed: one for `https`, which has to read the
/// system's certificates, and one for `http`, which works where there are none.
#[derive(Default)]
pub(super) struct Sender {
    plain: OnceLock<Client>,
    secure: OnceLock<Client>,
}

impl Sender {
    fn client(&self, url: &str) -> Result<&Client, TaskError> {
        let is_plain = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"));
        let made = if is_plain { &self.plain } else { &self.secure };
        if let Some(client) = made.get() {
            return Ok(client);
        }
        let builder = if is_plain { client().tls_certs_only([]) } else { client() };
        let client = builder.build()?;
        Ok(made.get_or_init(|| client))
    }

    /// Tells a receiver of an event, and answers his status if he took it.
    ///
    /// # Errors
    /// Retried, unless the receiver said that he is gone for good; at the time that he named, if he
    /// did and it is more than `least` away. The message has nothing of the URL but its host.
    pub(super) async fn send(
        &self,
        webhook: &Webhook,
        notice: &Notice,
        now: Timestamp,
        least: Duration,
    ) -> Result<StatusCode, TaskError> {
        let client = self.client(&webhook.url)?;
        let body = notice.body().map_err(|error| TaskError::permanent(error.to_string()))?;
        let seconds = now.as_micros() / 1_000_000;
        let request = client
            .post(&webhook.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ID_HEADER, &notice.id)
            .header(TIMESTAMP_HEADER, seconds)
            .header(SIGNATURE_HEADER, sign(&webhook.secret, &notice.id, seconds, &body))
            .body(body);
        let end = tokio::time::Instant::now() + webhook.timeout;
        let host = host(&webhook.url);
        let answer = match tokio::time::timeout_at(end, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unreachable(&host, error)),
            Err(_) => {
                let why = format!("{host} did not answer within {:?}", webhook.timeout);
                return Err(TaskError::new(why));
            }
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(status);
        }
        // Who asks to be tried sooner than he would be has all tries used up before he recovers.
        let wait = wait(status, answer.headers(), now).filter(|wait| *wait > least);
        let mut answer = answer;
        let mut excerpt = Vec::new();
        // An answer that drips is cut off where its time is over, and what is there is told.
        if tokio::time::timeout_at(end, read(&mut answer, &mut excerpt)).await.is_err() {
            tracing::debug!(host, "an answer took too long");
        }
        let said = printable(&excerpt);
        let why = if said.is_empty() {
            format!("{host} answered {status}")
        } else {
            format!("{host} answered {status}: {said}")
        };
        Err(match (status, wait) {
            (StatusCode::GONE, _) => TaskError::permanent(why),
            (_, Some(wait)) => TaskError::retry_after(why, wait),
            _ => TaskError::new(why),
        })
    }
}

fn client() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("task-scheduler/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        // Tries are counted and spaced by the task.
        .retry(reqwest::retry::never())
        // The receiver is who was named, whatever the environment says.
        .no_proxy()
        .dns_resolver(Resolver::default())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE)
        .pool_idle_timeout(IDLE_TIMEOUT)
}

/// Where a request went, for people. Paths and queries are keys to some receivers.
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

/// When a receiver who has too much to do wants to be asked again: in seconds, or at an HTTP date.
fn wait(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
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

/// Reads as much of an answer as is kept.
async fn read(answer: &mut Response, excerpt: &mut Vec<u8>) {
    while excerpt.len() < EXCERPT_BYTES {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                let room = EXCERPT_BYTES - excerpt.len();
                excerpt.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(None) => return,
            Err(error) => {
                // The status is known, and that is what counts.
                tracing::debug!(%error, "an answer broke off");
                return;
            }
        }
    }
}

/// On one line, whatever it is.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
