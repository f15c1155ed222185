//! Methods that are objects: [`TaskHandler`] and closures.

use std::sync::Arc;

use async_trait::async_trait;

use crate::models::{ArgValue, Outcome, Task};
use crate::tasks::{HandlerResult, TaskContext, TaskError};

/// What a handler wants done with a task that was claimed, once everything it waited for is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Run the body with these arguments.
    Run(Vec<ArgValue>),
    /// Do not run it: the task ends `SUCCEEDED`, marked as skipped.
    Skip,
    /// Run these first, then run the body: their outcomes stand behind those of its dependencies.
    Expand(Vec<Child>),
}

/// A task that another one is expanded into. It stands in the same queue, has the same durability
/// and the id `parent/name`, so that a parent that runs again joins it instead of doubling it.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Unlike its siblings'; the ordinal serves well.
    pub name: String,
    /// `[namespace/]name[@version]`.
    pub method: String,
    /// Its arguments.
    pub args: Vec<ArgValue>,
}

/// A method with a state of its own. Register it with
/// [`TaskRegistry::register_handler`](crate::tasks::TaskRegistry::register_handler).
#[async_trait]
pub trait TaskHandler: Send + Sync + 'static {
    /// `[namespace/]name[@version]`, the version whole.
    fn name(&self) -> String;

    /// Performs one attempt.
    async fn execute(&self, task: &Task, ctx: &TaskContext, args: Vec<ArgValue>) -> HandlerResult;

    /// Decides late, when the task is claimed: its dependencies have ended, and arguments that were
    /// `ResultOf` have their values. What is decided is stored before the body starts.
    fn decide(&self, _task: &Task, _ctx: &TaskContext, args: Vec<ArgValue>) -> Decision {
        Decision::Run(args)
    }

    /// After an attempt failed and another was stored as coming; `attempt` is the one that failed.
    /// Hooks are called at most once: what the end of the process cuts off is not called again.
    async fn on_retry(&self, _task: &Task, _attempt: u32, _error: &TaskError) {}

    /// After the task ended badly for good. At most once, as [`on_retry`](Self::on_retry).
    async fn on_failure(&self, _task: &Task, _outcome: &Outcome) {}

    /// After the task ended well. At most once, as [`on_retry`](Self::on_retry).
    async fn on_success(&self, _task: &Task, _outcome: &Outcome) {}
}

/// A closure as a handler: `make_handler("name", |task, ctx, args| …)`. The closure runs on the
/// bodies' async runtime and must not block.
pub fn make_handler<F>(name: impl Into<String>, run: F) -> Arc<dyn TaskHandler>
where
    F: Fn(&Task, &TaskContext, Vec<ArgValue>) -> HandlerResult + Send + Sync + 'static,
{
    Arc::new(Closure { name: name.into(), run })
}

struct Closure<F> {
    name: String,
    run: F,
}

#[async_trait]
impl<F> TaskHandler for Closure<F>
where
    F: Fn(&Task, &TaskContext, Vec<ArgValue>) -> HandlerResult + Send + Sync + 'static,
{
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn execute(&self, task: &Task, ctx: &TaskContext, args: Vec<ArgValue>) -> HandlerResult {
        (self.run)(task, ctx, args)
    }
}

/// An async closure as a handler: `make_async_handler("name", |ctx, args| async move { … })`.
///
/// ```
/// use task_scheduler::tasks::make_async_handler;
///
/// let handler = make_async_handler("shop/greet", |ctx, args| async move {
///     ctx.log_info(format!("{} arguments", args.len()));
///     Ok("hello".into())
/// });
/// assert_eq!(handler.name(), "shop/greet");
/// ```
pub fn make_async_handler<F, R>(name: impl Into<String>, run: F) -> Arc<dyn TaskHandler>
where
    F: Fn(TaskContext, Vec<ArgValue>) -> R + Send + Sync + 'static,
    R: Future<Output = HandlerResult> + Send + 'static,
{
    Arc::new(AsyncClosure { name: name.into(), run })
}

struct AsyncClosure<F> {
    name: String,
    run: F,
}

#[async_trait]
impl<F, R> TaskHandler for AsyncClosure<F>
where
    F: Fn(TaskContext, Vec<ArgValue>) -> R + Send + Sync + 'static,
    R: Future<Output = HandlerResult> + Send + 'static,
{
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn execute(&self, _: &Task, ctx: &TaskContext, args: Vec<ArgValue>) -> HandlerResult {
        (self.run)(ctx.clone(), args).await
    }
}
