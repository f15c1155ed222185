//! Hands what was put aside for webhooks to the engine, which makes it tasks.
//!
//! An event stays in the outbox until the commit that makes it a task takes it out, so it is handed
//! over at least once, whenever the process ends. It is read in the order in which things happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::delivery;
use super::queue_of;
use super::request::Notice;
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::models::{Asked, Labels, Name, Posted, Request, TaskId, Webhook};
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};

/// Events that are read, and handed over, at once.
const PAGE: usize = 256;
/// What a delivery's attempt may take beyond its request: reading the webhook, looking up the host.
const SLACK: Duration = Duration::from_secs(30);
/// The delays between tries: 1 s, 5 s, 25 s, 2 min, 10 min, 52 min, 4 h, then every 6 h; less a fifth.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MULTIPLIER: f64 = 5.0;
const MAX_BACKOFF: Duration = Duration::from_secs(6 * 3600);

/// Makes events that were put aside deliveries, as they come.
pub struct Courier {
    engine: Engine,
    /// What an earlier boot left has been looked at.
    began: bool,
}

impl Courier {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, began: false }
    }

    /// Hands over all that is there. One webhook whose queue takes no more does not keep the others
    /// waiting.
    async fn hand_over(&self) -> Result<(), Error> {
        let mut refused: BTreeMap<Name, Error> = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = self.engine.outbox(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            let webhooks = self.engine.webhooks().await?;
            let mut by_webhook: BTreeMap<Name, Vec<Posted>> = BTreeMap::new();
            for posted in page {
                by_webhook.entry(posted.webhook.clone()).or_default().push(posted);
            }
            for (name, posted) in by_webhook {
                // Deleted in between; its events went with it.
                let Some(webhook) = webhooks.iter().find(|it| it.name == name) else { continue };
                if refused.contains_key(&name) {
                    continue;
                }
                let deliveries = posted
                    .iter()
                    .map(|posted| Ok((posted.position, request(webhook, posted)?)))
                    .collect::<Result<Vec<_>, Error>>()?;
                match self.engine.deliver(deliveries).await {
                    Ok(()) => {}
                    Err(error) if error.code == Code::QueueFull => {
                        refused.insert(name, error);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        match refused.pop_first() {
            Some((name, error)) => {
                Err(Error { message: format!("webhook {name}: {}", error.message), ..error })
            }
            None => Ok(()),
        }
    }
}

/// The task that tells a webhook of an event.
fn request(webhook: &Arc<Webhook>, posted: &Posted) -> Result<Request, Error> {
    let notice = Notice::of(posted);
    let id = TaskId::parse(&format!("webhook/{}/{}", webhook.name, notice.id), "id")?;
    let asked = Asked {
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
        ..Asked::default()
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
    /// Waits for something to hand over, and hands it over. What cannot be handed over is looked at
    /// again with the next turn, after the pause of a service that failed.
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        if self.began {
            self.engine.posted().await;
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
