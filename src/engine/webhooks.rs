//! Webhooks, as far as they are stored: their definitions, what is put aside for them, and the tasks
//! that this becomes.

use std::sync::Arc;

use super::Engine;
use crate::error::{Code, Error};
use crate::models::{Fact, Name, Posted, Request, Webhook};

impl Engine {
    /// Has somebody told of events, new or in the place of one with that name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn set_webhook(&self, _webhook: Arc<Webhook>) -> Result<(), Error> {
        Err(missing())
    }

    /// Has him told no more, and drops what was put aside for him.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn delete_webhook(&self, _name: &Name) -> Result<(), Error> {
        Err(missing())
    }

    /// All webhooks, by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn webhooks(&self) -> Result<Vec<Arc<Webhook>>, Error> {
        Err(missing())
    }

    /// Up to `limit` events that are put aside for webhooks behind `after`, in order.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn outbox(&self, _after: u64, _limit: usize) -> Result<Vec<Posted>, Error> {
        Err(missing())
    }

    /// Resolves when a commit has put something aside for a webhook since it was last asked.
    pub async fn posted(&self) {
        std::future::pending().await
    }

    /// Has what was put aside at these places become these tasks, each in the commit that takes it out
    /// of the outbox. What is not there any more is passed over.
    ///
    /// # Errors
    /// The gate's refusals; `STORE_UNAVAILABLE`, `DRAINING`.
    pub async fn deliver(&self, _deliveries: Vec<(u64, Request)>) -> Result<(), Error> {
        Err(missing())
    }

    /// Announces something that is no change of anything stored; webhooks are told durably.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; nobody was told then.
    pub async fn announce(&self, _fact: Fact) -> Result<(), Error> {
        Err(missing())
    }
}

fn missing() -> Error {
    Error::new(Code::Internal, "not there yet")
}
