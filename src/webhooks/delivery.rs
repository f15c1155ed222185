//! The method that delivers one event to a webhook. A delivery is a task: it waits in its webhook's queue,
//! is retried, and is `FAILED` when it is abandoned.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::counts::Counts;
use super::request::DeliveryPayload;
use super::sender::Sender;
use crate::clock;
use crate::engine::WeakEngine;
use crate::models::{
    ArgValue, Ending, Fact, Name, Outcome, SYSTEM_NAMESPACE, ServerFact, Task, Webhook,
};
use crate::tasks::{HandlerResult, TaskContext, TaskError, TaskHandler};

/// The method's name in [`SYSTEM_NAMESPACE`].
const NAME: &str = "webhook";
/// The event for an abandoned delivery.
const ABANDONED: &str = "observability.webhook_abandoned";

/// The handler of delivery tasks.
pub(super) struct Delivery {
    /// Weak, because the engine owns this handler.
    pub(super) engine: WeakEngine,
    pub(super) sender: Sender,
    pub(super) counts: Arc<Counts>,
}

/// `system/webhook`.
pub(super) fn method() -> String {
    format!("{SYSTEM_NAMESPACE}/{NAME}")
}

impl Delivery {
    /// The current definition of the webhook.
    async fn webhook(&self, name: &str) -> Result<Arc<Webhook>, TaskError> {
        let Some(engine) = self.engine.upgrade() else {
            return Err(TaskError::new("the server is stopping"));
        };
        let name = Name::parse(name, "webhook")
            .map_err(|error| TaskError::permanent(error.to_string()))?;
        match engine.webhook(&name).await? {
            None => Err(TaskError::cancel(format!("webhook {name} was deleted"))),
            Some(webhook) if !webhook.enabled => {
                Err(TaskError::cancel(format!("webhook {name} is disabled")))
            }
            Some(webhook) => Ok(webhook),
        }
    }

    /// Sends one request. A busy receiver can delay the retry beyond `min_delay`, not hasten it.
    async fn deliver(&self, args: Vec<ArgValue>, min_delay: Duration) -> HandlerResult {
        let payload = DeliveryPayload::from_args(args)
            .map_err(|error| TaskError::permanent(error.to_string()))?;
        let webhook = self.webhook(&payload.webhook).await?;
        let status = self.sender.send(&webhook, &payload, clock::now().wall, min_delay).await?;
        Ok(i64::from(status.as_u16()).into())
    }

    /// Announces `observability.webhook_abandoned`. Abandoned deliveries of that event announce nothing,
    /// or two dead webhooks would trigger each other forever.
    async fn announce(&self, task: &Task, payload: &DeliveryPayload, error: &str) {
        if payload.event == ABANDONED {
            return;
        }
        let (Ok(webhook), Some(engine)) =
            (Name::parse(&payload.webhook, "webhook"), self.engine.upgrade())
        else {
            return;
        };
        let (task, error) = (task.id.clone(), Arc::from(error));
        let abandoned = ServerFact::WebhookAbandoned { webhook, task, error };
        if let Err(error) = engine.announce(Fact::Server(abandoned)).await {
            tracing::warn!(%error, "cannot announce an abandoned webhook delivery");
        }
    }
}

#[async_trait]
impl TaskHandler for Delivery {
    fn name(&self) -> String {
        method()
    }

    async fn execute(&self, task: &Task, ctx: &TaskContext, args: Vec<ArgValue>) -> HandlerResult {
        let min_delay = task.options.retry.delay(ctx.attempt());
        tokio::select! {
            result = self.deliver(args, min_delay) => result,
            // Aborts the request; the receiver may have handled it.
            () = ctx.cancelled() => Err(TaskError::new("cancelled")),
        }
    }

    async fn on_retry(&self, task: &Task, _: u32, error: &TaskError) {
        if let Ok(payload) = DeliveryPayload::from_args(task.args.clone()) {
            self.counts.failed(&payload.webhook, error.message());
        }
    }

    async fn on_failure(&self, task: &Task, outcome: &Outcome) {
        let Ok(payload) = DeliveryPayload::from_args(task.args.clone()) else { return };
        // A cancelled delivery is not abandoned.
        let Ending::Failed(failure) = &outcome.ending else { return };
        tracing::warn!(
            webhook = payload.webhook,
            task_id = %task.id,
            event = payload.event,
            error = failure.message,
            "webhook delivery abandoned"
        );
        self.counts.abandoned(&payload.webhook, &failure.message);
        self.announce(task, &payload, &failure.message).await;
    }

    async fn on_success(&self, task: &Task, _: &Outcome) {
        if let Ok(payload) = DeliveryPayload::from_args(task.args.clone()) {
            self.counts.delivered(&payload.webhook);
        }
    }
}
