//! Calls handlers: catches their panics and checks their results.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::error::Code;
use crate::models::wrappers::MAX_DEPTH;
use crate::models::{ArgValue, Failure};
use crate::tasks::{HandlerResult, TaskError};

/// The largest result of a task, in bytes. A response with it fits in 4 MiB, the most that gRPC clients
/// accept by default.
pub const MAX_RESULT_BYTES: usize = (4 << 20) - (64 << 10);

/// How the call of a handler ended.
#[derive(Debug, PartialEq)]
pub(crate) enum CallEnd {
    /// The handler returned this result.
    Succeeded(ArgValue),
    /// The handler returned this error.
    Failed(TaskError),
    /// The handler panicked, or its result cannot be kept. Only a panic is worth a retry.
    Broken { failure: Failure, retryable: bool },
}

impl CallEnd {
    pub(crate) fn of(returned: Result<HandlerResult, Failure>) -> Self {
        match returned {
            Ok(Ok(result)) => match check_result(&result) {
                Ok(()) => Self::Succeeded(result),
                Err(failure) => Self::Broken { failure, retryable: false },
            },
            Ok(Err(error)) => Self::Failed(error),
            Err(failure) => Self::Broken { failure, retryable: true },
        }
    }
}

/// Calls a handler and catches its panic.
///
/// # Errors
/// [`Code::Panicked`], with the message of the panic.
pub(crate) fn catch_panic<T>(handler: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(handler)).map_err(|panic| panicked(&*panic))
}

/// Polls a handler until it returns or panics.
///
/// # Errors
/// [`Code::Panicked`], with the message of the panic.
pub(crate) async fn catch_panic_async<T>(handler: impl Future<Output = T>) -> Result<T, Failure> {
    let mut handler = pin!(handler);
    std::future::poll_fn(move |cx| match catch_panic(|| handler.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
        Err(failure) => Poll::Ready(Err(failure)),
    })
    .await
}

/// [`Code::ResultTooLarge`] for a result that nests too deep or is larger than [`MAX_RESULT_BYTES`].
fn check_result(result: &ArgValue) -> Result<(), Failure> {
    let too_large = |message| Err(Failure { code: Code::ResultTooLarge, message });
    if result.is_deeper_than(MAX_DEPTH) {
        return too_large(format!(
            "the result nests deeper than {MAX_DEPTH} levels, the most that are kept"
        ));
    }
    let bytes = size(result);
    if bytes > MAX_RESULT_BYTES {
        return too_large(format!(
            "the result has {bytes} bytes; at most {MAX_RESULT_BYTES} are kept"
        ));
    }
    Ok(())
}

/// The size of a result in memory or as text on the wire, whichever is larger. Text has at most six times
/// the bytes in memory, so the size of a small result is known without formatting it.
fn size(result: &ArgValue) -> usize {
    let bytes = result.heap_bytes();
    if bytes > MAX_RESULT_BYTES / 6 { bytes.max(result.to_string().len()) } else { bytes }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned());
    Failure { code: Code::Panicked, message: format!("the handler panicked: {message}") }
}
