//! Runs one attempt as a server does: checks the arguments, prepares the attempt, calls the handler.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use super::fake_host::FakeHost;
use super::{ManualClock, TestContext, TestEnding, TestOutcome};
use crate::models::{ArgValue, Failure};
use crate::tasks::{
    CallEnd, Earlier, Handler, HandlerResult, Method, Prepared, catch_panic, catch_panic_async,
    prepare,
};

/// An attempt that can start.
pub(super) struct Run {
    pub(super) method: Arc<Method>,
    pub(super) context: TestContext,
    pub(super) host: Arc<FakeHost>,
    pub(super) clock: ManualClock,
    /// An earlier attempt expanded the task into children.
    pub(super) expanded: bool,
    pub(super) stop_after_polls: Option<usize>,
}

pub(super) async fn run(run: Run) -> TestOutcome {
    let ending = match resolve(&run) {
        Ok(args) => ending_of_call(call(&run, args).await),
        Err(ending) => ending,
    };
    if let Some(missing) = run.host.missing() {
        panic!("{missing}");
    }
    TestOutcome { ending, recorded: run.context.recorded() }
}

/// The arguments of the handler; or how the attempt ends without it.
fn resolve(run: &Run) -> Result<Vec<ArgValue>, TestEnding> {
    // The gate of a server checks this before it accepts the task.
    (run.method.signature.check)(&run.context.task().args).map_err(TestEnding::Refused)?;
    match prepare(&run.method, &run.context, Earlier { args: None, expanded: run.expanded }) {
        Prepared::Run(args) => Ok(args),
        Prepared::Skip => Err(TestEnding::Skipped),
        Prepared::Expand(children) => Err(TestEnding::Expanded(children)),
        Prepared::Fail { failure, .. } => Err(TestEnding::Broken(failure)),
    }
}

async fn call(run: &Run, args: Vec<ArgValue>) -> Result<HandlerResult, Failure> {
    let context = run.context.clone();
    match &run.method.handler {
        Handler::Sync(handler) | Handler::Inline(handler) => catch_panic(|| handler(context, args)),
        Handler::Async(handler) => {
            stopping_in_time(run, catch_panic(|| handler(context, args))?).await
        }
        Handler::Object(handler) => {
            stopping_in_time(run, handler.execute(run.context.task(), &run.context, args)).await
        }
    }
}

/// Polls the handler until it returns, and cancels its context at its timeout or after the given number
/// of polls.
async fn stopping_in_time<T>(run: &Run, handler: impl Future<Output = T>) -> Result<T, Failure> {
    let mut moves = run.clock.moves();
    let mut polls = 0;
    let mut handler = pin!(catch_panic_async(handler));
    let mut counted = pin!(poll_fn(|cx| {
        if run.stop_after_polls == Some(polls) {
            run.context.cancel();
        }
        polls += 1;
        handler.as_mut().poll(cx)
    }));
    loop {
        if run.context.remaining().is_zero() {
            run.context.cancel();
        }
        // Cancel safe: the receiver remembers a move for the next turn.
        tokio::select! {
            biased;
            returned = &mut counted => return returned,
            moved = moves.changed() => if moved.is_err() {
                unreachable!("the run holds the clock")
            },
        }
    }
}

fn ending_of_call(returned: Result<HandlerResult, Failure>) -> TestEnding {
    match CallEnd::of(returned) {
        CallEnd::Succeeded(result) => TestEnding::Succeeded(result),
        CallEnd::Failed(error) => TestEnding::Failed(error),
        CallEnd::Broken { failure, .. } => TestEnding::Broken(failure),
    }
}
