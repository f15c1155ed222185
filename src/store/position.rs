//! The order of tasks in a queue.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use crate::models::{QueueName, Sequence};

/// A task's place in its queue. The smallest is the next: strict priority, then first in, first out.
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

/// A task that can be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimableTask {
    /// Its queue.
    pub queue: QueueName,
    /// Where it stands there.
    pub position: Position,
    /// The method as written.
    pub method: Arc<str>,
}
