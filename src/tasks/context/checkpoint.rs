//! Checkpoints: the state that an attempt leaves to the next one.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounded::Bounded;
use super::{MustNotBlock, TaskContext};
use crate::tasks::HostError;

/// The largest checkpoint, in bytes of JSON.
pub const MAX_CHECKPOINT_BYTES: usize = 4 << 20;

/// Why a checkpoint was not saved, cleared or loaded.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is larger than [`MAX_CHECKPOINT_BYTES`]. The last saved checkpoint stays.
    #[error("the checkpoint has {bytes} bytes; at most {MAX_CHECKPOINT_BYTES} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It cannot be written as JSON. The last saved checkpoint stays.
    #[error("the checkpoint cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// The saved checkpoint is not of the requested type.
    #[error("the saved checkpoint is not of the requested type")]
    Unreadable(#[source] serde_json::Error),
    /// The handler runs where it must not block.
    #[error(transparent)]
    MustNotBlock(#[from] MustNotBlock),
    /// The host call failed; the checkpoint may be stored or not.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// The checkpoint that this attempt saved or found.
#[derive(Debug)]
pub(super) struct Checkpoint(Mutex<Option<Arc<[u8]>>>);

impl Checkpoint {
    pub(super) fn new(found: Option<Arc<[u8]>>) -> Self {
        Self(Mutex::new(found))
    }
}

impl TaskContext {
    /// Saves a checkpoint as JSON for the next attempt, and replaces the last one. It is stored when this
    /// returns, so it survives a crash. Of two concurrent calls, either may be the last.
    ///
    /// ```
    /// # use task_scheduler::{TaskContext, TaskError};
    /// # async fn send(page: u64) -> Result<(), TaskError> { Ok(()) }
    /// async fn send_all(ctx: TaskContext, pages: u64) -> Result<(), TaskError> {
    ///     for page in ctx.load_checkpoint()?.unwrap_or(0)..pages {
    ///         send(page).await?;
    ///         ctx.save_checkpoint(&(page + 1)).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`CheckpointError::TooLarge`] past [`MAX_CHECKPOINT_BYTES`], `Unwritable`, `Host`.
    pub fn save_checkpoint<T>(
        &self,
        state: &T,
    ) -> impl Future<Output = Result<(), CheckpointError>> + Send
    where
        T: Serialize + ?Sized,
    {
        // Written before the future starts, so that `T` need not be `Sync`.
        let data = write(state);
        async move { self.put_checkpoint(Some(data?)).await }
    }

    /// [`save_checkpoint`](Self::save_checkpoint) for sync handlers.
    ///
    /// # Errors
    /// The same, and [`CheckpointError::MustNotBlock`] in inline and async handlers.
    pub fn save_checkpoint_blocking<T>(&self, state: &T) -> Result<(), CheckpointError>
    where
        T: Serialize + ?Sized,
    {
        self.blocking("save_checkpoint", self.save_checkpoint(state))?
    }

    /// Loads the last checkpoint of this or an earlier attempt; `None` if there is none.
    ///
    /// # Errors
    /// [`CheckpointError::Unreadable`] when the checkpoint is not a `T`: an older version of the handler may
    /// have saved it.
    pub fn load_checkpoint<T: DeserializeOwned>(&self) -> Result<Option<T>, CheckpointError> {
        let Some(data) = self.0.checkpoint.0.lock().clone() else { return Ok(None) };
        serde_json::from_slice(&data).map(Some).map_err(CheckpointError::Unreadable)
    }

    /// Deletes the checkpoint: the next attempt starts from the beginning.
    ///
    /// # Errors
    /// [`CheckpointError::Host`].
    pub async fn clear_checkpoint(&self) -> Result<(), CheckpointError> {
        self.put_checkpoint(None).await
    }

    /// [`clear_checkpoint`](Self::clear_checkpoint) for sync handlers.
    ///
    /// # Errors
    /// The same, and [`CheckpointError::MustNotBlock`] in inline and async handlers.
    pub fn clear_checkpoint_blocking(&self) -> Result<(), CheckpointError> {
        self.blocking("clear_checkpoint", self.clear_checkpoint())?
    }

    async fn put_checkpoint(&self, data: Option<Arc<[u8]>>) -> Result<(), CheckpointError> {
        self.0.host.checkpoint(self.fence(), data.clone()).await?;
        *self.0.checkpoint.0.lock() = data;
        Ok(())
    }
}

fn write<T: Serialize + ?Sized>(state: &T) -> Result<Arc<[u8]>, CheckpointError> {
    let mut out = Bounded::to(MAX_CHECKPOINT_BYTES);
    serde_json::to_writer(&mut out, state).map_err(CheckpointError::Unwritable)?;
    match out.written() {
        Ok(data) => Ok(data.into()),
        Err(bytes) => Err(CheckpointError::TooLarge { bytes }),
    }
}
