//! Events: facts about tasks, queues, schedules, the server and its parts.
//!
//! Each file of this folder defines the facts of one category and declares their events: name,
//! description, payload fields and examples. [`events::catalog`](crate::events::catalog) lists them.
//!
//! An event is cheap to make and to clone: it shares the values that it is about, and its payload is
//! built only for subscribers that read it.

mod custom;
mod declare;
mod example;
mod filter;
mod node;
mod payload;
mod queue;
mod schedule;
mod server;
mod task;
mod weight;

use std::sync::Arc;

pub use custom::{CUSTOM_PREFIX, Custom, MAX_EVENT_NAME_BYTES};
pub use declare::{EventField, EventInfo, FieldKind};
pub use filter::{EventFilter, MAX_FILTER_WORDS, NamePattern};
pub use node::NodeFact;
pub use payload::{MAX_CUSTOM_PAYLOAD_BYTES, Payload, SHOWN_RESULT_BYTES};
pub use queue::QueueFact;
pub use schedule::ScheduleFact;
pub use server::ServerFact;
pub use task::TaskFact;

use crate::clock::Timestamp;
use crate::models::{Ended, Name, QueueName, Task, TaskId};

/// The namespace of the server's own methods. Events about their tasks never reach webhooks.
pub const SYSTEM_NAMESPACE: &str = "system";

/// An event: a fact and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// A task.
    Task,
    /// A queue: pauses and limits.
    Queue,
    /// A schedule and its runs.
    Schedule,
    /// A server process.
    Node,
    /// The server's own services, subscribers and webhooks.
    Observability,
    /// What handlers emit.
    Custom,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 6] =
        [Self::Task, Self::Queue, Self::Schedule, Self::Node, Self::Observability, Self::Custom];

    /// The stable name, with which the names of its events begin; `observability` and so on.
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

/// What happened, and what it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// About a task.
    Task(Arc<Task>, TaskFact),
    /// About a queue.
    Queue(QueueName, QueueFact),
    /// About a schedule.
    Schedule(Name, ScheduleFact),
    /// About this server process.
    Node(NodeFact),
    /// About the server's own parts.
    Server(ServerFact),
    /// Emitted by a handler.
    Custom(Arc<Custom>),
}

/// Every kind of event, in no particular order.
pub fn declared_events() -> Vec<EventInfo> {
    [
        TaskFact::declared(),
        Ended::declared(),
        QueueFact::declared(),
        ScheduleFact::declared(),
        NodeFact::declared(),
        ServerFact::declared(),
        Custom::declared(),
    ]
    .concat()
}

impl Event {
    /// The event's name in the catalogue; a custom event's own name.
    pub fn name(&self) -> &str {
        match &self.fact {
            Fact::Task(_, fact) => fact.event_name(),
            Fact::Queue(_, fact) => fact.event_name(),
            Fact::Schedule(_, fact) => fact.event_name(),
            Fact::Node(fact) => fact.event_name(),
            Fact::Server(fact) => fact.event_name(),
            Fact::Custom(custom) => &custom.name,
        }
    }

    /// What the event is about.
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

    /// The task that the event is about, or whose handler emitted it.
    pub fn task(&self) -> Option<&Arc<Task>> {
        match &self.fact {
            Fact::Task(task, _) => Some(task),
            Fact::Custom(custom) => Some(&custom.task),
            _ => None,
        }
    }

    /// The id of [`task`](Self::task), of a schedule's run, or of the task that tried to deliver to a
    /// webhook.
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

    /// The queue that the event is about, or the queue of its [`task`](Self::task).
    pub fn queue(&self) -> Option<&QueueName> {
        match &self.fact {
            Fact::Queue(queue, _) => Some(queue),
            _ => self.task().map(|task| &task.options.queue),
        }
    }

    /// Whether the event may go to webhooks. Events about tasks of the namespace `system` may not: those
    /// tasks deliver to webhooks themselves, and each delivery would cause another one.
    pub fn is_for_webhooks(&self) -> bool {
        !self.task().is_some_and(|task| task.is_system_task())
    }
}
