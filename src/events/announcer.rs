//! Tells whoever listens.
//!
//! Owns who that is: the taps, which only ever come, and the streams, which come and go.
//! As long as there are no streams and have been none for [`LINGER`](super::LINGER), an event goes to
//! the taps and is dropped: no lock, no allocation. Else it gets a position and is remembered for a
//! while, and its streams are looked up.
//!
//! One lock is held while an event gets its position and goes into the queues of those who want it,
//! so every stream sees the same order, and nothing is lost between what a stream catches up with and
//! what it is told live.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::Announced;
use super::index::Index;
use super::observers::Observers;
use super::recent::{LINGER, Recent};
use super::stream::{EventCursor, EventStream};
use crate::clock::now;
use crate::models::{Event, EventFilter};

/// Somebody who is told of every event on the thread that announces it. So it is quick, and waits for
/// nothing.
pub trait Observer: Send + Sync + 'static {
    /// This happened. Events of one task come in their order; those that several threads announce at
    /// once come in any.
    fn hear(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn hear(&self, event: &Event) {
        self(event);
    }
}

/// Tells whoever listens of what happened.
#[derive(Default)]
pub struct Announcer {
    observers: Observers,
    hub: Arc<Hub>,
}

impl Announcer {
    /// With one who is told of everything from the start on.
    #[must_use]
    pub fn observer(self, observer: Arc<dyn Observer>) -> Self {
        self.add_tap(observer);
        self
    }

    /// With one more, who is told of everything from now on.
    pub fn add_tap(&self, observer: Arc<dyn Observer>) {
        self.observers.add(observer);
    }

    /// Whether anybody listens at all. What it takes to make an event can be spared if not.
    pub fn is_heard(&self) -> bool {
        !self.observers.is_empty() || self.hub.is_recording()
    }

    /// Tells everybody who listens. Never blocks: whoever is too slow misses it.
    pub fn announce(&self, event: Event) {
        for observer in self.observers.iter() {
            // The engine announces from its loops, which must not end for somebody who listens. The
            // panic itself is in the log already.
            if catch_unwind(AssertUnwindSafe(|| observer.hear(&event))).is_err() {
                tracing::error!(event = event.name(), "a tap panicked");
            }
        }
        if self.hub.is_recording() {
            self.hub.announce(event);
        }
    }

    /// What happens from now on, as far as `filter` wants it; with a cursor, from after that event on.
    /// If that is not known any more, the first thing that the stream says is that something was
    /// missed.
    pub fn subscribe(&self, filter: EventFilter, after: Option<EventCursor>) -> EventStream {
        EventStream::begin(self.hub.clone(), filter, after)
    }

    #[cfg(test)]
    pub(super) fn is_index_empty(&self) -> bool {
        self.hub.inside.lock().index.is_empty()
    }

    /// Whether it was [closed](Self::close): what it announces reaches no stream any more.
    pub fn is_closed(&self) -> bool {
        self.hub.inside.lock().closed
    }

    /// Ends all streams once they have told what they hold.
    pub fn close(&self) {
        self.hub.close();
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.hub.inside.lock().streams;
        f.debug_struct("Announcer")
            .field("taps", &self.observers)
            .field("streams", &streams)
            .finish()
    }
}

/// What the announcer and its streams share.
pub(super) struct Hub {
    /// Tells cursors of this announcer from those of others, which were before it.
    pub(super) boot: u64,
    /// The same as in `inside`, for whoever only wants to know that there is nothing to do.
    recording: AtomicBool,
    pub(super) inside: Mutex<Inside>,
}

#[derive(Default)]
pub(super) struct Inside {
    recording: bool,
    pub(super) closed: bool,
    pub(super) recent: Recent,
    /// Streams that are told live.
    pub(super) index: Index,
    /// All streams.
    streams: usize,
    /// When the last of them went, on the steady clock.
    deserted_at: std::time::Duration,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            boot: fastrand::u64(..),
            recording: AtomicBool::new(false),
            inside: Mutex::default(),
        }
    }
}

impl Hub {
    fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Acquire)
    }

    fn announce(&self, event: Event) {
        let mut told = Announced::from(event);
        let mut wakers = Vec::new();
        let forgotten;
        {
            let mut inside = self.inside.lock();
            if !inside.recording {
                return;
            }
            if inside.streams == 0 && now().steady.saturating_sub(inside.deserted_at) > LINGER {
                inside.recording = false;
                self.recording.store(false, Ordering::Release);
                let forgotten = inside.recent.forget();
                drop(inside);
                drop(forgotten);
                return;
            }
            told.position = inside.recent.next();
            let told = Arc::new(told);
            inside.index.deliver(&told, &mut wakers);
            forgotten = inside.recent.push(told);
        }
        // It may be the last to hold tasks, which take a while to drop.
        drop(forgotten);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// One more stream: from now on events are remembered.
    pub(super) fn enter(&self) {
        let mut inside = self.inside.lock();
        inside.streams += 1;
        inside.recording = true;
        self.recording.store(true, Ordering::Release);
    }

    /// One fewer.
    pub(super) fn leave(&self, id: u64, filter: &EventFilter) {
        let mut inside = self.inside.lock();
        inside.index.remove(id, filter);
        inside.streams -= 1;
        inside.deserted_at = now().steady;
    }

    fn close(&self) {
        let queues = {
            let mut inside = self.inside.lock();
            inside.closed = true;
            inside.index.queues()
        };
        for queue in queues {
            queue.close();
        }
    }
}
