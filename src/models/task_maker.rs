//! Builds tasks for tests and measurements; unset fields have the values that a server would set.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{
    ArgValue, Digest, Durability, OnDependencyFailure, Options, QueueName, RetryPolicy, Task,
    TaskId,
};

/// Makes a [`Task`] without a server: one of the method `add`, without arguments, accepted at the
/// epoch, with a timeout of 5 minutes and 3 retries.
///
/// ```
/// use task_scheduler::testing::TaskMaker;
///
/// let task = TaskMaker::new("t-1").arg(7).with(|options| options.priority = 5).make();
/// assert_eq!((task.id.as_str(), task.options.priority), ("t-1", 5));
/// ```
#[derive(Clone, Debug)]
pub struct TaskMaker(Task);

impl TaskMaker {
    /// One with this id.
    ///
    /// # Panics
    /// When that is no id.
    #[track_caller]
    pub fn new(id: &str) -> Self {
        Self(Task {
            id: named(id),
            method: "add".into(),
            args: Vec::new(),
            deps: Vec::new(),
            digest: Digest::of("add", &[], &[]),
            submitted_at: Timestamp::EPOCH,
            parent: None,
            options: Options {
                queue: QueueName::default(),
                priority: 0,
                run_at: None,
                expires_at: None,
                timeout: Duration::from_secs(300),
                retry: RetryPolicy::with_retries(3),
                durability: Durability::default(),
                wait_for_dependencies: false,
                on_dependency_failure: OnDependencyFailure::default(),
                labels: None,
                keys: None,
            },
        })
    }

    /// With another id.
    ///
    /// # Panics
    /// When that is no id.
    #[must_use]
    #[track_caller]
    pub fn id(mut self, id: &str) -> Self {
        self.0.id = named(id);
        self
    }

    /// Of that method: `[namespace/]name[@version]`.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.0.method = method.into();
        self
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<ArgValue>) -> Self {
        self.0.args.push(arg.into());
        self
    }

    /// With one more dependency, for which it waits.
    ///
    /// # Panics
    /// When that is no id.
    #[must_use]
    #[track_caller]
    pub fn after(mut self, dependency: &str) -> Self {
        self.0.deps.push(named(dependency));
        self.0.options.wait_for_dependencies = true;
        self
    }

    /// As the child of that task.
    ///
    /// # Panics
    /// When that is no id.
    #[must_use]
    #[track_caller]
    pub fn parent(mut self, parent: &str) -> Self {
        self.0.parent = Some(named(parent));
        self
    }

    /// Accepted then.
    #[must_use]
    pub fn submitted_at(mut self, at: Timestamp) -> Self {
        self.0.submitted_at = at;
        self
    }

    /// With other options.
    #[must_use]
    pub fn with(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(&mut self.0.options);
        self
    }

    /// The task.
    pub fn make(self) -> Task {
        let task = self.0;
        Task { digest: Digest::of(&task.method, &task.args, &task.deps), ..task }
    }
}

#[track_caller]
fn named(id: &str) -> TaskId {
    match TaskId::parse(id, "id") {
        Ok(id) => id,
        Err(error) => panic!("{error}"),
    }
}
