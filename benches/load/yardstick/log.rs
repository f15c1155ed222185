//! The log: a request is on the disk before it is answered.
//!
//! One thread writes whatever has gathered while it wrote last, with one fdatasync for all of it, and
//! then wakes each serving thread once; that one wakes its calls. So a commit costs as many wake-ups
//! between threads as there are serving threads, not calls.

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

/// What the serving threads and the writer share.
pub(super) struct Log {
    gathered: Arc<Gathered>,
}

struct Gathered {
    batch: Mutex<Batch>,
    filled: Condvar,
}

/// What will be written next. Bounded by the calls in flight.
struct Batch {
    /// Counts from 1.
    number: u64,
    requests: Vec<u8>,
    /// Of every serving thread.
    lanes: Vec<Arc<Lane>>,
}

/// A serving thread.
#[derive(Default)]
struct Lane {
    /// The last batch that is on the disk.
    written: AtomicU64,
    grown: Notify,
    /// Who waits for which batch, the first first. Only this thread looks here. At most one for each
    /// call in flight.
    waiting: Mutex<VecDeque<(u64, Waker)>>,
}

impl Log {
    /// Makes the file and starts the thread that writes.
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

/// Done when the batch is on the disk.
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
        // Looked at first and put there second, on the thread that wakes: nothing comes between.
        let mut waiting = self.lane.waiting.lock();
        let place = waiting.partition_point(|(batch, _)| *batch <= self.batch);
        waiting.insert(place, (self.batch, context.waker().clone()));
        Poll::Pending
    }
}
