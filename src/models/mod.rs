//! The domain model: plain values that every other module uses. No I/O, no threads.

mod digest;
mod event;
mod explanation;
mod id;
mod location;
mod log;
mod method;
mod name;
mod outcome;
mod policy;
mod query;
mod queue;
mod request;
mod schedule;
mod state;
mod task;
mod task_maker;
mod value;
mod watch;
mod webhook;

pub use digest::Digest;
pub use event::{
    CUSTOM_PREFIX, Category, Custom, Event, EventField, EventFilter, EventInfo, Fact, FieldKind,
    MAX_CUSTOM_PAYLOAD_BYTES, MAX_EVENT_NAME_BYTES, MAX_FILTER_WORDS, NamePattern, NodeFact,
    Payload, QueueFact, SHOWN_RESULT_BYTES, SYSTEM_NAMESPACE, ScheduleFact, ServerFact, TaskFact,
    declared_events,
};
pub use explanation::{Explanation, MAX_NAMED, Obstacle, ObstacleKind};
pub use id::{Fence, MAX_ID_BYTES, MAX_QUEUE_NAME_BYTES, QueueName, Sequence, TaskId};
pub use location::Location;
pub use log::{LogLevel, LogLine, MAX_LOG_LINE_BYTES, MAX_LOG_LINES};
pub use method::{DEFAULT_NAMESPACE, MAX_METHOD_BYTES, MethodName, MethodRef, VersionReq, is_word};
pub use name::{MAX_NAME_BYTES, Name};
pub use outcome::{Ended, Ending, Failure, HistoryEntry, MAX_HISTORY, Outcome};
pub use policy::{Durability, MAX_BACKOFF, MAX_RETRIES, OnDependencyFailure, RetryPolicy};
pub use query::{MAX_PAGE, TaskFilter, TaskPage};
pub use queue::{MAX_RATE_PERIOD, MAX_WEIGHT, QueueLimits, QueueSettings, Rate};
pub use request::{
    Accepted, AdminResult, BlockedBy, CancelRequest, CancelVerdict, Purged, Request, Snapshot,
    StartTime, TaskOptions,
};
pub use schedule::{
    CatchUp, MAX_CATCH_UP, MAX_CRON_BYTES, MAX_DESCRIPTION_BYTES, MAX_INTERVAL,
    MAX_REMEMBERED_RUNS, MIN_INTERVAL, Overlap, RUN_INITIATOR, Rule, Schedule, ScheduleCounts,
    ScheduleRun, ScheduleStatus,
};
pub use state::State;
pub use task::{
    Keys, Labels, MAX_DEPENDENCIES, MAX_KEY_BYTES, MAX_LABEL_BYTES, MAX_TAGS, MAX_TIMEOUT,
    MAX_UNIQUE_WINDOW, OnConflict, Options, Task, Unique,
};
pub use task_maker::TaskMaker;
pub use value::{ArgValue, Mismatch, wrappers};
pub use watch::{MAX_CURSOR_BYTES, Update, WatchCursor};
pub use webhook::{MAX_URL_BYTES, MAX_WEBHOOKS, OutboxEntry, SECRET_BYTES, Secret, Webhook};
