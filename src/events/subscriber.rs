//! Subscribers: code of this program that handles events.
//!
//! A subscriber handles events in order, one at a time, while the server runs. It never slows down the
//! server: if it is too slow it misses events, and gets their number. Use a webhook for events that must not
//! be lost, even if the process dies.

mod registration;
mod subscribers;

use std::fmt::Display;
use std::pin::Pin;

use async_trait::async_trait;

use super::Announced;
use crate::models::EventFilter;

pub use registration::{Registration, collect, collected, filter_of, routes_to};
pub use subscribers::{MAX_SUBSCRIBERS, Registered, SubscriberStatus, Subscribers, Tally};

/// Why a subscriber failed to handle an event.
pub type SubscriberError = Box<dyn std::error::Error + Send + Sync>;

/// The future of a subscriber's handler.
pub type Handling<'a> = Pin<Box<dyn Future<Output = Result<(), SubscriberError>> + Send + 'a>>;

/// Handles events. `#[subscriber]` implements this for a function, or for a type with one method for each
/// kind of event.
///
/// ```
/// use async_trait::async_trait;
/// use task_scheduler::events::{Announced, Subscriber, SubscriberError};
/// use task_scheduler::models::{EventFilter, NamePattern};
///
/// struct Alerts;
///
/// #[async_trait]
/// impl Subscriber for Alerts {
///     fn name(&self) -> &str {
///         "alerts"
///     }
///
///     fn filter(&self) -> EventFilter {
///         let names = vec![NamePattern::parse("task.failed")];
///         EventFilter { names, tag: Some("urgent".into()), ..EventFilter::default() }
///     }
///
///     async fn handle(&self, event: &Announced) -> Result<(), SubscriberError> {
///         let why = event.text("error_message").unwrap_or("unknown");
///         eprintln!("{} failed: {why}", event.text("task_id").unwrap_or_default());
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Subscriber: Send + Sync + 'static {
    /// The subscriber's unique name: letters, digits, `_`, `-`, `.`.
    fn name(&self) -> &str;

    /// Which events the subscriber gets. Called once, at registration.
    fn filter(&self) -> EventFilter;

    /// The names of the subscriber's methods, without `handle_`. Registration fails if one matches no
    /// event. `#[subscriber]` implements it.
    fn routes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Handles one event.
    ///
    /// # Errors
    /// The server counts and logs an error or a panic, and goes on with the next event.
    async fn handle(&self, event: &Announced) -> Result<(), SubscriberError>;

    /// Called when the subscriber was too slow and missed `count` events. The server also counts and logs
    /// this.
    async fn missed(&self, _count: u64) {}
}

/// The types that a subscriber's handler may return.
pub trait IntoHandled {
    /// Converts the handler's return value.
    ///
    /// # Errors
    /// The handler's error.
    fn into_handled(self) -> Result<(), SubscriberError>;
}

impl IntoHandled for () {
    fn into_handled(self) -> Result<(), SubscriberError> {
        Ok(())
    }
}

impl<E: Display> IntoHandled for Result<(), E> {
    fn into_handled(self) -> Result<(), SubscriberError> {
        self.map_err(|error| error.to_string().into())
    }
}

#[cfg(test)]
mod tests;
