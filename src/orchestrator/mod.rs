//! How everything that runs for long inside a program lives and dies.
//!
//! A *service* is a value with a life: it is initialized, then it works in turns until it is told to
//! stop, then it is shut down. There are two kinds: a [`BackgroundTask`] decides itself when its turn
//! ends, an [`EventTask`] has a turn for each event of one channel. A [`Scheduler`] gives each one a
//! loop of its own and keeps its [handle](TaskHandle).
//!
//! ```text
//!  Idle ──▶ initialize ──▶ Running: turn, turn, … ──▶ shutdown ──▶ Stopped
//!               │            (a turn that fails is followed by a pause that grows)
//!               └────────────────────────────────────────────────▶ Failed
//! ```
//!
//! - A service is owned by its loop alone: nobody holds a lock while its body runs.
//! - A turn that fails or panics is told to the log, the handle and the hook; the next one comes after
//!   a pause that doubles up to a cap, until a turn is good. Nothing spins.
//! - They begin in the order in which they were registered, one after the other, and stop in the
//!   opposite order, each within a time and all within a time. Who does not stop is aborted, and named.
//! - What a service does when it is told to stop is to be dropped where it awaits. A turn that must not
//!   be cut goes on in a task of its own, which the turn waits for.
//!
//! Knows nothing of what services do.
//!
//! # A service that works in turns
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//!
//! use async_trait::async_trait;
//! use task_scheduler::orchestrator::{
//!     BackgroundTask, EventBus, Executable, ExecutionStatus, Scheduler, SchedulerError,
//! };
//!
//! struct BackgroundProcessor {
//!     name: String,
//!     turns: Arc<AtomicU32>,
//! }
//!
//! #[async_trait]
//! impl Executable for BackgroundProcessor {
//!     fn name(&self) -> &str {
//!         &self.name
//!     }
//! }
//!
//! #[async_trait]
//! impl BackgroundTask for BackgroundProcessor {
//!     async fn execute(&mut self) -> Result<(), SchedulerError> {
//!         self.turns.fetch_add(1, Ordering::Relaxed);
//!         tokio::time::sleep(Duration::from_millis(1)).await;
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), SchedulerError> {
//! let scheduler: Scheduler<String> = Scheduler::new(EventBus::default());
//! let turns = Arc::new(AtomicU32::new(0));
//! let processor = BackgroundProcessor { name: "processor".to_owned(), turns: turns.clone() };
//! let handle = scheduler.register_background_task(processor)?;
//! assert_eq!(handle.status(), ExecutionStatus::Idle);
//!
//! scheduler.start().await?;
//! assert_eq!(handle.status(), ExecutionStatus::Running);
//! while turns.load(Ordering::Relaxed) < 3 {
//!     tokio::task::yield_now().await;
//! }
//!
//! assert!(scheduler.shutdown().await.is_clean());
//! assert_eq!(handle.status(), ExecutionStatus::Stopped);
//! # Ok(()) }
//! ```
//!
//! # A service that is told of events
//!
//! ```
//! use async_trait::async_trait;
//! use task_scheduler::orchestrator::{
//!     ChannelConfig, EventBus, EventTask, Executable, Scheduler, SchedulerError,
//! };
//! use tokio::sync::mpsc;
//!
//! #[derive(Debug, PartialEq, Eq, Hash)]
//! enum TestEvent {
//!     Ordered,
//! }
//!
//! struct EventProcessor {
//!     event: TestEvent,
//!     received: mpsc::UnboundedSender<String>,
//! }
//!
//! #[async_trait]
//! impl Executable for EventProcessor {
//!     fn name(&self) -> &str {
//!         "orders"
//!     }
//! }
//!
//! #[async_trait]
//! impl EventTask<TestEvent> for EventProcessor {
//!     fn subscribed_event(&self) -> &TestEvent {
//!         &self.event
//!     }
//!
//!     async fn handle_event(&mut self, event: String) -> Result<(), SchedulerError> {
//!         self.received.send(event).map_err(|e| SchedulerError::TaskExecution(e.to_string()))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), SchedulerError> {
//! let config = ChannelConfig { capacity: 16, description: "what people ordered".to_owned() };
//! let scheduler = Scheduler::new(EventBus::new([(TestEvent::Ordered, config)])?);
//! let (received, mut orders) = mpsc::unbounded_channel();
//! scheduler.register_event_task(EventProcessor { event: TestEvent::Ordered, received })?;
//! scheduler.start().await?;
//!
//! scheduler.event_bus().publish(&TestEvent::Ordered, "a bicycle".to_owned())?;
//! assert_eq!(orders.recv().await.as_deref(), Some("a bicycle"));
//! scheduler.shutdown().await;
//! # Ok(()) }
//! ```

mod catching;
mod ending;
mod error;
mod handle;
mod id;
mod life;
mod pace;
mod registry;
mod scheduler;
mod status;
mod stopping;
mod task;
mod work;

pub use crate::events::{ChannelConfig, EventBus};
pub(crate) use catching::said;
pub use error::SchedulerError;
pub use handle::TaskHandle;
pub use id::TaskId;
pub use life::ServiceFailure;
pub use pace::Pace;
pub use registry::{MAX_TASKS, TaskRegistry};
pub use scheduler::Scheduler;
pub use status::{ExecutionStatus, ServiceState};
pub use stopping::ShutdownReport;
pub use task::{BackgroundTask, EventTask, Executable};

#[cfg(test)]
mod tests;
