//! Events for the tests of this module.

use std::sync::Arc;
use std::time::Duration;

use super::catalog;
use crate::clock::Timestamp;
use crate::models::{Event, Fact, QueueName, ServerFact, TaskFact, TaskMaker};

pub(super) fn event(fact: Fact) -> Event {
    Event { at: Timestamp::EPOCH.plus(Duration::from_secs(100)), fact }
}

/// `task.queued` of a task in this queue with this tag.
pub(super) fn queued(id: &str, queue: &str, tag: &str) -> Event {
    let task = TaskMaker::new(id).with(|options| {
        options.queue = QueueName::parse(queue, "queue").expect("a valid name");
        options.labels.get_or_insert_default().tags = vec![tag.to_owned()];
    });
    event(Fact::Task(Arc::new(task.make()), TaskFact::Queued))
}

/// A custom event with this name.
pub(super) fn custom(name: &str) -> Event {
    let mut event = catalog::example(catalog::CUSTOM).expect("the catalogue lists it");
    if let Fact::Custom(custom) = &mut event.fact {
        Arc::make_mut(custom).name = name.into();
    }
    event
}

/// `observability.lagged`, numbered by `missed`.
pub(super) fn lagged(missed: u64) -> Event {
    event(Fact::Server(ServerFact::Lagged { subscriber: "mailer".into(), missed }))
}

/// Every example of the catalogue.
pub(super) fn all() -> Vec<Event> {
    catalog::all().iter().flat_map(|info| info.examples.clone()).collect()
}
