//! Subscribers as services: each in a loop of its own, its handlers where bodies run.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::events::subscriber::Registered;
use crate::events::{Announced, Announcer, EventStream, SubscriberError, Told};
use crate::models::{Fact, Observed};
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError, said};

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
    handling: Option<JoinHandle<Result<(), SubscriberError>>>,
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
            handling: None,
        })
    }
}

impl SubscriberService {
    /// Has a handler deal with an event.
    async fn deal_with(&mut self, event: Arc<Announced>) {
        let subscriber = self.registered.subscriber.clone();
        let handler = self.bodies.spawn(async move { subscriber.handle(&event).await });
        self.handling = Some(handler);
        self.finish().await;
    }

    /// Waits for the handler that is under way, if one is.
    async fn finish(&mut self) {
        let Some(handling) = &mut self.handling else { return };
        let said = match handling.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => Err(format!("it panicked: {}", said(&*panic))),
                Err(_) => Err("it was cut short by the end of the server".to_owned()),
            },
        };
        self.handling = None;
        match said {
            Ok(()) => self.registered.tally.handled(),
            Err(error) => {
                let name = &self.registered.name;
                tracing::warn!(subscriber = %name, error, "a subscriber could not handle an event");
                self.registered.tally.failed(&error);
            }
        }
    }

    /// Tells everybody that this one was too slow. Once for each time that it has caught up again, so
    /// one who is told of that, too, does not keep himself busy with it.
    async fn missed(&self, count: u64) {
        let name = self.registered.name.as_str();
        tracing::warn!(subscriber = name, count, "a subscriber missed events");
        self.registered.tally.missed(count);
        let lagged = Observed::Lagged { listener: name.into(), missed: count };
        if let Err(error) = self.engine.announce(Fact::Observed(lagged)).await {
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
            match told {
                Told::Event(event) => self.deal_with(event).await,
                Told::Missed { count, .. } => self.registered.tally.missed(count),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl BackgroundTask for SubscriberService {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        self.finish().await;
        match self.events.next().await {
            Some((_, Told::Event(event))) => self.deal_with(event).await,
            Some((_, Told::Missed { count, .. })) => self.missed(count).await,
            // Nothing more happens.
            None => std::future::pending().await,
        }
        Ok(())
    }
}
