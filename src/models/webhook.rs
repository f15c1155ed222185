//! Webhooks: events delivered over HTTP, at least once.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{EventFilter, Name};

/// The most webhooks.
pub const MAX_WEBHOOKS: usize = 1_000;
/// The longest URL of a webhook, in bytes.
pub const MAX_URL_BYTES: usize = 2_048;
/// The shortest and the longest secret, in bytes.
pub const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=255;

/// A webhook: an HTTP endpoint to which the server delivers events.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The webhook's name.
    pub name: Name,
    /// A description, for people.
    pub description: String,
    /// The endpoint's URL: `http` or `https`.
    pub url: String,
    /// Which events are delivered.
    pub filter: EventFilter,
    /// The secret that signs its requests.
    pub secret: Secret,
    /// The timeout of one request.
    pub timeout: Duration,
    /// The number of requests for one event after the first.
    pub retries: u32,
    /// Whether events are written to the outbox for it.
    pub enabled: bool,
    /// When it was last defined.
    pub updated_at: Timestamp,
}

/// A secret. Its debug output does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The secret's text, to sign with it or to store it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An outbox entry: an event whose delivery to a webhook is not a task yet.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntry {
    /// The entry's position in the outbox; grows, and is never used twice.
    pub position: u64,
    /// The webhook that the event goes to.
    pub webhook: Name,
    /// The event's name.
    pub event: String,
    /// When it happened.
    pub at: Timestamp,
    /// The event's payload, as JSON.
    pub payload: String,
}
