//! Services: long-running parts of a program, supervised from start to graceful shutdown.
//!
//! A service is initialized, then works in turns until it is requested to stop, then is shut down. A
//! [`BackgroundTask`] decides itself when a turn ends; an [`EventTask`] has one turn for each event of
//! one channel. A [`Scheduler`] runs each service in a loop of its own and returns a
//! [handle](ServiceHandle).
//!
//! ```text
//!  Idle ──▶ initialize ──▶ Running: turn, turn, … ──▶ shutdown ──▶ Stopped
//!               │            (exponential backoff after a failed turn)
//!               └────────────────────────────────────────────────▶ Failed
//! ```
//!
//! - Only its loop owns a service: no lock is held while a turn runs.
//! - A turn that fails or panics is reported to the log, the handle and the failure hook. The next turn
//!   follows after a pause that doubles up to a maximum until a turn succeeds. Nothing spins.
//! - Services begin in the order of registration, one after the other, and stop in the opposite order,
//!   each within a time limit and all within a time limit. A service that does not stop is aborted and
//!   named in the [`ShutdownReport`].
//! - Stopping drops the current turn at its await. A turn that must complete runs in a spawned task that
//!   the turn waits for.
//!
//! The server's own services (dispatcher, ticker, upkeep, sampler, subscribers) are background tasks.
//! Event tasks and the [`EventBus`] are for programs that embed the library.
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
//! # A service that handles events
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
//! let config = ChannelConfig { capacity: 16, description: "orders that were placed".to_owned() };
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

pub mod bus;
mod error;
mod event_loop;
mod handle;
mod pace;
mod panics;
mod registry;
mod scheduler;
mod service_id;
mod service_loop;
mod shutdown_report;
mod status;
mod stop_signal;
mod traits;

pub use bus::{ChannelConfig, EventBus};
pub use error::SchedulerError;
pub use handle::ServiceHandle;
pub use pace::Pace;
pub(crate) use panics::panic_message;
pub use registry::{MAX_SERVICES, ServiceRegistry, ServiceRegistry as TaskRegistry};
pub use scheduler::Scheduler;
pub use service_id::{ServiceId, ServiceId as TaskId};
pub use service_loop::ServiceFailure;
pub use shutdown_report::ShutdownReport;
pub use status::{ExecutionStatus, ServiceState};
pub use traits::{BackgroundTask, EventTask, Executable};

#[cfg(test)]
mod tests;
