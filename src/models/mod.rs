//! The nouns: plain values that every other module speaks of. No I/O, nothing spawned.

mod arg_convert;
mod arg_json;
mod arg_value;
mod digest;
mod id;
mod log;
mod method;
mod outcome;
mod policy;
mod query;
mod queue;
mod request;
mod state;
mod task;
mod task_maker;
mod watch;
mod wire;
pub mod wrappers;

pub use arg_convert::Mismatch;
pub use arg_value::ArgValue;
pub use digest::Digest;
pub use id::{Fence, MAX_ID_BYTES, MAX_QUEUE_NAME_BYTES, QueueName, Sequence, TaskId};
pub use log::{LogLevel, LogLine, MAX_LOG_LINE_BYTES, MAX_LOG_LINES};
pub use method::{
    DEFAULT_NAMESPACE, MAX_METHOD_BYTES, MethodName, MethodWish, VersionWish, is_word,
};
pub use outcome::{Ended, Ending, Failure, HistoryEntry, MAX_HISTORY, Outcome};
pub use policy::{Durability, MAX_BACKOFF, MAX_RETRIES, OnDependencyFailure, RetryPolicy};
pub use query::{MAX_PAGE, TaskFilter, TaskPage};
pub use queue::{MAX_RATE_PERIOD, MAX_WEIGHT, QueueLimits, QueueSettings, Rate};
pub use request::{
    Accepted, Asked, CancelRequest, CancelVerdict, Changed, Held, Purged, Request, Snapshot, When,
};
pub use state::State;
pub use task::{
    Keys, Labels, MAX_DEPENDENCIES, MAX_KEY_BYTES, MAX_LABEL_BYTES, MAX_TAGS, MAX_TIMEOUT,
    MAX_UNIQUE_WINDOW, OnClash, Options, Task, Unique,
};
pub use task_maker::TaskMaker;
pub use watch::{Cursor, MAX_CURSOR_BYTES, Update};
