//! The events of the server's own parts: `observability.*`.

use std::sync::Arc;

use super::declare::declare_events;
use super::{Fact, FieldKind, example};
use crate::models::{Name, TaskId};
use FieldKind::{Number, Text};

/// What the server observed about its own parts. The payload of each is declared below it.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerFact {
    /// The number of tasks in all queues, sampled at intervals.
    Sampled {
        /// Tasks that can run and wait for a slot.
        queued: u64,
        /// Tasks that run.
        running: u64,
        /// Tasks that wait for their time, their dependencies or their backoff.
        delayed: u64,
        /// Tasks that are kept as `FAILED`.
        failed: u64,
    },
    /// A subscriber was too slow and missed events.
    Lagged {
        /// The subscriber's name.
        subscriber: Arc<str>,
        /// How many events it missed.
        missed: u64,
    },
    /// A service of the server failed.
    ServiceFailed {
        /// The service's name.
        service: Arc<str>,
        /// The error message.
        error: Arc<str>,
        /// How often it failed in a row; 0 if it is not started again.
        failures: u32,
    },
    /// A webhook's delivery was abandoned.
    WebhookAbandoned {
        /// The webhook.
        webhook: Name,
        /// The task that tried to deliver.
        task: TaskId,
        /// The last error message.
        error: Arc<str>,
    },
}

declare_events! {
    category: Observability;
    fired_by: "the server, about its own services, subscribers and webhooks";
    example_of: |fact| Fact::Server(fact);
    impl ServerFact, out;

    "observability.sampled": "The number of tasks in all queues, sampled at intervals";
    Self::Sampled { queued, running, delayed, failed } => {
        out.field("queued", Number, *queued, "tasks that can run and wait for a slot");
        out.field("running", Number, *running, "tasks that run");
        out.field("delayed", Number, *delayed, "tasks that wait for a time, a dependency or a backoff");
        out.field("failed", Number, *failed, "tasks that are kept as `FAILED`");
    }
    examples: [Self::Sampled { queued: 4, running: 3, delayed: 2, failed: 1 }];

    "observability.lagged": "A subscriber was too slow and missed events";
    Self::Lagged { subscriber, missed } => {
        out.field("subscriber", Text, &**subscriber, "the subscriber's name");
        out.field("missed", Number, *missed, "how many events it missed");
    }
    examples: [Self::Lagged { subscriber: "mailer".into(), missed: 7 }];

    "observability.service_failed": "A service of the server failed; it is started again after a delay only if `failures` is above 0";
    Self::ServiceFailed { service, error, failures } => {
        out.field("service", Text, &**service, "the service's name");
        out.field("error", Text, &**error, "the error message, for people");
        out.field("failures", Number, *failures, "how often it failed in a row");
    }
    examples: [Self::ServiceFailed { service: "ticker".into(), error: "no".into(), failures: 2 }];

    "observability.webhook_abandoned": "A webhook delivery failed for the last time and was abandoned";
    Self::WebhookAbandoned { webhook, task, error } => {
        out.field("webhook", Text, webhook.as_str(), "the webhook's name");
        out.field("task_id", Text, task.as_str(), "the id of the task that tried to deliver");
        out.field("error_message", Text, &**error, "the error message, for people");
    }
    examples: [Self::WebhookAbandoned {
        webhook: example::name("crm"),
        task: example::task_id("nightly-1"),
        error: "gone".into(),
    }];
}
