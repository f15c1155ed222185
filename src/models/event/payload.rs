//! What an event says about itself, as JSON.

use serde_json::{Map, Value, json};

use super::{Event, Fact, NodeFact, QueueFact, ScheduleFact, ServerFact, TaskFact};
use crate::clock::Timestamp;
use crate::models::{Ended, QueueSettings, Rate, Task};

/// Fields by name. Sorted, so that the same event always reads the same.
pub type Payload = Map<String, Value>;

/// The largest payload of a custom event, in bytes of JSON.
pub const MAX_CUSTOM_PAYLOAD_BYTES: usize = 64 << 10;
/// How much of a result an event shows, in bytes; `GetResult` has it whole.
pub const SHOWN_RESULT_BYTES: usize = 4 << 10;

/// The bytes of a payload as JSON.
pub(super) fn size(payload: &Payload) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Neither a map of values nor a counter can refuse.
    serde_json::to_writer(&mut count, payload).map_or(usize::MAX, |()| count.0)
}

impl Event {
    /// What it says about itself. Times are RFC 3339 text, lengths of time are in seconds.
    pub fn payload(&self) -> Payload {
        match &self.fact {
            Fact::Task(task, fact) => {
                let mut said = of_task(task);
                said.extend(task_fact(task, fact));
                said
            }
            Fact::Queue(queue, fact) => {
                let mut said = queue_fact(fact);
                said.insert("queue".into(), queue.as_str().into());
                said
            }
            Fact::Schedule(name, fact) => {
                let mut said = schedule_fact(fact);
                said.insert("schedule".into(), name.as_str().into());
                said
            }
            Fact::Node(fact) => node_fact(fact),
            Fact::Server(fact) => observed(fact),
            Fact::Custom(custom) => {
                let mut said = of_task(&custom.task);
                said.insert("attempt".into(), custom.attempt.into());
                said.insert("data".into(), Value::Object(custom.payload.clone()));
                said
            }
        }
    }
}

fn map(value: Value) -> Payload {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("only objects are written here"),
    }
}

fn time(at: Timestamp) -> Value {
    at.to_string().into()
}

fn time_or_null(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, time)
}

fn of_task(task: &Task) -> Payload {
    map(json!({
        "task_id": task.id.as_str(),
        "method": &*task.method,
        "queue": task.options.queue.as_str(),
        "tags": task.options.tags(),
    }))
}

fn task_fact(task: &Task, fact: &TaskFact) -> Payload {
    map(match fact {
        TaskFact::Accepted(state) => {
            json!({ "state": state.as_str(), "priority": task.options.priority })
        }
        TaskFact::Queued | TaskFact::Requeued | TaskFact::Replaced | TaskFact::Retried => {
            json!({})
        }
        TaskFact::Started { attempt, fence } => {
            json!({ "attempt": attempt, "fence": fence.to_string() })
        }
        TaskFact::Progressed { fraction, message } => {
            json!({ "fraction": fraction, "message": &**message })
        }
        TaskFact::Retrying { attempt, failure, due } => json!({
            "attempt": attempt,
            "error_code": failure.code.as_str(),
            "error_message": failure.message,
            "due_at": time(*due),
        }),
        TaskFact::Snoozed { due } => json!({ "due_at": time(*due) }),
        TaskFact::Rescued { rescues } => json!({ "rescues": rescues }),
        TaskFact::Expanded { children } => json!({ "children": children }),
        TaskFact::CancelRequested { reason } => json!({ "reason": &**reason }),
        TaskFact::Ended(ended) | TaskFact::Resolved(ended) => return outcome(task, ended),
    })
}

/// How long a task took, what it came to or why not.
fn outcome(task: &Task, ended: &Ended) -> Payload {
    let outcome = &ended.outcome;
    let execution = outcome.started_at.map(|at| outcome.ended_at.since(at).as_secs_f64());
    let mut said = map(json!({
        "attempts": outcome.attempts,
        "execution_duration": execution,
        "total_duration": outcome.ended_at.since(task.submitted_at).as_secs_f64(),
    }));
    if let Some(failure) = outcome.failure() {
        said.insert("error_code".into(), failure.code.as_str().into());
        said.insert("error_message".into(), failure.message.into());
    }
    if let Some(result) = outcome.result() {
        let whole = result.to_string();
        let end = whole.floor_char_boundary(SHOWN_RESULT_BYTES);
        said.insert("result".into(), whole[..end].into());
        said.insert("result_truncated".into(), (end < whole.len()).into());
    }
    said
}

fn queue_fact(fact: &QueueFact) -> Payload {
    map(match fact {
        QueueFact::Paused | QueueFact::Resumed => json!({}),
        QueueFact::LimitsChanged(settings) => {
            let QueueSettings { limits, paused } = **settings;
            json!({
                "paused": paused,
                "weight": limits.weight,
                "concurrency": limits.concurrency,
                "max_length": limits.max_length,
                "rate": limits.rate.map(rate),
                "concurrency_per_key": limits.concurrency_per_key,
                "rate_per_key": limits.rate_per_key.map(rate),
            })
        }
    })
}

fn rate(rate: Rate) -> Value {
    json!({ "count": rate.count, "per_seconds": rate.per.as_secs_f64() })
}

fn schedule_fact(fact: &ScheduleFact) -> Payload {
    map(match fact {
        ScheduleFact::Created { next }
        | ScheduleFact::Updated { next }
        | ScheduleFact::Enabled { next } => json!({ "next_run_at": time_or_null(*next) }),
        ScheduleFact::Deleted | ScheduleFact::Disabled => json!({}),
        ScheduleFact::Executed { occurrence, task, manual } => json!({
            "occurrence": time(*occurrence),
            "task_id": task.as_str(),
            "manual": manual,
        }),
        ScheduleFact::Skipped { occurrence } => json!({ "occurrence": time(*occurrence) }),
        ScheduleFact::Missed { count, last } => json!({ "count": count, "last": time(*last) }),
        ScheduleFact::Failed { occurrence, task, failure } => json!({
            "occurrence": time(*occurrence),
            "task_id": task.as_str(),
            "error_code": failure.code.as_str(),
            "error_message": failure.message,
        }),
    })
}

fn node_fact(fact: &NodeFact) -> Payload {
    map(match fact {
        NodeFact::Started { epoch, version } => json!({ "epoch": epoch, "version": version }),
        NodeFact::Draining => json!({}),
        NodeFact::Stopped { epoch } => json!({ "epoch": epoch }),
        NodeFact::Crashed { epoch, last_alive, rescued, quarantined } => json!({
            "epoch": epoch,
            "last_alive_at": time(*last_alive),
            "rescued": rescued,
            "quarantined": quarantined,
        }),
    })
}

fn observed(fact: &ServerFact) -> Payload {
    map(match fact {
        ServerFact::Sampled { queued, running, delayed, failed } => json!({
            "queued": queued,
            "running": running,
            "delayed": delayed,
            "failed": failed,
        }),
        ServerFact::Lagged { subscriber, missed } => {
            json!({ "subscriber": &**subscriber, "missed": missed })
        }
        ServerFact::ServiceFailed { service, error, failures } => json!({
            "service": &**service,
            "error": &**error,
            "failures": failures,
        }),
        ServerFact::WebhookAbandoned { webhook, task, error } => json!({
            "webhook": webhook.as_str(),
            "task_id": task.as_str(),
            "error_message": &**error,
        }),
    })
}
