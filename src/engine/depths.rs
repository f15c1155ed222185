//! What bodies run in, and what keeps the engine from starting any.

use super::Engine;
use super::core::{Pauses, Workers};

impl Engine {
    /// What bodies run in.
    pub fn workers(&self) -> Workers {
        self.0.core.lock().workers()
    }

    /// What keeps it as a whole from starting anything.
    pub fn pauses(&self) -> Pauses {
        self.0.core.lock().pauses()
    }
}
