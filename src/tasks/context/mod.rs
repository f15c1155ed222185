//! What a body knows about the attempt that it is, and what it can say meanwhile.
//!
//! One context an attempt, made before its body starts, with one allocation: most bodies take
//! microseconds and ask for nothing. What a body says goes to the [`Host`].

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

/// What is known about an attempt when it begins.
#[derive(Clone, Debug)]
pub struct AttemptInfo {
    /// The number of the attempt, from 1.
    pub number: u32,
    /// The number of the claim.
    pub fence: Fence,
    /// When, on the steady clock of the host.
    pub started: Duration,
    /// Where the body runs.
    pub kind: HandlerKind,
    /// What an earlier attempt saved.
    pub checkpoint: Option<Arc<[u8]>>,
    /// How many lines the task's log has.
    pub log_lines: u32,
}

/// What one attempt shares between its body and whoever watches over it.
struct Attempt {
    task: Arc<Task>,
    number: u32,
    fence: Fence,
    started: Duration,
    kind: HandlerKind,
    host: Arc<dyn Host>,
    /// Made when somebody asks for it or uses it: most bodies end before anybody does.
    stop: OnceLock<CancellationToken>,
    dependencies: OnceLock<Vec<(TaskId, Outcome)>>,
    output: OutputBuffer,
    checkpoint: Checkpoint,
    /// How many children without a name were asked for.
    unnamed: AtomicU32,
}

/// A body's view of its own attempt. Cheap to clone.
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
    /// The context of an attempt that begins.
    pub fn new(task: Arc<Task>, begun: AttemptInfo, host: Arc<dyn Host>) -> Self {
        let AttemptInfo { number, fence, started, kind, checkpoint, log_lines } = begun;
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

    /// Hands over the outcomes of the task's dependencies, in the order asked. Once.
    pub(crate) fn set_dependencies(&self, dependencies: Vec<(TaskId, Outcome)>) {
        if self.0.dependencies.set(dependencies).is_err() {
            unreachable!("dependencies are gathered once an attempt");
        }
    }

    /// The task that was asked for.
    pub fn task(&self) -> &Arc<Task> {
        &self.0.task
    }

    /// Its id.
    pub fn task_id(&self) -> &TaskId {
        &self.0.task.id
    }

    /// The number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.number
    }

    /// The number of this claim. A later claim of the same task has a greater one, so a resource
    /// that remembers the greatest fence it has seen can refuse a body that was given up.
    pub fn fence(&self) -> Fence {
        self.0.fence
    }

    /// How long the attempt has run.
    pub fn elapsed(&self) -> Duration {
        self.0.host.now().steady.saturating_sub(self.0.started)
    }

    /// How long it may still run; zero when its time is over.
    pub fn remaining(&self) -> Duration {
        self.0.task.options.timeout.saturating_sub(self.elapsed())
    }

    /// When the attempt's time is over.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.remaining()
    }

    /// Whether the body should stop: it was cancelled, or its time is over.
    pub fn is_cancelled(&self) -> bool {
        self.0.stop.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// Resolves when the body should stop.
    pub async fn cancelled(&self) {
        self.0.stop.get_or_init(CancellationToken::new).cancelled().await;
    }

    /// The outcomes of the task's dependencies, in the order asked.
    pub fn dependencies(&self) -> &[(TaskId, Outcome)] {
        self.0.dependencies.get().map_or(&[], Vec::as_slice)
    }

    /// The result of one dependency, if it succeeded.
    pub fn dependency_result(&self, id: &str) -> Option<&ArgValue> {
        let (_, outcome) = self.dependencies().iter().find(|(known, _)| known.as_str() == id)?;
        outcome.result()
    }

    /// Tells the body to stop.
    pub(crate) fn stop(&self) {
        self.0.stop.get_or_init(CancellationToken::new).cancel();
    }
}

#[cfg(test)]
mod tests;
