//! Bodies: the functions that tasks run, how they are registered, and what they are told.
//!
//! Knows nothing of queues or stores.

mod context;
mod handler;
mod method;
mod registration;
mod task_error;

pub use context::{BadProgress, MAX_PROGRESS_MESSAGE_BYTES, Progress, TaskContext};
pub use handler::{Decision, TaskHandler, make_handler};
pub use method::{
    Body, BodyFuture, BodyResult, Kind, Location, Method, MethodDefaults, Parameter, Signature,
};
pub use registration::{Registration, collect, collected};
pub use task_error::{TaskError, Then};
