//! Delivers an event to a subscriber.

use crate::events::{Announced, Subscriber, SubscriberError};

/// Delivers one event to a subscriber on this thread, as a server does.
///
/// ```
/// use task_scheduler::events::{Announced, SubscriberError};
/// use task_scheduler::subscriber;
/// use task_scheduler::testing::deliver_event;
///
/// #[derive(Default)]
/// struct PrinterAlerts;
///
/// #[subscriber(events("task.failed"))]
/// impl PrinterAlerts {
///     async fn handle_task_failed(&self, event: &Announced) -> Result<(), SubscriberError> {
///         match event.text("error_message") {
///             Some("out of ink") => Err("the printer needs ink".into()),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// let event = Announced::example("task.failed").unwrap();
/// let error = deliver_event(&PrinterAlerts, &event).unwrap_err();
/// assert_eq!(error.to_string(), "the printer needs ink");
/// ```
///
/// # Errors
/// The error of the subscriber, or that no runtime could be started.
///
/// # Panics
/// When the subscriber panics; and on a thread that runs a runtime, where a test awaits
/// [`handle`](Subscriber::handle) instead.
pub fn deliver_event(
    subscriber: &dyn Subscriber,
    event: &Announced,
) -> Result<(), SubscriberError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(subscriber.handle(event))
}
