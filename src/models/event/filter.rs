//! Filters: which events a stream, a subscriber or a webhook gets.

use std::fmt;

use super::{CUSTOM_PREFIX, Category, Event};
use crate::models::{QueueName, TaskId};

/// The most names in one filter, and the most categories.
pub const MAX_FILTER_WORDS: usize = 100;

/// The name of an event, or the prefix of several names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamePattern {
    /// This name: `task.completed`.
    Exactly(String),
    /// Every name with this prefix: `custom.*`, kept as `custom.`.
    StartingWith(String),
}

impl NamePattern {
    /// Parses `task.completed`, `task.*` or `*`. Whether any event matches is for
    /// [`catalog::check`](crate::events::catalog::check) to decide.
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(start) => Self::StartingWith(start.to_owned()),
            None => Self::Exactly(text.to_owned()),
        }
    }

    /// Whether the pattern matches this name.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == name,
            Self::StartingWith(start) => name.starts_with(start.as_str()),
        }
    }

    /// Whether only custom events can match.
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

/// Selects events. Every condition that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventFilter {
    /// The event's name matches one of these; empty: every name.
    pub names: Vec<NamePattern>,
    /// The event's category is one of these; empty: every category.
    pub categories: Vec<Category>,
    /// The event is about this queue or a task of it.
    pub queue: Option<QueueName>,
    /// The event is about a task with this tag.
    pub tag: Option<String>,
    /// The event is about this task.
    pub task: Option<TaskId>,
}

impl EventFilter {
    /// Whether the filter selects this event.
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
