//! A panic of a service is a failure of it, and no more.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// A panic of a service, as far as it said something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panic(pub(super) String);

/// What a future comes to. It is not polled again after a panic.
///
/// What it has borrowed may be left half changed: a service that goes on after a panic must be able
/// to, as one that goes on after an error must.
pub(super) async fn catching<T>(future: impl Future<Output = T>) -> Result<T, Panic> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(payload) => Poll::Ready(Err(Panic(said(&*payload).to_owned()))),
    })
    .await
}

/// What a panic said.
pub(crate) fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it did not say why")
}
