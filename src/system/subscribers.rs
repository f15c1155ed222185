//! Subscribers as services: each in a loop of its own, its handlers where bodies run.

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

/// How long a handler may take. One that never returned would keep every later event from its
/// subscriber, and nothing would show it.
const HANDLE_WITHIN: Duration = Duration::from_secs(5 * 60);

/// One subscriber and what it is told.
///
/// A turn that is dropped loses nothing: a handler under way goes on in a task of its own, which the
/// next turn, or the end, waits for.
pub(super) struct SubscriberService {
    name: String,
    registered: Registered,
    events: EventStream,
    bodies: Handle,
    engine: Engine,
    patience: Duration,
    handling: Option<Handling>,
}

/// A handler under way.
struct Handling {
    handler: JoinHandle<Result<(), SubscriberError>>,
    /// It is aborted then.
    until: Instant,
    /// It deals with an event, and not with having missed some.
    of_event: bool,
}

/// Who is told of events from the first one on: taken before the engine starts.
pub(super) struct Listening(Vec<(Registered, EventStream)>);

impl Listening {
    /// Begins to put events aside for each.
    pub(super) fn begin(subscribers: &[Registered], announcer: &Announcer) -> Self {
        let listens =
            |one: &Registered| (one.clone(), announcer.subscribe(one.filter.clone(), None));
        Self(subscribers.iter().map(listens).collect())
    }

    /// The services that deal with them.
    pub(super) fn services(self, engine: &Engine) -> impl Iterator<Item = SubscriberService> {
        self.0.into_iter().map(|(registered, events)| SubscriberService {
            name: format!("subscriber {}", registered.name),
            registered,
            events,
            bodies: engine.bodies(),
            engine: engine.clone(),
            patience: HANDLE_WITHIN,
            handling: None,
        })
    }
}

impl SubscriberService {
    /// Has a handler deal with what there is to tell.
    fn hand_over(&mut self, told: StreamItem) {
        let of_event = match told {
            StreamItem::Event(_) => true,
            StreamItem::Missed { count, .. } => {
                let name = self.registered.name.as_str();
                tracing::warn!(subscriber = name, count, "a subscriber missed events");
                self.registered.tally.missed(count);
                false
            }
        };
        let subscriber = self.registered.subscriber.clone();
        let handler = self.bodies.spawn(async move {
            match told {
                StreamItem::Event(event) => subscriber.handle(&event).await,
                StreamItem::Missed { count, .. } => {
                    subscriber.missed(count).await;
                    Ok(())
                }
            }
        });
        let until = Instant::now() + self.patience;
        self.handling = Some(Handling { handler, until, of_event });
    }

    /// Waits for the handler that is under way, if one is, as long as it may take.
    async fn finish(&mut self) {
        let Some(Handling { handler, until, of_event }) = &mut self.handling else { return };
        let said = match timeout_at(*until, &mut *handler).await {
            Ok(Ok(said)) => said.map_err(|error| error.to_string()),
            Ok(Err(ended)) => match ended.try_into_panic() {
                Ok(panic) => Err(format!("it panicked: {}", panic_message(&*panic))),
                Err(_) => Err("it was cut short by the end of the server".to_owned()),
            },
            Err(_) => {
                handler.abort();
                Err(format!("it did not return within {:?} and was aborted", self.patience))
            }
        };
        let of_event = *of_event;
        self.handling = None;
        match said {
            Ok(()) if of_event => self.registered.tally.handled(),
            Ok(()) => {}
            Err(error) => {
                let name = &self.registered.name;
                tracing::warn!(subscriber = %name, error, "a subscriber could not handle an event");
                self.registered.tally.failed(&error);
            }
        }
    }

    /// Tells everybody that this one was too slow. Once for each time that it has caught up again, so
    /// one who is told of that, too, does not keep himself busy with it.
    async fn announce_missed(&self, count: u64) {
        let name = self.registered.name.as_str();
        let lagged = ServerFact::Lagged { subscriber: name.into(), missed: count };
        if let Err(error) = self.engine.announce(Fact::Server(lagged)).await {
            tracing::debug!(subscriber = name, %error, "nobody is told of it any more");
        }
    }
}

#[async_trait]
impl Executable for SubscriberService {
    fn name(&self) -> &str {
        &self.name
    }

    /// What happened until now is still dealt with, as far as time allows.
    async fn shutdown(&mut self) -> Result<(), SchedulerError> {
        self.finish().await;
        while let Some((_, told)) = self.events.try_next() {
            self.hand_over(told);
            self.finish().await;
        }
        Ok(())
    }
}

#[async_trait]
impl BackgroundTask for SubscriberService {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        self.finish().await;
        let Some((_, told)) = self.events.next().await else {
            // Nothing more happens.
            return std::future::pending().await;
        };
        let missed = match told {
            StreamItem::Event(_) => None,
            StreamItem::Missed { count, .. } => Some(count),
        };
        self.hand_over(told);
        if let Some(count) = missed {
            self.announce_missed(count).await;
        }
        self.finish().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
