//! For the tests of those who write tasks: runs a method where the test runs, with a context whose
//! host is a fake, under a clock that the test moves.
//!
//! Arguments are checked and panics are caught as a server does it, in the same words. What a server
//! would make of the end of an attempt (a retry, a snooze) is not played through: a second attempt is
//! a second [`TestTask`], with the [`checkpoint`](TestTask::checkpoint) that the first one left.
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
//!         // Named: a later attempt begins in the middle.
//!         let mail = Subtask::new("mail/send").arg(order).name(sent.to_string());
//!         let outcome = ctx.spawn_subtask(mail).await?.join().await?;
//!         if let Some(failure) = outcome.failure() {
//!             return Err(TaskError::new(failure.message));
//!         }
//!         sent += 1;
//!         ctx.save_checkpoint(&sent).await?;
//!         ctx.log_info(format!("order {order} is through"));
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
//!         assert_eq!(outcome.heard.children[1].args, [8_i64.into()]);
//!     }
//!
//!     #[tokio::test]
//!     async fn a_second_attempt_goes_on_where_the_first_one_stopped() {
//!         let second = TestTask::new("billing/send_invoices").arg(vec![7, 8]).attempt(2);
//!         let outcome = second.checkpoint(&1).child_result("1", "sent").run().await;
//!         assert_eq!(outcome.heard.lines(), ["order 8 is through"]);
//!     }
//!
//!     #[tokio::test]
//!     async fn near_its_deadline_it_puts_itself_off() {
//!         let late = TestTask::new("billing/send_invoices").arg(vec![7]);
//!         let outcome = late.elapsed(Duration::from_secs(55)).run().await;
//!         assert_eq!(outcome.error(), &TaskError::snooze(Duration::from_secs(60)));
//!     }
//! }
//! # }
//! ```
//!
//! A test of a sync body needs no runtime: [`run_blocking`](TestTask::run_blocking). What a body calls
//! outside of its context (a clock of its own, the network) is not faked.

mod clock;
mod context;
mod fake_host;
mod outcome;
mod run;
mod task;
mod tell;

pub use clock::ManualClock;
pub use context::TestContext;
pub use fake_host::Recorded;
pub use outcome::{TestEnding, TestOutcome};
pub use task::TestTask;
pub use tell::tell;

pub use crate::models::TaskMaker;
