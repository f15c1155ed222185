//! What happened, and who is told of it.
//!
//! Everything is announced once, after the commit that made it so. [`Announcer::announce`] tells taps
//! at once (synchronous, lossless), then streams (bounded, and told what they missed). Logs, metrics
//! and pages follow from events; nothing is announced in two ways.

mod announcer;
pub mod bus;
mod index;
mod recent;
#[cfg(test)]
mod samples;
mod stream;
mod taps;
#[cfg(test)]
mod tests;

pub use announcer::{Announcer, Tap};
pub use bus::{ChannelConfig, EventBus};
pub use recent::{LINGER, RECENT_BYTES, RECENT_EVENTS};
pub use stream::{Cursor, EventStream, QUEUE_BYTES, QUEUE_EVENTS, Told};
