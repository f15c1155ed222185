//! Bodies: the functions that tasks run, how they are registered, and what they are told.
//!
//! Knows nothing of queues or stores.

pub mod builtin;
mod context;
mod declared_name;
mod extract;
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

pub(crate) use context::Unwritten;
pub use context::{
    BadProgress, Begun, CheckpointError, ChildHandle, MAX_CHECKPOINT_BYTES,
    MAX_PROGRESS_MESSAGE_BYTES, MustNotBlock, Progress, SpawnError, Subtask, TaskContext,
};
pub use extract::{ArgumentCheck, Arguments, BadArgument, FromArg, FromArgs, Json, Rest};
pub use handler::{Child, Decision, TaskHandler, make_handler};
pub use host::{Host, HostError};
pub use method::{
    Body, BodyFuture, BodyResult, Kind, Location, Method, MethodDefaults, Parameter, Signature,
};
pub use registration::{Registration, collect, collected};
pub use registry::{RegistryHealth, RegistryStatistics, TaskRegistry};
pub use registry_error::RegistryError;
pub use returns::IntoReturn;
pub use task_error::{TaskError, Then};

#[cfg(test)]
mod tests;
