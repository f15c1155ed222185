//! Panics of services, caught and turned into errors.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The message of a panic that was caught.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panic(pub(super) String);

/// Runs a future to its end and catches its panic. After a panic the future is not polled again.
///
/// A panic can leave what the future borrows half changed, as an early return with an error can: a
/// service must cope with both.
pub(super) async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, Panic> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(payload) => Poll::Ready(Err(Panic(panic_message(&*payload).to_owned()))),
    })
    .await
}

/// The message of a panic's payload.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(no message)")
}
