//! Code of this program that is told of events.
//!
//! A subscriber is told of what happens while it runs, in order, one event at a time. It holds nobody
//! up: when it is too slow it misses events, and is told how many. What must not be missed, also when
//! the process dies, is for webhooks.

mod registration;
mod subscribers;

use std::fmt::Display;
use std::pin::Pin;

use async_trait::async_trait;

use super::Announced;
use crate::models::EventFilter;

pub use registration::{Registration, collect, collected, filter_of, routes_to};
pub use subscribers::{MAX_SUBSCRIBERS, Registered, SubscriberStatus, Subscribers, Tally};

/// Why a subscriber could not do what it wanted with an event.
pub type SubscriberError = Box<dyn std::error::Error + Send + Sync>;

/// A handler under way.
pub type Handling<'a> = Pin<Box<dyn Future<Output = Result<(), SubscriberError>> + Send + 'a>>;

/// Somebody who is told of events. `#[subscriber]` writes this for a function, or for a type with a
/// method for each kind of event.
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
    /// Its name: letters, digits, `_`, `-`, `.`. No other subscriber has it.
    fn name(&self) -> &str;

    /// Which events it is told of. Asked once.
    fn filter(&self) -> EventFilter;

    /// The events that have a method of their own, as that is called behind `handle_`: a slip in one is
    /// refused at the start. `#[subscriber]` writes it.
    fn routes(&self) -> &'static [&'static str] {
        &[]
    }

    /// This happened.
    ///
    /// # Errors
    /// Counted and logged; the next event comes all the same. A panic is the same.
    async fn handle(&self, event: &Announced) -> Result<(), SubscriberError>;

    /// It was too slow, and so many events are lost. Logged and counted all the same.
    async fn missed(&self, _count: u64) {}
}

/// What a handler may return.
pub trait IntoHandled {
    /// What it means.
    ///
    /// # Errors
    /// What the handler said.
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
