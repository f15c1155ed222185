//! A durable task queue and scheduler: run Rust functions in the background, later or repeatedly, with
//! retries, schedules, dependencies and events.
//!
//! [`main`] runs the server; [`TaskSystem`] embeds it in a program; [`client`] calls a server.

// The macros expand to `::task_scheduler`, in this crate as well.
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

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// Compiles the code of the page about schedules.
#[cfg(doctest)]
#[doc = include_str!("../docs/schedules.md")]
pub struct SchedulesPage;

/// Compiles the code of the page about events.
#[cfg(doctest)]
#[doc = include_str!("../docs/events.md")]
pub struct Events;

/// For the expansion of the macros only; changes without notice.
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
