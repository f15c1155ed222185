//! The events of a queue: `queue.*`.

use serde_json::{Value, json};

use super::declare::declare_events;
use super::{Fact, FieldKind, example};
use crate::models::{QueueLimits, QueueSettings, Rate};
use FieldKind::{Boolean, Number, Object};

/// What an operator changed about a queue. The payload of each is declared below it.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueFact {
    /// The queue is paused: none of its tasks start.
    Paused,
    /// The queue's tasks start again.
    Resumed,
    /// The queue has these limits.
    LimitsChanged(Box<QueueSettings>),
}

declare_events! {
    category: Queue;
    fired_by: "the engine, for `PauseQueue`, `ResumeQueue` and `SetQueueLimits`";
    example_of: |fact| Fact::Queue(example::queue(), fact);
    impl QueueFact, out;

    "queue.paused": "An operator paused a queue: none of its tasks start";
    Self::Paused => {}
    examples: [Self::Paused];

    "queue.resumed": "An operator resumed a queue";
    Self::Resumed => {}
    examples: [Self::Resumed];

    "queue.limits_changed": "An operator changed the limits of a queue";
    Self::LimitsChanged(settings) => {
        let QueueSettings { limits, paused } = **settings;
        out.field("paused", Boolean, paused, "whether the queue is paused");
        out.field("weight", Number, limits.weight, "its share of starts among busy queues");
        out.optional(
            "concurrency",
            Number,
            limits.concurrency,
            "how many of its tasks may run at once; null: no limit",
        );
        out.optional(
            "max_length",
            Number,
            limits.max_length,
            "how many of its tasks may wait; null: the server's limit",
        );
        out.optional("rate", Object, limits.rate.map(rate), "its rate limit; null: none");
        out.field(
            "concurrency_per_key",
            Number,
            limits.concurrency_per_key,
            "how many tasks with one concurrency key may run at once",
        );
        out.optional(
            "rate_per_key",
            Object,
            limits.rate_per_key.map(rate),
            "the rate limit for each concurrency key; null: none",
        );
    }
    examples: [Self::LimitsChanged(Box::default()), example_limits()];
}

fn rate(rate: Rate) -> Value {
    json!({ "count": rate.count, "per_seconds": rate.per.as_secs_f64() })
}

/// An example where everything is limited.
fn example_limits() -> QueueFact {
    let rate = Some(Rate { count: 5, per: std::time::Duration::from_secs(60) });
    let limits = QueueLimits {
        concurrency: Some(2),
        max_length: Some(100),
        rate,
        rate_per_key: rate,
        ..QueueLimits::default()
    };
    QueueFact::LimitsChanged(Box::new(QueueSettings { limits, paused: false }))
}
