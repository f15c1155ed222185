//! Webhooks, for the doors and for programs that have a system inside.

use super::TaskSystem;
use crate::error::Error;
use crate::models::{Name, Secret};
use crate::webhooks::{Draft, Status};

impl TaskSystem {
    /// Has somebody told of events over HTTP from now on, new or in the place of one with that name.
    /// Answers also the secret that requests are signed with if one was made: nobody can ask for it
    /// again.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, `WRONG_STATE` when there are too many, `STORE_UNAVAILABLE`.
    pub async fn put_webhook(&self, draft: Draft) -> Result<(Status, Option<Secret>), Error> {
        self.webhooks.put(draft).await
    }

    /// A webhook, and how it stands.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn webhook(&self, name: &Name) -> Result<Status, Error> {
        self.webhooks.get(name).await
    }

    /// All webhooks, by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn webhooks(&self) -> Result<Vec<Status>, Error> {
        self.webhooks.list().await
    }

    /// Has somebody told no more. What was put aside for him is dropped, deliveries that have not ended
    /// are cancelled, and those that were given up stay listed.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn delete_webhook(&self, name: &Name) -> Result<(), Error> {
        self.webhooks.delete(name).await
    }
}
