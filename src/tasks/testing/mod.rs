//! The test kit for task authors: runs one attempt of a method in the test, without a server, with a
//! fake host and a clock that the test moves.
//!
//! Arguments are resolved and checked and panics are caught by the code of the server. Retries and
//! snoozes are not performed: a second attempt is a second [`TestTask`], with the
//! [`checkpoint`](TestTask::checkpoint) of the first one.
//!
//! ```
//! use std::time::Duration;
//!
//! use task_scheduler::tasks::Subtask;
//! use task_scheduler::{TaskContext, TaskError, async_task};
//!
//! /// Sends an invoice for each order and counts them.
//! #[async_task(namespace = "billing", timeout = "1m")]
//! async fn send_invoices(ctx: TaskContext, orders: Vec<i64>) -> Result<i64, TaskError> {
//!     let mut sent: i64 = ctx.load_checkpoint()?.unwrap_or(0);
//!     for order in orders.into_iter().skip(sent as usize) {
//!         if ctx.is_cancelled() || ctx.remaining() < Duration::from_secs(10) {
//!             return Err(TaskError::snooze(Duration::from_secs(60)));
//!         }
//!         // Named, because a later attempt starts in the middle.
//!         let mail = Subtask::new("mail/send").arg(order).name(sent.to_string());
//!         let outcome = ctx.spawn_subtask(mail).await?.join().await?;
//!         if let Some(failure) = outcome.failure() {
//!             return Err(TaskError::new(failure.message));
//!         }
//!         sent += 1;
//!         ctx.save_checkpoint(&sent).await?;
//!         ctx.log_info(format!("sent the invoice of order {order}"));
//!     }
//!     Ok(sent)
//! }
//!
//! # macro_rules! run_what_follows {
//! #     (#[cfg(test)] mod tests {
//! #         use task_scheduler::{TaskError, testing::TestTask};
//! #         $(#[tokio::test] async fn $name:ident() $test:block)*
//! #     }) => {
//! #         use task_scheduler::testing::TestTask;
//! #         let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! #         $(runtime.block_on(async $test);)*
//! #     };
//! # }
//! # run_what_follows! {
//! #[cfg(test)]
//! mod tests {
//!     use task_scheduler::{TaskError, testing::TestTask};
//!
//!     #[tokio::test]
//!     async fn every_order_gets_its_invoice() {
//!         let outcome = TestTask::new("billing/send_invoices")
//!             .arg(vec![7, 8])
//!             .child_result("0", "sent")
//!             .child_result("1", "sent")
//!             .run()
//!             .await;
//!         assert_eq!(outcome.result(), &2_i64.into());
//!         assert_eq!(outcome.recorded.children[1].args, [8_i64.into()]);
//!     }
//!
//!     #[tokio::test]
//!     async fn a_second_attempt_continues_where_the_first_one_stopped() {
//!         let second = TestTask::new("billing/send_invoices").arg(vec![7, 8]).attempt(2);
//!         let outcome = second.checkpoint(&1).child_result("1", "sent").run().await;
//!         assert_eq!(outcome.recorded.lines(), ["sent the invoice of order 8"]);
//!     }
//!
//!     #[tokio::test]
//!     async fn near_its_deadline_it_snoozes() {
//!         let late = TestTask::new("billing/send_invoices").arg(vec![7]);
//!         let outcome = late.elapsed(Duration::from_secs(55)).run().await;
//!         assert_eq!(outcome.error(), &TaskError::snooze(Duration::from_secs(60)));
//!     }
//! }
//! # }
//! ```
//!
//! A test of a sync handler needs no runtime: [`run_blocking`](TestTask::run_blocking). Only the context
//! is fake: the network and other clocks are real.

mod clock;
mod context;
mod deliver;
mod fake_host;
mod outcome;
mod run;
mod task;

pub use clock::ManualClock;
pub use context::TestContext;
pub use deliver::deliver_event;
pub use fake_host::Recorded;
pub use outcome::{TestEnding, TestOutcome};
pub use task::TestTask;

pub use crate::models::TaskMaker;
