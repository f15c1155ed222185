//! How a body's run comes out: panics are caught, results have bounds.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::error::Code;
use crate::models::wrappers::MAX_DEPTH;
use crate::models::{ArgValue, Failure};

/// The largest result, in bytes.
///
/// With what stands around it, an answer then fits in the 4 MiB that gRPC clients take by default.
pub const MAX_RESULT_BYTES: usize = (4 << 20) - (64 << 10);

/// Calls a body.
///
/// # Errors
/// [`Code::Panicked`], with what the panic said.
pub(crate) fn calling<T>(body: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| panicked(&*panic))
}

/// Polls a body to its end, which its first panic is.
///
/// # Errors
/// [`Code::Panicked`], with what the panic said.
pub(crate) async fn catching<T>(body: impl Future<Output = T>) -> Result<T, Failure> {
    let mut body = pin!(body);
    std::future::poll_fn(move |cx| match calling(|| body.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
        Err(failure) => Poll::Ready(Err(failure)),
    })
    .await
}

/// Looks whether a result can be kept.
///
/// # Errors
/// [`Code::ResultTooLarge`] when it nests too deep or is larger than [`MAX_RESULT_BYTES`].
pub(crate) fn check_result(result: &ArgValue) -> Result<(), Failure> {
    let too_large = |message| Err(Failure { code: Code::ResultTooLarge, message });
    if result.is_deeper_than(MAX_DEPTH) {
        return too_large(format!(
            "the result nests deeper than {MAX_DEPTH}, the most that is kept"
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

/// What a result takes, in memory or on the wire, where it travels as text. Text is at most six times
/// as long as what it stands for, so small results need not be written out to know.
fn size(result: &ArgValue) -> usize {
    let bytes = result.heap_bytes();
    if bytes > MAX_RESULT_BYTES / 6 { bytes.max(result.to_string().len()) } else { bytes }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let said = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned());
    Failure { code: Code::Panicked, message: format!("the body panicked: {said}") }
}
