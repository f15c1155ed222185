//! Engines for the tests of this module.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::ResultsCache;
use crate::engine::{Engine, Options};
use crate::store::{MemoryStore, Store};
use crate::tasks::{TaskRegistry, collected};

/// Longer than any operation of a test takes.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// An engine with a store of its own.
pub(super) async fn engine() -> Engine {
    engine_on(Arc::new(MemoryStore::default())).await
}

/// An engine with this store and the built-in methods.
pub(super) async fn engine_on(store: Arc<dyn Store>) -> Engine {
    let registry = Arc::new(TaskRegistry::from_registrations(collected()).unwrap());
    let cache = Arc::new(ResultsCache::new(NonZeroUsize::MIN, 1 << 20));
    Engine::start(Options::default(), registry, cache, store, Arc::default()).await.unwrap()
}
