//! Describes the attempt that a test runs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::fake_host::{FakeHost, Script, linked, outcome};
use super::run::{Run, run};
use super::{ManualClock, TestContext, TestOutcome};
use crate::models::{ArgValue, Ending, Fence, Options, Outcome, RetryPolicy, TaskId, TaskMaker};
use crate::tasks::context::block_on;
use crate::tasks::{AttemptInfo, HostError, Method, TaskContext, TaskHandler, TaskRegistry};

/// One attempt of a method that a test runs: see [`testing`](crate::testing).
#[derive(Debug)]
pub struct TestTask {
    method: Arc<Method>,
    task: TaskMaker,
    dependencies: Vec<(TaskId, Ending)>,
    expanded: Vec<(TaskId, Ending)>,
    attempt: u32,
    checkpoint: Option<Arc<[u8]>>,
    clock: ManualClock,
    elapsed: Duration,
    script: Script,
    cancelled: bool,
    stop_after_polls: Option<usize>,
}

impl TestTask {
    /// An attempt of a method that an attribute registered: `[namespace/]name[@version]`.
    ///
    /// # Panics
    /// When there is no such method, or when a server would refuse to start with the methods that are
    /// linked into this test.
    #[track_caller]
    pub fn new(method: &str) -> Self {
        match linked().find(method) {
            Ok(found) => Self::of(found, method),
            Err(error) => panic!("{error}"),
        }
    }

    /// An attempt of a [`TaskHandler`].
    ///
    /// # Panics
    /// When a server would refuse to register the handler.
    #[track_caller]
    pub fn of_handler(handler: Arc<dyn TaskHandler>) -> Self {
        match TaskRegistry::default().register_handler(handler) {
            Ok(method) => Self::of(method.clone(), &method.name.to_string()),
            Err(error) => panic!("{error}"),
        }
    }

    fn of(method: Arc<Method>, written: &str) -> Self {
        let defaults = method.defaults.clone();
        let task = TaskMaker::new("test").method(written).with(|options| {
            let Options { queue, priority, timeout, retry, durability, .. } = options;
            *queue = defaults.queue.unwrap_or_else(|| queue.clone());
            *priority = defaults.priority.unwrap_or(*priority);
            *timeout = defaults.timeout.unwrap_or(*timeout);
            *retry = defaults.retries.map_or_else(|| *retry, RetryPolicy::with_retries);
            retry.base = defaults.backoff.unwrap_or(retry.base);
            *durability = defaults.durability.unwrap_or(*durability);
        });
        Self {
            method,
            task,
            dependencies: Vec::new(),
            expanded: Vec::new(),
            attempt: 1,
            checkpoint: None,
            clock: ManualClock::new(),
            elapsed: Duration::ZERO,
            script: Script::default(),
            cancelled: false,
            stop_after_polls: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<ArgValue>) -> Self {
        self.task = self.task.arg(arg);
        self
    }

    /// Changes anything else of the task, such as its id: `.task(|task| task.parent("p-1"))`.
    #[must_use]
    pub fn task(mut self, change: impl FnOnce(TaskMaker) -> TaskMaker) -> Self {
        self.task = change(self.task);
        self
    }

    /// Adds a dependency that succeeded with this result. An argument [`ArgValue::ResultOf`] this id is
    /// replaced by the result.
    ///
    /// # Panics
    /// When `id` is not a valid id.
    #[must_use]
    #[track_caller]
    pub fn dependency(self, id: &str, result: impl Into<ArgValue>) -> Self {
        self.dependency_ended(id, Ending::Succeeded(Arc::new(result.into())))
    }

    /// Adds a dependency with this ending: for tasks that run also when a dependency fails.
    ///
    /// # Panics
    /// When `id` is not a valid id.
    #[must_use]
    #[track_caller]
    pub fn dependency_ended(mut self, id: &str, ending: Ending) -> Self {
        self.task = self.task.after(id);
        self.dependencies.push((parsed(id), ending));
        self
    }

    /// Sets the number of the attempt, from 1.
    #[must_use]
    pub fn attempt(mut self, number: u32) -> Self {
        self.attempt = number;
        self
    }

    /// Sets the checkpoint that an earlier attempt saved.
    ///
    /// # Panics
    /// When `state` cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn checkpoint(mut self, state: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(state) {
            Ok(json) => self.checkpoint = Some(json.into()),
            Err(error) => panic!("the checkpoint cannot be written as JSON: {error}"),
        }
        self
    }

    /// Uses a clock that the test moves.
    #[must_use]
    pub fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// Sets how long the attempt has run when the handler starts.
    #[must_use]
    pub fn elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }

    /// Sets the result of a child by its name, which is its ordinal if the handler gives it none.
    #[must_use]
    pub fn child_result(self, name: &str, result: impl Into<ArgValue>) -> Self {
        self.child_ended(name, Ending::Succeeded(Arc::new(result.into())))
    }

    /// Sets the ending of a child by its name.
    #[must_use]
    pub fn child_ended(mut self, name: &str, ending: Ending) -> Self {
        self.script.children.insert(name.to_owned(), ending);
        self
    }

    /// Adds a child into which an earlier attempt expanded the task, and its result. `decide` is not called
    /// again, and the outcomes of children follow those of the dependencies.
    ///
    /// # Panics
    /// When `name` is not a valid name of a child.
    #[must_use]
    #[track_caller]
    pub fn expanded(mut self, name: &str, result: impl Into<ArgValue>) -> Self {
        self.expanded.push((parsed(name), Ending::Succeeded(Arc::new(result.into()))));
        self
    }

    /// Cancels the context before the handler starts.
    #[must_use]
    pub fn cancelled(mut self) -> Self {
        self.cancelled = true;
        self
    }

    /// Cancels the context after this many calls: a progress report, a log line, a checkpoint, an event, a
    /// spawned child and a wait for children count as one each.
    #[must_use]
    pub fn cancelled_after_calls(mut self, calls: usize) -> Self {
        self.script.cancel_after_calls = Some(calls);
        self
    }

    /// Cancels the context after this many polls of an async handler.
    #[must_use]
    pub fn cancelled_after_polls(mut self, polls: usize) -> Self {
        self.stop_after_polls = Some(polls);
        self
    }

    /// Makes every checkpoint, event, spawn and join fail with this error; [`HostError::Stale`] is that of an
    /// abandoned attempt.
    #[must_use]
    pub fn host_error(mut self, error: HostError) -> Self {
        self.script.error = Some(error);
        self
    }

    /// Runs the attempt on this thread, also a sync handler. A cancelled handler may take as long as it
    /// wants; a server drops an async one after the cancel grace.
    ///
    /// # Panics
    /// When the handler waits for a child whose outcome the test does not set.
    pub fn run(self) -> impl Future<Output = TestOutcome> {
        run(self.start())
    }

    /// [`run`](Self::run) for tests without a runtime and handlers that use none, such as all sync ones.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn run_blocking(self) -> TestOutcome {
        block_on(self.run())
    }

    /// The context of this attempt, for functions that take one.
    pub fn context(self) -> TestContext {
        self.start().context
    }

    fn start(self) -> Run {
        let task = Arc::new(self.task.make());
        let now = self.clock.now();
        let host = FakeHost::new(self.clock.clone(), self.script, task.id.clone());
        let info = AttemptInfo {
            number: self.attempt,
            fence: Fence { epoch: 1, counter: u64::from(self.attempt) },
            started: now.steady.saturating_sub(self.elapsed),
            kind: self.method.handler.kind(),
            checkpoint: self.checkpoint,
            log_lines: 0,
        };
        let children = self
            .expanded
            .into_iter()
            .map(|(name, ending)| (parsed(&format!("{}/{name}", task.id)), ending));
        let children: Vec<_> = children.collect();
        let expanded = !children.is_empty();
        let ended = self.dependencies.into_iter().chain(children);
        let dependencies: Vec<(TaskId, Outcome)> =
            ended.map(|(id, ending)| (id, outcome(ending, now.wall))).collect();
        let context = TaskContext::new(task, info, host.clone());
        context.set_dependencies(dependencies);
        if self.cancelled || context.remaining().is_zero() {
            context.stop();
        }
        Run {
            method: self.method,
            context: TestContext::new(context, host.clone()),
            host,
            clock: self.clock,
            expanded,
            stop_after_polls: self.stop_after_polls,
        }
    }
}

#[track_caller]
fn parsed(id: &str) -> TaskId {
    match TaskId::parse(id, "id") {
        Ok(id) => id,
        Err(error) => panic!("{error}"),
    }
}
