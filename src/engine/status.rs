//! The state of the engine as a whole, for monitoring.

use super::Engine;
use super::core::{Pauses, Workers};

impl Engine {
    /// The slots for handlers, and how many are taken.
    pub fn workers(&self) -> Workers {
        self.0.core.lock().workers()
    }

    /// Why the engine as a whole starts nothing.
    pub fn pauses(&self) -> Pauses {
        self.0.core.lock().pauses()
    }
}
