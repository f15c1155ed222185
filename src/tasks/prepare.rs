//! Prepares an attempt: resolves its arguments, asks the handler's `decide`, checks the signature.
//! Pure, and the same for a server and for the test kit.

use crate::error::Code;
use crate::models::wrappers::MAX_DEPTH;
use crate::models::{ArgValue, Failure};
use crate::tasks::resolve_args::resolve_args;
use crate::tasks::{Child, Decision, Handler, Method, TaskContext, catch_panic};

/// What an earlier attempt of the task decided.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Earlier<'a> {
    /// The arguments that it stored.
    pub(crate) args: Option<&'a [ArgValue]>,
    /// It expanded the task into children, which have ended.
    pub(crate) expanded: bool,
}

/// How an attempt goes on once its dependencies have ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Prepared {
    /// The handler runs with these arguments.
    Run(Vec<ArgValue>),
    /// The task ends as skipped.
    Skip,
    /// The task waits for these children. At least one.
    Expand(Vec<Child>),
    /// The attempt fails before the handler runs. Only a panic is worth a retry.
    Fail { failure: Failure, retryable: bool },
}

/// Prepares an attempt whose context knows the outcomes of its dependencies. `decide` is not called again
/// when an earlier attempt decided.
pub(crate) fn prepare(method: &Method, context: &TaskContext, earlier: Earlier<'_>) -> Prepared {
    let task = context.task();
    let args = match earlier.args {
        Some(args) => args.to_vec(),
        None => match resolve_args(&task.args, context.dependencies()) {
            Ok(args) => args,
            Err(error) => return Prepared::Fail { failure: error.into(), retryable: false },
        },
    };
    let decided = earlier.args.is_some() || earlier.expanded;
    let args = match &method.handler {
        Handler::Object(handler) if !decided => {
            match catch_panic(|| handler.decide(task, context, args.clone())) {
                Ok(Decision::Run(args)) => args,
                Ok(Decision::Skip) => return Prepared::Skip,
                // Without children there is nothing to wait for.
                Ok(Decision::Expand(children)) if children.is_empty() => args,
                Ok(Decision::Expand(children)) => return Prepared::Expand(children),
                Err(failure) => return Prepared::Fail { failure, retryable: true },
            }
        }
        _ => args,
    };
    // The decoder bounds the depth of arguments and of results, but not of results within arguments.
    if args.iter().any(|arg| arg.is_deeper_than(MAX_DEPTH)) {
        let message =
            format!("with results in their places, arguments nest deeper than {MAX_DEPTH}");
        return invalid(message);
    }
    // The gate could not check results, and the method may have changed since.
    match (method.signature.check)(&args) {
        Ok(()) => Prepared::Run(args),
        Err(error) => invalid(error.message),
    }
}

fn invalid(message: String) -> Prepared {
    let failure = Failure { code: Code::InvalidArgument, message };
    Prepared::Fail { failure, retryable: false }
}
