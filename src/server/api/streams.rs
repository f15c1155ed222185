//! The answers of the streaming calls: WatchTask, StreamEvents and WatchStatistics.
//!
//! No task is spawned for a stream. It computes its next item only when the client can receive one,
//! and it is dropped, with everything that it holds, when the client disconnects.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prost::Message;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::{CancellationToken, ReusableBoxFuture, WaitForCancellationFutureOwned};
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use crate::error::{Code, Error};
use crate::pb;
use crate::server::api::cursors::WatchCursors;
use crate::server::api::encode;
use crate::server::transport::deadline;
use crate::server::transport::panics::caught;
use crate::system::{EventStream, TaskSystem, Watch};

/// When a client should call again after the server has shut down.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What ends a stream before its last item.
pub(super) struct Ends {
    deadline: Option<Instant>,
    hang_up: CancellationToken,
}

impl Ends {
    /// The ends of the stream that answers `request`: its deadline, and the shutdown of the server.
    pub(super) fn of<T>(request: &Request<T>, hang_up: &CancellationToken) -> Self {
        Self { deadline: deadline::of(request), hang_up: hang_up.clone() }
    }

    /// The updates of WatchTask. The stream ends after the task's outcome.
    pub(super) fn updates(
        self,
        watch: Watch,
        cursors: WatchCursors,
    ) -> Response<BoxStream<pb::WatchTaskResponse>> {
        let items = unfold(watch, |mut watch: Watch| async move {
            let item = watch.next().await?;
            Some((item, watch))
        });
        let updates = items.map(move |item| item.map(|item| encode::update(&cursors, item)));
        // Updates are small, and each is sent at once.
        uncompressed(self.end(
            updates,
            "the call's deadline passed before the task ended; a watch with the last cursor continues there",
            "the server is shutting down; a watch with the last cursor continues there",
        ))
    }

    /// The events of StreamEvents.
    pub(super) fn events(
        self,
        stream: EventStream,
    ) -> Response<BoxStream<pb::StreamEventsResponse>> {
        const SHUTDOWN: &str = "the server is shutting down; the next one has other cursors";
        let closed = tokio_stream::once(Err(draining(SHUTDOWN)));
        let events = stream.map(|item| Ok(encode::stream_item(item))).chain(closed);
        // Events are small, and each is sent at once.
        uncompressed(self.end(
            events,
            "the call's deadline passed; a call with the last cursor continues there",
            SHUTDOWN,
        ))
    }

    /// The samples of WatchStatistics, one every `interval`. A client that reads slowly gets fewer.
    pub(super) fn samples(
        self,
        system: TaskSystem,
        interval: Duration,
    ) -> Response<BoxStream<pb::WatchStatisticsResponse>> {
        let samples = unfold((system, Instant::now()), move |(system, due)| async move {
            sleep_until(due).await;
            let statistics = system.monitor().statistics().await;
            let next = (due + interval).max(Instant::now());
            Some((statistics, (system, next)))
        });
        let samples = samples.map(|sample| {
            let statistics = Some(encode::statistics(sample?));
            Ok(pb::WatchStatisticsResponse { statistics })
        });
        Response::new(self.end(
            samples,
            "the call's deadline passed; statistics have no end",
            "the server is shutting down",
        ))
    }

    /// `items` until one of the ends, which has this message.
    fn end<S, T>(self, items: S, deadline: &'static str, shutdown: &'static str) -> BoxStream<T>
    where
        S: Stream<Item = Result<T, Error>> + Unpin + Send + 'static,
    {
        Box::pin(Until {
            items: Some(items),
            deadline: self.deadline.map(|at| Box::pin(sleep_until(at))),
            hang_up: Box::pin(self.hang_up.cancelled_owned()),
            messages: (deadline, shutdown),
        })
    }
}

fn uncompressed<T: Message>(stream: BoxStream<T>) -> Response<BoxStream<T>> {
    let mut answer = Response::new(stream);
    answer.disable_compression();
    answer
}

fn draining(message: &str) -> Error {
    Error::new(Code::Draining, message).retry_after(RETRY_AFTER)
}

/// A stream that also ends, with an error, when the call's deadline passes or the server shuts down.
/// It sends the items that are ready before it ends for a shutdown.
struct Until<S> {
    /// `None` when the stream has ended.
    items: Option<S>,
    deadline: Option<Pin<Box<Sleep>>>,
    hang_up: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The error messages for the deadline and the shutdown.
    messages: (&'static str, &'static str),
}

impl<S, T> Until<S>
where
    S: Stream<Item = Result<T, Error>> + Unpin,
{
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        let Some(items) = &mut self.items else { return Poll::Ready(None) };
        let (deadline, shutdown) = self.messages;
        if self.deadline.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Some(Err(Error::new(Code::DeadlineExceeded, deadline))));
        }
        match Pin::new(items).poll_next(cx) {
            Poll::Pending if self.hang_up.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Some(Err(draining(shutdown))))
            }
            polled => polled,
        }
    }
}

impl<S, T> Stream for Until<S>
where
    S: Stream<Item = Result<T, Error>> + Unpin,
{
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = caught(|| self.poll_item(cx));
        let item = match polled {
            Ok(polled) => ready!(polled),
            Err(panic) => Some(Err(panic)),
        };
        if !matches!(item, Some(Ok(_))) {
            self.items = None;
        }
        Poll::Ready(item.map(|item| item.map_err(Status::from)))
    }
}

/// The items that `next` computes, each with the state for the next one, until it returns `None`.
struct Unfold<S, T, F> {
    /// The step in progress; `None` when the stream has ended.
    step: Option<ReusableBoxFuture<'static, Option<(T, S)>>>,
    next: F,
}

fn unfold<S, T, F, N>(state: S, next: F) -> Unfold<S, T, F>
where
    F: Fn(S) -> N,
    N: Future<Output = Option<(T, S)>> + Send + 'static,
{
    Unfold { step: Some(ReusableBoxFuture::new(next(state))), next }
}

impl<S, T, F, N> Stream for Unfold<S, T, F>
where
    F: Fn(S) -> N + Unpin,
    N: Future<Output = Option<(T, S)>> + Send + 'static,
{
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        let Some(step) = &mut this.step else { return Poll::Ready(None) };
        let Some((item, state)) = ready!(step.poll(cx)) else {
            this.step = None;
            return Poll::Ready(None);
        };
        step.set((this.next)(state));
        Poll::Ready(Some(item))
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::{iter, pending};

    use super::*;

    /// The items of a stream with these ends, and the code of the error that it ends with.
    async fn collect(
        items: impl Stream<Item = Result<i32, Error>> + Unpin + Send + 'static,
        deadline: Option<Instant>,
        shuts_down: bool,
    ) -> (Vec<i32>, Option<tonic::Code>) {
        let hang_up = CancellationToken::new();
        if shuts_down {
            hang_up.cancel();
        }
        let mut stream = Ends { deadline, hang_up }.end(items, "late", "closing");
        let mut received = Vec::new();
        while let Some(item) = stream.next().await {
            match item {
                Ok(item) => received.push(item),
                Err(status) => {
                    assert!(stream.next().await.is_none(), "an error is the last item");
                    return (received, Some(status.code()));
                }
            }
        }
        (received, None)
    }

    #[tokio::test]
    async fn a_stream_ends_after_its_last_item() {
        assert_eq!(collect(iter([Ok(1), Ok(2)]), None, false).await, (vec![1, 2], None));
    }

    #[tokio::test]
    async fn a_shutdown_ends_a_stream_after_the_items_that_are_ready() {
        let items = iter([Ok(1), Ok(2)]).chain(pending());
        let unavailable = Some(tonic::Code::Unavailable);
        assert_eq!(collect(items, None, true).await, (vec![1, 2], unavailable));
    }

    #[tokio::test]
    async fn a_deadline_ends_a_stream_even_if_items_are_ready() {
        let exceeded = Some(tonic::Code::DeadlineExceeded);
        // Timers count whole milliseconds, so a deadline of this moment is not over yet.
        let past = Instant::now().checked_sub(Duration::from_millis(10));
        assert_eq!(collect(iter([Ok(1)]), past, false).await, (vec![], exceeded));
        let soon = Some(Instant::now() + Duration::from_millis(1));
        assert_eq!(collect(pending(), soon, false).await, (vec![], exceeded));
    }

    #[tokio::test]
    async fn a_panic_ends_a_stream_with_internal() {
        let items =
            iter([1, 2]).map(|item| if item == 1 { Ok(item) } else { panic!("on purpose") });
        assert_eq!(collect(items, None, false).await, (vec![1], Some(tonic::Code::Internal)));
    }

    #[tokio::test]
    async fn unfold_hands_the_state_from_step_to_step() {
        let numbers = unfold(1, |number| async move {
            tokio::task::yield_now().await;
            (number < 4).then_some((number, number + 1))
        });
        assert_eq!(numbers.collect::<Vec<i32>>().await, [1, 2, 3]);
    }
}
