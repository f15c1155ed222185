//! [`Host`]: the calls that handlers make through their context. The engine implements it, and so does
//! the fake host of [`testing`](crate::testing).

use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Now;
use crate::error::Error;
use crate::models::{Custom, Fence, Outcome, Request, TaskId};

/// Why a host call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The attempt was abandoned: its task runs in another attempt, or has ended. Nothing that the handler
    /// still does is stored; it should return.
    #[error("this attempt is over: its task runs in another attempt, or has ended")]
    Stale,
    /// The call was refused, or could not be stored.
    #[error(transparent)]
    Refused(#[from] Error),
}

/// Performs the calls of running handlers. The fence of a call names the attempt that makes it.
#[async_trait]
pub trait Host: Send + Sync {
    /// Stores a checkpoint for the next attempt; `None` clears it.
    ///
    /// # Errors
    /// [`HostError`]; it may be stored or not.
    async fn checkpoint(&self, fence: Fence, data: Option<Arc<[u8]>>) -> Result<(), HostError>;

    /// Stores a child and returns its id. Idempotent: joins the existing child with the same id and
    /// content.
    ///
    /// # Errors
    /// [`HostError`], with the refusals of any request.
    async fn spawn(&self, fence: Fence, child: Request) -> Result<TaskId, HostError>;

    /// Waits until children of the attempt have ended, and returns their outcomes in the order of the ids.
    /// The attempt has no slot while it waits.
    ///
    /// # Errors
    /// [`HostError`], also for a task that is not a child of the attempt.
    async fn join(&self, fence: Fence, children: Vec<TaskId>) -> Result<Vec<Outcome>, HostError>;

    /// Stores and publishes a custom event.
    ///
    /// # Errors
    /// [`HostError`]; it may be published or not.
    async fn emit(&self, fence: Fence, custom: Arc<Custom>) -> Result<(), HostError>;

    /// The context has progress or log lines to store. Not called again before the host takes them. Must
    /// not block.
    fn output_available(&self, fence: Fence);

    /// The current time.
    fn now(&self) -> Now;
}
