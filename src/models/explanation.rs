//! Why a task is not running now.

use crate::clock::Timestamp;
use crate::models::{State, TaskId};

/// How many tasks that are in the way of one are named.
pub const MAX_NAMED: usize = 100;

/// Why a task is not running now, and when it will, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Where it stands.
    pub state: State,
    /// One sentence for people.
    pub summary: String,
    /// Everything that keeps it from running now; nothing while it runs and when it has ended.
    pub obstacles: Vec<Obstacle>,
    /// When it will run at the earliest, as far as that is known.
    pub runs_at: Option<Timestamp>,
}

/// One thing that keeps a task from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What kind of thing.
    pub kind: ObstacleKind,
    /// For people: an assertion without a full stop.
    pub description: String,
    /// The tasks that are in its way, at most [`MAX_NAMED`].
    pub tasks: Vec<TaskId>,
    /// When this is over, if that is known.
    pub until: Option<Timestamp>,
    /// How many there are of what the kind counts.
    pub count: u64,
    /// How many may be, for limits.
    pub limit: u64,
}

/// What keeps a task from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObstacleKind {
    /// Its time has not come.
    Time,
    /// It waits for the delay between two attempts.
    Backoff,
    /// Tasks that it waits for have not ended: dependencies, or the children that it was expanded into.
    Dependencies,
    /// Its queue is paused.
    Paused,
    /// As many of its queue run as may.
    QueueConcurrency,
    /// Its queue has started as many as it may in a time.
    QueueRate,
    /// As many with its concurrency key run as may, or started too lately.
    ConcurrencyKey,
    /// Every slot for bodies of its kind is taken.
    Capacity,
    /// This server has no such method.
    Method,
    /// It may be what ended the process, and another suspect runs.
    Suspect,
    /// Others in its queue stand before it.
    QueuePosition,
    /// The server is shutting down.
    Draining,
    /// The store does not answer.
    Store,
}
