//! Events of a body's own.

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;

use super::bounded::Bounded;
use super::{MustNotBlock, TaskContext};
use crate::error::Error;
use crate::models::{Custom, MAX_CUSTOM_PAYLOAD_BYTES, Payload};
use crate::tasks::HostError;

/// Why an event was not announced.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// Its name is no name of a custom event.
    #[error(transparent)]
    Invalid(Error),
    /// Its payload is larger than [`MAX_CUSTOM_PAYLOAD_BYTES`].
    #[error(
        "the event's payload has {bytes} bytes as JSON; at most {MAX_CUSTOM_PAYLOAD_BYTES} are \
         accepted: store what is large, and announce where"
    )]
    TooLarge {
        /// What it has.
        bytes: usize,
    },
    /// Its payload has no form in JSON, or is there no object with fields.
    #[error("the event's payload cannot be written as a JSON object")]
    Unwritable(#[source] serde_json::Error),
    /// The body runs where nobody may wait.
    #[error(transparent)]
    MustNotBlock(#[from] MustNotBlock),
    /// The attempt is over; or it may have been announced or not.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl TaskContext {
    /// Announces an event of one's own: its name begins with `custom.`, its payload is a struct or
    /// map that serde writes as a JSON object. Subscribers, streams and webhooks are told of it like of any
    /// other, with the task and the attempt. A durable task's is stored when this returns. Of an ephemeral
    /// task's nothing is stored, and webhooks are not told. Either way nobody is told of it by an attempt
    /// that was given up.
    ///
    /// An attempt that fails afterwards has announced it nevertheless, and the next one may do so again.
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
    /// [`EmitError::Invalid`], `TooLarge`, `Unwritable`, `Host`: with [`HostError::Stale`] when the attempt
    /// is over.
    pub fn emit<T>(
        &self,
        name: &str,
        payload: &T,
    ) -> impl Future<Output = Result<(), EmitError>> + Send + use<'_, T>
    where
        T: Serialize + ?Sized,
    {
        // Written at once, so that the payload need not be shared between threads.
        let custom = self.custom(name, payload);
        async move { Ok(self.0.host.emit(self.fence(), Arc::new(custom?)).await?) }
    }

    /// [`emit`](Self::emit) for sync bodies.
    ///
    /// # Errors
    /// The same, and [`EmitError::MustNotBlock`] in inline and async bodies.
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
