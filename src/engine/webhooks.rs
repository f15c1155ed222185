//! Webhooks in the store: their definitions, their outbox, and the delivery tasks made of it.

use std::sync::Arc;

use super::reply::{change_result, unexpected};
use super::{Caller, Engine, gate};
use crate::clock::now;
use crate::error::{Code, Error};
use crate::models::{Event, Fact, MAX_WEBHOOKS, Name, Request, Webhook};
use crate::store::{Change, ChangeResult};

impl Engine {
    /// Creates or replaces a webhook.
    ///
    /// # Errors
    /// `WRONG_STATE` when there are [`MAX_WEBHOOKS`] already; `STORE_UNAVAILABLE`.
    pub async fn set_webhook(&self, webhook: Arc<Webhook>) -> Result<(), Error> {
        match self.admin_write(Change::SetWebhook(webhook)).await? {
            ChangeResult::LimitReached => {
                let why = format!("there are {MAX_WEBHOOKS} webhooks already; delete one first");
                Err(Error::new(Code::WrongState, why))
            }
            _ => Ok(()),
        }
    }

    /// Deletes a webhook and its outbox entries.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn delete_webhook(&self, name: &Name) -> Result<(), Error> {
        match self.admin_write(Change::DeleteWebhook { name: name.clone() }).await? {
            ChangeResult::NotFound => {
                Err(Error::new(Code::WebhookNotFound, format!("no webhook {name} is known")))
            }
            _ => Ok(()),
        }
    }

    /// Resolves after a commit that wrote to the outbox since the last call. For one caller, which reads
    /// the outbox once before: entries of an earlier process are there already.
    pub async fn outbox_written(&self) {
        self.0.outbox_written.notified().await;
    }

    /// Turns outbox entries into delivery tasks; each in one commit that also removes its entry. Skips
    /// entries that are gone. For an entry whose task exists already, only removes the entry.
    ///
    /// # Errors
    /// The gate's refusals, before anything is delivered. `QUEUE_FULL`, `STORE_UNAVAILABLE`, `DRAINING`,
    /// and `INTERNAL` for an unexpected answer of the store; some tasks may exist then.
    pub async fn deliver(&self, deliveries: Vec<(u64, Request)>) -> Result<(), Error> {
        let now = now();
        let deliveries = deliveries
            .into_iter()
            .map(|(position, request)| Ok((position, gate::check_lasting(request, &self.0, now)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        let mut pending = Vec::with_capacity(deliveries.len());
        let refused = self.0.act(|core, _, out| {
            deliveries.iter().try_for_each(|(position, task)| {
                let (sender, receiver) = Caller::new();
                let change = |delivery| Change::Deliver { position: *position, delivery };
                core.enqueue_system_task(task, change, sender, out)?;
                pending.push(receiver);
                Ok(())
            })
        });
        for receiver in pending {
            match change_result(receiver).await? {
                ChangeResult::Inserted(_)
                | ChangeResult::IdConflict(_)
                | ChangeResult::NotFound => {}
                other => return Err(unexpected(&other)),
            }
        }
        refused
    }

    /// Publishes an event that belongs to no stored change, and writes it to the outbox of webhooks.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; the event is not published then.
    pub async fn announce(&self, fact: Fact) -> Result<(), Error> {
        self.admin_write(Change::Announce(Event { at: now().wall, fact })).await.map(drop)
    }
}
