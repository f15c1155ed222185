//! Something that happened, named in the past tense.
//!
//! An event is cheap to make and to clone: it shares what it speaks of, and its payload is written
//! only for whoever wants it. Which events there are, and what each payload holds, is listed by
//! [`events::catalog`](crate::events::catalog).

mod filter;
mod payload;
mod weight;

use std::sync::Arc;

pub use filter::{EventFilter, MAX_FILTER_WORDS, NamePattern};
pub use payload::{MAX_CUSTOM_PAYLOAD_BYTES, Payload, SHOWN_RESULT_BYTES};

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{Ended, Failure, Fence, Name, QueueName, QueueSettings, State, Task, TaskId};

/// What a name of a custom event begins with.
pub const CUSTOM_PREFIX: &str = "custom.";
/// The longest name of a custom event, in bytes.
pub const MAX_EVENT_NAME_BYTES: usize = 100;
/// The namespace of the server's own methods. Their tasks make no events for webhooks.
pub const SYSTEM_NAMESPACE: &str = "system";

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub fact: Fact,
}

/// What kind of thing an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// A task's life.
    Task,
    /// What people decide about a queue.
    Queue,
    /// A schedule and its runs.
    Schedule,
    /// A server process.
    Node,
    /// How the server itself gets on.
    Observability,
    /// What bodies announce.
    Custom,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Task, Self::Queue, Self::Schedule, Self::Node, Self::Observability, Self::Custom];

    /// Its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Queue => "queue",
            Self::Schedule => "schedule",
            Self::Node => "node",
            Self::Observability => "observability",
            Self::Custom => "custom",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// To a task.
    Task(Arc<Task>, TaskFact),
    /// To a queue.
    Queue(QueueName, QueueFact),
    /// To a schedule.
    Schedule(Name, ScheduleFact),
    /// To this process.
    Node(NodeFact),
    /// To the server's own parts.
    Server(ServerFact),
    /// What a body announced.
    Custom(Arc<Custom>),
}

/// What happened to a task.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskFact {
    /// It is stored, in this state.
    Accepted(State),
    /// It became `QUEUED` after it had waited: released, due, back after it had ended, or its backoff
    /// is over. Its concurrency key may still hold it back.
    Queued,
    /// An attempt began, from 1, under this fence.
    Started { attempt: u32, fence: Fence },
    /// Its body said how far it is, 0 to 1.
    Progressed { fraction: f64, message: Arc<str> },
    /// An attempt ended badly and another follows at `due`.
    Retrying { attempt: u32, failure: Arc<Failure>, due: Timestamp },
    /// Its body wants to be called again at `due`; the attempt does not count.
    Snoozed { due: Timestamp },
    /// It was put back unfinished by a server that stops.
    Requeued,
    /// It ran when its process died, and goes back into its queue; so many times by now.
    Rescued { rescues: u32 },
    /// It waits for so many children.
    Expanded { children: u32 },
    /// Somebody wished it cancelled while it ran.
    CancelRequested { reason: Arc<str> },
    /// Its arguments were replaced by those of another with the same unique key.
    Replaced,
    /// It has its outcome: `task.completed`, `task.skipped`, `task.failed`, `task.cancelled` or
    /// `task.expired`.
    Ended(Arc<Ended>),
    /// It had ended, and runs again.
    Retried,
    /// Somebody gave it this outcome.
    Resolved(Arc<Ended>),
}

/// What people decided about a queue.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueFact {
    /// Nothing of it starts.
    Paused,
    /// It goes on.
    Resumed,
    /// It has other limits.
    LimitsChanged(Box<QueueSettings>),
}

/// What happened to a schedule.
#[derive(Clone, Debug, PartialEq)]
pub enum ScheduleFact {
    /// It is new.
    Created { next: Option<Timestamp> },
    /// It is another from now on.
    Updated { next: Option<Timestamp> },
    /// It is gone.
    Deleted,
    /// It runs again.
    Enabled { next: Option<Timestamp> },
    /// It runs no more.
    Disabled,
    /// A run was accepted; `occurrence` is the time that it was planned for.
    Executed { occurrence: Timestamp, task: TaskId, manual: bool },
    /// A run was left out because the one before it had not ended.
    Skipped { occurrence: Timestamp },
    /// So many occurrences, the last of them then, passed while nobody could run them, and were left
    /// out.
    Missed { count: u64, last: Timestamp },
    /// A run ended badly or could not be accepted.
    Failed { occurrence: Timestamp, task: TaskId, failure: Arc<Failure> },
}

/// What happened to this process.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeFact {
    /// It serves.
    Started { epoch: u64, version: &'static str },
    /// It takes nothing in any more.
    Draining,
    /// It has stopped as it was told to; the last that is said of an epoch.
    Stopped { epoch: u64 },
    /// The one before it ended without stopping: found at a start.
    Crashed { epoch: u64, last_alive: Timestamp, rescued: u64, quarantined: u64 },
}

/// What the server noticed about its own parts.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerFact {
    /// How much waits and runs, now and then.
    Sampled { queued: u64, running: u64, delayed: u64, failed: u64 },
    /// Somebody who listens was too slow and missed so many events.
    Lagged { subscriber: Arc<str>, missed: u64 },
    /// A part failed and will be tried again after a while.
    ServiceFailed { service: Arc<str>, error: Arc<str>, failures: u32 },
    /// A webhook's delivery was given up.
    WebhookAbandoned { webhook: Name, task: TaskId, error: Arc<str> },
}

/// What a body announced.
#[derive(Clone, Debug, PartialEq)]
pub struct Custom {
    /// `custom.` and more.
    pub name: Arc<str>,
    /// At most [`MAX_CUSTOM_PAYLOAD_BYTES`] as JSON.
    pub payload: Payload,
    /// Whose body it was.
    pub task: Arc<Task>,
    /// In which attempt.
    pub attempt: u32,
}

impl Custom {
    /// # Errors
    /// `INVALID_ARGUMENT`: a name that does not begin with `custom.`, or has other things in it than
    /// lower-case letters, digits, `_`, `-` and `.`; a payload that is too large.
    pub fn check(name: &str, payload: &Payload) -> Result<(), Error> {
        let rest = name.strip_prefix(CUSTOM_PREFIX).unwrap_or("");
        let sound = !rest.is_empty()
            && name.len() <= MAX_EVENT_NAME_BYTES
            && rest.split('.').all(|word| {
                !word.is_empty()
                    && word.bytes().all(|b| {
                        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-')
                    })
            });
        if !sound {
            let shown: String = name.chars().take(MAX_EVENT_NAME_BYTES).collect();
            let why = format!(
                "{shown:?} is no name of a custom event; expected `custom.` and lower-case words of \
                 letters, digits, `_`, `-` with dots between, at most {MAX_EVENT_NAME_BYTES} bytes"
            );
            return Err(Error::invalid("name", why));
        }
        let bytes = payload::size(payload);
        if bytes > MAX_CUSTOM_PAYLOAD_BYTES {
            let why = format!(
                "{bytes} bytes as JSON; at most {MAX_CUSTOM_PAYLOAD_BYTES} are accepted: store what \
                 is large, and announce where"
            );
            return Err(Error::invalid("payload", why));
        }
        Ok(())
    }
}

impl Event {
    /// Its name in the catalogue; of a custom one, its own.
    pub fn name(&self) -> &str {
        match &self.fact {
            Fact::Task(_, fact) => fact.name(),
            Fact::Queue(_, fact) => fact.name(),
            Fact::Schedule(_, fact) => fact.name(),
            Fact::Node(fact) => fact.name(),
            Fact::Server(fact) => fact.name(),
            Fact::Custom(custom) => &custom.name,
        }
    }

    /// What it is about.
    pub fn category(&self) -> Category {
        match &self.fact {
            Fact::Task(..) => Category::Task,
            Fact::Queue(..) => Category::Queue,
            Fact::Schedule(..) => Category::Schedule,
            Fact::Node(_) => Category::Node,
            Fact::Server(_) => Category::Observability,
            Fact::Custom(_) => Category::Custom,
        }
    }

    /// The task that it is about, or that announced it.
    pub fn task(&self) -> Option<&Arc<Task>> {
        match &self.fact {
            Fact::Task(task, _) => Some(task),
            Fact::Custom(custom) => Some(&custom.task),
            _ => None,
        }
    }

    /// The id of the task that it is about, announced it, or was made by it.
    pub fn task_id(&self) -> Option<&TaskId> {
        match &self.fact {
            Fact::Schedule(
                _,
                ScheduleFact::Executed { task, .. } | ScheduleFact::Failed { task, .. },
            )
            | Fact::Server(ServerFact::WebhookAbandoned { task, .. }) => Some(task),
            _ => self.task().map(|task| &task.id),
        }
    }

    /// The queue that it is about, or that its task stands in.
    pub fn queue(&self) -> Option<&QueueName> {
        match &self.fact {
            Fact::Queue(queue, _) => Some(queue),
            _ => self.task().map(|task| &task.options.queue),
        }
    }

    /// Whether it may reach webhooks: tasks of the namespace `system`, among them the deliveries of
    /// webhooks, do not.
    pub fn is_for_webhooks(&self) -> bool {
        !self.task().is_some_and(|task| task.is_system_task())
    }
}

impl TaskFact {
    fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "task.accepted",
            Self::Queued => "task.queued",
            Self::Started { .. } => "task.started",
            Self::Progressed { .. } => "task.progressed",
            Self::Retrying { .. } => "task.retrying",
            Self::Snoozed { .. } => "task.snoozed",
            Self::Requeued => "task.requeued",
            Self::Rescued { .. } => "task.rescued",
            Self::Expanded { .. } => "task.expanded",
            Self::CancelRequested { .. } => "task.cancel_requested",
            Self::Replaced => "task.replaced",
            Self::Ended(ended) => ended_name(ended),
            Self::Retried => "task.retried",
            Self::Resolved(_) => "task.resolved",
        }
    }
}

fn ended_name(ended: &Ended) -> &'static str {
    use crate::models::Ending::{Cancelled, Expired, Failed, Skipped, Succeeded};
    match ended.outcome.ending {
        Succeeded(_) => "task.completed",
        Skipped => "task.skipped",
        Failed(_) => "task.failed",
        Cancelled(_) => "task.cancelled",
        Expired => "task.expired",
    }
}

impl QueueFact {
    fn name(&self) -> &'static str {
        match self {
            Self::Paused => "queue.paused",
            Self::Resumed => "queue.resumed",
            Self::LimitsChanged(_) => "queue.limits_changed",
        }
    }
}

impl ScheduleFact {
    fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "schedule.created",
            Self::Updated { .. } => "schedule.updated",
            Self::Deleted => "schedule.deleted",
            Self::Enabled { .. } => "schedule.enabled",
            Self::Disabled => "schedule.disabled",
            Self::Executed { .. } => "schedule.executed",
            Self::Skipped { .. } => "schedule.skipped",
            Self::Missed { .. } => "schedule.missed",
            Self::Failed { .. } => "schedule.failed",
        }
    }
}

impl NodeFact {
    fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "node.started",
            Self::Draining => "node.draining",
            Self::Stopped { .. } => "node.stopped",
            Self::Crashed { .. } => "node.crashed",
        }
    }
}

impl ServerFact {
    fn name(&self) -> &'static str {
        match self {
            Self::Sampled { .. } => "observability.sampled",
            Self::Lagged { .. } => "observability.lagged",
            Self::ServiceFailed { .. } => "observability.service_failed",
            Self::WebhookAbandoned { .. } => "observability.webhook_abandoned",
        }
    }
}
