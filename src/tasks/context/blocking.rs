//! Waiting on a thread that is a sync body's own.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::TaskContext;
use crate::tasks::HandlerKind;

/// Why a body cannot wait for its host on the spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MustNotBlock {
    /// It runs on the thread that serves calls, and its host may need that very thread.
    #[error("an inline body must not wait for `{0}`; make it `#[sync_task]` without `inline`")]
    Inline(&'static str),
    /// It runs on the bodies' async runtime, which others need meanwhile.
    #[error("an async body must not block; await `{0}` instead")]
    Async(&'static str),
}

impl TaskContext {
    /// Waits for a host on this thread, if it is the body's own; `verb` is the call to make instead.
    pub(super) fn blocking<T>(
        &self,
        verb: &'static str,
        host: impl Future<Output = T>,
    ) -> Result<T, MustNotBlock> {
        match self.0.kind {
            HandlerKind::Sync => Ok(block_on(host)),
            HandlerKind::Inline => Err(MustNotBlock::Inline(verb)),
            HandlerKind::Async => Err(MustNotBlock::Async(verb)),
        }
    }
}

/// Polls on this thread, which sleeps in between. Needs no runtime, and works where one is entered.
pub(in crate::tasks) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let sleeper = Arc::new(Sleeper { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(sleeper.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // Not by the thread's own token alone: what is polled may park this thread, too.
            Poll::Pending => {
                while !sleeper.woken.swap(false, Ordering::Acquire) {
                    thread::park();
                }
            }
        }
    }
}

struct Sleeper {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
