//! [`TaskContext`]: what a handler knows about its attempt, and the calls that it can make.
//!
//! Each attempt has one context, made with one allocation before its handler starts, because most
//! handlers take microseconds and never use it. Its calls and its output go to the [`Host`].

mod blocking;
mod bounded;
mod checkpoint;
mod emit;
mod output;
mod subtask;

use std::fmt;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub use blocking::MustNotBlock;
pub(in crate::tasks) use blocking::block_on;
pub use checkpoint::{CheckpointError, MAX_CHECKPOINT_BYTES};
pub use emit::EmitError;
pub(crate) use output::UnwrittenOutput;
pub use output::{BadProgress, MAX_PROGRESS_MESSAGE_BYTES, Progress};
pub use subtask::{ChildHandle, SpawnError, Subtask};

use crate::models::{ArgValue, Fence, Outcome, Task, TaskId};
use crate::tasks::{HandlerKind, Host};
use checkpoint::Checkpoint;
use output::OutputBuffer;

/// What is known about an attempt at its start.
#[derive(Clone, Debug)]
pub struct AttemptInfo {
    /// The number of the attempt, from 1.
    pub number: u32,
    /// The fence of the claim.
    pub fence: Fence,
    /// The start, on the steady clock of the host.
    pub started: Duration,
    /// Where the handler runs.
    pub kind: HandlerKind,
    /// The checkpoint of an earlier attempt.
    pub checkpoint: Option<Arc<[u8]>>,
    /// How many lines the task's log has already.
    pub log_lines: u32,
}

/// The state that an attempt shares between its handler and its host.
struct Attempt {
    task: Arc<Task>,
    number: u32,
    fence: Fence,
    started: Duration,
    kind: HandlerKind,
    host: Arc<dyn Host>,
    /// Made at its first use: most handlers return before it is needed.
    stop: OnceLock<CancellationToken>,
    dependencies: OnceLock<Vec<(TaskId, Outcome)>>,
    output: OutputBuffer,
    checkpoint: Checkpoint,
    /// How many children without a name were spawned.
    unnamed: AtomicU32,
}

/// A handler's view of its own attempt: ids, timeout, cancellation, checkpoints, progress, log, children
/// and events. Cheap to clone.
#[derive(Clone)]
pub struct TaskContext(Arc<Attempt>);

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("task_id", self.task_id())
            .field("attempt", &self.attempt())
            .field("fence", &self.fence())
            .finish_non_exhaustive()
    }
}

impl TaskContext {
    /// The context of an attempt that starts.
    pub fn new(task: Arc<Task>, info: AttemptInfo, host: Arc<dyn Host>) -> Self {
        let AttemptInfo { number, fence, started, kind, checkpoint, log_lines } = info;
        Self(Arc::new(Attempt {
            task,
            number,
            fence,
            started,
            kind,
            host,
            stop: OnceLock::new(),
            dependencies: OnceLock::new(),
            output: OutputBuffer::after(log_lines),
            checkpoint: Checkpoint::new(checkpoint),
            unnamed: AtomicU32::new(0),
        }))
    }

    /// Sets the outcomes of the task's dependencies. Call it once.
    pub(crate) fn set_dependencies(&self, dependencies: Vec<(TaskId, Outcome)>) {
        if self.0.dependencies.set(dependencies).is_err() {
            unreachable!("dependencies are set once for each attempt");
        }
    }

    /// The task, as it was submitted.
    pub fn task(&self) -> &Arc<Task> {
        &self.0.task
    }

    /// The task's id.
    pub fn task_id(&self) -> &TaskId {
        &self.0.task.id
    }

    /// The number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.number
    }

    /// The fencing token of this attempt. A later attempt of the same task has a greater one, so a resource
    /// that remembers the greatest fence can refuse the writes of an abandoned attempt.
    pub fn fence(&self) -> Fence {
        self.0.fence
    }

    /// How long this attempt has run.
    pub fn elapsed(&self) -> Duration {
        self.0.host.now().steady.saturating_sub(self.0.started)
    }

    /// The time until the timeout; zero after it.
    pub fn remaining(&self) -> Duration {
        self.0.task.options.timeout.saturating_sub(self.elapsed())
    }

    /// When the attempt times out.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.remaining()
    }

    /// Whether the handler should return: the task was cancelled, or the attempt timed out.
    pub fn is_cancelled(&self) -> bool {
        self.0.stop.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// Resolves when the handler should return: the task was cancelled, or the attempt timed out.
    pub async fn cancelled(&self) {
        self.0.stop.get_or_init(CancellationToken::new).cancelled().await;
    }

    /// The outcomes of the task's dependencies, in the order of the request.
    pub fn dependencies(&self) -> &[(TaskId, Outcome)] {
        self.0.dependencies.get().map_or(&[], Vec::as_slice)
    }

    /// The result of one dependency; `None` if it did not succeed.
    pub fn dependency_result(&self, id: &str) -> Option<&ArgValue> {
        let (_, outcome) = self.dependencies().iter().find(|(known, _)| known.as_str() == id)?;
        outcome.result()
    }

    /// Requests that the handler returns.
    pub(crate) fn stop(&self) {
        self.0.stop.get_or_init(CancellationToken::new).cancel();
    }
}

#[cfg(test)]
mod tests;
