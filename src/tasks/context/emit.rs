//! Custom events, which handlers emit.

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;

use super::bounded::Bounded;
use super::{MustNotBlock, TaskContext};
use crate::error::Error;
use crate::models::{Custom, MAX_CUSTOM_PAYLOAD_BYTES, Payload};
use crate::tasks::HostError;

/// Why an event was not emitted.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// Its name is not a valid name of a custom event.
    #[error(transparent)]
    Invalid(Error),
    /// Its payload is larger than [`MAX_CUSTOM_PAYLOAD_BYTES`].
    #[error(
        "the event's payload has {bytes} bytes as JSON; at most {MAX_CUSTOM_PAYLOAD_BYTES} are \
         accepted: store large data elsewhere, and emit its place"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Its payload cannot be written as a JSON object.
    #[error("the event's payload cannot be written as a JSON object")]
    Unwritable(#[source] serde_json::Error),
    /// The handler runs where it must not block.
    #[error(transparent)]
    MustNotBlock(#[from] MustNotBlock),
    /// The host call failed. [`HostError::Stale`]: the attempt is over. Otherwise the event may be published
    /// or not.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl TaskContext {
    /// Emits a custom event. Its name starts with `custom.`; its payload is a struct or map that serde writes
    /// as a JSON object. Subscribers, streams and webhooks receive it with the task and the attempt. The
    /// event of a durable task is stored when this returns; the event of an ephemeral task is not stored,
    /// and webhooks do not receive it. An abandoned attempt emits nothing.
    ///
    /// The event stays published if the attempt fails later, and the next attempt may emit it again.
    ///
    /// ```
    /// use task_scheduler::{TaskContext, TaskError};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Paid {
    ///     order: u64,
    ///     cents: u64,
    /// }
    ///
    /// async fn charge(ctx: TaskContext, order: u64) -> Result<(), TaskError> {
    ///     ctx.emit("custom.order.paid", &Paid { order, cents: 1_299 }).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`EmitError::Invalid`], `TooLarge`, `Unwritable`, `Host`; the latter with [`HostError::Stale`] when
    /// the attempt is over.
    pub fn emit<T>(
        &self,
        name: &str,
        payload: &T,
    ) -> impl Future<Output = Result<(), EmitError>> + Send + use<'_, T>
    where
        T: Serialize + ?Sized,
    {
        // Written before the future starts, so that `T` need not be `Sync`.
        let custom = self.custom(name, payload);
        async move { Ok(self.0.host.emit(self.fence(), Arc::new(custom?)).await?) }
    }

    /// [`emit`](Self::emit) for sync handlers.
    ///
    /// # Errors
    /// The same, and [`EmitError::MustNotBlock`] in inline and async handlers.
    pub fn emit_blocking<T>(&self, name: &str, payload: &T) -> Result<(), EmitError>
    where
        T: Serialize + ?Sized,
    {
        self.blocking("emit", self.emit(name, payload))?
    }

    fn custom<T>(&self, name: &str, payload: &T) -> Result<Custom, EmitError>
    where
        T: Serialize + ?Sized,
    {
        let payload = write(payload)?;
        Custom::check(name, &payload).map_err(EmitError::Invalid)?;
        let (task, attempt) = (self.task().clone(), self.attempt());
        Ok(Custom { name: name.into(), payload, task, attempt })
    }
}

fn write<T: Serialize + ?Sized>(payload: &T) -> Result<Payload, EmitError> {
    let mut out = Bounded::to(MAX_CUSTOM_PAYLOAD_BYTES);
    serde_json::to_writer(&mut out, payload).map_err(EmitError::Unwritable)?;
    let json = out.written().map_err(|bytes| EmitError::TooLarge { bytes })?;
    serde_json::from_slice(&json).map_err(EmitError::Unwritable)
}
