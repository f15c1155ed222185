//! A method: a handler, its signature, and the defaults of its tasks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::models::{ArgValue, Durability, Location, MethodName, QueueName};
use crate::tasks::{TaskContext, TaskError, TaskHandler};

/// What a handler returns.
pub type HandlerResult = Result<ArgValue, TaskError>;
/// The future of an async handler.
pub type HandlerFuture = Pin<Box<dyn Future<Output = HandlerResult> + Send>>;

/// The code of a method.
#[derive(Clone)]
pub enum Handler {
    /// Runs on a blocking thread.
    Sync(fn(TaskContext, Vec<ArgValue>) -> HandlerResult),
    /// Runs on the thread that starts it: for handlers that take microseconds and never block.
    Inline(fn(TaskContext, Vec<ArgValue>) -> HandlerResult),
    /// Runs on the handlers' async runtime.
    Async(fn(TaskContext, Vec<ArgValue>) -> HandlerFuture),
    /// An object registered at run time; runs on the handlers' async runtime.
    Object(Arc<dyn TaskHandler>),
}

/// Where a handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HandlerKind {
    /// On a blocking thread of its own.
    Sync,
    /// On the handlers' async runtime.
    Async,
    /// On the thread that starts it.
    Inline,
}

impl Handler {
    /// Where the handler runs.
    pub fn kind(&self) -> HandlerKind {
        match self {
            Self::Sync(_) => HandlerKind::Sync,
            Self::Inline(_) => HandlerKind::Inline,
            Self::Async(_) | Self::Object(_) => HandlerKind::Async,
        }
    }
}

/// One parameter of a typed method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name in the source.
    pub name: &'static str,
    /// The accepted type in words: `integer`, `list of text`.
    pub expects: String,
    /// Whether the argument may be left out.
    pub optional: bool,
    /// Whether it takes all remaining arguments.
    pub rest: bool,
}

/// The arguments that a method accepts.
#[derive(Clone)]
pub struct Signature {
    /// `None` for the shape `Vec<ArgValue>`: any number of arguments of any type.
    pub parameters: Option<Vec<Parameter>>,
    /// Refuses arguments that the handler does not accept, with the index of the first bad one. Accepts
    /// [`ArgValue::ResultOf`], whose value is not known yet.
    pub check: fn(&[ArgValue]) -> Result<(), Error>,
}

impl Signature {
    /// Any number of arguments of any type.
    pub const ANY: Self = Self { parameters: None, check: |_| Ok(()) };
}

/// The defaults of a method's tasks, from its attribute; `None` means the server's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MethodDefaults {
    /// The queue.
    pub queue: Option<QueueName>,
    /// Higher runs first.
    pub priority: Option<i32>,
    /// Attempts after the first.
    pub retries: Option<u32>,
    /// The delay before the first retry; later delays grow exponentially.
    pub backoff: Option<Duration>,
    /// The timeout of one attempt.
    pub timeout: Option<Duration>,
    /// Whether the tasks survive a restart of the process.
    pub durability: Option<Durability>,
}

/// A registered method. `Debug` prints its name.
#[derive(Clone)]
pub struct Method {
    /// The complete name.
    pub name: MethodName,
    /// The code.
    pub handler: Handler,
    /// The accepted arguments.
    pub signature: Signature,
    /// The defaults of its tasks.
    pub defaults: MethodDefaults,
    /// For people.
    pub description: String,
    /// The place of the declaration.
    pub declared_at: Location,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}
