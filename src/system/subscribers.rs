//! Runs each subscriber as a service; its handlers run on the engine's runtime for handlers.

use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::engine::Engine;
use crate::events::subscriber::Registered;
use crate::events::{Announcer, EventStream, StreamItem, SubscriberError};
use crate::models::{Fact, ServerFact};
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError, panic_message};

/// The time limit for one event. Without it, a handler that never returns would block its subscriber
/// silently.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// One subscriber and its subscription.
///
/// A turn that is dropped loses nothing: its handler continues in a spawned task, and the next turn or
/// `shutdown` waits for it.
pub(super) struct SubscriberService {
    name: String,
    registered: Registered,
    events: EventStream,
    handlers: Handle,
    engine: Engine,
    timeout: Duration,
    running: Option<RunningHandler>,
}

/// A handler that runs.
struct RunningHandler {
    handler: JoinHandle<Result<(), SubscriberError>>,
    deadline: Instant,
    /// True for an event, false for the notice of missed events.
    is_event: bool,
}

/// The subscriptions of all subscribers, opened before the engine starts.
pub(super) struct Subscriptions(Vec<(Registered, EventStream)>);

impl Subscriptions {
    /// Opens one subscription for each subscriber. Events are buffered from now on.
    pub(super) fn open(subscribers: &[Registered], announcer: &Announcer) -> Self {
        let subscribe =
            |one: &Registered| (one.clone(), announcer.subscribe(one.filter.clone(), None));
        Self(subscribers.iter().map(subscribe).collect())
    }

    /// One service for each subscriber.
    pub(super) fn services(self, engine: &Engine) -> impl Iterator<Item = SubscriberService> {
        self.0.into_iter().map(|(registered, events)| SubscriberService {
            name: format!("subscriber {}", registered.name),
            registered,
            events,
            handlers: engine.handler_runtime(),
            engine: engine.clone(),
            timeout: HANDLER_TIMEOUT,
            running: None,
        })
    }
}

impl SubscriberService {
    /// Spawns the handler for an item.
    fn spawn_handler(&mut self, item: StreamItem) {
        let is_event = match item {
            StreamItem::Event(_) => true,
            StreamItem::Missed { count, .. } => {
                let name = self.registered.name.as_str();
                tracing::warn!(subscriber = name, count, "subscriber missed events");
                self.registered.tally.missed(count);
                false
            }
        };
        let subscriber = self.registered.subscriber.clone();
        let handler = self.handlers.spawn(async move {
            match item {
                StreamItem::Event(event) => subscriber.handle(&event).await,
                StreamItem::Missed { count, .. } => {
                    subscriber.missed(count).await;
                    Ok(())
                }
            }
        });
        let deadline = Instant::now() + self.timeout;
        self.running = Some(RunningHandler { handler, deadline, is_event });
    }

    /// Waits for the running handler, if any, up to its deadline.
    async fn finish(&mut self) {
        let Some(RunningHandler { handler, deadline, is_event }) = &mut self.running else {
            return;
        };
        let result = match timeout_at(*deadline, &mut *handler).await {
            Ok(Ok(result)) => result.map_err(|error| error.to_string()),
            Ok(Err(ended)) => match ended.try_into_panic() {
                Ok(panic) => Err(format!("it panicked: {}", panic_message(&*panic))),
                Err(_) => Err("the server stopped before it returned".to_owned()),
            },
            Err(_) => {
                handler.abort();
                Err(format!("it did not return within {:?} and was aborted", self.timeout))
            }
        };
        let is_event = *is_event;
        self.running = None;
        match result {
            Ok(()) if is_event => self.registered.tally.handled(),
            Ok(()) => {}
            Err(error) => {
                let name = &self.registered.name;
                tracing::warn!(subscriber = %name, error, "subscriber failed");
                self.registered.tally.failed(&error);
            }
        }
    }

    /// Announces that this subscriber missed events: once for each time that it fell behind, so that a
    /// subscriber to that event does not keep itself busy.
    async fn announce_missed(&self, count: u64) {
        let name = self.registered.name.as_str();
        let lagged = ServerFact::Lagged { subscriber: name.into(), missed: count };
        if let Err(error) = self.engine.announce(Fact::Server(lagged)).await {
            tracing::debug!(subscriber = name, %error, "cannot announce missed events");
        }
    }
}

#[async_trait]
impl Executable for SubscriberService {
    fn name(&self) -> &str {
        &self.name
    }

    /// Handles the buffered events, within the time limit of a shutdown.
    async fn shutdown(&mut self) -> Result<(), SchedulerError> {
        self.finish().await;
        while let Some((_, item)) = self.events.try_next() {
            self.spawn_handler(item);
            self.finish().await;
        }
        Ok(())
    }
}

#[async_trait]
impl BackgroundTask for SubscriberService {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        self.finish().await;
        let Some((_, item)) = self.events.next().await else {
            // The announcer is closed.
            return std::future::pending().await;
        };
        let missed = match item {
            StreamItem::Event(_) => None,
            StreamItem::Missed { count, .. } => Some(count),
        };
        self.spawn_handler(item);
        if let Some(count) = missed {
            self.announce_missed(count).await;
        }
        self.finish().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
