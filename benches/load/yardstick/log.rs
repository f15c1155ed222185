//! The log: writes each request to the disk before it answers.
//!
//! One thread writes all requests that arrived during its last write, with one fdatasync, and then wakes
//! each serving thread once; the serving thread wakes its calls. A commit therefore costs one wake-up per
//! serving thread, not per call.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use parking_lot::{Condvar, Mutex};
use prost::Message;
use tokio::sync::Notify;

use super::{Gate, Gates};

/// The state that the serving threads and the writer share.
pub(super) struct Log {
    gathered: Arc<Gathered>,
}

struct Gathered {
    batch: Mutex<Batch>,
    filled: Condvar,
}

/// The next batch. Bounded by the calls in flight.
struct Batch {
    /// The number of the batch, from 1.
    number: u64,
    requests: Vec<u8>,
    /// One entry for every serving thread.
    lanes: Vec<Arc<Lane>>,
}

/// A serving thread.
#[derive(Default)]
struct Lane {
    /// The last batch that is on the disk.
    written: AtomicU64,
    grown: Notify,
    /// The calls that wait, by batch, the oldest first. Only this thread reads it. At most one for each
    /// call in flight.
    waiting: Mutex<VecDeque<(u64, Waker)>>,
}

impl Log {
    /// Creates the file and starts the writer thread.
    pub(super) fn start() -> Self {
        let file = File::create_new("log").expect("a file in an empty folder");
        let batch = Batch { number: 1, requests: Vec::new(), lanes: Vec::new() };
        let gathered = Arc::new(Gathered { batch: Mutex::new(batch), filled: Condvar::new() });
        let log = Self { gathered: gathered.clone() };
        thread::spawn(move || gathered.write_to(file));
        log
    }
}

impl Gathered {
    fn write_to(&self, mut file: File) -> ! {
        let mut writing = Vec::new();
        let mut lanes = Vec::new();
        loop {
            let mut batch = self.batch.lock();
            while batch.requests.is_empty() {
                self.filled.wait(&mut batch);
            }
            writing.clear();
            std::mem::swap(&mut writing, &mut batch.requests);
            lanes.clone_from(&batch.lanes);
            let number = batch.number;
            batch.number += 1;
            drop(batch);
            file.write_all(&writing).expect("room on the disk");
            file.sync_data().expect("a sound disk");
            for lane in &lanes {
                lane.written.store(number, Ordering::Release);
                lane.grown.notify_one();
            }
        }
    }
}

impl Lane {
    /// Wakes the calls whose batch is on the disk, whenever there is a new one.
    async fn wake_calls(&self) {
        loop {
            self.grown.notified().await;
            let written = self.written.load(Ordering::Acquire);
            let mut waiting = self.waiting.lock();
            let ready = waiting.partition_point(|(batch, _)| *batch <= written);
            for (_, call) in waiting.drain(..ready) {
                call.wake();
            }
        }
    }
}

impl Gates for Log {
    type Gate = LogGate;

    fn opener(&self) -> impl FnOnce() -> LogGate + Send + 'static {
        let gathered = self.gathered.clone();
        move || {
            let lane = Arc::new(Lane::default());
            gathered.batch.lock().lanes.push(lane.clone());
            let waker = lane.clone();
            // Lives as long as the thread's runtime: until the process ends.
            tokio::spawn(async move { waker.wake_calls().await });
            LogGate { gathered, lane }
        }
    }
}

#[derive(Clone)]
pub(super) struct LogGate {
    gathered: Arc<Gathered>,
    lane: Arc<Lane>,
}

impl Gate for LogGate {
    type Passed = Written;

    fn pass(&self, request: &impl Message) -> Written {
        let mut batch = self.gathered.batch.lock();
        let was_empty = batch.requests.is_empty();
        request.encode_length_delimited(&mut batch.requests).expect("a vector has room");
        let number = batch.number;
        drop(batch);
        if was_empty {
            self.gathered.filled.notify_one();
        }
        Written { batch: number, lane: self.lane.clone() }
    }
}

/// Completes when the batch is on the disk.
pub(super) struct Written {
    batch: u64,
    lane: Arc<Lane>,
}

impl Future for Written {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.lane.written.load(Ordering::Acquire) >= self.batch {
            return Poll::Ready(());
        }
        // The check and the registration run on the thread that wakes, so no wake-up is lost between them.
        let mut waiting = self.lane.waiting.lock();
        let place = waiting.partition_point(|(batch, _)| *batch <= self.batch);
        waiting.insert(place, (self.batch, context.waker().clone()));
        Poll::Pending
    }
}
