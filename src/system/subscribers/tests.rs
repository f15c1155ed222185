use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{SubscriberService, Subscriptions};
use crate::clock::now;
use crate::events::subscriber::Registered;
use crate::events::{Announced, Announcer, QUEUE_EVENTS, Subscriber, SubscriberError, Subscribers};
use crate::models::{Event, EventFilter, Fact, Location, NamePattern, NodeFact};
use crate::orchestrator::{BackgroundTask, Executable};
use crate::system::TaskSystem;

/// A test that waits this long has failed.
const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(20);
const LOST: usize = 3;

/// Never returns from the first event if `sticks` is set, and records missed events.
#[derive(Default)]
struct Stuck {
    sticks: Mutex<bool>,
    missed: Mutex<Vec<u64>>,
}

#[async_trait]
impl Subscriber for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    fn filter(&self) -> EventFilter {
        EventFilter { names: vec![NamePattern::parse("node.draining")], ..EventFilter::default() }
    }

    async fn handle(&self, _: &Announced) -> Result<(), SubscriberError> {
        let sticks = std::mem::take(&mut *self.sticks.lock());
        if sticks {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn missed(&self, count: u64) {
        self.missed.lock().push(count);
    }
}

struct Ready {
    announcer: Announcer,
    system: TaskSystem,
    registered: Registered,
    service: SubscriberService,
}

impl Ready {
    async fn with(stuck: Arc<Stuck>) -> Self {
        let announcer = Announcer::default();
        let system = TaskSystem::in_memory().start().await.unwrap();
        let mut subscribers = Subscribers::default();
        subscribers.register(stuck, Location::caller()).unwrap();
        let registered = subscribers.list()[0].clone();
        let subscriptions = Subscriptions::open(subscribers.list(), &announcer);
        let service = subscriptions.services(system.tasks()).next().unwrap();
        Self { announcer, system, registered, service }
    }

    fn announce(&self, count: usize) {
        for _ in 0..count {
            let fact = Fact::Node(NodeFact::Draining);
            self.announcer.announce(Event { at: now().wall, fact });
        }
    }
}

#[tokio::test]
async fn a_handler_that_never_returns_is_aborted_and_the_next_event_is_handled() {
    let stuck = Stuck { sticks: Mutex::new(true), ..Stuck::default() };
    let mut ready = Ready::with(Arc::new(stuck)).await;
    ready.announce(2);
    ready.service.timeout = SHORT;
    ready.service.execute().await.unwrap();
    ready.service.timeout = LONG;
    ready.service.execute().await.unwrap();
    let status = ready.registered.status();
    assert_eq!((status.handled, status.failed), (1, 1));
    assert_eq!(status.last_error, "it did not return within 20ms and was aborted");
    ready.system.stop();
}

#[tokio::test]
async fn a_subscriber_receives_the_number_of_missed_events() {
    let stuck = Arc::new(Stuck::default());
    let mut ready = Ready::with(stuck.clone()).await;
    ready.announce(QUEUE_EVENTS + LOST);
    for _ in 0..=QUEUE_EVENTS {
        ready.service.execute().await.unwrap();
    }
    assert_eq!(*stuck.missed.lock(), [LOST as u64]);
    // The same during shutdown.
    ready.announce(QUEUE_EVENTS + LOST);
    ready.service.shutdown().await.unwrap();
    assert_eq!(*stuck.missed.lock(), [LOST as u64; 2]);
    let status = ready.registered.status();
    let counts = (status.handled, status.failed, status.missed);
    assert_eq!(counts, (2 * QUEUE_EVENTS as u64, 0, 2 * LOST as u64));
    ready.system.stop();
}
