//! Webhooks, as far as they are stored: their definitions, what is put aside for them, and the tasks
//! that this becomes.

use std::sync::Arc;

use super::by_hand::{said, unexpected};
use super::{Caller, Engine, gate};
use crate::clock::now;
use crate::error::{Code, Error};
use crate::models::{Event, Fact, MAX_WEBHOOKS, Name, OutboxEntry, Request, Webhook};
use crate::store::{Change, ChangeResult};

impl Engine {
    /// Has somebody told of events, new or in the place of one with that name.
    ///
    /// # Errors
    /// `WRONG_STATE` when there are [`MAX_WEBHOOKS`] already; `STORE_UNAVAILABLE`.
    pub async fn set_webhook(&self, webhook: Arc<Webhook>) -> Result<(), Error> {
        match self.by_hand(Change::SetWebhook(webhook)).await? {
            ChangeResult::LimitReached => {
                let why = format!("there are {MAX_WEBHOOKS} webhooks already; delete one first");
                Err(Error::new(Code::WrongState, why))
            }
            _ => Ok(()),
        }
    }

    /// Has him told no more, and drops what was put aside for him.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn delete_webhook(&self, name: &Name) -> Result<(), Error> {
        match self.by_hand(Change::DeleteWebhook { name: name.clone() }).await? {
            ChangeResult::NotFound => {
                Err(Error::new(Code::WebhookNotFound, format!("no webhook {name} is known")))
            }
            _ => Ok(()),
        }
    }

    /// All webhooks, by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn webhooks(&self) -> Result<Vec<Arc<Webhook>>, Error> {
        Ok(self.0.store.webhooks().await?)
    }

    /// The webhook with this name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn webhook(&self, name: &Name) -> Result<Option<Arc<Webhook>>, Error> {
        Ok(self.0.store.webhook(name).await?)
    }

    /// Up to `limit` events that are put aside for webhooks behind `after`, in order.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxEntry>, Error> {
        Ok(self.0.store.outbox(after, limit).await?)
    }

    /// Resolves when a commit has put something aside for a webhook since it was last asked. For one
    /// listener, who looks once before: what an earlier boot put aside is there already.
    pub async fn posted(&self) {
        self.0.posted.notified().await;
    }

    /// Has what was put aside at these places become these tasks, each in the commit that takes it out
    /// of the outbox. What is not there any more is passed over, and what is a task already is only
    /// taken out.
    ///
    /// # Errors
    /// The gate's refusals, and then nothing is delivered; `QUEUE_FULL`, `STORE_UNAVAILABLE`,
    /// `DRAINING`, `INTERNAL` for an answer that no store gives to this, and then some may have
    /// been.
    pub async fn deliver(&self, deliveries: Vec<(u64, Request)>) -> Result<(), Error> {
        let now = now();
        let deliveries = deliveries
            .into_iter()
            .map(|(position, request)| Ok((position, gate::check_lasting(request, &self.0, now)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        let mut delivered = Vec::with_capacity(deliveries.len());
        let refused = self.0.act(|core, _, out| {
            deliveries.iter().try_for_each(|(position, task)| {
                let (sender, receiver) = Caller::new();
                let change = |delivery| Change::Deliver { position: *position, delivery };
                core.enqueue_system_task(task, change, sender, out)?;
                delivered.push(receiver);
                Ok(())
            })
        });
        for receiver in delivered {
            match said(receiver).await? {
                ChangeResult::Inserted(_)
                | ChangeResult::IdConflict(_)
                | ChangeResult::NotFound => {}
                other => return Err(unexpected(&other)),
            }
        }
        refused
    }

    /// Announces something that is no change of anything stored; webhooks are told durably.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; nobody was told then.
    pub async fn announce(&self, fact: Fact) -> Result<(), Error> {
        self.by_hand(Change::Announce(Event { at: now().wall, fact })).await.map(drop)
    }
}
