//! The method that tells a webhook of one event. A delivery is a task like any other: it waits in its
//! webhook's own queue, is tried again, and is `FAILED` when it was given up.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::counts::Counts;
use super::request::Notice;
use super::sender::Sender;
use crate::clock;
use crate::engine::WeakEngine;
use crate::models::{
    ArgValue, Ending, Fact, Name, Outcome, SYSTEM_NAMESPACE, ServerFact, Task, Webhook,
};
use crate::tasks::{HandlerResult, TaskContext, TaskError, TaskHandler};

/// The method's name in [`SYSTEM_NAMESPACE`].
const NAME: &str = "webhook";
/// The event that a delivery was given up.
const ABANDONED: &str = "observability.webhook_abandoned";

/// Tells webhooks of events.
pub(super) struct Delivery {
    /// Weak: the engine has this.
    pub(super) engine: WeakEngine,
    pub(super) sender: Sender,
    pub(super) counts: Arc<Counts>,
}

/// `system/webhook`.
pub(super) fn method() -> String {
    format!("{SYSTEM_NAMESPACE}/{NAME}")
}

impl Delivery {
    /// Who is to be told, as he is now.
    async fn webhook(&self, name: &str) -> Result<Arc<Webhook>, TaskError> {
        let Some(engine) = self.engine.upgrade() else {
            return Err(TaskError::new("the server stops"));
        };
        let name = Name::parse(name, "webhook")
            .map_err(|error| TaskError::permanent(error.to_string()))?;
        match engine.webhook(&name).await? {
            None => Err(TaskError::cancel(format!("there is no webhook {name} any more"))),
            Some(webhook) if !webhook.enabled => {
                Err(TaskError::cancel(format!("webhook {name} is disabled")))
            }
            Some(webhook) => Ok(webhook),
        }
    }

    /// Asks once; a receiver who is busy can have the next try later than after `least`, not sooner.
    async fn deliver(&self, args: Vec<ArgValue>, least: Duration) -> HandlerResult {
        let notice =
            Notice::from_args(args).map_err(|error| TaskError::permanent(error.to_string()))?;
        let webhook = self.webhook(&notice.webhook).await?;
        let status = self.sender.send(&webhook, &notice, clock::now().wall, least).await?;
        Ok(i64::from(status.as_u16()).into())
    }

    /// Says that a delivery was given up. Nobody is told that it could not be told of that, or two
    /// webhooks that are both dead would be told of each other for ever.
    async fn announce(&self, task: &Task, notice: &Notice, error: &str) {
        if notice.event == ABANDONED {
            return;
        }
        let (Ok(webhook), Some(engine)) =
            (Name::parse(&notice.webhook, "webhook"), self.engine.upgrade())
        else {
            return;
        };
        let (task, error) = (task.id.clone(), Arc::from(error));
        let abandoned = ServerFact::WebhookAbandoned { webhook, task, error };
        if let Err(error) = engine.announce(Fact::Server(abandoned)).await {
            tracing::warn!(%error, "cannot announce that a delivery was given up");
        }
    }
}

#[async_trait]
impl TaskHandler for Delivery {
    fn name(&self) -> String {
        method()
    }

    async fn execute(&self, task: &Task, ctx: &TaskContext, args: Vec<ArgValue>) -> HandlerResult {
        let least = task.options.retry.delay(ctx.attempt());
        tokio::select! {
            told = self.deliver(args, least) => told,
            // A request that is under way is broken off; the receiver may have read it.
            () = ctx.cancelled() => Err(TaskError::new("told to stop")),
        }
    }

    async fn on_retry(&self, task: &Task, _: u32, error: &TaskError) {
        if let Ok(notice) = Notice::from_args(task.args.clone()) {
            self.counts.failed(&notice.webhook, error.message());
        }
    }

    async fn on_failure(&self, task: &Task, outcome: &Outcome) {
        let Ok(notice) = Notice::from_args(task.args.clone()) else { return };
        // What was cancelled was not given up.
        let Ending::Failed(failure) = &outcome.ending else { return };
        tracing::warn!(
            webhook = notice.webhook,
            task_id = %task.id,
            event = notice.event,
            error = failure.message,
            "gave up telling a webhook of an event"
        );
        self.counts.abandoned(&notice.webhook, &failure.message);
        self.announce(task, &notice, &failure.message).await;
    }

    async fn on_success(&self, task: &Task, _: &Outcome) {
        if let Ok(notice) = Notice::from_args(task.args.clone()) {
            self.counts.delivered(&notice.webhook);
        }
    }
}
