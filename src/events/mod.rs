//! What happened, and who is told of it.
//!
//! Everything is announced once, after the commit that made it so. [`Announcer::announce`] tells taps
//! at once (synchronous, lossless), then streams (bounded, and told what they missed). Logs, metrics
//! and pages follow from events; nothing is announced in two ways.

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
pub use recent::{LINGER, RECENT_BYTES, RECENT_EVENTS};
pub use stream::{EventCursor, EventStream, QUEUE_BYTES, QUEUE_EVENTS, StreamItem};
pub use subscriber::{Subscriber, SubscriberError, SubscriberStatus, Subscribers};
