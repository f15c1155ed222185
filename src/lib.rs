//! task-scheduler: run Rust functions elsewhere, later or reliably.

// The attributes' expansion says `::task_scheduler`, also in this crate.
extern crate self as task_scheduler;

pub mod cache;
mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod engine;
pub mod error;
pub mod events;
pub mod logger;
pub mod models;
pub mod monitor;
pub mod orchestrator;
pub mod pb;
pub mod schedules;
pub mod server;
mod start;
pub mod store;
pub mod system;
pub mod tasks;
pub mod webhooks;
mod wire;

pub use models::ArgValue;
pub use start::main;
pub use system::TaskSystem;
pub use task_macro::{async_task, subscriber, sync_task};
pub use tasks::{Json, Rest, TaskContext, TaskError, testing};

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// So does that of the page about schedules.
#[cfg(doctest)]
#[doc = include_str!("../docs/schedules.md")]
pub struct SchedulesPage;

/// The code of the page on events compiles.
#[cfg(doctest)]
#[doc = include_str!("../docs/events.md")]
pub struct Events;

/// What the attributes' expansion is made of. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use ctor;

    pub use crate::error::Error;
    pub use crate::events::Announced;
    pub use crate::events::subscriber::{
        Handling, IntoHandled, Registration as SubscriberRegistration, Subscriber, SubscriberError,
        collect as collect_subscriber, filter_of, routes_to,
    };
    pub use crate::models::{ArgValue, Durability, EventFilter, QueueName};
    pub use crate::tasks::{
        ArgumentCheck, Arguments, FromArgs, Handler, HandlerFuture, HandlerResult, IntoReturn,
        Location, MethodDefaults, Registration, Signature, TaskContext, collect,
    };
}
