//! Hands what was put aside for webhooks to the engine, which makes it tasks.
//!
//! An event stays in the outbox until the commit that makes it a task takes it out, so it is handed
//! over at least once, whenever the process ends. It is read in the order in which things happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::counts::Counts;
use super::delivery;
use super::queue_of;
use super::request::Notice;
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::models::{Labels, Name, OutboxEntry, Request, TaskId, TaskOptions, Webhook};
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};

/// Events that are read, and handed over, at once.
const PAGE: usize = 256;
/// What a delivery's attempt may take beyond its request: reading the webhook, looking up the host.
const SLACK: Duration = Duration::from_secs(30);
/// The delays between tries: 1 s, 5 s, 25 s, 2 min, 10 min, 52 min, 4 h, then every 6 h; less a fifth.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MULTIPLIER: f64 = 5.0;
const MAX_BACKOFF: Duration = Duration::from_secs(6 * 3600);

/// How long what a full queue refused is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// Makes events that were put aside deliveries, as they come.
pub struct Courier {
    engine: Engine,
    counts: Arc<Counts>,
    /// Where the last event was that was handed over, or refused.
    after: u64,
    /// What full queues did not take.
    refused: Option<Refused>,
    /// Whose queues were full when that was looked at before.
    known: BTreeSet<Name>,
    /// What an earlier boot left has been looked at.
    began: bool,
}

/// Events that wait until their webhooks' queues take them.
struct Refused {
    /// Whose queues are full. Nobody is asked to take more of theirs before the others are looked at
    /// again: they would come out of order.
    webhooks: BTreeSet<Name>,
    /// Nothing up to here was refused.
    after: u64,
    /// When they are looked at again.
    again: Instant,
}

impl Courier {
    pub(super) fn new(engine: Engine, counts: Arc<Counts>) -> Self {
        Self { engine, counts, after: 0, refused: None, known: BTreeSet::new(), began: false }
    }

    /// Waits until something was put aside, or what was refused is worth another try.
    async fn wait(&mut self) {
        let Some(again) = self.refused.as_ref().map(|refused| refused.again) else {
            return self.engine.posted().await;
        };
        tokio::select! {
            () = self.engine.posted() => {}
            () = tokio::time::sleep_until(again) => {}
        }
        // Not each time that something is put aside: what was refused may be much to read.
        if Instant::now() >= again
            && let Some(refused) = self.refused.take()
        {
            self.after = refused.after;
            self.known = refused.webhooks;
        }
    }

    /// Hands over all that is there. A webhook whose queue takes no more is stepped over: the others do
    /// not wait for it, and nothing has failed.
    async fn hand_over(&mut self) -> Result<(), Error> {
        loop {
            let page = self.engine.outbox(self.after, PAGE).await?;
            let Some(last) = page.last().map(|posted| posted.position) else { return Ok(()) };
            let webhooks = self.engine.webhooks().await?;
            let mut by_webhook: BTreeMap<Name, Vec<OutboxEntry>> = BTreeMap::new();
            for posted in page {
                by_webhook.entry(posted.webhook.clone()).or_default().push(posted);
            }
            for (name, posted) in by_webhook {
                // Deleted in between; its events went with it.
                let Some(webhook) = webhooks.iter().find(|it| it.name == name) else { continue };
                if self.refused.as_ref().is_some_and(|it| it.webhooks.contains(&name)) {
                    continue;
                }
                let deliveries = posted
                    .iter()
                    .map(|posted| Ok((posted.position, request(webhook, posted)?)))
                    .collect::<Result<Vec<_>, Error>>()?;
                match self.engine.deliver(deliveries).await {
                    Ok(()) => {}
                    Err(error) if error.code == Code::QueueFull => {
                        let first = posted.first().map_or(last, |posted| posted.position);
                        self.step_over(name, first, &error);
                    }
                    Err(error) => return Err(error),
                }
            }
            self.after = last;
        }
    }

    /// Leaves the events of a webhook alone from this one on.
    fn step_over(&mut self, webhook: Name, first: u64, error: &Error) {
        // Said once, however long it stays full.
        if !self.known.contains(&webhook) {
            tracing::warn!(%webhook, %error, "a webhook's queue takes no more events for now");
        }
        self.counts.failed(webhook.as_str(), &error.message);
        let before = first.saturating_sub(1);
        let refused = self.refused.get_or_insert_with(|| Refused {
            webhooks: BTreeSet::new(),
            after: before,
            again: Instant::now() + PAUSE,
        });
        refused.after = refused.after.min(before);
        refused.webhooks.insert(webhook);
    }
}

/// The task that tells a webhook of an event.
fn request(webhook: &Arc<Webhook>, posted: &OutboxEntry) -> Result<Request, Error> {
    let notice = Notice::of(posted);
    let id = TaskId::parse(&format!("webhook/{}/{}", webhook.name, notice.id), "id")?;
    let asked = TaskOptions {
        queue: Some(queue_of(&webhook.name)),
        timeout: Some(webhook.timeout + SLACK),
        retries: Some(webhook.retries),
        backoff_base: Some(BACKOFF),
        backoff_multiplier: Some(BACKOFF_MULTIPLIER),
        backoff_max: Some(MAX_BACKOFF),
        labels: Labels {
            initiator: format!("webhook/{}", webhook.name),
            reason: posted.event.clone(),
            ..Labels::default()
        },
        ..TaskOptions::default()
    };
    Ok(Request {
        id: Some(id),
        method: delivery::method(),
        args: notice.into_args(),
        deps: Vec::new(),
        options: Some(Box::new(asked)),
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
    /// Waits for something to hand over, and hands it over. What a store that fails keeps from being
    /// handed over is looked at again with the next turn, after the pause of a service that failed.
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        if self.began {
            self.wait().await;
        }
        // Until a turn succeeded there may be something that nobody says once more.
        self.began = false;
        match self.hand_over().await {
            Ok(()) => {
                self.began = true;
                Ok(())
            }
            // It stays where it is for the next start, and this one ends.
            Err(error) if error.code == Code::Draining => std::future::pending().await,
            Err(error) => Err(SchedulerError::TaskExecution(error.to_string())),
        }
    }
}
