//! The order of tasks in a queue.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use crate::models::{QueueName, Sequence};

/// A task's position in its queue: strict priority, then first in, first out. The smallest is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Higher first.
    pub priority: i32,
    /// Lower first.
    pub sequence: Sequence,
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        (Reverse(self.priority), self.sequence).cmp(&(Reverse(other.priority), other.sequence))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A claimable task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimableTask {
    /// Its queue.
    pub queue: QueueName,
    /// Its position there.
    pub position: Position,
    /// The method as requested.
    pub method: Arc<str>,
}
