//! Somebody elsewhere who is told of events over HTTP.

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

/// Somebody elsewhere who is told of events over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Its name.
    pub name: Name,
    /// For people.
    pub description: String,
    /// `http` or `https`.
    pub url: String,
    /// The events that it is told of.
    pub filter: EventFilter,
    /// What its requests are signed with.
    pub secret: Secret,
    /// The bound on one request.
    pub timeout: Duration,
    /// Requests after the first for one event.
    pub retries: u32,
    /// Whether anything is put aside for it.
    pub enabled: bool,
    /// When it was last defined.
    pub updated_at: Timestamp,
}

/// A key that nobody sees. Prints nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key, for whoever signs or stores it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An event that a webhook is to be told of, and has not been handed to the engine yet.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntry {
    /// Its place in the outbox; later ones are greater. Never used twice.
    pub position: u64,
    /// Who is to be told.
    pub webhook: Name,
    /// The event's name.
    pub event: String,
    /// When it happened.
    pub at: Timestamp,
    /// The event's payload, as JSON.
    pub payload: String,
}
