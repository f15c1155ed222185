//! One who is told of events as they happen, and at his own pace: his queue is bounded, and what does
//! not fit into it he is told that he missed.
//!
//! A stream is *behind* while it goes through what is remembered, a piece at a time, and *live* once it
//! has caught up: then events come into its queue.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio_stream::Stream;

use super::Announced;
use super::announcer::{Hub, Inside};
use crate::models::EventFilter;

/// How many events wait for one who is told live.
pub const QUEUE_EVENTS: usize = 1_024;
/// How many bytes they may keep alive.
pub const QUEUE_BYTES: usize = 8 << 20;
/// How many remembered events are gone through at a time while everybody else waits.
const PIECE: usize = 512;

const TOO_SLOW: &str = "the reader was too slow";
const TOO_OLD: &str = "what came right after the cursor is not remembered any more";
const OTHER_BOOT: &str = "the cursor is from before the server's last start";

/// Where a stream goes on: after this event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// Whose event: positions mean something in one run of the server only.
    pub boot: u64,
    /// Which.
    pub position: u64,
}

/// What a stream says.
#[derive(Clone, Debug)]
pub enum StreamItem {
    /// This happened.
    Event(Arc<Announced>),
    /// Something was wanted and is lost.
    Missed {
        /// So many events; 0 if nobody knows.
        count: u64,
        /// For people.
        reason: &'static str,
    },
}

/// What happens, as far as its filter wants it.
#[must_use = "nobody is told of anything unless it is read"]
pub struct EventStream {
    hub: Arc<Hub>,
    id: u64,
    filter: EventFilter,
    /// The last event that was gone through while behind; `None` when live.
    behind: Option<u64>,
    /// Found while behind, and not told yet.
    found: VecDeque<Arc<Announced>>,
    /// What the first answer says is missing.
    missed: Option<(EventCursor, &'static str)>,
    queue: Arc<Queue>,
}

impl EventStream {
    pub(super) fn begin(hub: Arc<Hub>, filter: EventFilter, after: Option<EventCursor>) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        hub.enter();
        let mut stream = Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            hub: hub.clone(),
            filter,
            behind: None,
            found: VecDeque::new(),
            missed: None,
            queue: Arc::default(),
        };
        let mut inside = hub.inside.lock();
        match after {
            None => stream.go_live(&mut inside),
            Some(cursor) if cursor.boot != hub.boot || cursor.position >= inside.recent.next() => {
                stream.miss(&inside, OTHER_BOOT);
            }
            Some(cursor) if cursor.position < inside.recent.before() => {
                stream.miss(&inside, TOO_OLD);
            }
            Some(cursor) => stream.behind = Some(cursor.position),
        }
        drop(inside);
        stream
    }

    /// The next thing, and where to go on after it; `None` when the announcer has closed. Dropping the
    /// future loses nothing.
    pub async fn next(&mut self) -> Option<(EventCursor, StreamItem)> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The next thing that is there already.
    pub fn try_next(&mut self) -> Option<(EventCursor, StreamItem)> {
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(said) => said,
            Poll::Pending => None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(EventCursor, StreamItem)>> {
        loop {
            if let Some((cursor, reason)) = self.missed.take() {
                return Poll::Ready(Some((cursor, StreamItem::Missed { count: 0, reason })));
            }
            if let Some(told) = self.found.pop_front() {
                return Poll::Ready(Some(self.told(told)));
            }
            match self.behind {
                Some(after) => self.catch_up(after),
                None => return self.poll_queue(cx),
            }
        }
    }

    fn poll_queue(&mut self, cx: &mut Context<'_>) -> Poll<Option<(EventCursor, StreamItem)>> {
        let mut queue = self.queue.0.lock();
        if let Some(told) = queue.pop() {
            drop(queue);
            return Poll::Ready(Some(self.told(told)));
        }
        if queue.missed > 0 {
            let count = std::mem::take(&mut queue.missed);
            let cursor = EventCursor { boot: self.hub.boot, position: queue.missed_to };
            return Poll::Ready(Some((cursor, StreamItem::Missed { count, reason: TOO_SLOW })));
        }
        if queue.closed {
            return Poll::Ready(None);
        }
        let outdated = queue.waker.replace(cx.waker().clone());
        // Dropping one can drop a stream, which takes the hub's lock: not while this one is held.
        drop(queue);
        drop(outdated);
        Poll::Pending
    }

    fn told(&self, told: Arc<Announced>) -> (EventCursor, StreamItem) {
        let cursor = EventCursor { boot: self.hub.boot, position: told.position };
        (cursor, StreamItem::Event(told))
    }

    /// Goes on with the oldest event that is known.
    fn miss(&mut self, inside: &Inside, reason: &'static str) {
        let position = inside.recent.before();
        self.missed = Some((EventCursor { boot: self.hub.boot, position }, reason));
        self.behind = Some(position);
    }

    /// Goes through one more piece of what is remembered, and is live when that was the last.
    fn catch_up(&mut self, after: u64) {
        let hub = self.hub.clone();
        let mut inside = hub.inside.lock();
        if after < inside.recent.before() {
            return self.miss(&inside, TOO_OLD);
        }
        let mut bytes = 0;
        let mut seen = after;
        for told in inside.recent.after(after).take(PIECE) {
            seen = told.position;
            if self.filter.matches(told) {
                bytes += told.bytes;
                self.found.push_back(told.clone());
            }
            if bytes > QUEUE_BYTES {
                break;
            }
        }
        self.behind = Some(seen);
        if seen + 1 == inside.recent.next() {
            self.go_live(&mut inside);
        }
    }

    fn go_live(&mut self, inside: &mut Inside) {
        self.behind = None;
        if inside.closed {
            self.queue.0.lock().closed = true;
        } else {
            inside.index.insert(self.id, &self.filter, self.queue.clone());
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.hub.leave(self.id, &self.filter);
    }
}

impl Stream for EventStream {
    type Item = (EventCursor, StreamItem);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

/// What waits for one stream.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    events: VecDeque<Arc<Announced>>,
    bytes: usize,
    /// Once something did not fit, nothing enters until all that waits has been read: so what was
    /// missed is in one piece, and told once.
    missed: u64,
    missed_to: u64,
    waker: Option<Waker>,
    closed: bool,
}

impl Queue {
    /// One more event; answers whom to wake for it.
    pub(super) fn push(&self, told: &Arc<Announced>) -> Option<Waker> {
        let mut queue = self.0.lock();
        let room = queue.events.len() < QUEUE_EVENTS
            && (queue.events.is_empty() || queue.bytes + told.bytes <= QUEUE_BYTES);
        if room && queue.missed == 0 {
            queue.bytes += told.bytes;
            queue.events.push_back(told.clone());
        } else {
            queue.missed += 1;
            queue.missed_to = told.position;
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
        let told = self.events.pop_front()?;
        self.bytes -= told.bytes;
        Some(told)
    }
}
