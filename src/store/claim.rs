//! Claims: tasks handed to a node, each under a fencing token.

use std::sync::Arc;

use super::ClaimableTask;
use crate::clock::Timestamp;
use crate::models::{ArgValue, Event, Fence, Sequence, Task, TaskId};

/// A request to claim a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The task.
    pub sequence: Sequence,
    /// The fencing token of the claim.
    pub fence: Fence,
}

/// A claimed task, and what its attempt needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// Its number in the order of acceptance.
    pub sequence: Sequence,
    /// The fencing token of the claim.
    pub fence: Fence,
    /// The task as requested.
    pub task: Arc<Task>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The arguments that an earlier claim resolved.
    pub resolved_args: Option<Vec<ArgValue>>,
    /// The children that an earlier claim expanded the task into; all have ended.
    pub children: Vec<TaskId>,
    /// The checkpoint of an earlier attempt.
    pub checkpoint: Option<Arc<[u8]>>,
    /// How many log lines the task has.
    pub log_lines: u32,
    /// Attempts before the last manual retry; they do not count against its retries.
    pub attempts_before_retry: u32,
}

/// The results of claim requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// One for each request; `None`: the task is not claimable.
    pub claimed: Vec<Option<Claimed>>,
    /// Tasks that became claimable: the next ones of keys whose rate limit permits another start.
    pub ready: Vec<ClaimableTask>,
    /// The events, in order.
    pub events: Vec<Event>,
    /// Whether events were written to the outbox.
    pub outbox_written: bool,
    /// When the next task is due or expires, as far as the store knows.
    pub due: Option<Timestamp>,
}
