//! A weak reference to the engine.

use std::sync::{Arc, Weak};

use super::{Engine, Shared};

/// An [`Engine`] for handlers and hooks that the engine itself owns. Does not keep the engine alive.
#[derive(Clone)]
pub struct WeakEngine(Weak<Shared>);

impl Engine {
    /// A weak reference to this engine.
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine(Arc::downgrade(&self.0))
    }
}

impl WeakEngine {
    /// The engine; `None` after its last owner dropped it.
    pub fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}
