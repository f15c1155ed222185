//! Builds and starts a system inside a program.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Parts, TaskSystem};
use crate::cache::ResultsCache;
use crate::engine;
use crate::error::{Code, Error};
use crate::events::{Announcer, Subscriber, Subscribers, subscriber};
use crate::models::Location;
use crate::store::{MemoryStore, SqliteStore, Store};
use crate::tasks::{TaskHandler, TaskRegistry, collected};

/// The capacity of the results cache, in outcomes and in bytes.
const CACHE: (usize, usize) = (100_000, 64 << 20);
/// The maximum queue length with the memory store.
const MEMORY_QUEUE_LENGTH: u64 = 100_000;

/// Where durable tasks are stored.
enum StoreLocation {
    Memory,
    Directory(PathBuf),
    Store(Arc<dyn Store>),
}

/// Builds a [`TaskSystem`] with all annotated methods and subscribers of this program.
#[must_use = "the system exists only after `start`"]
pub struct Builder {
    location: StoreLocation,
    options: engine::Options,
    handlers: Vec<Arc<dyn TaskHandler>>,
    announcer: Arc<Announcer>,
    subscribers: Vec<(Arc<dyn Subscriber>, Location)>,
    replacing: Vec<(Arc<dyn Subscriber>, Location)>,
}

impl TaskSystem {
    /// A system without persistence: its tasks end with the process. At most 100,000 tasks wait in a queue.
    pub fn in_memory() -> Builder {
        Builder::at(StoreLocation::Memory)
    }

    /// A system that stores its tasks in this directory, and creates it if necessary. One process can
    /// open a directory at a time.
    pub fn in_directory(dir: impl Into<PathBuf>) -> Builder {
        Builder::at(StoreLocation::Directory(dir.into()))
    }

    /// A system with a custom store.
    pub fn on(store: Arc<dyn Store>) -> Builder {
        Builder::at(StoreLocation::Store(store))
    }
}

impl Builder {
    fn at(location: StoreLocation) -> Self {
        Self {
            location,
            options: engine::Options::default(),
            handlers: Vec::new(),
            announcer: Arc::default(),
            subscribers: Vec::new(),
            replacing: Vec::new(),
        }
    }

    /// Replaces the engine's default options.
    pub fn options(mut self, options: engine::Options) -> Self {
        self.options = options;
        self
    }

    /// Adds a method.
    pub fn handler(mut self, handler: Arc<dyn TaskHandler>) -> Self {
        self.handlers.push(handler);
        self
    }

    /// Publishes events through this announcer, from the first one on. It closes when the system stops
    /// and serves no other system.
    pub fn announcer(mut self, announcer: Arc<Announcer>) -> Self {
        self.announcer = announcer;
        self
    }

    /// Adds a subscriber.
    #[track_caller]
    pub fn subscriber(mut self, subscriber: Arc<dyn Subscriber>) -> Self {
        self.subscribers.push((subscriber, Location::caller()));
        self
    }

    /// Adds a subscriber and replaces the one with the same name, if any. The last of several wins.
    #[track_caller]
    pub fn replace_subscriber(mut self, subscriber: Arc<dyn Subscriber>) -> Self {
        self.replacing.push((subscriber, Location::caller()));
        self
    }

    /// Opens the store and starts the system.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` if the store cannot be opened; `INVALID_ARGUMENT` if two methods or two
    /// subscribers have one name, a subscriber names an unknown event, or the announcer served a
    /// system that has stopped; `INTERNAL` if threads cannot be started.
    pub async fn start(self) -> Result<TaskSystem, Error> {
        let Self { location, mut options, handlers, announcer, subscribers: more, replacing } =
            self;
        let registry = TaskRegistry::from_registrations(collected())?;
        for handler in handlers {
            registry.register_handler(handler)?;
        }
        let mut subscribers = Subscribers::from_registrations(subscriber::collected())?;
        for (subscriber, at) in more {
            subscribers.register(subscriber, at)?;
        }
        for (subscriber, at) in replacing {
            subscribers.replace(subscriber, at)?;
        }
        let store: Arc<dyn Store> = match location {
            StoreLocation::Memory => {
                options.queue_length = options.queue_length.min(MEMORY_QUEUE_LENGTH);
                Arc::new(MemoryStore::default())
            }
            // Opening blocks on the disk.
            StoreLocation::Directory(dir) => {
                let opened = tokio::task::spawn_blocking(move || SqliteStore::open_dir(&dir)).await;
                let no_thread = |error| Error::new(Code::Internal, format!("{error}"));
                Arc::new(opened.map_err(no_thread)??)
            }
            StoreLocation::Store(store) => store,
        };
        let (capacity, bytes) = CACHE;
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        let cache = Arc::new(ResultsCache::new(capacity, bytes));
        let registry = Arc::new(registry);
        let parts = Parts { options, registry, cache, store, announcer, subscribers };
        TaskSystem::start_with(parts).await
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::events::{Announced, SubscriberError};
    use crate::models::EventFilter;

    struct Mail;

    #[async_trait]
    impl Subscriber for Mail {
        fn name(&self) -> &str {
            "mail"
        }

        fn filter(&self) -> EventFilter {
            EventFilter::default()
        }

        async fn handle(&self, _: &Announced) -> Result<(), SubscriberError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn replace_subscriber_replaces_a_subscriber_with_the_same_name() {
        let refused = TaskSystem::in_memory().subscriber(Arc::new(Mail)).subscriber(Arc::new(Mail));
        let refused = refused.start().await.map(drop).expect_err("the name is taken");
        assert_eq!(refused.code, Code::InvalidArgument);
        let builder = TaskSystem::in_memory().replace_subscriber(Arc::new(Mail));
        let system = builder.subscriber(Arc::new(Mail)).start().await.expect("it starts");
        assert_eq!(system.subscribers.list().len(), 1);
        system.stop();
    }

    #[tokio::test]
    async fn an_announcer_that_served_a_stopped_system_is_refused() {
        let announcer: Arc<Announcer> = Arc::default();
        let start = || TaskSystem::in_memory().announcer(announcer.clone()).start();
        start().await.expect("it is new").stop();
        let refused = start().await.map(drop).expect_err("its streams have ended");
        assert_eq!(refused.code, Code::InvalidArgument);
        let expected =
            "announcer: it served a system that has stopped; give each system its own announcer";
        assert_eq!(refused.message, expected);
    }
}
