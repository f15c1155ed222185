//! Puts a system together.

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

/// How many outcomes the results cache holds, and how many bytes.
const CACHE: (usize, usize) = (100_000, 64 << 20);
/// How many tasks wait in a queue in memory, unless the options say otherwise.
const LENGTH_IN_MEMORY: u64 = 100_000;

/// Where tasks are kept.
enum Place {
    Memory,
    Directory(PathBuf),
    Store(Arc<dyn Store>),
}

/// Puts a [`TaskSystem`] together. It has the methods that are annotated in this program.
#[must_use = "nothing is there before it is started"]
pub struct Builder {
    place: Place,
    options: engine::Options,
    handlers: Vec<Arc<dyn TaskHandler>>,
    announcer: Arc<Announcer>,
    subscribers: Vec<(Arc<dyn Subscriber>, Location)>,
    replacing: Vec<(Arc<dyn Subscriber>, Location)>,
}

impl TaskSystem {
    /// A system that forgets everything with the process.
    pub fn in_memory() -> Builder {
        Builder::at(Place::Memory)
    }

    /// A system that keeps its tasks in this directory, which is made if it is not there. One process
    /// can have it open at a time.
    pub fn in_directory(dir: impl Into<PathBuf>) -> Builder {
        Builder::at(Place::Directory(dir.into()))
    }

    /// A system that keeps its tasks in a store of one's own.
    pub fn on(store: Arc<dyn Store>) -> Builder {
        Builder::at(Place::Store(store))
    }
}

impl Builder {
    fn at(place: Place) -> Self {
        Self {
            place,
            options: engine::Options::default(),
            handlers: Vec::new(),
            announcer: Arc::default(),
            subscribers: Vec::new(),
            replacing: Vec::new(),
        }
    }

    /// How it works, instead of the defaults.
    pub fn options(mut self, options: engine::Options) -> Self {
        self.options = options;
        self
    }

    /// With one more method.
    pub fn handler(mut self, handler: Arc<dyn TaskHandler>) -> Self {
        self.handlers.push(handler);
        self
    }

    /// Tells by this of what happens, from the first event on. It serves this one system, and is closed
    /// when that stops: a system that is started after that needs another.
    pub fn announcer(mut self, announcer: Arc<Announcer>) -> Self {
        self.announcer = announcer;
        self
    }

    /// With one more who is told of events, beside those that are annotated in this program.
    #[track_caller]
    pub fn subscriber(mut self, subscriber: Arc<dyn Subscriber>) -> Self {
        self.subscribers.push((subscriber, Location::caller()));
        self
    }

    /// With this one in the place of the subscriber that has its name, if there is one. Of two for one
    /// name the last stands.
    #[track_caller]
    pub fn replace_subscriber(mut self, subscriber: Arc<dyn Subscriber>) -> Self {
        self.replacing.push((subscriber, Location::caller()));
        self
    }

    /// Opens the store and begins to work.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` when the store cannot be opened; `INVALID_ARGUMENT` when two methods, or
    /// two subscribers, have one name, when a subscriber asks for an event that there is not, and when
    /// the announcer has served a system that has stopped;
    /// `INTERNAL` when threads cannot be had.
    pub async fn start(self) -> Result<TaskSystem, Error> {
        let Self { place, mut options, handlers, announcer, subscribers: more, replacing } = self;
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
        let store: Arc<dyn Store> = match place {
            Place::Memory => {
                options.queue_length = options.queue_length.min(LENGTH_IN_MEMORY);
                Arc::new(MemoryStore::default())
            }
            // It reads and perhaps waits for the disk.
            Place::Directory(dir) => {
                let opened = tokio::task::spawn_blocking(move || SqliteStore::open_dir(&dir)).await;
                let no_thread = |error| Error::new(Code::Internal, format!("{error}"));
                Arc::new(opened.map_err(no_thread)??)
            }
            Place::Store(store) => store,
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
    async fn a_subscriber_takes_the_place_of_another_when_that_is_asked_for() {
        let refused = TaskSystem::in_memory().subscriber(Arc::new(Mail)).subscriber(Arc::new(Mail));
        let refused = refused.start().await.map(drop).expect_err("the name is taken");
        assert_eq!(refused.code, Code::InvalidArgument);
        let builder = TaskSystem::in_memory().replace_subscriber(Arc::new(Mail));
        let system = builder.subscriber(Arc::new(Mail)).start().await.expect("it starts");
        assert_eq!(system.subscribers.list().len(), 1);
        system.stop();
    }

    #[tokio::test]
    async fn an_announcer_of_a_system_that_has_stopped_is_refused_instead_of_deaf() {
        let announcer: Arc<Announcer> = Arc::default();
        let start = || TaskSystem::in_memory().announcer(announcer.clone()).start();
        start().await.expect("it is new").stop();
        let refused = start().await.map(drop).expect_err("its streams have ended");
        assert_eq!(refused.code, Code::InvalidArgument);
        let expected =
            "announcer: it told of a system that has stopped; give each system one of its own";
        assert_eq!(refused.message, expected);
    }
}
