//! Callbacks for the end of a task.

use std::panic;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::{JoinError, JoinHandle};

/// Owns the callbacks of [`AsyncResult::then`](crate::client::AsyncResult::then). Dropping it cancels
/// them. Awaiting it waits until one of them has returned, and panics if that one panicked.
#[derive(Debug)]
#[must_use = "dropping it cancels the callbacks"]
pub struct Callbacks(JoinHandle<()>);

impl Callbacks {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Whether one of them was called and has returned.
    pub fn is_done(&self) -> bool {
        self.0.is_finished()
    }
}

impl Future for Callbacks {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(|joined| {
            // A runtime that shuts down cancels its tasks, which is not a panic.
            if let Err(Ok(payload)) = joined.map_err(JoinError::try_into_panic) {
                panic::resume_unwind(payload)
            }
        })
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        self.0.abort();
    }
}
