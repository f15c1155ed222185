//! One event of every kind, as it could be: what the catalogue shows, and what tests are fed with.

use std::sync::Arc;
use std::time::Duration;

use super::catalog::{self, CUSTOM};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::models::{
    ArgValue, Custom, Ended, Ending, Event, Fact, Failure, Fence, Name, NodeFact, Outcome, Payload,
    QueueFact, QueueLimits, QueueName, QueueSettings, Rate, ScheduleFact, ServerFact, State, Task,
    TaskFact, TaskId, TaskMaker,
};

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(seconds))
}

pub(super) fn event(fact: Fact) -> Event {
    Event { at: at(100), fact }
}

/// A task of this queue with this tag.
pub(super) fn task(id: &str, queue: &str, tag: &str) -> Arc<Task> {
    let task = TaskMaker::new(id).submitted_at(at(10)).with(|options| {
        options.queue = QueueName::parse(queue, "queue").expect("a good name");
        options.labels.get_or_insert_default().tags = vec![tag.to_owned()];
    });
    Arc::new(task.make())
}

#[cfg(test)]
pub(super) fn queued(id: &str, queue: &str, tag: &str) -> Event {
    event(Fact::Task(task(id, queue, tag), TaskFact::Queued))
}

pub(super) fn custom(name: &str) -> Event {
    let mut payload = Payload::new();
    payload.insert("order".into(), 7.into());
    let custom = Custom { name: name.into(), payload, task: task("t-1", "mail", "eu"), attempt: 1 };
    event(Fact::Custom(Arc::new(custom)))
}

#[cfg(test)]
pub(super) fn lagged(missed: u64) -> Event {
    event(Fact::Server(ServerFact::Lagged { subscriber: "mailer".into(), missed }))
}

pub(super) fn ended(ending: Ending, started: bool) -> Arc<Ended> {
    let started_at = started.then(|| at(20));
    let outcome = Outcome { ending, attempts: u32::from(started), started_at, ended_at: at(30) };
    Arc::new(Ended { task: task("t-1", "mail", "eu"), outcome })
}

fn failure() -> Failure {
    Failure { code: Code::HandlerFailed, message: "out of ink".into() }
}

/// The first with that name; any custom event for `custom.*`.
pub(super) fn of(name: &str) -> Option<Event> {
    match name {
        CUSTOM => Some(custom("custom.order_paid")),
        name if catalog::is_custom(name) => Some(custom(name)),
        name => all().into_iter().find(|event| event.name() == name),
    }
}

/// At least one of every kind, and of every form of its payload.
pub(super) fn all() -> Vec<Event> {
    let (due, next) = (at(200), Some(at(300)));
    let result = Ending::Succeeded(Arc::new(ArgValue::from("done")));
    let tasks = [
        TaskFact::Accepted(State::Queued),
        TaskFact::Queued,
        TaskFact::Started { attempt: 1, fence: Fence { epoch: 1, counter: 2 } },
        TaskFact::Progressed { fraction: 0.5, message: "half".into() },
        TaskFact::Retrying { attempt: 1, failure: Arc::new(failure()), due },
        TaskFact::Snoozed { due },
        TaskFact::Requeued,
        TaskFact::Rescued { rescues: 1 },
        TaskFact::Expanded { children: 3 },
        TaskFact::CancelRequested { reason: "not wanted".into() },
        TaskFact::Replaced,
        TaskFact::Ended(ended(result.clone(), true)),
        TaskFact::Ended(ended(Ending::Skipped, false)),
        TaskFact::Ended(ended(Ending::Failed(failure()), true)),
        TaskFact::Ended(ended(Ending::Failed(failure()), false)),
        TaskFact::Ended(ended(Ending::Cancelled("not wanted".into()), true)),
        TaskFact::Ended(ended(Ending::Cancelled("not wanted".into()), false)),
        TaskFact::Ended(ended(Ending::Expired, false)),
        TaskFact::Retried,
        TaskFact::Resolved(ended(result.clone(), true)),
        TaskFact::Resolved(ended(result, false)),
    ];
    let limited =
        |limits| QueueFact::LimitsChanged(Box::new(QueueSettings { limits, paused: false }));
    let rate = Some(Rate { count: 5, per: Duration::from_secs(60) });
    let bounded = QueueLimits {
        concurrency: Some(2),
        max_length: Some(100),
        rate,
        rate_per_key: rate,
        ..QueueLimits::default()
    };
    let queues =
        [QueueFact::Paused, QueueFact::Resumed, limited(QueueLimits::default()), limited(bounded)];
    let id = TaskId::parse("nightly-1", "id").expect("a good id");
    let schedules = [
        ScheduleFact::Created { next },
        ScheduleFact::Created { next: None },
        ScheduleFact::Updated { next },
        ScheduleFact::Updated { next: None },
        ScheduleFact::Deleted,
        ScheduleFact::Enabled { next },
        ScheduleFact::Enabled { next: None },
        ScheduleFact::Disabled,
        ScheduleFact::Executed { occurrence: due, task: id.clone(), manual: false },
        ScheduleFact::Skipped { occurrence: due },
        ScheduleFact::Missed { count: 3, last: due },
        ScheduleFact::Failed { occurrence: due, task: id.clone(), failure: Arc::new(failure()) },
    ];
    let nodes = [
        NodeFact::Started { epoch: 2, version: "0.1.0" },
        NodeFact::Draining,
        NodeFact::Stopped { epoch: 2 },
        NodeFact::Crashed { epoch: 1, last_alive: at(5), rescued: 2, quarantined: 1 },
    ];
    let name = |name| Name::parse(name, "name").expect("a good name");
    let observed = [
        ServerFact::Sampled { queued: 4, running: 3, delayed: 2, failed: 1 },
        ServerFact::Lagged { subscriber: "mailer".into(), missed: 7 },
        ServerFact::ServiceFailed { service: "ticker".into(), error: "no".into(), failures: 2 },
        ServerFact::WebhookAbandoned { webhook: name("crm"), task: id, error: "gone".into() },
    ];
    let queue = QueueName::parse("mail", "queue").expect("a good name");
    let about = |fact| Fact::Task(task("t-1", "mail", "eu"), fact);
    let mut all: Vec<Event> = tasks.into_iter().map(|fact| event(about(fact))).collect();
    all.extend(queues.into_iter().map(|fact| event(Fact::Queue(queue.clone(), fact))));
    all.extend(schedules.into_iter().map(|fact| event(Fact::Schedule(name("nightly"), fact))));
    all.extend(nodes.into_iter().map(|fact| event(Fact::Node(fact))));
    all.extend(observed.into_iter().map(|fact| event(Fact::Server(fact))));
    all.push(custom("custom.order_paid"));
    all
}
