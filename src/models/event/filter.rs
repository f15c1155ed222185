//! Which events somebody wants.

use std::fmt;

use super::{CUSTOM_PREFIX, Category, Event};
use crate::models::{QueueName, TaskId};

/// The most names, or categories, or tags in one filter.
pub const MAX_FILTER_WORDS: usize = 100;

/// A name of an event, or all that begin like it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamePattern {
    /// `task.completed`.
    Exactly(String),
    /// `custom.*`, kept as `custom.`.
    StartingWith(String),
}

impl NamePattern {
    /// What is written as `task.completed`, `task.*` or `*`. Whether there is such an event is for the
    /// catalogue to say.
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(start) => Self::StartingWith(start.to_owned()),
            None => Self::Exactly(text.to_owned()),
        }
    }

    /// Whether that is such a name.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == name,
            Self::StartingWith(start) => name.starts_with(start.as_str()),
        }
    }

    /// Whether only custom events can be meant.
    pub fn is_custom(&self) -> bool {
        let (Self::Exactly(text) | Self::StartingWith(text)) = self;
        text.starts_with(CUSTOM_PREFIX)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => f.write_str(name),
            Self::StartingWith(start) => write!(f, "{start}*"),
        }
    }
}

/// What an event must be to be wanted. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventFilter {
    /// Any of these; empty: any at all.
    pub names: Vec<NamePattern>,
    /// Any of these; empty: any at all.
    pub categories: Vec<Category>,
    /// About this queue, or a task of it.
    pub queue: Option<QueueName>,
    /// About a task that carries this tag.
    pub tag: Option<String>,
    /// About this task.
    pub task: Option<TaskId>,
}

impl EventFilter {
    /// Whether the event is wanted.
    pub fn matches(&self, event: &Event) -> bool {
        let name = event.name();
        (self.names.is_empty() || self.names.iter().any(|pattern| pattern.matches(name)))
            && (self.categories.is_empty() || self.categories.contains(&event.category()))
            && self.queue.as_ref().is_none_or(|queue| event.queue() == Some(queue))
            && self.task.as_ref().is_none_or(|id| event.task_id() == Some(id))
            && self.tag.as_ref().is_none_or(|tag| {
                event.task().is_some_and(|task| task.options.tags().contains(tag))
            })
    }
}
