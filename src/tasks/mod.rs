//! Handlers: the functions that tasks run, how they are registered and called, and what they can do
//! through their [`TaskContext`].
//!
//! Knows nothing of queues or stores.

pub mod builtin;
mod call;
mod context;
mod declared_name;
mod extract;
mod handler;
mod host;
mod link;
mod method;
mod prepare;
mod registration;
mod registry;
mod registry_error;
mod resolve_args;
mod returns;
mod task_error;
pub mod testing;

pub use crate::models::Location;
pub use call::MAX_RESULT_BYTES;
pub(crate) use call::{CallEnd, catch_panic, catch_panic_async};
pub(crate) use context::UnwrittenOutput;
pub use context::{
    AttemptInfo, BadProgress, CheckpointError, ChildHandle, EmitError, MAX_CHECKPOINT_BYTES,
    MAX_PROGRESS_MESSAGE_BYTES, MustNotBlock, Progress, SpawnError, Subtask, TaskContext,
};
pub use extract::{ArgumentCheck, Arguments, BadArgument, FromArg, FromArgs, Json, Rest};
pub use handler::{Child, Decision, TaskHandler, make_async_handler, make_handler};
pub use host::{Host, HostError};
pub use method::{
    Handler, HandlerFuture, HandlerKind, HandlerResult, Method, MethodDefaults, Parameter,
    Signature,
};
pub(crate) use prepare::{Earlier, Prepared, prepare};
pub use registration::{Registration, collect, collected};
pub use registry::{RegistryHealth, RegistryStatistics, TaskRegistry};
pub use registry_error::RegistryError;
pub use returns::IntoReturn;
pub use task_error::{Disposition, TaskError};

#[cfg(test)]
mod tests;
