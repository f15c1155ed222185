//! An engine that does not stay for whoever has it.

use std::sync::Weak;

use super::{Engine, Shared};

/// An [`Engine`] for what the engine itself has: methods that ask it for something. Does not keep it
/// alive.
#[derive(Clone)]
pub struct WeakEngine(Weak<Shared>);

impl Engine {
    /// The same engine, for what it has itself.
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine(std::sync::Arc::downgrade(&self.0))
    }
}

impl WeakEngine {
    /// The engine, if anybody else still has it.
    pub fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}
