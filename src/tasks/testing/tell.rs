//! Tells a subscriber of an event, as a server would.

use crate::events::{Announced, Subscriber, SubscriberError};

/// Has a subscriber deal with one event, where the test runs.
///
/// ```
/// use task_scheduler::events::{Announced, SubscriberError};
/// use task_scheduler::subscriber;
/// use task_scheduler::testing::tell;
///
/// #[derive(Default)]
/// struct PrinterAlerts;
///
/// #[subscriber(events("task.failed"))]
/// impl PrinterAlerts {
///     async fn handle_task_failed(&self, event: &Announced) -> Result<(), SubscriberError> {
///         match event.text("error_message") {
///             Some("out of ink") => Err("nobody can print that".into()),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// let event = Announced::example("task.failed").unwrap();
/// assert_eq!(tell(&PrinterAlerts, &event).unwrap_err().to_string(), "nobody can print that");
/// ```
///
/// # Errors
/// What it said.
///
/// # Panics
/// When it does; on a thread that runs a runtime, where a test awaits
/// [`handle`](Subscriber::handle) instead.
pub fn tell(subscriber: &dyn Subscriber, event: &Announced) -> Result<(), SubscriberError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(subscriber.handle(event))
}
