//! A subscription to events. Its queue is bounded; on overflow events are dropped and the stream reports
//! how many.
//!
//! A stream is *behind* while it reads remembered events in batches, and *live* after it has caught up:
//! then new events enter its queue.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio_stream::Stream;

use super::Announced;
use super::announcer::{State, Streams};
use crate::models::EventFilter;

/// The most events that wait in the queue of one stream.
pub const QUEUE_EVENTS: usize = 1_024;
/// The most memory that they keep alive, in bytes. One event is queued whatever its size.
pub const QUEUE_BYTES: usize = 8 << 20;
/// How many remembered events a stream reads under one hold of the lock.
const BATCH: usize = 512;

const TOO_SLOW: &str = "the reader was too slow";
const TOO_OLD: &str = "the events after the cursor are not remembered any more";
const OTHER_BOOT: &str = "the cursor is from before the server's last start";

/// A position in the stream of events: a new stream can resume after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// Identifies the server process: positions are only valid within one.
    pub boot: u64,
    /// The event's position, from 1.
    pub position: u64,
}

/// One item of a stream.
#[derive(Clone, Debug)]
pub enum StreamItem {
    /// An event.
    Event(Arc<Announced>),
    /// Events are lost.
    Missed {
        /// How many events; 0 if unknown.
        count: u64,
        /// Why, for people.
        reason: &'static str,
    },
}

/// A stream of the events that its filter selects.
///
/// At most [`QUEUE_EVENTS`] events wait for the reader. Dropping the stream closes it.
#[must_use = "a stream does nothing unless it is read"]
pub struct EventStream {
    streams: Arc<Streams>,
    id: u64,
    filter: EventFilter,
    /// The position of the last remembered event that was read; `None` when live.
    behind: Option<u64>,
    /// Remembered events that match and were not returned yet.
    found: VecDeque<Arc<Announced>>,
    /// A gap that the next item reports.
    gap: Option<(EventCursor, &'static str)>,
    queue: Arc<Queue>,
}

impl EventStream {
    pub(super) fn open(
        streams: Arc<Streams>,
        filter: EventFilter,
        after: Option<EventCursor>,
    ) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        streams.opened();
        let mut stream = Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            streams: streams.clone(),
            filter,
            behind: None,
            found: VecDeque::new(),
            gap: None,
            queue: Arc::default(),
        };
        let mut state = streams.state.lock();
        match after {
            None => stream.go_live(&mut state),
            Some(cursor)
                if cursor.boot != streams.boot || cursor.position >= state.recent.next() =>
            {
                stream.start_after_gap(&state, OTHER_BOOT);
            }
            Some(cursor) if cursor.position < state.recent.before() => {
                stream.start_after_gap(&state, TOO_OLD);
            }
            Some(cursor) => stream.behind = Some(cursor.position),
        }
        drop(state);
        stream
    }

    /// Waits for the next item and returns it with the cursor to resume after it; `None` after the
    /// announcer is closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<(EventCursor, StreamItem)> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The next item, if there is one already.
    pub fn try_next(&mut self) -> Option<(EventCursor, StreamItem)> {
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(item) => item,
            Poll::Pending => None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(EventCursor, StreamItem)>> {
        loop {
            if let Some((cursor, reason)) = self.gap.take() {
                return Poll::Ready(Some((cursor, StreamItem::Missed { count: 0, reason })));
            }
            if let Some(event) = self.found.pop_front() {
                return Poll::Ready(Some(self.item(event)));
            }
            match self.behind {
                Some(after) => self.catch_up(after),
                None => return self.poll_queue(cx),
            }
        }
    }

    fn poll_queue(&mut self, cx: &mut Context<'_>) -> Poll<Option<(EventCursor, StreamItem)>> {
        let mut queue = self.queue.0.lock();
        if let Some(event) = queue.pop() {
            drop(queue);
            return Poll::Ready(Some(self.item(event)));
        }
        if queue.missed > 0 {
            let count = std::mem::take(&mut queue.missed);
            let cursor = EventCursor { boot: self.streams.boot, position: queue.missed_to };
            return Poll::Ready(Some((cursor, StreamItem::Missed { count, reason: TOO_SLOW })));
        }
        if queue.closed {
            return Poll::Ready(None);
        }
        let outdated = queue.waker.replace(cx.waker().clone());
        // Dropping a waker can drop a stream, which takes the announcer's lock: not under this one.
        drop(queue);
        drop(outdated);
        Poll::Pending
    }

    fn item(&self, event: Arc<Announced>) -> (EventCursor, StreamItem) {
        let cursor = EventCursor { boot: self.streams.boot, position: event.position };
        (cursor, StreamItem::Event(event))
    }

    /// Reports a gap and goes on with the oldest remembered event.
    fn start_after_gap(&mut self, state: &State, reason: &'static str) {
        let position = state.recent.before();
        self.gap = Some((EventCursor { boot: self.streams.boot, position }, reason));
        self.behind = Some(position);
    }

    /// Reads one more batch of remembered events; goes live after the last one.
    fn catch_up(&mut self, after: u64) {
        let streams = self.streams.clone();
        let mut state = streams.state.lock();
        if after < state.recent.before() {
            return self.start_after_gap(&state, TOO_OLD);
        }
        let mut bytes = 0;
        let mut seen = after;
        for event in state.recent.after(after).take(BATCH) {
            seen = event.position;
            if self.filter.matches(event) {
                bytes += event.bytes;
                self.found.push_back(event.clone());
            }
            if bytes > QUEUE_BYTES {
                break;
            }
        }
        self.behind = Some(seen);
        if seen + 1 == state.recent.next() {
            self.go_live(&mut state);
        }
    }

    fn go_live(&mut self, state: &mut State) {
        self.behind = None;
        if state.closed {
            self.queue.0.lock().closed = true;
        } else {
            state.index.insert(self.id, &self.filter, self.queue.clone());
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.streams.closed(self.id, &self.filter);
    }
}

impl Stream for EventStream {
    type Item = (EventCursor, StreamItem);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

/// The queue of one live stream.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    events: VecDeque<Arc<Announced>>,
    bytes: usize,
    /// How many events were dropped. Until the reader has read all waiting events, every further event is
    /// dropped too: the gap stays in one piece and is reported once.
    missed: u64,
    missed_to: u64,
    waker: Option<Waker>,
    closed: bool,
}

impl Queue {
    /// Adds an event, or counts it as missed. Returns the waker of the reader, if it waits.
    pub(super) fn push(&self, event: &Arc<Announced>) -> Option<Waker> {
        let mut queue = self.0.lock();
        let room = queue.events.len() < QUEUE_EVENTS
            && (queue.events.is_empty() || queue.bytes + event.bytes <= QUEUE_BYTES);
        if room && queue.missed == 0 {
            queue.bytes += event.bytes;
            queue.events.push_back(event.clone());
        } else {
            queue.missed += 1;
            queue.missed_to = event.position;
        }
        queue.waker.take()
    }

    pub(super) fn close(&self) {
        let waker = {
            let mut queue = self.0.lock();
            queue.closed = true;
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<Arc<Announced>> {
        let event = self.events.pop_front()?;
        self.bytes -= event.bytes;
        Some(event)
    }
}
