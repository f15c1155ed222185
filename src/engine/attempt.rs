//! Runs attempts: reads what the handler needs, calls it and reports how the attempt ended.

use std::sync::Arc;

use super::core::{Answer, AttemptEnd, HostCall, Output, StartAttempt};
use super::{Caller, Shared, gate};
use crate::clock::Now;
use crate::error::Code;
use crate::models::{self, ArgValue, Failure, Fence, MAX_DEPENDENCIES, Outcome, Request, TaskId};
use crate::store::ChangeResult;
use crate::tasks::{
    AttemptInfo, CallEnd, Child, Earlier, Handler, HandlerResult, Host, Prepared, TaskContext,
    UnwrittenOutput, catch_panic, catch_panic_async, prepare,
};

/// Whether the arguments of the attempt are known without reading or deciding anything.
pub(super) fn is_ready(start: &StartAttempt) -> bool {
    start.claimed.task.deps.is_empty()
        && start.claimed.children.is_empty()
        && !matches!(start.method.handler, Handler::Object(_))
}

/// The arguments of an attempt that [`is_ready`].
pub(super) fn args(start: &StartAttempt) -> Vec<ArgValue> {
    start.claimed.resolved_args.as_ref().unwrap_or(&start.claimed.task.args).clone()
}

pub(super) fn context(start: &StartAttempt, host: Arc<dyn Host>, now: Now) -> TaskContext {
    let info = AttemptInfo {
        number: start.claimed.attempt,
        fence: start.claimed.fence,
        started: now.steady,
        kind: start.method.handler.kind(),
        checkpoint: start.claimed.checkpoint.clone(),
        log_lines: start.claimed.log_lines,
    };
    TaskContext::new(start.claimed.task.clone(), info, host)
}

/// Runs an inline handler on this thread. Returns its output, too.
pub(super) fn run_inline(
    start: &StartAttempt,
    host: Arc<dyn Host>,
    now: Now,
) -> (AttemptEnd, Output) {
    let context = context(start, host, now);
    let end = match start.method.handler {
        Handler::Inline(run) | Handler::Sync(run) => {
            let context = context.clone();
            end_of_call(catch_panic(|| run(context, args(start))))
        }
        Handler::Async(_) | Handler::Object(_) => unreachable!("only inline handlers run inline"),
    };
    (end, take_output(&context))
}

/// Takes the output that the handler has produced since the last call.
pub(super) fn take_output(context: &TaskContext) -> Output {
    let UnwrittenOutput { progress, lines } = context.take_unwritten();
    let progress = progress.map(|progress| (progress.fraction, progress.message));
    Output { progress, lines }
}

/// Runs a sync handler on this thread and reports its end.
pub(super) fn run_sync(
    shared: &Arc<Shared>,
    run: fn(TaskContext, Vec<ArgValue>) -> HandlerResult,
    context: TaskContext,
    args: Vec<ArgValue>,
) {
    let report = Report::new(shared.clone(), context.fence());
    report.send(end_of_call(catch_panic(|| run(context, args))));
}

/// Prepares an attempt, runs its handler and reports its end.
///
/// The caller makes the report: the attempt must end also when this future is dropped before its first
/// poll.
pub(super) async fn run_async(
    shared: Arc<Shared>,
    start: StartAttempt,
    context: TaskContext,
    report: Report,
) {
    let end = match resolve(&shared, &start, &context).await {
        Err(end) => end,
        Ok(args) => match &start.method.handler {
            Handler::Async(run) => match catch_panic(|| run(context, args)) {
                Ok(handler) => end_of_call(catch_panic_async(handler).await),
                Err(failure) => end_of_call(Err(failure)),
            },
            Handler::Object(handler) => {
                let handler = handler.execute(&start.claimed.task, &context, args);
                end_of_call(catch_panic_async(handler).await)
            }
            // It takes microseconds, so it may run on this thread.
            Handler::Inline(run) => end_of_call(catch_panic(|| run(context, args))),
            Handler::Sync(run) => {
                let run = *run;
                let call = move || end_of_call(catch_panic(|| run(context, args)));
                // A blocking thread cannot be aborted, so it reports by itself.
                let report = report.detach();
                shared.handler_threads.spawn_blocking(move || report.send(call()));
                return;
            }
        },
    };
    report.send(end);
}

/// Reads the outcomes of dependencies and children and [prepares](prepare) the attempt. Returns the
/// arguments of the handler, or how the attempt ends without it.
async fn resolve(
    shared: &Arc<Shared>,
    start: &StartAttempt,
    context: &TaskContext,
) -> Result<Vec<ArgValue>, AttemptEnd> {
    let needed: Vec<TaskId> =
        start.claimed.task.deps.iter().chain(&start.claimed.children).cloned().collect();
    context.set_dependencies(outcomes(shared, &needed).await?);
    let stored = start.claimed.resolved_args.as_deref();
    let earlier = Earlier { args: stored, expanded: !start.claimed.children.is_empty() };
    match prepare(&start.method, context, earlier) {
        Prepared::Run(args) => {
            if stored.is_none() && args != start.claimed.task.args {
                store_args(shared, start.claimed.fence, args.clone()).await?;
            }
            Ok(args)
        }
        Prepared::Skip => Err(AttemptEnd::Skipped),
        Prepared::Expand(children) => Err(expand(shared, start, children)),
        Prepared::Fail { failure, retryable } => Err(AttemptEnd::Failed { failure, retryable }),
    }
}

/// Makes tasks of the children that a handler wants to run first.
fn expand(shared: &Shared, start: &StartAttempt, children: Vec<Child>) -> AttemptEnd {
    let options = &start.claimed.task.options;
    if children.len() > MAX_DEPENDENCIES {
        let message =
            format!("{} children; at most {MAX_DEPENDENCIES} are accepted", children.len());
        return permanent_failure(Code::InvalidArgument, message);
    }
    let mut tasks = Vec::with_capacity(children.len());
    for Child { name, method, args } in children {
        let id = match TaskId::parse(&format!("{}/{name}", start.claimed.task.id), "child.name") {
            Ok(id) => id,
            Err(error) => return permanent_failure(error.code, error.message),
        };
        let options = models::TaskOptions {
            queue: Some(options.queue.as_str().to_owned()),
            durability: Some(options.durability),
            ..models::TaskOptions::default()
        };
        let request = Request {
            id: Some(id),
            method,
            args,
            deps: Vec::new(),
            options: Some(Box::new(options)),
        };
        match gate::check_child(request, &start.claimed.task.id, shared) {
            Ok(task) => tasks.push(task),
            Err(error) => return permanent_failure(error.code, error.message),
        }
    }
    AttemptEnd::Expanded(tasks)
}

/// The outcomes of ended tasks, in the order of the ids.
async fn outcomes(shared: &Shared, ids: &[TaskId]) -> Result<Vec<(TaskId, Outcome)>, AttemptEnd> {
    let mut found: Vec<Option<Outcome>> =
        ids.iter().map(|id| shared.cache.get(id).map(|ended| ended.outcome.clone())).collect();
    let missing: Vec<usize> = (0..ids.len()).filter(|at| found[*at].is_none()).collect();
    if !missing.is_empty() {
        let unread: Vec<TaskId> = missing.iter().map(|at| ids[*at].clone()).collect();
        let stored = shared.store.find(&unread).await.map_err(|error| AttemptEnd::Failed {
            failure: Failure { code: Code::StoreUnavailable, message: error.to_string() },
            retryable: true,
        })?;
        for (at, snapshot) in missing.into_iter().zip(stored) {
            found[at] = snapshot.and_then(|snapshot| snapshot.outcome);
        }
    }
    ids.iter()
        .zip(found)
        .map(|(id, outcome)| match outcome {
            Some(outcome) => Ok((id.clone(), outcome)),
            None => Err(permanent_failure(
                Code::DependencyFailed,
                format!("the outcome of dependency {id} is no longer kept"),
            )),
        })
        .collect()
}

/// Stores the resolved arguments, so that later attempts run with the same.
async fn store_args(
    shared: &Arc<Shared>,
    fence: Fence,
    args: Vec<ArgValue>,
) -> Result<(), AttemptEnd> {
    let (sender, receiver) = Caller::new();
    shared.act(|core, now, out| core.host_call(fence, HostCall::SetArgs(args), sender, now, out));
    match receiver.await {
        Ok(Answer::Result(result)) if result != ChangeResult::Stale => Ok(()),
        Ok(Answer::Refused(error)) => Err(AttemptEnd::Failed {
            failure: Failure { code: error.code, message: error.message },
            retryable: true,
        }),
        _ => Err(AttemptEnd::Aborted),
    }
}

fn end_of_call(returned: Result<HandlerResult, Failure>) -> AttemptEnd {
    match CallEnd::of(returned) {
        CallEnd::Succeeded(result) => AttemptEnd::Returned(Ok(Arc::new(result))),
        CallEnd::Failed(error) => AttemptEnd::Returned(Err(error)),
        CallEnd::Broken { failure, retryable } => AttemptEnd::Failed { failure, retryable },
    }
}

fn permanent_failure(code: Code, message: String) -> AttemptEnd {
    AttemptEnd::Failed { failure: Failure { code, message }, retryable: false }
}

/// Reports the end of an attempt to the core, also when it is dropped.
pub(super) struct Report {
    shared: Option<Arc<Shared>>,
    fence: Fence,
}

impl Report {
    pub(super) fn new(shared: Arc<Shared>, fence: Fence) -> Self {
        Self { shared: Some(shared), fence }
    }

    fn send(mut self, end: AttemptEnd) {
        self.deliver(end);
    }

    /// The same report for another thread to send. Dropping `self` then reports nothing.
    fn detach(mut self) -> Self {
        Self { shared: self.shared.take(), fence: self.fence }
    }

    fn deliver(&mut self, end: AttemptEnd) {
        if let Some(shared) = self.shared.take() {
            let fence = self.fence;
            let context = shared.running.lock().remove(&fence).map(|it| it.context);
            shared.act(|core, now, out| {
                if let Some(context) = context {
                    core.output(fence, take_output(&context), now, out);
                }
                core.ended(fence, end, now, out);
            });
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.deliver(AttemptEnd::Aborted);
    }
}

#[cfg(test)]
mod tests;
