//! Blocking calls for sync handlers, which run on a thread of their own.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::TaskContext;
use crate::tasks::HandlerKind;

/// Why a handler must not block on a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MustNotBlock {
    /// An inline handler runs on the thread that serves calls, and its host may need that thread.
    #[error("an inline handler must not wait for `{0}`; make it `#[sync_task]` without `inline`")]
    Inline(&'static str),
    /// An async handler would block the handlers' async runtime.
    #[error("an async handler must not block; await `{0}` instead")]
    Async(&'static str),
}

impl TaskContext {
    /// Waits for a host call on this thread if the handler is sync. `verb` names the async call for the
    /// error.
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

/// Polls a future on this thread, which sleeps between polls. Needs no runtime; also works inside one.
pub(in crate::tasks) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let sleeper = Arc::new(Sleeper { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(sleeper.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // A flag beside the thread's park token, because the future may park this thread, too.
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
