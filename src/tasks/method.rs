//! A method: a body, how it is called, and what its tasks ask for when they do not say.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::models::{ArgValue, Durability, Location, MethodName, QueueName};
use crate::tasks::{TaskContext, TaskError, TaskHandler};

/// What a body returns.
pub type HandlerResult = Result<ArgValue, TaskError>;
/// A body under way.
pub type HandlerFuture = Pin<Box<dyn Future<Output = HandlerResult> + Send>>;

/// The code behind a method.
#[derive(Clone)]
pub enum Handler {
    /// Runs on a thread of the sync pool.
    Sync(fn(TaskContext, Vec<ArgValue>) -> HandlerResult),
    /// Takes microseconds and never blocks: runs on whichever thread starts it.
    Inline(fn(TaskContext, Vec<ArgValue>) -> HandlerResult),
    /// Runs on the bodies' async runtime.
    Async(fn(TaskContext, Vec<ArgValue>) -> HandlerFuture),
    /// An object registered at run time; runs on the bodies' async runtime.
    Object(Arc<dyn TaskHandler>),
}

/// Where a body runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HandlerKind {
    /// On a thread of its own for as long as it takes.
    Sync,
    /// On the bodies' async runtime.
    Async,
    /// On the thread that starts it.
    Inline,
}

impl Handler {
    /// Where it runs.
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
    /// Its name in the source.
    pub name: &'static str,
    /// What it accepts, in words: `integer`, `list of text`.
    pub expects: String,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it takes every argument that is left.
    pub rest: bool,
}

/// What a method's arguments have to look like.
#[derive(Clone)]
pub struct Signature {
    /// `None` for the shape `Vec<ArgValue>`: any number of arguments of any type.
    pub parameters: Option<Vec<Parameter>>,
    /// Refuses arguments that the body could not take, naming the one at fault. An argument that is
    /// [`ArgValue::ResultOf`] passes: its value is not known yet.
    pub check: fn(&[ArgValue]) -> Result<(), Error>,
}

impl Signature {
    /// Any number of arguments of any type.
    pub const ANY: Self = Self { parameters: None, check: |_| Ok(()) };
}

/// What the attribute said about the method's tasks; `None` leaves it to the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MethodDefaults {
    /// The queue.
    pub queue: Option<QueueName>,
    /// Higher first.
    pub priority: Option<i32>,
    /// Attempts after the first.
    pub retries: Option<u32>,
    /// The delay after the first attempt.
    pub backoff: Option<Duration>,
    /// The bound on one attempt.
    pub timeout: Option<Duration>,
    /// Whether its tasks outlive the process.
    pub durability: Option<Durability>,
}

/// A registered function. Prints as its name.
#[derive(Clone)]
pub struct Method {
    /// Its whole name.
    pub name: MethodName,
    /// Its code.
    pub handler: Handler,
    /// What it accepts.
    pub signature: Signature,
    /// What its tasks ask for when they do not say.
    pub defaults: MethodDefaults,
    /// For people.
    pub description: String,
    /// Where it was declared.
    pub declared_at: Location,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}
