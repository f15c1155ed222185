//! Event subscriptions, and the list of all subscribers.

use super::TaskSystem;
use crate::error::Error;
use crate::events::{EventCursor, EventStream, catalog};
use crate::models::EventFilter;
use crate::webhooks::WebhookStatus;

/// A subscriber to events: Rust code or a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberRow {
    /// The subscriber's name.
    pub name: String,
    /// Rust code or a webhook.
    pub kind: SubscriberKind,
    /// The patterns of the events that it subscribed to; empty for all events.
    pub events: Vec<String>,
    /// The number of events handled since the server started.
    pub handled: u64,
    /// The number of events whose handling failed.
    pub failed: u64,
    /// The number of events dropped because the subscriber was too slow.
    pub missed: u64,
    /// The last error; empty without one.
    pub last_error: String,
    /// The place of the declaration, `file:line`; empty for a webhook, whose URL may hold a secret.
    pub declared_at: String,
}

/// The kind of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriberKind {
    /// Code in this program.
    Rust,
    /// An HTTP endpoint.
    Webhook,
}

impl From<&WebhookStatus> for SubscriberRow {
    fn from(status: &WebhookStatus) -> Self {
        let WebhookStatus { webhook, delivered, abandoned, last_error, .. } = status;
        Self {
            name: webhook.name.as_str().to_owned(),
            kind: SubscriberKind::Webhook,
            events: webhook.filter.names.iter().map(ToString::to_string).collect(),
            handled: *delivered,
            failed: *abandoned,
            missed: 0,
            last_error: last_error.clone(),
            declared_at: String::new(),
        }
    }
}

impl TaskSystem {
    /// Subscribes to the events that match `filter`: from now on, or from the one after a cursor. A slow
    /// subscriber misses events, and its stream reports how many.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// use task_scheduler::TaskSystem;
    /// use task_scheduler::events::StreamItem;
    /// use task_scheduler::models::{EventFilter, NamePattern, Request};
    ///
    /// let system = TaskSystem::in_memory().start().await?;
    /// let names = vec![NamePattern::parse("task.completed")];
    /// let mut events = system.subscribe(EventFilter { names, ..EventFilter::default() }, None)?;
    ///
    /// system.tasks().submit(Request::of("add").arg(1).arg(2)).await?;
    /// let Some((_cursor, StreamItem::Event(event))) = events.next().await else {
    ///     panic!("expected an event")
    /// };
    /// assert_eq!((event.text("method"), event.text("result")), (Some("add"), Some("3")));
    /// # system.stop();
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the filter names an unknown event.
    pub fn subscribe(
        &self,
        filter: EventFilter,
        after: Option<EventCursor>,
    ) -> Result<EventStream, Error> {
        catalog::check_filter(&filter, "filter")?;
        Ok(self.announcer.subscribe(filter, after))
    }

    /// All subscribers, in the order of their names: Rust code and webhooks.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn subscribers(&self) -> Result<Vec<SubscriberRow>, Error> {
        let rust = self.subscribers.list().iter().map(|registered| {
            let status = registered.status();
            SubscriberRow {
                name: status.name.as_str().to_owned(),
                kind: SubscriberKind::Rust,
                events: status.filter.names.iter().map(ToString::to_string).collect(),
                handled: status.handled,
                failed: status.failed,
                missed: status.missed,
                last_error: status.last_error,
                declared_at: status.declared_at.to_string(),
            }
        });
        let webhooks = self.webhooks.list().await?;
        let mut rows: Vec<_> = rust.chain(webhooks.iter().map(SubscriberRow::from)).collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(rows)
    }
}
