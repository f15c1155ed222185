//! Claims: tasks handed to a node, each under a fencing token.

use std::sync::Arc;

use super::ClaimableTask;
use crate::clock::Timestamp;
use crate::models::{ArgValue, Event, Fence, Sequence, Task, TaskId};

/// A claim that somebody would like to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Which task.
    pub sequence: Sequence,
    /// The number that the claim is to have.
    pub fence: Fence,
}

/// A task that was given to whoever asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// Its place in the order of acceptance.
    pub sequence: Sequence,
    /// The number of this claim.
    pub fence: Fence,
    /// What was asked.
    pub task: Arc<Task>,
    /// The number of the attempt that begins, from 1.
    pub attempt: u32,
    /// What an earlier claim decided.
    pub resolved_args: Option<Vec<ArgValue>>,
    /// The children that an earlier claim expanded it into, which have ended.
    pub children: Vec<TaskId>,
    /// What an earlier attempt saved.
    pub checkpoint: Option<Arc<[u8]>>,
    /// How many log lines there are.
    pub log_lines: u32,
    /// Attempts that do not count against its retries: those made before somebody had it run again.
    pub attempts_before_retry: u32,
}

/// What came of a wish to claim.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// One for each wish; `None` where it could not be had.
    pub claimed: Vec<Option<Claimed>>,
    /// Tasks that became claimable: the next ones with a key whose rate has room.
    pub ready: Vec<ClaimableTask>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Some of it was put aside for webhooks.
    pub outbox_written: bool,
    /// When the next task is due or over, as far as is known.
    pub due: Option<Timestamp>,
}
