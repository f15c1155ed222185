//! Where a body's words go: the little that bodies need of the engine.
//!
//! Bodies stand below the engine and do not know it; what they say goes through [`Host`], which the
//! engine implements, and the fake one of [`testing`](crate::testing).

use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Now;
use crate::error::Error;
use crate::models::{Custom, Fence, Outcome, Request, TaskId};

/// Why a host did not do what a body asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The body was given up meanwhile: its task runs elsewhere or has ended, and nothing that the
    /// body still does counts. It should return.
    #[error("this attempt is over: its task was given to another one, or has ended")]
    Stale,
    /// It was refused, or could not be done.
    #[error(transparent)]
    Refused(#[from] Error),
}

/// What takes the words of bodies. Each names the claim that it is about.
#[async_trait]
pub trait Host: Send + Sync {
    /// Keeps what the next attempt is to find; `None`: nothing. Stored before it returns.
    ///
    /// # Errors
    /// [`HostError`]; whether it is stored is unknown then.
    async fn checkpoint(&self, fence: Fence, data: Option<Arc<[u8]>>) -> Result<(), HostError>;

    /// Takes a child in; one with that id and the same content is joined. Stored before it returns.
    /// Answers the child's id.
    ///
    /// # Errors
    /// [`HostError`]: what refuses any other request refuses a child, too.
    async fn spawn(&self, fence: Fence, child: Request) -> Result<TaskId, HostError>;

    /// Waits until those children of the attempt have ended; their slots are the attempt's
    /// meanwhile. Answers in the order asked.
    ///
    /// # Errors
    /// [`HostError`], also for a task that is no child of the attempt's.
    async fn join(&self, fence: Fence, children: Vec<TaskId>) -> Result<Vec<Outcome>, HostError>;

    /// Announces what the body says happened. Stored before it returns.
    ///
    /// # Errors
    /// [`HostError`]; whether it was announced is unknown then.
    async fn emit(&self, fence: Fence, custom: Arc<Custom>) -> Result<(), HostError>;

    /// The body said something: its context has progress or log lines to be taken. Not told again
    /// before they were. Never blocks.
    fn output_available(&self, fence: Fence);

    /// The present.
    fn now(&self) -> Now;
}
