//! The courier: turns outbox entries into delivery tasks, at least once and in the order of the events.
//!
//! The commit that inserts the delivery task also removes the outbox entry, so that no crash loses an
//! event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::counts::Counts;
use super::delivery;
use super::queue_of;
use super::request::DeliveryPayload;
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::models::{Labels, Name, OutboxEntry, Request, TaskId, TaskOptions, Webhook};
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};

/// The number of outbox entries that are read and enqueued at once.
const PAGE: usize = 256;
/// The time of an attempt beyond the timeout of its request: for reading the webhook and DNS.
const SLACK: Duration = Duration::from_secs(30);
/// Exponential backoff between attempts: 1 s, 5 s, 25 s, 2 min, 10 min, 52 min, 4 h, then every 6 h, each
/// up to a fifth shorter.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MULTIPLIER: f64 = 5.0;
const MAX_BACKOFF: Duration = Duration::from_secs(6 * 3600);

/// The pause before a full queue is tried again.
const FULL_QUEUE_PAUSE: Duration = Duration::from_secs(5);

/// The service that turns outbox entries into delivery tasks.
pub struct Courier {
    engine: Engine,
    counts: Arc<Counts>,
    /// The position of the last entry that was enqueued or skipped.
    after: u64,
    /// The entries that full queues refused.
    backlog: Option<Backlog>,
    /// The webhooks whose full queue was logged already.
    logged: BTreeSet<Name>,
    /// Whether the outbox was read to its end, so that every later entry causes a notification.
    caught_up: bool,
}

/// The outbox entries of webhooks whose queues are full.
struct Backlog {
    /// The webhooks with a full queue. Their later entries are skipped, too, which keeps their order.
    webhooks: BTreeSet<Name>,
    /// The position before the first skipped entry.
    after: u64,
    /// When to try again.
    retry_at: Instant,
}

impl Courier {
    pub(super) fn new(engine: Engine, counts: Arc<Counts>) -> Self {
        Self { engine, counts, after: 0, backlog: None, logged: BTreeSet::new(), caught_up: false }
    }

    /// Waits for an outbox entry, or for the time to try the backlog again.
    async fn wait(&mut self) {
        let Some(retry_at) = self.backlog.as_ref().map(|backlog| backlog.retry_at) else {
            return self.engine.outbox_written().await;
        };
        tokio::select! {
            () = self.engine.outbox_written() => {}
            () = tokio::time::sleep_until(retry_at) => {}
        }
        // Not for every new entry, because the backlog may be long.
        if Instant::now() >= retry_at
            && let Some(backlog) = self.backlog.take()
        {
            self.after = backlog.after;
            self.logged = backlog.webhooks;
        }
    }

    /// Enqueues all outbox entries. Skips webhooks whose queue is full, so that the others do not wait.
    async fn enqueue_all(&mut self) -> Result<(), Error> {
        loop {
            let page = self.engine.outbox(self.after, PAGE).await?;
            let Some(last) = page.last().map(|entry| entry.position) else { return Ok(()) };
            let webhooks = self.engine.webhooks().await?;
            let mut by_webhook: BTreeMap<Name, Vec<OutboxEntry>> = BTreeMap::new();
            for entry in page {
                by_webhook.entry(entry.webhook.clone()).or_default().push(entry);
            }
            for (name, entries) in by_webhook {
                // Deleted meanwhile, together with its entries.
                let Some(webhook) = webhooks.iter().find(|it| it.name == name) else { continue };
                if self.backlog.as_ref().is_some_and(|it| it.webhooks.contains(&name)) {
                    continue;
                }
                let deliveries = entries
                    .iter()
                    .map(|entry| Ok((entry.position, request(webhook, entry)?)))
                    .collect::<Result<Vec<_>, Error>>()?;
                match self.engine.deliver(deliveries).await {
                    Ok(()) => {}
                    Err(error) if error.code == Code::QueueFull => {
                        let first = entries.first().map_or(last, |entry| entry.position);
                        self.skip(name, first, &error);
                    }
                    Err(error) => return Err(error),
                }
            }
            self.after = last;
        }
    }

    /// Skips the entries of a webhook from this one on.
    fn skip(&mut self, webhook: Name, first: u64, error: &Error) {
        // Logged once, however long the queue stays full.
        if !self.logged.contains(&webhook) {
            tracing::warn!(%webhook, %error, "webhook queue is full; its events wait in the outbox");
        }
        self.counts.failed(webhook.as_str(), &error.message);
        let before = first.saturating_sub(1);
        let backlog = self.backlog.get_or_insert_with(|| Backlog {
            webhooks: BTreeSet::new(),
            after: before,
            retry_at: Instant::now() + FULL_QUEUE_PAUSE,
        });
        backlog.after = backlog.after.min(before);
        backlog.webhooks.insert(webhook);
    }
}

/// The delivery task of an outbox entry.
fn request(webhook: &Arc<Webhook>, entry: &OutboxEntry) -> Result<Request, Error> {
    let payload = DeliveryPayload::of(entry);
    let id = TaskId::parse(&format!("webhook/{}/{}", webhook.name, payload.id), "id")?;
    let options = TaskOptions {
        queue: Some(queue_of(&webhook.name)),
        timeout: Some(webhook.timeout + SLACK),
        retries: Some(webhook.retries),
        backoff_base: Some(BACKOFF),
        backoff_multiplier: Some(BACKOFF_MULTIPLIER),
        backoff_max: Some(MAX_BACKOFF),
        labels: Labels {
            initiator: format!("webhook/{}", webhook.name),
            reason: entry.event.clone(),
            ..Labels::default()
        },
        ..TaskOptions::default()
    };
    Ok(Request {
        id: Some(id),
        method: delivery::method(),
        args: payload.into_args(),
        deps: Vec::new(),
        options: Some(Box::new(options)),
    })
}

#[async_trait]
impl Executable for Courier {
    fn name(&self) -> &str {
        "courier"
    }
}

#[async_trait]
impl BackgroundTask for Courier {
    /// Waits for outbox entries and enqueues them. After a failure of the store, the next turn reads the
    /// outbox again.
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        if self.caught_up {
            self.wait().await;
        }
        // Entries that a failed turn leaves behind cause no further notification.
        self.caught_up = false;
        match self.enqueue_all().await {
            Ok(()) => {
                self.caught_up = true;
                Ok(())
            }
            // The outbox keeps its entries for the next start.
            Err(error) if error.code == Code::Draining => std::future::pending().await,
            Err(error) => Err(SchedulerError::TaskExecution(error.to_string())),
        }
    }
}
