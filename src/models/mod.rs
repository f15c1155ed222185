//! The nouns: plain values that every other module speaks of. No I/O, nothing spawned.

mod arg_convert;
mod arg_json;
mod arg_value;
mod digest;
mod id;
mod method;
mod outcome;
mod policy;
mod request;
mod state;
mod task;
mod wire;
pub mod wrappers;

pub use arg_convert::Mismatch;
pub use arg_value::ArgValue;
pub use digest::Digest;
pub use id::{Fence, MAX_ID_BYTES, MAX_QUEUE_NAME_BYTES, QueueName, Sequence, TaskId};
pub use method::{
    DEFAULT_NAMESPACE, MAX_METHOD_BYTES, MethodName, MethodWish, VersionWish, is_word,
};
pub use outcome::{Ended, Ending, Failure, HistoryEntry, MAX_HISTORY, Outcome};
pub use policy::{Durability, MAX_BACKOFF, MAX_RETRIES, OnDependencyFailure, RetryPolicy};
pub use request::{Accepted, Asked, CancelRequest, CancelVerdict, Request, Snapshot, When};
pub use state::State;
pub use task::{Labels, MAX_DEPENDENCIES, MAX_LABEL_BYTES, MAX_TAGS, MAX_TIMEOUT, Options, Task};
