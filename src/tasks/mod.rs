//! Bodies: the functions that tasks run, how they are registered, and what they are told.
//!
//! Knows nothing of queues or stores.

pub mod builtin;
mod context;
mod declared_name;
mod ending;
mod extract;
mod fill_in;
mod handler;
mod host;
mod link;
mod method;
mod method_key;
mod registration;
mod registry;
mod registry_error;
mod returns;
mod task_error;
pub mod testing;

pub use crate::models::Location;
pub(crate) use context::UnwrittenOutput;
pub use context::{
    AttemptInfo, BadProgress, CheckpointError, ChildHandle, EmitError, MAX_CHECKPOINT_BYTES,
    MAX_PROGRESS_MESSAGE_BYTES, MustNotBlock, Progress, SpawnError, Subtask, TaskContext,
};
pub use ending::MAX_RESULT_BYTES;
pub(crate) use ending::{calling, catching, check_result};
pub use extract::{ArgumentCheck, Arguments, BadArgument, FromArg, FromArgs, Json, Rest};
pub(crate) use fill_in::fill_in;
pub use handler::{Child, Decision, TaskHandler, make_async_handler, make_handler};
pub use host::{Host, HostError};
pub use method::{
    Handler, HandlerFuture, HandlerKind, HandlerResult, Method, MethodDefaults, Parameter,
    Signature,
};
pub use registration::{Registration, collect, collected};
pub use registry::{RegistryHealth, RegistryStatistics, TaskRegistry};
pub use registry_error::RegistryError;
pub use returns::IntoReturn;
pub use task_error::{Disposition, TaskError};

#[cfg(test)]
mod tests;
