//! ListEvents, StreamEvents and ListSubscribers.
//!
//! Nothing is spawned for one who listens: the stream asks for the next event when the client can take
//! it. What he cannot take in time waits in a bounded queue, and what does not fit there he is told
//! that he missed.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep_until};
use tokio_stream::Stream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Request, Response, Status};

use crate::error::{Code, Error};
use crate::events::{EventCursor, EventStream, StreamItem, catalog};
use crate::models::Category;
use crate::pb;
use crate::server::api::compression::Accepts;
use crate::server::api::opaque_token::{open, seal, shown};
use crate::server::api::service::Service;
use crate::server::api::{decode, encode};
use crate::server::transport::deadline;
use crate::server::transport::panics::caught;

/// When it is worth listening again after the server has hung up.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What the cursors of events are sealed for.
const SCOPE: &[u8] = b"events";

pub(super) async fn list(
    _: &Service,
    request: Request<pb::ListEventsRequest>,
) -> Result<Response<pb::ListEventsResponse>, Status> {
    let accepts = Accepts::of(&request);
    let wanted = request.into_inner().category;
    let known = Category::ALL.map(Category::as_str);
    if !wanted.is_empty() && !known.contains(&&*wanted) {
        let why = format!(
            "{:?} is no category; expected one of {}, or none",
            shown(&wanted),
            known.join(", ")
        );
        return Err(Error::invalid("category", why).into());
    }
    let events = catalog::all().iter();
    let events = events.filter(|info| wanted.is_empty() || info.category.as_str() == wanted);
    Ok(accepts.answer(pb::ListEventsResponse { events: events.map(encode::event_info).collect() }))
}

pub(super) async fn stream(
    service: &Service,
    request: Request<pb::StreamEventsRequest>,
) -> Result<Response<Events>, Status> {
    let end = deadline::of(&request);
    let pb::StreamEventsRequest { filter, cursor } = request.into_inner();
    let filter = decode::event_filter(filter, "filter")?;
    let stream = service.system.subscribe(filter, read_cursor(&cursor)?)?;
    let mut answer = Response::new(Events {
        stream: Some(stream),
        end: end.map(|end| Box::pin(sleep_until(end))),
        hang_up: Box::pin(service.hang_up.clone().cancelled_owned()),
    });
    // Events are small, and each is sent as soon as it is there.
    answer.disable_compression();
    Ok(answer)
}

pub(super) async fn subscribers(
    service: &Service,
    request: Request<pb::ListSubscribersRequest>,
) -> Result<Response<pb::ListSubscribersResponse>, Status> {
    let accepts = Accepts::of(&request);
    let subscribers = service.system.subscribers().await?;
    let subscribers = subscribers.into_iter().map(encode::subscriber).collect();
    Ok(accepts.answer(pb::ListSubscribersResponse { subscribers }))
}

/// The answers of one call: until the client goes away, its time is over or the server hangs up.
pub(in crate::server) struct Events {
    /// `None` when the call has ended.
    stream: Option<EventStream>,
    end: Option<Pin<Box<Sleep>>>,
    hang_up: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Events {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<pb::StreamEventsResponse, Status>> {
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Err(Error::new(
                Code::DeadlineExceeded,
                "the call's deadline passed; a call with the last cursor goes on from there",
            )
            .into()));
        }
        match Pin::new(stream).poll_next(cx) {
            Poll::Ready(Some((cursor, told))) => Poll::Ready(Ok(answer_of(cursor, told))),
            Poll::Pending if self.hang_up.as_mut().poll(cx).is_pending() => Poll::Pending,
            Poll::Pending | Poll::Ready(None) => Poll::Ready(Err(Error::new(
                Code::Draining,
                "the server is shutting down, and the next one has cursors of its own",
            )
            .retry_after(RETRY_AFTER)
            .into())),
        }
    }
}

impl Stream for Events {
    type Item = Result<pb::StreamEventsResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.stream.is_none() {
            return Poll::Ready(None);
        }
        let polled =
            caught(|| this.poll(cx)).unwrap_or_else(|panic| Poll::Ready(Err(panic.into())));
        if let Poll::Ready(Err(_)) = polled {
            this.stream = None;
        }
        polled.map(Some)
    }
}

fn answer_of(cursor: EventCursor, told: StreamItem) -> pb::StreamEventsResponse {
    use pb::stream_events_response::Update;
    let update = match told {
        StreamItem::Event(event) => Update::Event(encode::event(&event)),
        StreamItem::Missed { count, reason } => {
            Update::Missed(pb::Missed { count, reason: reason.into() })
        }
    };
    pb::StreamEventsResponse { cursor: write_cursor(cursor), update: Some(update) }
}

fn write_cursor(cursor: EventCursor) -> String {
    let mut body = [0; 16];
    body[..8].copy_from_slice(&cursor.boot.to_be_bytes());
    body[8..].copy_from_slice(&cursor.position.to_be_bytes());
    seal(SCOPE, &body)
}

/// Where a client stands; empty text is here and now.
///
/// # Errors
/// `INVALID_ARGUMENT` for the field `cursor`, unless [`write_cursor`] wrote it.
fn read_cursor(text: &str) -> Result<Option<EventCursor>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let body: Option<[u8; 16]> = open(SCOPE, text).and_then(|body| body.try_into().ok());
    let Some(body) = body else {
        let why = format!(
            "{:?} is no cursor of events; expected one from an answer of this call, or none",
            shown(text)
        );
        return Err(Error::invalid("cursor", why));
    };
    let number = u128::from_be_bytes(body);
    let (boot, position) = ((number >> 64) as u64, number as u64);
    Ok(Some(EventCursor { boot, position }))
}

#[test]
fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
    for cursor in [
        EventCursor { boot: 0, position: 0 },
        EventCursor { boot: u64::MAX, position: 1 },
        EventCursor { boot: 7, position: u64::MAX },
    ] {
        assert_eq!(read_cursor(&write_cursor(cursor)), Ok(Some(cursor)));
    }
    assert_eq!(read_cursor(""), Ok(None));
    let good = write_cursor(EventCursor { boot: 7, position: 9 });
    for forged in ["x", &good[1..], &seal(SCOPE, b"short"), &seal(b"watch of a", &[0; 16])] {
        let refused = read_cursor(forged).expect_err(forged);
        assert_eq!(
            (refused.code, &*refused.violations[0].field),
            (Code::InvalidArgument, "cursor")
        );
    }
}
