//! What happened, and who is told of it.

pub mod bus;

pub use bus::{ChannelConfig, EventBus};

use crate::models::Event;

/// Tells whoever listens of what happened.
#[derive(Debug, Default)]
pub struct Announcer;

impl Announcer {
    /// Tells everybody who listens. Never blocks.
    pub fn announce(&self, event: Event) {
        drop(event);
    }
}
