//! Who elsewhere is told of events over HTTP, at least once.
//!
//! A commit puts an event aside for each webhook that asked for it, in the outbox. The [`Courier`]
//! makes each of those a task in the same commit that takes it out of the outbox; the task's body
//! sends one signed request. So retries, their delays, limits and dead letters are those of tasks: what
//! was given up is `FAILED` in the queue `webhook.NAME`, and running it again sends it again.
//!
//! Only callers on this machine can define a webhook, and its URL may lead anywhere, to this machine
//! too: whoever may define one may run tasks here anyway.

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

pub use check::{DEFAULT_RETRIES, DEFAULT_TIMEOUT, Draft, MAX_RETRIES, MAX_TIMEOUT, MIN_TIMEOUT};
pub use courier::Courier;
pub use signature::{
    ID_HEADER, NotGenuine, SIGNATURE_HEADER, SignedHeaders, TIMESTAMP_HEADER, TOLERANCE, verify,
};

use crate::clock;
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::models::{
    CancelRequest, CancelVerdict, Name, QueueLimits, QueueName, Secret, TaskFilter, Webhook,
};
use crate::store::QueueState;
use crate::tasks::TaskHandler;
use counts::{Count, Counts};
use delivery::Delivery;
use sender::Sender;

/// What the queue of a webhook's deliveries begins with; its name follows.
pub const QUEUE_PREFIX: &str = "webhook.";
/// The requests to one webhook that are under way at once, unless its queue is limited otherwise.
pub const CONCURRENCY: u32 = 8;

/// The webhooks of a system. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    engine: Engine,
    counts: Arc<Counts>,
}

/// A webhook, and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// As it was defined. Its secret is for nobody.
    pub webhook: Arc<Webhook>,
    /// Deliveries that have not ended.
    pub unfinished: u64,
    /// Events that it took since this start.
    pub delivered: u64,
    /// Events that were given up since this start.
    pub abandoned: u64,
    /// What went wrong last since this start.
    pub last_error: String,
    /// Where its deliveries stand, and those that were given up.
    pub queue: String,
}

/// What the queue of a webhook's deliveries is called.
fn queue_of(webhook: &Name) -> String {
    format!("{QUEUE_PREFIX}{webhook}")
}

/// What is allowed to a queue that nobody limited otherwise.
fn limits() -> QueueLimits {
    QueueLimits { concurrency: Some(CONCURRENCY), ..QueueLimits::default() }
}

impl Webhooks {
    /// Of this engine.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn of(engine: Engine) -> Result<Self, Error> {
        let counts = Counts::default();
        for webhook in engine.webhooks().await? {
            counts.remember(webhook.name.as_str());
        }
        Ok(Self { engine, counts: Arc::new(counts) })
    }

    /// The method whose tasks tell webhooks of events.
    pub fn handler(&self) -> Arc<dyn TaskHandler> {
        Arc::new(Delivery {
            engine: self.engine.downgrade(),
            sender: Sender::default(),
            counts: self.counts.clone(),
        })
    }

    /// The service that makes events that were put aside tasks.
    pub fn courier(&self) -> Courier {
        Courier::new(self.engine.clone(), self.counts.clone())
    }

    /// Has somebody told of events from now on, new or in the place of one with that name. Answers
    /// also the secret if one was made: nobody can ask for it again.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `WRONG_STATE` when there are [`MAX_WEBHOOKS`](crate::models::MAX_WEBHOOKS)
    /// already; `STORE_UNAVAILABLE`, and `QUEUE_FULL` when there are too many queues: he may be told all
    /// the same then.
    pub async fn put(&self, draft: Draft) -> Result<(Status, Option<Secret>), Error> {
        let known = self.engine.webhook(&draft.name).await?;
        let (webhook, made) = check::check(draft, known.as_deref(), clock::now().wall)?;
        let webhook = Arc::new(webhook);
        let queue = QueueName::parse(&queue_of(&webhook.name), "webhook.name")?;
        self.engine.set_webhook(webhook.clone()).await?;
        self.counts.remember(webhook.name.as_str());
        // One that was refused leaves no queue behind. Limits of somebody's own stay.
        let queues = self.engine.queues().await?;
        let limited = find(&queues, queue.as_str()).map(|status| status.settings.limits);
        if limited.is_none_or(|limited| limited == QueueLimits::default()) {
            self.engine.limit(&queue, limits()).await?;
        }
        Ok((self.status(webhook, &queues), made))
    }

    /// One of them, and how it stands.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn get(&self, name: &Name) -> Result<Status, Error> {
        let Some(webhook) = self.engine.webhook(name).await? else {
            return Err(Error::new(Code::WebhookNotFound, format!("no webhook {name} is known")));
        };
        Ok(self.status(webhook, &self.engine.queues().await?))
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn list(&self) -> Result<Vec<Status>, Error> {
        let webhooks = self.engine.webhooks().await?;
        let queues = self.engine.queues().await?;
        Ok(webhooks.into_iter().map(|webhook| self.status(webhook, &queues)).collect())
    }

    /// Has somebody told no more: what was put aside for him is dropped, and deliveries that have not
    /// ended are cancelled. Those that were given up stay listed.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, `STORE_UNAVAILABLE`; it is deleted all the same if what fails comes after
    /// that, and what is left of its deliveries ends `CANCELLED` when its time comes.
    pub async fn delete(&self, name: &Name) -> Result<(), Error> {
        self.engine.delete_webhook(name).await?;
        self.counts.forget(name.as_str());
        let queue = QueueName::parse(&queue_of(name), "name")?;
        let unfinished = TaskFilter {
            states: TaskFilter::UNFINISHED.into(),
            queue: Some(queue.clone()),
            method: Some(delivery::method()),
            ..TaskFilter::default()
        };
        let reason = format!("webhook {name} was deleted");
        let cancel = CancelRequest { ids: Vec::new(), matching: Some(unfinished), reason };
        // So many at once as the engine looks at, until there is none that has not started. Those that
        // run have been told.
        loop {
            let verdicts = self.engine.cancel(cancel.clone()).await?;
            if !verdicts.iter().any(|(_, verdict)| *verdict == CancelVerdict::Cancelled) {
                break;
            }
        }
        let queues = self.engine.queues().await?;
        let limited = find(&queues, queue.as_str()).map(|status| status.settings.limits);
        if limited == Some(limits()) {
            self.engine.limit(&queue, QueueLimits::default()).await?;
        }
        Ok(())
    }

    fn status(&self, webhook: Arc<Webhook>, queues: &[QueueState]) -> Status {
        let queue = queue_of(&webhook.name);
        let unfinished = find(queues, &queue).map_or(0, |status| status.waiting() + status.running);
        let Count { delivered, abandoned, last_error } = self.counts.of(webhook.name.as_str());
        Status { webhook, unfinished, delivered, abandoned, last_error, queue }
    }
}

fn find<'a>(queues: &'a [QueueState], name: &str) -> Option<&'a QueueState> {
    queues.iter().find(|status| status.queue.as_str() == name)
}
