//! Runs an attempt as a server does: checks, fills in, decides, calls.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use super::fake_host::FakeHost;
use super::{ManualClock, TestContext, TestEnding, TestOutcome};
use crate::error::Code;
use crate::models::wrappers::MAX_DEPTH;
use crate::models::{ArgValue, Failure};
use crate::tasks::{
    Decision, Handler, HandlerResult, Method, calling, catching, check_result, fill_in,
};

/// An attempt that can begin.
pub(super) struct Run {
    pub(super) method: Arc<Method>,
    pub(super) context: TestContext,
    pub(super) host: Arc<FakeHost>,
    pub(super) clock: ManualClock,
    /// The handler has decided before.
    pub(super) decided: bool,
    pub(super) stop_after_polls: Option<usize>,
}

pub(super) async fn run(run: Run) -> TestOutcome {
    let ending = match prepare(&run) {
        Ok(args) => ended(call(&run, args).await),
        Err(ending) => ending,
    };
    if let Some(missing) = run.host.missing() {
        panic!("{missing}");
    }
    TestOutcome { ending, heard: run.context.heard() }
}

/// What the body is called with; or how the attempt ends without it.
fn prepare(run: &Run) -> Result<Vec<ArgValue>, TestEnding> {
    let task = run.context.task();
    (run.method.signature.check)(&task.args).map_err(TestEnding::Refused)?;
    let filled = fill_in(&task.args, run.context.dependencies())
        .map_err(|error| broken(error.code(), error.to_string()))?;
    let args = match &run.method.handler {
        Handler::Object(handler) if !run.decided => {
            let undecided = filled.clone();
            match calling(|| handler.decide(task, &run.context, filled)) {
                Ok(Decision::Run(args)) => args,
                Ok(Decision::Skip) => return Err(TestEnding::Skipped),
                Ok(Decision::Expand(children)) if children.is_empty() => undecided,
                Ok(Decision::Expand(children)) => return Err(TestEnding::Expanded(children)),
                Err(failure) => return Err(TestEnding::Broken(failure)),
            }
        }
        _ => filled,
    };
    if args.iter().any(|arg| arg.is_deeper_than(MAX_DEPTH)) {
        let message =
            format!("with results in their places, arguments nest deeper than {MAX_DEPTH}");
        return Err(broken(Code::InvalidArgument, message));
    }
    // Values that were not known are now.
    (run.method.signature.check)(&args)
        .map_err(|error| broken(Code::InvalidArgument, error.message))?;
    Ok(args)
}

async fn call(run: &Run, args: Vec<ArgValue>) -> Result<HandlerResult, Failure> {
    let context = run.context.clone();
    match &run.method.handler {
        Handler::Sync(body) | Handler::Inline(body) => calling(|| body(context, args)),
        Handler::Async(body) => watching(run, calling(|| body(context, args))?).await,
        Handler::Object(handler) => {
            watching(run, handler.execute(run.context.task(), &run.context, args)).await
        }
    }
}

/// Polls the body to its end, and tells it to stop when it is time.
async fn watching<T>(run: &Run, body: impl Future<Output = T>) -> Result<T, Failure> {
    let mut moves = run.clock.moves();
    let mut polls = 0;
    let mut body = pin!(catching(body));
    let mut counted = pin!(poll_fn(|cx| {
        if run.stop_after_polls == Some(polls) {
            run.context.cancel();
        }
        polls += 1;
        body.as_mut().poll(cx)
    }));
    loop {
        if run.context.remaining().is_zero() {
            run.context.cancel();
        }
        // A move that is missed here is seen by the next turn: the receiver remembers.
        tokio::select! {
            biased;
            returned = &mut counted => return returned,
            moved = moves.changed() => if moved.is_err() {
                unreachable!("the run holds the clock")
            },
        }
    }
}

fn ended(returned: Result<HandlerResult, Failure>) -> TestEnding {
    match returned {
        Ok(Ok(result)) => match check_result(&result) {
            Ok(()) => TestEnding::Succeeded(result),
            Err(failure) => TestEnding::Broken(failure),
        },
        Ok(Err(error)) => TestEnding::Failed(error),
        Err(failure) => TestEnding::Broken(failure),
    }
}

fn broken(code: Code, message: String) -> TestEnding {
    TestEnding::Broken(Failure { code, message })
}
