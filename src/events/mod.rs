//! Events: what happened, published to observers, streams and subscribers.
//!
//! Every event is announced once, after the commit that caused it. [`Announcer::announce`] calls observers
//! (synchronous, without loss), then fills the queues of streams (bounded; a slow stream gets a count of
//! what it missed). Logs, metrics and pages follow from events; nothing is announced in two ways.

mod announced;
mod announcer;
pub mod catalog;
#[cfg(test)]
mod examples;
mod index;
mod observers;
mod recent;
mod stream;
pub mod subscriber;
#[cfg(test)]
mod tests;

pub use announced::Announced;
pub use announcer::{Announcer, Observer};
pub use recent::{RECENT_BYTES, RECENT_EVENTS, REMEMBER_FOR};
pub use stream::{EventCursor, EventStream, QUEUE_BYTES, QUEUE_EVENTS, StreamItem};
pub use subscriber::{Subscriber, SubscriberError, SubscriberStatus, Subscribers};
