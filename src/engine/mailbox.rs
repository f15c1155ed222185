//! Delivers answers to the threads of their callers. One commit may answer many callers; each thread is
//! woken once for all of its callers, because waking it for each costs more than the rest of the call.

use std::cell::RefCell;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::core::{Answer, Waiter};

thread_local! {
    static HERE: RefCell<Option<Arc<Mailbox>>> = const { RefCell::new(None) };
}

/// The replies for the callers of one thread: at most one for each caller.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    replies: Mutex<Vec<(oneshot::Sender<Answer>, Answer)>>,
    wake: Notify,
}

/// A caller that waits for an answer, and the mailbox of its thread.
#[derive(Debug)]
pub(super) struct Caller {
    sender: oneshot::Sender<Answer>,
    mailbox: Option<Arc<Mailbox>>,
}

impl Caller {
    /// A caller on this thread, and the receiver of its answer.
    pub(super) fn new() -> (Self, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        let mailbox = HERE.with_borrow(Clone::clone);
        (Self { sender, mailbox }, receiver)
    }
}

impl Waiter for Caller {
    fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }
}

/// A batch of answers on their way to their threads.
#[derive(Default)]
pub(super) struct Delivery {
    /// The mailboxes to wake at the end: at most one for each serving thread.
    mailboxes: Vec<Arc<Mailbox>>,
}

impl Delivery {
    pub(super) fn answer(&mut self, caller: Caller, answer: Answer) {
        let Caller { sender, mailbox } = caller;
        let Some(mailbox) = mailbox else {
            // Sending fails when the caller is gone, which needs no answer.
            return drop(sender.send(answer));
        };
        mailbox.replies.lock().push((sender, answer));
        if !self.mailboxes.iter().any(|known| Arc::ptr_eq(known, &mailbox)) {
            self.mailboxes.push(mailbox);
        }
    }

    /// Wakes every thread that has a reply.
    pub(super) fn wake(self) {
        for mailbox in self.mailboxes {
            mailbox.wake.notify_one();
        }
    }
}

/// Delivers the answers of this thread's callers in batches, for as long as it is polled. Spawn it once
/// on a current-thread runtime; on other runtimes each answer wakes its caller by itself.
pub async fn deliver_here() {
    let mailbox = Arc::<Mailbox>::default();
    HERE.set(Some(mailbox.clone()));
    loop {
        mailbox.wake.notified().await;
        let replies = std::mem::take(&mut *mailbox.replies.lock());
        for (sender, answer) in replies {
            // Sending fails when the caller is gone, which needs no answer.
            drop(sender.send(answer));
        }
    }
}
