//! Children that a body asks for while it runs.
//!
//! A child's id is its parent's, a slash, and its name or its ordinal among the children without one.
//! So a second run of the parent asks for the same children and joins them.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{MustNotBlock, TaskContext};
use crate::clock::Timestamp;
use crate::models::{ArgValue, MAX_ID_BYTES, Outcome, Request, StartTime, TaskId, TaskOptions};
use crate::tasks::HostError;

/// A child to spawn: a method, its arguments and its options.
///
/// What it does not say comes from the method, then from the server, as for any task. It is kept as
/// durably as its parent, and has the parent's correlation id unless it says another one.
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

    /// One more argument. What [`ArgValue::ResultOf`] a child is, has to be waited for with
    /// [`after`](Self::after).
    #[must_use]
    pub fn arg(mut self, arg: impl Into<ArgValue>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<T: Into<ArgValue>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// What it is called among its siblings. Without a name it has the next number, so a body that
    /// does not always spawn the same children in the same order should name them.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Starts only after that sibling succeeded.
    #[must_use]
    pub fn after(mut self, sibling: &ChildHandle) -> Self {
        self.deps.push(sibling.id.clone());
        self
    }

    /// The line to stand in.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.options.queue = Some(queue.into());
        self
    }

    /// Higher first.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// Starts this long after it was spawned at the earliest.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.start = Some(StartTime::After(delay));
        self
    }

    /// Starts then at the earliest.
    #[must_use]
    pub fn run_at(mut self, at: Timestamp) -> Self {
        self.options.start = Some(StartTime::At(at));
        self
    }

    /// The bound on one attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Attempts after the first.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = Some(retries);
        self
    }

    /// One more tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.options.labels.tags.push(tag.into());
        self
    }

    /// All options at once, in the place of those said so far.
    #[must_use]
    pub fn options(mut self, options: TaskOptions) -> Self {
        self.options = options;
        self
    }
}

/// Why a child was not spawned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// A name that could be another child's, or none.
    #[error("{0:?} is no name for a child; expected text without `/` and control characters")]
    BadName(String),
    /// Children nest too deep, or their names are too long.
    #[error(
        "the child's id would be {bytes} bytes long, its parent's included; at most {MAX_ID_BYTES} \
         are accepted: use shorter names or nest less deeply"
    )]
    IdTooLong {
        /// What it would have.
        bytes: usize,
    },
    /// The body runs where nobody may wait.
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
    /// Its id: its parent's, a slash, and its name.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Waits until it has ended, well or badly. The parent's slot is free meanwhile.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn join(&self) -> Result<Outcome, HostError> {
        let mut outcomes = self.parent.join_ids(vec![self.id.clone()]).await?;
        let Some(outcome) = outcomes.pop() else {
            unreachable!("a host answers for each child that it was asked about")
        };
        Ok(outcome)
    }
}

impl TaskContext {
    /// Asks for a child, which is stored when this returns. It ends with its parent: a parent that
    /// ends badly for good, or is cancelled, cancels its children; one that ends well leaves them be.
    ///
    /// A parent that runs again joins the children that it spawned before, those that ended badly
    /// run again. Unnamed children are numbered from 1 in the order of the calls.
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
        // Named when it is asked for, not when it is first polled: so the order is that of the calls.
        let request = self.child(subtask);
        async move {
            let id = self.0.host.spawn(self.fence(), request?).await?;
            Ok(ChildHandle { id, parent: self.clone() })
        }
    }

    /// [`spawn_subtask`](Self::spawn_subtask) for sync bodies. They cannot wait for their children:
    /// a thread that waits would be one less for the children to run on. Make the body async, or
    /// have another task depend on the children.
    ///
    /// # Errors
    /// The same, and [`SpawnError::MustNotBlock`] in inline and async bodies.
    pub fn spawn_subtask_blocking(&self, subtask: Subtask) -> Result<ChildHandle, SpawnError> {
        self.blocking("spawn_subtask", self.spawn_subtask(subtask))?
    }

    /// Waits until all of them have ended, well or badly, and answers in their order. The attempt's
    /// slot is free meanwhile.
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

    /// The request that a subtask becomes.
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

/// A slash would make it look like a grandchild.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c == '/' || c.is_control())
}
