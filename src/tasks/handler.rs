//! Handlers with state: [`TaskHandler`] and closures.

use std::sync::Arc;

use async_trait::async_trait;

use crate::models::{ArgValue, Outcome, Task};
use crate::tasks::{HandlerResult, TaskContext, TaskError};

/// What happens to a claimed task, decided by its handler when all dependencies have ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Execute the handler with these arguments.
    Run(Vec<ArgValue>),
    /// Skip the handler: the task ends `SUCCEEDED`, marked as skipped.
    Skip,
    /// Run these children first, then execute the handler. Their outcomes follow those of the
    /// dependencies in the context.
    Expand(Vec<Child>),
}

/// A child that a task is expanded into. It has the queue and the durability of its parent, and the id
/// `parent/name`: a parent that runs again joins the existing child.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Unique among its siblings, such as the ordinal.
    pub name: String,
    /// `[namespace/]name[@version]`.
    pub method: String,
    /// Its arguments.
    pub args: Vec<ArgValue>,
}

/// A handler with state. Register it with
/// [`TaskRegistry::register_handler`](crate::tasks::TaskRegistry::register_handler).
#[async_trait]
pub trait TaskHandler: Send + Sync + 'static {
    /// The method's name: `[namespace/]name[@version]`, with a complete version.
    fn name(&self) -> String;

    /// Runs one attempt.
    async fn execute(&self, task: &Task, ctx: &TaskContext, args: Vec<ArgValue>) -> HandlerResult;

    /// Decides what happens to a claimed task. Its dependencies have ended, and `args` has their results in
    /// the place of `ResultOf`. The decision is stored before the handler executes, and later attempts
    /// reuse it.
    fn decide(&self, _task: &Task, _ctx: &TaskContext, args: Vec<ArgValue>) -> Decision {
        Decision::Run(args)
    }

    /// Called after attempt number `attempt` failed and a retry is stored. At most once for each attempt: a
    /// hook that the end of the process interrupts is not called again.
    async fn on_retry(&self, _task: &Task, _attempt: u32, _error: &TaskError) {}

    /// Called after the task failed without a retry left. At most once, as [`on_retry`](Self::on_retry).
    async fn on_failure(&self, _task: &Task, _outcome: &Outcome) {}

    /// Called after the task succeeded. At most once, as [`on_retry`](Self::on_retry).
    async fn on_success(&self, _task: &Task, _outcome: &Outcome) {}
}

/// Makes a handler of a closure: `make_handler("name", |task, ctx, args| …)`. The closure runs on the
/// handlers' async runtime and must not block.
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

/// Makes a handler of an async closure: `make_async_handler("name", |ctx, args| async move { … })`.
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
