//! What people do with events: listen to them, and see who else does.

use super::TaskSystem;
use crate::error::Error;
use crate::events::{EventCursor, EventStream, catalog};
use crate::models::EventFilter;
use crate::webhooks::Status;

/// Somebody who is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberRow {
    /// His name.
    pub name: String,
    /// What he is.
    pub kind: SubscriberKind,
    /// The events that he asked for, as he wrote them; none for all.
    pub events: Vec<String>,
    /// Events that he dealt with since this start.
    pub handled: u64,
    /// Events that he could not deal with.
    pub failed: u64,
    /// Events that he was too slow for.
    pub missed: u64,
    /// What he said last when he failed.
    pub last_error: String,
    /// Where he is declared: `file:line`, or the URL of a webhook.
    pub declared_at: String,
}

/// What a subscriber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriberKind {
    /// Code in this program.
    Rust,
    /// Somebody elsewhere.
    Webhook,
}

impl From<&Status> for SubscriberRow {
    fn from(status: &Status) -> Self {
        let Status { webhook, delivered, abandoned, last_error, .. } = status;
        Self {
            name: webhook.name.as_str().to_owned(),
            kind: SubscriberKind::Webhook,
            events: webhook.filter.names.iter().map(ToString::to_string).collect(),
            handled: *delivered,
            failed: *abandoned,
            missed: 0,
            last_error: last_error.clone(),
            // Its URL may hold a secret.
            declared_at: String::new(),
        }
    }
}

impl TaskSystem {
    /// What happens from now on, as far as `filter` wants it; with a cursor, from after that event on.
    /// Who reads too slowly is told what he missed.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// use task_scheduler::TaskSystem;
    /// use task_scheduler::events::Told;
    /// use task_scheduler::models::{EventFilter, NamePattern, Request};
    ///
    /// let system = TaskSystem::in_memory().start().await?;
    /// let names = vec![NamePattern::parse("task.completed")];
    /// let mut events = system.subscribe(EventFilter { names, ..EventFilter::default() }, None)?;
    ///
    /// system.submit(Request::of("add").arg(1).arg(2)).await?;
    /// let Some((_cursor, Told::Event(event))) = events.next().await else { panic!("it is told") };
    /// assert_eq!((event.text("method"), event.text("result")), (Some("add"), Some("3")));
    /// # system.stop();
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the filter names an event that there is not.
    pub fn subscribe(
        &self,
        filter: EventFilter,
        after: Option<EventCursor>,
    ) -> Result<EventStream, Error> {
        catalog::check_filter(&filter, "filter")?;
        Ok(self.announcer.subscribe(filter, after))
    }

    /// Everybody who is told of events, by name.
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
        let webhooks = self.webhooks().await?;
        let mut rows: Vec<_> = rust.chain(webhooks.iter().map(SubscriberRow::from)).collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(rows)
    }
}
