//! WatchTask: what happens to a task, as a stream of answers.
//!
//! Nothing is spawned for a watcher and nothing is kept for one: the stream asks for the next update
//! when the client can take it, and when the client goes away the stream is dropped, and all that it
//! holds with it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, ReusableBoxFuture};
use tonic::Status;

use crate::error::{Code, Error};
use crate::models::{Update, WatchCursor};
use crate::pb;
use crate::server::api::cursors::Cursors;
use crate::server::api::encode;
use crate::server::transport::panics::caught;
use crate::system::Watch;

/// When it is worth watching again after the server has hung up.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The answers to one watcher. Ends after the task's outcome, or with the reason why it ends early.
pub(in crate::server) struct Updates {
    /// The step under way; `None` when the stream has ended.
    step: Option<ReusableBoxFuture<'static, (Step, Watching)>>,
    cursors: Cursors,
}

type Step = Option<Result<(WatchCursor, Update), Error>>;

/// What one step hands to the next.
pub(super) struct Watching {
    /// Tells what happens.
    pub(super) watch: Watch,
    /// Cancelled when the server hangs up.
    pub(super) hang_up: CancellationToken,
    /// When the call's time is over.
    pub(super) end: Option<Instant>,
}

impl Updates {
    /// Those of one watch, with cursors that `cursors` writes.
    pub(super) fn new(watching: Watching, cursors: Cursors) -> Self {
        Self { step: Some(ReusableBoxFuture::new(watching.step())), cursors }
    }
}

impl Watching {
    async fn step(mut self) -> (Step, Self) {
        let over = async {
            match self.end {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        // The first two end the stream, so it does not matter what they interrupt.
        let step = tokio::select! {
            biased;
            () = over => Some(Err(Error::new(
                Code::DeadlineExceeded,
                "the call's deadline passed before the task ended; a watch with the last cursor goes on from there",
            ))),
            () = self.hang_up.cancelled() => Some(Err(Error::new(
                Code::Draining,
                "the server is shutting down; a watch with the last cursor goes on from there",
            )
            .retry_after(RETRY_AFTER))),
            next = self.watch.next() => next,
        };
        (step, self)
    }
}

impl Stream for Updates {
    type Item = Result<pb::WatchTaskResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(step) = &mut this.step else { return Poll::Ready(None) };
        let next = match caught(|| step.poll(cx)) {
            Ok(polled) => {
                let (next, watching) = ready!(polled);
                if matches!(next, Some(Ok(_))) {
                    step.set(watching.step());
                }
                next
            }
            Err(panicked) => Some(Err(panicked)),
        };
        Poll::Ready(match next {
            Some(Ok((cursor, update))) => {
                Some(Ok(encode::update(this.cursors.write(cursor), update)))
            }
            Some(Err(error)) => {
                this.step = None;
                Some(Err(error.into()))
            }
            None => {
                this.step = None;
                None
            }
        })
    }
}
