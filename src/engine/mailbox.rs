//! Answers on their way back to the threads that asked: a commit may bring many, and each thread is
//! woken once for all of its own. To wake it for each costs more than the rest of the call.

use std::cell::RefCell;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::core::{Answer, Waiter};

thread_local! {
    static HERE: RefCell<Option<Arc<Mailbox>>> = const { RefCell::new(None) };
}

/// What has come for the callers of one thread. At most one answer for each of them.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    letters: Mutex<Vec<(oneshot::Sender<Answer>, Answer)>>,
    wake: Notify,
}

/// Somebody who waits for an answer, and on which thread.
#[derive(Debug)]
pub(super) struct Caller {
    sender: oneshot::Sender<Answer>,
    mailbox: Option<Arc<Mailbox>>,
}

impl Caller {
    /// A caller on this thread, and where it is answered.
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

/// Answers under way to their threads.
#[derive(Default)]
pub(super) struct Round {
    /// Those to be woken at the end. There are as many as threads that serve: few.
    woken: Vec<Arc<Mailbox>>,
}

impl Round {
    pub(super) fn answer(&mut self, caller: Caller, answer: Answer) {
        let Caller { sender, mailbox } = caller;
        let Some(mailbox) = mailbox else {
            // A caller that went away needs no answer.
            return drop(sender.send(answer));
        };
        mailbox.letters.lock().push((sender, answer));
        if !self.woken.iter().any(|woken| Arc::ptr_eq(woken, &mailbox)) {
            self.woken.push(mailbox);
        }
    }

    /// Wakes every thread that got something.
    pub(super) fn end(self) {
        for mailbox in self.woken {
            mailbox.wake.notify_one();
        }
    }
}

/// Hands out what comes for the callers of this thread, for as long as it is polled. To be spawned
/// once on a runtime that has one thread; on others answers are handed out one by one.
pub async fn deliver_here() {
    let mailbox = Arc::<Mailbox>::default();
    HERE.set(Some(mailbox.clone()));
    loop {
        mailbox.wake.notified().await;
        let letters = std::mem::take(&mut *mailbox.letters.lock());
        for (sender, answer) in letters {
            // A caller that went away needs no answer.
            drop(sender.send(answer));
        }
    }
}
