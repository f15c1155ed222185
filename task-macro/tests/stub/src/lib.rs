//! Stands in for `task_scheduler` where the macros are tested, so that those tests build in seconds.
//!
//! What carries messages for people is the main crate's own: the traits and the cursors over the
//! arguments. The rest has the shape that the expansion needs and does as little as it can.

pub mod error;
pub mod events;
pub mod models;
pub mod tasks;

#[doc(hidden)]
pub mod __private {
    pub use ctor;

    pub use crate::error::Error;
    pub use crate::events::{
        Announced, EventFilter, Handling, IntoHandled, Registration as SubscriberRegistration,
        Subscriber, SubscriberError, collect as collect_subscriber, filter_of, routes_to,
    };
    pub use crate::models::{ArgValue, Durability, QueueName};
    pub use crate::tasks::{
        ArgumentCheck, Arguments, FromArgs, Handler, HandlerFuture, HandlerResult, IntoReturn,
        Location, MethodDefaults, Registration, Signature, TaskContext, collect,
    };
}
