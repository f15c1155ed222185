//! Webhooks: at-least-once delivery of events over HTTP, with signed requests.
//!
//! A commit writes each event to the outbox once for every webhook whose filter matches. The [`Courier`]
//! turns an outbox entry into a delivery task, in the commit that removes the entry; the task's handler
//! sends one signed request. Retries, exponential backoff, limits and dead letters are therefore those
//! of tasks: an abandoned delivery is `FAILED` in the queue `webhook.NAME`, and retrying it sends it
//! again.
//!
//! Only callers on this machine can define a webhook. Its URL may point anywhere, also to this machine:
//! a caller who may define webhooks may run tasks here anyway.

mod check;
mod counts;
mod courier;
mod delivery;
mod request;
mod resolver;
mod secret;
mod sender;
mod signature;

use std::sync::Arc;

pub use check::{
    DEFAULT_RETRIES, DEFAULT_TIMEOUT, MAX_RETRIES, MAX_TIMEOUT, MIN_TIMEOUT, WebhookRequest,
};
pub use courier::Courier;
pub use signature::{
    ID_HEADER, NotGenuine, SIGNATURE_HEADER, SignedHeaders, TIMESTAMP_HEADER, TOLERANCE, verify,
};

use crate::clock;
use crate::engine::Engine;
use crate::engine::QueueState;
use crate::error::{Code, Error};
use crate::models::{
    CancelRequest, CancelVerdict, Name, QueueLimits, QueueName, Secret, TaskFilter, Webhook,
};
use crate::tasks::TaskHandler;
use counts::{Count, Counts};
use delivery::Delivery;
use sender::Sender;

/// The prefix of the queue of a webhook's deliveries; the webhook's name follows.
pub const QUEUE_PREFIX: &str = "webhook.";
/// The default maximum of concurrent requests to one webhook: the concurrency limit of its queue.
pub const CONCURRENCY: u32 = 8;

/// The webhooks of a system. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    engine: Engine,
    counts: Arc<Counts>,
}

/// A webhook and its delivery counts.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookStatus {
    /// The webhook. Do not show its secret.
    pub webhook: Arc<Webhook>,
    /// The number of deliveries that have not ended.
    pub unfinished: u64,
    /// The number of events delivered since the server started.
    pub delivered: u64,
    /// The number of deliveries abandoned since the server started.
    pub abandoned: u64,
    /// The last error since the server started; empty without one.
    pub last_error: String,
    /// The queue of its deliveries.
    pub queue: String,
}

/// The name of the queue of a webhook's deliveries.
fn queue_of(webhook: &Name) -> String {
    format!("{QUEUE_PREFIX}{webhook}")
}

/// The limits of a delivery queue that the operator did not limit otherwise.
fn default_limits() -> QueueLimits {
    QueueLimits { concurrency: Some(CONCURRENCY), ..QueueLimits::default() }
}

impl Webhooks {
    /// The webhooks of this engine.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn of(engine: Engine) -> Result<Self, Error> {
        let counts = Counts::default();
        for webhook in engine.webhooks().await? {
            counts.add(webhook.name.as_str());
        }
        Ok(Self { engine, counts: Arc::new(counts) })
    }

    /// The method of delivery tasks.
    pub fn handler(&self) -> Arc<dyn TaskHandler> {
        Arc::new(Delivery {
            engine: self.engine.downgrade(),
            sender: Sender::default(),
            counts: self.counts.clone(),
        })
    }

    /// The service that turns outbox entries into delivery tasks.
    pub fn courier(&self) -> Courier {
        Courier::new(self.engine.clone(), self.counts.clone())
    }

    /// Creates or replaces the webhook with this name. Also returns its secret if this call generated
    /// one: the secret cannot be read again.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `WRONG_STATE` if there are [`MAX_WEBHOOKS`](crate::models::MAX_WEBHOOKS)
    /// already; `STORE_UNAVAILABLE`, `QUEUE_FULL` (too many queues): the webhook may be stored even so.
    pub async fn put(
        &self,
        request: WebhookRequest,
    ) -> Result<(WebhookStatus, Option<Secret>), Error> {
        let existing = self.engine.webhook(&request.name).await?;
        let (webhook, secret) = check::check(request, existing.as_deref(), clock::now().wall)?;
        let webhook = Arc::new(webhook);
        let queue = QueueName::parse(&queue_of(&webhook.name), "webhook.name")?;
        self.engine.set_webhook(webhook.clone()).await?;
        self.counts.add(webhook.name.as_str());
        // After the write, so that a refused webhook leaves no queue behind. The operator's limits stay.
        let queues = self.engine.queues().await?;
        let limits = find(&queues, queue.as_str()).map(|status| status.settings.limits);
        if limits.is_none_or(|limits| limits == QueueLimits::default()) {
            self.engine.limit(&queue, default_limits()).await?;
        }
        Ok((self.status(webhook, &queues), secret))
    }

    /// A webhook and its delivery counts.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn get(&self, name: &Name) -> Result<WebhookStatus, Error> {
        let Some(webhook) = self.engine.webhook(name).await? else {
            return Err(Error::new(Code::WebhookNotFound, format!("no webhook {name} is known")));
        };
        Ok(self.status(webhook, &self.engine.queues().await?))
    }

    /// All webhooks, in the order of their names.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn list(&self) -> Result<Vec<WebhookStatus>, Error> {
        let webhooks = self.engine.webhooks().await?;
        let queues = self.engine.queues().await?;
        Ok(webhooks.into_iter().map(|webhook| self.status(webhook, &queues)).collect())
    }

    /// Deletes a webhook: drops its outbox entries and cancels its unfinished deliveries. Abandoned
    /// deliveries stay listed.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, `STORE_UNAVAILABLE`. After an error the webhook may be deleted; a delivery
    /// that is left then ends `CANCELLED` when it is attempted.
    pub async fn delete(&self, name: &Name) -> Result<(), Error> {
        self.engine.delete_webhook(name).await?;
        self.counts.remove(name.as_str());
        let queue = QueueName::parse(&queue_of(name), "name")?;
        let unfinished = TaskFilter {
            states: TaskFilter::UNFINISHED.into(),
            queue: Some(queue.clone()),
            method: Some(delivery::method()),
            ..TaskFilter::default()
        };
        let reason = format!("webhook {name} was deleted");
        let cancel = CancelRequest { ids: Vec::new(), matching: Some(unfinished), reason };
        // One call cancels a limited number of tasks. Running ones are signalled once and may still run.
        loop {
            let verdicts = self.engine.cancel(cancel.clone()).await?;
            if !verdicts.iter().any(|(_, verdict)| *verdict == CancelVerdict::Cancelled) {
                break;
            }
        }
        let queues = self.engine.queues().await?;
        let limits = find(&queues, queue.as_str()).map(|status| status.settings.limits);
        if limits == Some(default_limits()) {
            self.engine.limit(&queue, QueueLimits::default()).await?;
        }
        Ok(())
    }

    fn status(&self, webhook: Arc<Webhook>, queues: &[QueueState]) -> WebhookStatus {
        let queue = queue_of(&webhook.name);
        let unfinished = find(queues, &queue).map_or(0, |status| status.waiting() + status.running);
        let Count { delivered, abandoned, last_error } = self.counts.of(webhook.name.as_str());
        WebhookStatus { webhook, unfinished, delivered, abandoned, last_error, queue }
    }
}

fn find<'a>(queues: &'a [QueueState], name: &str) -> Option<&'a QueueState> {
    queues.iter().find(|status| status.queue.as_str() == name)
}
