//! What a body knows about the attempt that it is, and what it can say meanwhile.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::clock::now;
use crate::models::{ArgValue, Fence, Outcome, Task, TaskId};

/// The longest progress message that is kept, in bytes.
pub const MAX_PROGRESS_MESSAGE_BYTES: usize = 1_024;

/// How far a body says it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// For people.
    pub message: String,
}

/// Why a progress report was not taken.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("progress must be a number from 0 to 1, not {0}")]
pub struct BadProgress(pub f64);

/// What one attempt shares between its body and whoever watches over it.
#[derive(Debug)]
struct Attempt {
    task: Arc<Task>,
    number: u32,
    fence: Fence,
    /// On the steady clock.
    started: Duration,
    /// Made when somebody asks for it or uses it: most bodies end before anybody does.
    stop: OnceLock<CancellationToken>,
    progress: Mutex<Progress>,
    dependencies: OnceLock<Vec<(TaskId, Outcome)>>,
}

/// A body's view of its own attempt. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TaskContext(Arc<Attempt>);

impl TaskContext {
    /// The context of attempt `number` (from 1), which `started` then, on the steady clock.
    pub fn new(task: Arc<Task>, number: u32, fence: Fence, started: Duration) -> Self {
        Self(Arc::new(Attempt {
            task,
            number,
            fence,
            started,
            stop: OnceLock::new(),
            progress: Mutex::default(),
            dependencies: OnceLock::new(),
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
        now().steady.saturating_sub(self.0.started)
    }

    /// When the attempt's time is over.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.0.task.options.timeout.saturating_sub(self.elapsed())
    }

    /// Whether the body should stop: it was cancelled, or its time is over.
    pub fn is_cancelled(&self) -> bool {
        self.0.stop.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// Resolves when the body should stop.
    pub async fn cancelled(&self) {
        self.0.stop.get_or_init(CancellationToken::new).cancelled().await;
    }

    /// Says how far the body is, from 0 to 1, and what it is doing. The message is cut at
    /// [`MAX_PROGRESS_MESSAGE_BYTES`].
    ///
    /// # Errors
    /// [`BadProgress`] when `fraction` is not a number from 0 to 1; nothing changes then.
    pub fn progress(&self, fraction: f64, message: impl Into<String>) -> Result<(), BadProgress> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(BadProgress(fraction));
        }
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MAX_PROGRESS_MESSAGE_BYTES));
        *self.0.progress.lock() = Progress { fraction, message };
        Ok(())
    }

    /// What the body last said.
    pub fn current_progress(&self) -> Progress {
        self.0.progress.lock().clone()
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
