//! Graceful shutdown: first the engine drains, then it stores that it has stopped.
//!
//! `Running` → `Stopping` (the last change is on its way to the store) → `Stopped`. A stop that the
//! store refuses leads back to `Running`.

use std::time::Duration;

use crate::error::{Code, Error};

#[derive(Debug)]
pub(crate) struct Shutdown<W> {
    draining: bool,
    state: ShutdownState<W>,
}

#[derive(Debug)]
enum ShutdownState<W> {
    Running,
    /// The last change is on its way to the store, and no write may follow it. These wait for it.
    Stopping(Vec<W>),
    Stopped,
}

/// What follows from a request to stop.
#[derive(Debug, PartialEq)]
pub(super) enum Stop<W> {
    /// The last change is to be written.
    Write,
    /// The last change is on its way; the waiter is kept.
    Wait,
    /// The last change is stored; the waiter is to be answered.
    Done(W),
}

impl<W> Default for Shutdown<W> {
    fn default() -> Self {
        Self { draining: false, state: ShutdownState::Running }
    }
}

impl<W> Shutdown<W> {
    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether the last change is stored, or on its way to the store.
    pub(crate) fn is_stopped(&self) -> bool {
        !matches!(self.state, ShutdownState::Running)
    }

    /// Begins to drain; returns whether it did not drain before.
    pub(super) fn drain(&mut self) -> bool {
        !std::mem::replace(&mut self.draining, true)
    }

    pub(super) fn stop(&mut self, waiter: W) -> Stop<W> {
        match &mut self.state {
            ShutdownState::Running => {
                self.state = ShutdownState::Stopping(vec![waiter]);
                Stop::Write
            }
            ShutdownState::Stopping(waiters) => {
                waiters.push(waiter);
                Stop::Wait
            }
            ShutdownState::Stopped => Stop::Done(waiter),
        }
    }

    /// The store accepted or refused the last change; returns who waits for it. After a refusal
    /// another stop may follow.
    pub(super) fn stop_written(&mut self, stored: bool) -> Vec<W> {
        let next = if stored { ShutdownState::Stopped } else { ShutdownState::Running };
        match std::mem::replace(&mut self.state, next) {
            ShutdownState::Stopping(waiters) => waiters,
            ShutdownState::Running | ShutdownState::Stopped => Vec::new(),
        }
    }
}

/// The answer to a caller that waits for a durable task while the server shuts down.
pub(super) fn runs_later() -> Error {
    let why = "the server is shutting down; the task is kept, and runs after the next start";
    Error::new(Code::OutcomeUnknown, why).retry_after(Duration::from_secs(1))
}

/// The answer to a request while the server shuts down.
pub(crate) fn draining() -> Error {
    Error::new(Code::Draining, "the server is shutting down").retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stop_is_answered_when_the_last_change_is_stored() {
        let mut shutdown = Shutdown::default();
        assert_eq!((shutdown.stop(1), shutdown.stop(2)), (Stop::Write, Stop::Wait));
        assert!(shutdown.is_stopped());
        assert_eq!(shutdown.stop_written(true), [1, 2]);
        assert_eq!(shutdown.stop(3), Stop::Done(3));
    }

    #[test]
    fn a_stop_that_the_store_refuses_may_be_repeated() {
        let mut shutdown = Shutdown::default();
        assert_eq!(shutdown.stop(1), Stop::Write);
        assert_eq!(shutdown.stop_written(false), [1]);
        assert!(!shutdown.is_stopped());
        assert_eq!(shutdown.stop(2), Stop::Write);
    }
}
