//! Traits from the main crate; registrations that can be read back.

mod extract {
    #[path = "../../../../../../src/tasks/extract/arguments.rs"]
    pub mod arguments;
    #[path = "../../../../../../src/tasks/extract/from_arg.rs"]
    pub mod from_arg;
    mod values;

    pub use values::Json;
}
#[path = "../../../../src/tasks/returns.rs"]
mod returns;
#[path = "../../../../src/tasks/task_error.rs"]
mod task_error;

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

pub use extract::Json;
pub use extract::arguments::{ArgumentCheck, Arguments, FromArgs, Rest};
pub use extract::from_arg::{BadArgument, FromArg};
pub use returns::IntoReturn;
pub use task_error::{Disposition, TaskError};

use crate::error::Error;
use crate::models::{ArgValue, Durability, QueueName};

pub type HandlerResult = Result<ArgValue, TaskError>;
pub type HandlerFuture = Pin<Box<dyn Future<Output = HandlerResult> + Send>>;

#[derive(Clone, Debug)]
pub struct TaskContext;

#[derive(Clone)]
pub enum Handler {
    Sync(fn(TaskContext, Vec<ArgValue>) -> HandlerResult),
    Inline(fn(TaskContext, Vec<ArgValue>) -> HandlerResult),
    Async(fn(TaskContext, Vec<ArgValue>) -> HandlerFuture),
}

pub struct Parameter {
    pub name: &'static str,
    pub expects: String,
    pub optional: bool,
    pub rest: bool,
}

pub struct Signature {
    pub parameters: Option<Vec<Parameter>>,
    pub check: fn(&[ArgValue]) -> Result<(), Error>,
}

impl Signature {
    pub const ANY: Self = Self { parameters: None, check: |_| Ok(()) };
}

pub struct MethodDefaults {
    pub queue: Option<QueueName>,
    pub priority: Option<i32>,
    pub retries: Option<u32>,
    pub backoff: Option<Duration>,
    pub timeout: Option<Duration>,
    pub durability: Option<Durability>,
}

pub struct Location {
    pub file: &'static str,
    pub line: u32,
}

pub struct Registration {
    pub namespace: Option<&'static str>,
    pub name: &'static str,
    pub version: Option<&'static str>,
    pub handler: Handler,
    pub signature: Signature,
    pub defaults: MethodDefaults,
    pub description: &'static str,
    pub replace: bool,
    pub declared_at: Location,
}

static COLLECTED: Mutex<Vec<Registration>> = Mutex::new(Vec::new());

pub fn collect(registration: Registration) {
    COLLECTED.lock().expect("nobody panics while holding it").push(registration);
}

/// Everything collected so far, moved out.
pub fn collected() -> Vec<Registration> {
    std::mem::take(&mut COLLECTED.lock().expect("nobody panics while holding it"))
}
