//! Children that a handler spawns while it runs.
//!
//! The id of a child is the id of its parent, a slash, and its name, or its ordinal among the children
//! without a name. So a second attempt of the parent spawns the same children and joins them.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{MustNotBlock, TaskContext};
use crate::clock::Timestamp;
use crate::models::{ArgValue, MAX_ID_BYTES, Outcome, Request, StartTime, TaskId, TaskOptions};
use crate::tasks::HostError;

/// A child to spawn: a method, its arguments and its options.
///
/// Options that are not set come from the method, then from the server, as for any task. A child has the
/// durability of its parent, and its correlation id unless it sets another one.
///
/// ```
/// # use std::time::Duration;
/// use task_scheduler::tasks::Subtask;
///
/// let child = Subtask::new("images/resize").arg("cat.png").arg(128).name("thumb").retries(5);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subtask {
    method: String,
    args: Vec<ArgValue>,
    name: Option<String>,
    deps: Vec<TaskId>,
    options: TaskOptions,
}

impl Subtask {
    /// A child that runs `[namespace/]name[@version]`, without arguments.
    pub fn new(method: impl Into<String>) -> Self {
        Self { method: method.into(), ..Self::default() }
    }

    /// Adds an argument. For [`ArgValue::ResultOf`] a sibling, also call [`after`](Self::after).
    #[must_use]
    pub fn arg(mut self, arg: impl Into<ArgValue>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<T: Into<ArgValue>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Names the child; the name is unique among its siblings. Without a name it gets the next number, so a
    /// handler that does not always spawn the same children in the same order should name them.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Starts the child only after this sibling has succeeded.
    #[must_use]
    pub fn after(mut self, sibling: &ChildHandle) -> Self {
        self.deps.push(sibling.id.clone());
        self
    }

    /// Sets the queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.options.queue = Some(queue.into());
        self
    }

    /// Sets the priority; higher runs first.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// Delays the start by at least this long.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.start = Some(StartTime::After(delay));
        self
    }

    /// Delays the start until this time at the earliest.
    #[must_use]
    pub fn run_at(mut self, at: Timestamp) -> Self {
        self.options.start = Some(StartTime::At(at));
        self
    }

    /// Sets the timeout of one attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Sets the number of retries.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = Some(retries);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.options.labels.tags.push(tag.into());
        self
    }

    /// Replaces all options set so far.
    #[must_use]
    pub fn options(mut self, options: TaskOptions) -> Self {
        self.options = options;
        self
    }
}

/// Why a child was not spawned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// The name is empty, or has a slash or a control character.
    #[error(
        "{0:?} is not a valid name of a child; expected text without `/` and control characters"
    )]
    BadName(String),
    /// Children nest too deep, or their names are too long.
    #[error(
        "the child's id would be {bytes} bytes long, its parent's included; at most {MAX_ID_BYTES} \
         are accepted: use shorter names or nest less deeply"
    )]
    IdTooLong {
        /// The size of the id.
        bytes: usize,
    },
    /// The handler runs where it must not block.
    #[error(transparent)]
    MustNotBlock(#[from] MustNotBlock),
    /// The child was refused, or the attempt is over.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// A child that was spawned. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChildHandle {
    id: TaskId,
    parent: TaskContext,
}

impl ChildHandle {
    /// The child's id: its parent's id, a slash, and its name.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Waits until the child has ended, and returns its outcome. The parent has no slot while it waits.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn join(&self) -> Result<Outcome, HostError> {
        let mut outcomes = self.parent.join_ids(vec![self.id.clone()]).await?;
        let Some(outcome) = outcomes.pop() else {
            unreachable!("a host returns an outcome for each child")
        };
        Ok(outcome)
    }
}

impl TaskContext {
    /// Spawns a child, which is stored when this returns. A parent that fails without a retry left, or is
    /// cancelled, cancels its children; a parent that succeeds does not.
    ///
    /// Idempotent: a parent that runs again joins the children that it spawned before, and failed ones run
    /// again. Unnamed children are numbered from 1 in the order of the calls.
    ///
    /// ```
    /// # use task_scheduler::tasks::{Subtask, TaskContext, TaskError};
    /// async fn resize(ctx: TaskContext, images: Vec<String>) -> Result<String, TaskError> {
    ///     let mut children = Vec::new();
    ///     for image in images {
    ///         children.push(ctx.spawn_subtask(Subtask::new("images/resize").arg(image)).await?);
    ///     }
    ///     let outcomes = ctx.join_all(&children).await?;
    ///     let well = outcomes.iter().filter(|outcome| outcome.result().is_some()).count();
    ///     Ok(format!("{well} of {} resized", children.len()))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SpawnError`]: a bad name, an id that is too long, or what refuses any other task.
    pub fn spawn_subtask(
        &self,
        subtask: Subtask,
    ) -> impl Future<Output = Result<ChildHandle, SpawnError>> + Send + use<'_> {
        // Numbered now, not at the first poll, so that the numbers have the order of the calls.
        let request = self.child(subtask);
        async move {
            let id = self.0.host.spawn(self.fence(), request?).await?;
            Ok(ChildHandle { id, parent: self.clone() })
        }
    }

    /// [`spawn_subtask`](Self::spawn_subtask) for sync handlers. A sync handler cannot wait for its children:
    /// its thread might be the one that they need. Use an async handler, or another task that depends on the
    /// children.
    ///
    /// # Errors
    /// The same, and [`SpawnError::MustNotBlock`] in inline and async handlers.
    pub fn spawn_subtask_blocking(&self, subtask: Subtask) -> Result<ChildHandle, SpawnError> {
        self.blocking("spawn_subtask", self.spawn_subtask(subtask))?
    }

    /// Waits until all these children have ended, and returns their outcomes in order. The attempt has no
    /// slot while it waits.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn join_all(&self, children: &[ChildHandle]) -> Result<Vec<Outcome>, HostError> {
        if children.is_empty() {
            return Ok(Vec::new());
        }
        self.join_ids(children.iter().map(|child| child.id.clone()).collect()).await
    }

    async fn join_ids(&self, ids: Vec<TaskId>) -> Result<Vec<Outcome>, HostError> {
        self.0.host.join(self.fence(), ids).await
    }

    /// The request for a child.
    fn child(&self, subtask: Subtask) -> Result<Request, SpawnError> {
        let Subtask { method, args, name, deps, mut options } = subtask;
        let name = match name {
            Some(name) if is_name(&name) => name,
            Some(name) => return Err(SpawnError::BadName(name)),
            None => (self.0.unnamed.fetch_add(1, Ordering::Relaxed) + 1).to_string(),
        };
        let task = self.task();
        let id = format!("{}/{name}", task.id);
        if id.len() > MAX_ID_BYTES {
            return Err(SpawnError::IdTooLong { bytes: id.len() });
        }
        let id = TaskId::parse(&id, "child").map_err(HostError::from)?;
        options.durability = Some(task.options.durability);
        options.wait_for_dependencies |= !deps.is_empty();
        let correlation = &mut options.labels.correlation_id;
        if let Some(labels) = &task.options.labels
            && correlation.is_empty()
        {
            correlation.clone_from(&labels.correlation_id);
        }
        Ok(Request { id: Some(id), method, args, deps, options: Some(Box::new(options)) })
    }
}

/// No slash, which would make the id that of a grandchild.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c == '/' || c.is_control())
}
