//! An observer that keeps every event from the start.

use std::sync::{Arc, Mutex};

use task_scheduler::events::Announcer;
use task_scheduler::models::{Event, Fact, NodeFact};

#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Recorder {
    /// An announcer that it observes.
    pub(crate) fn announcer(&self) -> Arc<Announcer> {
        let events = self.0.clone();
        let observer = move |event: &Event| events.lock().expect("sound").push(event.clone());
        Arc::new(Announcer::default().observer(Arc::new(observer)))
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().expect("sound").clone()
    }

    /// The names of the events about a task, in order.
    pub(crate) fn about(&self, task: &str) -> Vec<String> {
        let is_about = |event: &Event| event.task_id().is_some_and(|id| id.as_str() == task);
        self.events()
            .iter()
            .filter(|event| is_about(event))
            .map(|it| it.name().to_owned())
            .collect()
    }

    /// The events about nodes, in order.
    pub(crate) fn about_nodes(&self) -> Vec<NodeFact> {
        let of_node = |event: Event| match event.fact {
            Fact::Node(fact) => Some(fact),
            _ => None,
        };
        self.events().into_iter().filter_map(of_node).collect()
    }
}
