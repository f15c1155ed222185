//! Runs bodies: prepares their arguments and reports what became of them.

use std::sync::Arc;

use super::core::{Answer, AttemptEnd, HostCall, Output, StartAttempt};
use super::{Caller, Shared, gate};
use crate::clock::Now;
use crate::error::Code;
use crate::models::wrappers::MAX_DEPTH;
use crate::models::{self, ArgValue, Failure, Fence, MAX_DEPENDENCIES, Outcome, Request, TaskId};
use crate::store::ChangeResult;
use crate::tasks::{
    AttemptInfo, Child, Decision, Handler, HandlerResult, Host, TaskContext, UnwrittenOutput,
    calling, catching, check_result, fill_in,
};

/// Whether the body's arguments are known without reading or deciding anything.
pub(super) fn is_ready(start: &StartAttempt) -> bool {
    start.claimed.task.deps.is_empty()
        && start.claimed.children.is_empty()
        && !matches!(start.method.handler, Handler::Object(_))
}

/// The arguments of a body that [`is_ready`].
pub(super) fn args(start: &StartAttempt) -> Vec<ArgValue> {
    start.claimed.resolved_args.as_ref().unwrap_or(&start.claimed.task.args).clone()
}

/// What an attempt's body is given to know itself by.
pub(super) fn context(start: &StartAttempt, host: Arc<dyn Host>, now: Now) -> TaskContext {
    let begun = AttemptInfo {
        number: start.claimed.attempt,
        fence: start.claimed.fence,
        started: now.steady,
        kind: start.method.handler.kind(),
        checkpoint: start.claimed.checkpoint.clone(),
        log_lines: start.claimed.log_lines,
    };
    TaskContext::new(start.claimed.task.clone(), begun, host)
}

/// Runs an inline body on this thread. Answers also what it said.
pub(super) fn run_inline(
    start: &StartAttempt,
    host: Arc<dyn Host>,
    now: Now,
) -> (AttemptEnd, Output) {
    let context = context(start, host, now);
    let ran = match start.method.handler {
        Handler::Inline(run) | Handler::Sync(run) => {
            let context = context.clone();
            ran(calling(|| run(context, args(start))))
        }
        Handler::Async(_) | Handler::Object(_) => unreachable!("only inline bodies run inline"),
    };
    (ran, said(&context))
}

/// What a body said that nobody has taken yet.
pub(super) fn said(context: &TaskContext) -> Output {
    let UnwrittenOutput { progress, lines } = context.take_unwritten();
    let progress = progress.map(|progress| (progress.fraction, progress.message));
    Output { progress, lines }
}

/// Runs a sync body on this thread and reports its end.
pub(super) fn run_sync(
    shared: &Arc<Shared>,
    run: fn(TaskContext, Vec<ArgValue>) -> HandlerResult,
    context: TaskContext,
    args: Vec<ArgValue>,
) {
    let report = Report::new(shared.clone(), context.fence());
    report.send(ran(calling(|| run(context, args))));
}

/// Prepares and runs any body, and reports its end.
///
/// The report comes from outside: a body that is dropped before it was ever polled has ended, too.
pub(super) async fn run_async(
    shared: Arc<Shared>,
    start: StartAttempt,
    context: TaskContext,
    report: Report,
) {
    let ran = match prepare(&shared, &start, &context).await {
        Err(ran) => ran,
        Ok(args) => match &start.method.handler {
            Handler::Async(run) => match calling(|| run(context, args)) {
                Ok(body) => ran(catching(body).await),
                Err(failure) => AttemptEnd::Failed { failure, retryable: true },
            },
            Handler::Object(handler) => {
                ran(catching(handler.execute(&start.claimed.task, &context, args)).await)
            }
            // It takes microseconds, wherever it runs.
            Handler::Inline(run) => ran(calling(|| run(context, args))),
            Handler::Sync(run) => {
                let run = *run;
                let body = move || ran(calling(|| run(context, args)));
                // The thread reports by itself: nobody can take it back.
                let report = report.detach();
                shared.on_bodies.spawn_blocking(move || report.send(body()));
                return;
            }
        },
    };
    report.send(ran);
}

/// Gathers what the body is called with; or says how the attempt ends without it.
async fn prepare(
    shared: &Arc<Shared>,
    start: &StartAttempt,
    context: &TaskContext,
) -> Result<Vec<ArgValue>, AttemptEnd> {
    let wanted: Vec<TaskId> =
        start.claimed.task.deps.iter().chain(&start.claimed.children).cloned().collect();
    let dependencies = outcomes(shared, &wanted).await?;
    let asked = match &start.claimed.resolved_args {
        Some(decided) => decided.clone(),
        None => fill_in(&start.claimed.task.args, &dependencies)
            .map_err(|error| hopeless(error.code(), error.to_string()))?,
    };
    context.set_dependencies(dependencies);
    let decided_before =
        start.claimed.resolved_args.is_some() || !start.claimed.children.is_empty();
    let args = match &start.method.handler {
        Handler::Object(handler) if !decided_before => {
            let undecided = asked.clone();
            match calling(|| handler.decide(&start.claimed.task, context, asked)) {
                Ok(Decision::Run(args)) => args,
                Ok(Decision::Skip) => return Err(AttemptEnd::Skipped),
                // What is expanded into nothing has nothing to wait for.
                Ok(Decision::Expand(children)) if children.is_empty() => undecided,
                Ok(Decision::Expand(children)) => return Err(expand(shared, start, children)),
                Err(failure) => return Err(AttemptEnd::Failed { failure, retryable: true }),
            }
        }
        _ => asked,
    };
    // Results may nest as deep as arguments, but not arguments with results in them deeper.
    if args.iter().any(|arg| arg.is_deeper_than(MAX_DEPTH)) {
        let message =
            format!("with results in their places, arguments nest deeper than {MAX_DEPTH}");
        return Err(hopeless(Code::InvalidArgument, message));
    }
    // The method may have changed since the gate looked, and values that were not known are now.
    if let Err(error) = (start.method.signature.check)(&args) {
        return Err(hopeless(Code::InvalidArgument, error.message));
    }
    if start.claimed.resolved_args.is_none() && args != start.claimed.task.args {
        record(shared, start.claimed.fence, args.clone()).await?;
    }
    Ok(args)
}

/// Turns what a handler wants done first into tasks.
fn expand(shared: &Shared, start: &StartAttempt, children: Vec<Child>) -> AttemptEnd {
    let options = &start.claimed.task.options;
    if children.len() > MAX_DEPENDENCIES {
        let message = format!("{} children; at most {MAX_DEPENDENCIES} are taken", children.len());
        return hopeless(Code::InvalidArgument, message);
    }
    let mut tasks = Vec::with_capacity(children.len());
    for Child { name, method, args } in children {
        let id = match TaskId::parse(&format!("{}/{name}", start.claimed.task.id), "child.name") {
            Ok(id) => id,
            Err(error) => return hopeless(error.code, error.message),
        };
        let asked = models::TaskOptions {
            queue: Some(options.queue.as_str().to_owned()),
            durability: Some(options.durability),
            ..models::TaskOptions::default()
        };
        let request = Request {
            id: Some(id),
            method,
            args,
            deps: Vec::new(),
            options: Some(Box::new(asked)),
        };
        match gate::check_child(request, &start.claimed.task.id, shared) {
            Ok(task) => tasks.push(task),
            Err(error) => return hopeless(error.code, error.message),
        }
    }
    AttemptEnd::Expanded(tasks)
}

/// The outcomes of those tasks, in that order.
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
            None => Err(hopeless(
                Code::DependencyFailed,
                format!("the outcome of dependency {id} is no longer kept"),
            )),
        })
        .collect()
}

/// Stores what the attempt runs with, so that later attempts run with the same.
async fn record(shared: &Arc<Shared>, fence: Fence, args: Vec<ArgValue>) -> Result<(), AttemptEnd> {
    let (sender, receiver) = Caller::new();
    shared.act(|core, now, out| core.host_call(fence, HostCall::SetArgs(args), sender, now, out));
    match receiver.await {
        Ok(Answer::Result(verdict)) if verdict != ChangeResult::Stale => Ok(()),
        Ok(Answer::Refused(error)) => Err(AttemptEnd::Failed {
            failure: Failure { code: error.code, message: error.message },
            retryable: true,
        }),
        _ => Err(AttemptEnd::Aborted),
    }
}

/// A panic may not happen again, a result that is too large will.
fn ran(returned: Result<HandlerResult, Failure>) -> AttemptEnd {
    match returned {
        Ok(Ok(result)) => match check_result(&result) {
            Ok(()) => AttemptEnd::Returned(Ok(Arc::new(result))),
            Err(failure) => AttemptEnd::Failed { failure, retryable: false },
        },
        Ok(Err(error)) => AttemptEnd::Returned(Err(error)),
        Err(failure) => AttemptEnd::Failed { failure, retryable: true },
    }
}

fn hopeless(code: Code, message: String) -> AttemptEnd {
    AttemptEnd::Failed { failure: Failure { code, message }, retryable: false }
}

/// Tells the core how an attempt ended: also when its body is dropped.
pub(super) struct Report {
    shared: Option<Arc<Shared>>,
    fence: Fence,
}

impl Report {
    pub(super) fn new(shared: Arc<Shared>, fence: Fence) -> Self {
        Self { shared: Some(shared), fence }
    }

    fn send(mut self, ran: AttemptEnd) {
        self.tell(ran);
    }

    /// The same report, to be made by somebody else.
    fn detach(mut self) -> Self {
        Self { shared: self.shared.take(), fence: self.fence }
    }

    fn tell(&mut self, ran: AttemptEnd) {
        if let Some(shared) = self.shared.take() {
            let fence = self.fence;
            let context = shared.running.lock().remove(&fence).map(|it| it.context);
            shared.act(|core, now, out| {
                if let Some(context) = context {
                    core.output(fence, said(&context), now, out);
                }
                core.ended(fence, ran, now, out);
            });
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.tell(AttemptEnd::Aborted);
    }
}
