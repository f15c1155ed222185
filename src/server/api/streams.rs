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
