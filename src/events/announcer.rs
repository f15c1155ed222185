//! Publishes events to observers and streams.
//!
//! Observers are called on the thread that announces, and are never removed. Streams come and go. While
//! there are no streams, and after the last one has been closed for [`REMEMBER_FOR`], an event goes to the
//! observers and is dropped: no lock, no allocation. Otherwise it gets a position, is remembered for
//! cursors, and goes into the queues of the streams that want it.
//!
//! One lock is held while an event gets its position and enters those queues. Every stream therefore
//! sees the same order, and loses nothing between its catch-up and its first live event.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::Announced;
use super::index::Index;
use super::observers::Observers;
use super::recent::{REMEMBER_FOR, Recent};
use super::stream::{EventCursor, EventStream};
use crate::clock::now;
use crate::models::{Event, EventFilter};

/// Gets every event, synchronously and without loss, on the thread that announces it. An observer must
/// be quick and must not block.
pub trait Observer: Send + Sync + 'static {
    /// Called once for each event. Events of one task come in order; events that several threads announce
    /// at the same time come in any order.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// Publishes events to observers and streams.
#[derive(Default)]
pub struct Announcer {
    observers: Observers,
    streams: Arc<Streams>,
}

impl Announcer {
    /// An announcer that remembers events for this long after the last stream is closed, instead of
    /// [`REMEMBER_FOR`].
    pub fn remembering_for(remember_for: Duration) -> Self {
        let streams = Arc::new(Streams { remember_for, ..Streams::default() });
        Self { observers: Observers::default(), streams }
    }

    /// Adds an observer.
    #[must_use]
    pub fn observer(self, observer: Arc<dyn Observer>) -> Self {
        self.add_observer(observer);
        self
    }

    /// Adds an observer, which gets every event from now on.
    pub fn add_observer(&self, observer: Arc<dyn Observer>) {
        self.observers.add(observer);
    }

    /// Whether an observer or a stream may want events. If not, the caller need not make them.
    pub fn has_subscribers(&self) -> bool {
        !self.observers.is_empty() || self.streams.is_recording()
    }

    /// Publishes an event. Never blocks: a stream that is too slow misses it.
    pub fn announce(&self, event: Event) {
        for observer in self.observers.iter() {
            // An observer's panic must not end the engine's loop that announces. The panic hook has
            // logged the panic itself.
            if catch_unwind(AssertUnwindSafe(|| observer.observe(&event))).is_err() {
                tracing::error!(event = event.name(), "an observer panicked");
            }
        }
        if self.streams.is_recording() {
            self.streams.announce(event);
        }
    }

    /// Opens a stream of the events that `filter` selects: from now on, or after the cursor's event. If
    /// the events after the cursor are not remembered any more, the stream's first item is
    /// [`StreamItem::Missed`](super::StreamItem::Missed).
    pub fn subscribe(&self, filter: EventFilter, after: Option<EventCursor>) -> EventStream {
        EventStream::open(self.streams.clone(), filter, after)
    }

    #[cfg(test)]
    pub(super) fn is_index_empty(&self) -> bool {
        self.streams.state.lock().index.is_empty()
    }

    /// Whether the announcer is [closed](Self::close): streams get no more events.
    pub fn is_closed(&self) -> bool {
        self.streams.state.lock().closed
    }

    /// Ends every stream after the events that are in its queue.
    pub fn close(&self) {
        self.streams.close();
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.streams.state.lock().open;
        f.debug_struct("Announcer")
            .field("observers", &self.observers)
            .field("streams", &open)
            .finish()
    }
}

/// What the announcer shares with its streams.
pub(super) struct Streams {
    /// Tells this announcer's cursors from those of an earlier server process.
    pub(super) boot: u64,
    /// How long events are remembered after the last stream is closed.
    remember_for: Duration,
    /// A copy of `state.recording` that is read without the lock.
    recording: AtomicBool,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    recording: bool,
    pub(super) closed: bool,
    pub(super) recent: Recent,
    /// The streams that are live.
    pub(super) index: Index,
    /// How many streams are open.
    open: usize,
    /// When the last stream was closed, on the steady clock.
    last_closed_at: Duration,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            boot: fastrand::u64(..),
            remember_for: REMEMBER_FOR,
            recording: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }
}

impl Streams {
    fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Acquire)
    }

    fn announce(&self, event: Event) {
        let mut announced = Announced::from(event);
        let mut wakers = Vec::new();
        let dropped;
        {
            let mut state = self.state.lock();
            if !state.recording {
                return;
            }
            let closed_for = now().steady.saturating_sub(state.last_closed_at);
            if state.open == 0 && closed_for > self.remember_for {
                state.recording = false;
                self.recording.store(false, Ordering::Release);
                let dropped = state.recent.clear();
                drop(state);
                drop(dropped);
                return;
            }
            announced.position = state.recent.next();
            let announced = Arc::new(announced);
            state.index.deliver(&announced, &mut wakers);
            dropped = state.recent.push(announced);
        }
        // After the lock: the event may be the last owner of large tasks.
        drop(dropped);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// A stream was opened: from now on events are remembered.
    pub(super) fn opened(&self) {
        let mut state = self.state.lock();
        state.open += 1;
        state.recording = true;
        self.recording.store(true, Ordering::Release);
    }

    /// A stream was closed.
    pub(super) fn closed(&self, id: u64, filter: &EventFilter) {
        let mut state = self.state.lock();
        state.index.remove(id, filter);
        state.open -= 1;
        state.last_closed_at = now().steady;
    }

    fn close(&self) {
        let queues = {
            let mut state = self.state.lock();
            state.closed = true;
            state.index.queues()
        };
        for queue in queues {
            queue.close();
        }
    }
}
