//! Why a task is not running now.

use crate::clock::Timestamp;
use crate::models::{State, TaskId};

/// The most tasks that one obstacle names.
pub const MAX_NAMED: usize = 100;

/// Why a task is not running now, and when it will run, if known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The task's state.
    pub state: State,
    /// One sentence, for people.
    pub summary: String,
    /// Everything that keeps the task from running; empty if it runs or has ended.
    pub obstacles: Vec<Obstacle>,
    /// The earliest time at which it will run, if known.
    pub runs_at: Option<Timestamp>,
}

/// One thing that keeps a task from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The kind of obstacle.
    pub kind: ObstacleKind,
    /// A description for people, without a full stop.
    pub description: String,
    /// The tasks that the task waits for, at most [`MAX_NAMED`].
    pub tasks: Vec<TaskId>,
    /// When the obstacle ends, if known.
    pub until: Option<Timestamp>,
    /// How many tasks the obstacle counts, by its kind.
    pub count: u64,
    /// The limit on `count`, for kinds that have one.
    pub limit: u64,
}

/// The kind of an obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObstacleKind {
    /// The task's start time is in the future.
    Time,
    /// The task waits for its backoff between two attempts.
    Backoff,
    /// Its dependencies, or the children that it was expanded into, have not ended.
    Dependencies,
    /// Its queue is paused.
    Paused,
    /// The queue's concurrency limit is reached.
    QueueConcurrency,
    /// The queue's rate limit is reached.
    QueueRate,
    /// The concurrency limit or the rate limit of its concurrency key is reached.
    ConcurrencyKey,
    /// Every slot for handlers of its kind is in use.
    Capacity,
    /// The server does not have the method.
    Method,
    /// The task may have crashed the server, and another such suspect runs.
    Suspect,
    /// Other tasks are ahead of it in its queue.
    QueuePosition,
    /// The server is shutting down.
    Draining,
    /// The store does not answer.
    Store,
}
