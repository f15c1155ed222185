//! The attempt that a test asks for.

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

/// One attempt of a method, to be run by a test: see [`testing`](crate::testing).
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
    stopped: bool,
    stop_after_polls: Option<usize>,
}

impl TestTask {
    /// Of a method that an attribute made: `[namespace/]name[@version]`.
    ///
    /// # Panics
    /// When there is none, or when a server could not start with the methods that are linked into
    /// this test.
    #[track_caller]
    pub fn new(method: &str) -> Self {
        match linked().find(method) {
            Ok(found) => Self::of(found, method),
            Err(error) => panic!("{error}"),
        }
    }

    /// Of a handler.
    ///
    /// # Panics
    /// When a server would not register it.
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
            stopped: false,
            stop_after_polls: None,
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<ArgValue>) -> Self {
        self.task = self.task.arg(arg);
        self
    }

    /// With everything else that a task has, its id for one: `.task(|task| task.parent("p-1"))`.
    #[must_use]
    pub fn task(mut self, change: impl FnOnce(TaskMaker) -> TaskMaker) -> Self {
        self.task = change(self.task);
        self
    }

    /// With one more dependency, which had this result. As an argument, [`ArgValue::ResultOf`] is
    /// replaced by it.
    ///
    /// # Panics
    /// When that is no id.
    #[must_use]
    #[track_caller]
    pub fn dependency(self, id: &str, result: impl Into<ArgValue>) -> Self {
        self.dependency_ended(id, Ending::Succeeded(Arc::new(result.into())))
    }

    /// With one more dependency, which ended like this: as for a task that runs however its
    /// dependencies end.
    ///
    /// # Panics
    /// When that is no id.
    #[must_use]
    #[track_caller]
    pub fn dependency_ended(mut self, id: &str, ending: Ending) -> Self {
        self.task = self.task.after(id);
        self.dependencies.push((parsed(id), ending));
        self
    }

    /// As the attempt with this number, from 1.
    #[must_use]
    pub fn attempt(mut self, number: u32) -> Self {
        self.attempt = number;
        self
    }

    /// After an attempt that saved this.
    ///
    /// # Panics
    /// When it cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn checkpoint(mut self, state: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(state) {
            Ok(json) => self.checkpoint = Some(json.into()),
            Err(error) => panic!("the checkpoint cannot be written as JSON: {error}"),
        }
        self
    }

    /// Under a clock that the test moves.
    #[must_use]
    pub fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// Under way for so long when the body gets to see it.
    #[must_use]
    pub fn elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }

    /// A child of that name (its ordinal, if the body gives it none) has this result.
    #[must_use]
    pub fn child_result(self, name: &str, result: impl Into<ArgValue>) -> Self {
        self.child_ended(name, Ending::Succeeded(Arc::new(result.into())))
    }

    /// A child of that name ends like this.
    #[must_use]
    pub fn child_ended(mut self, name: &str, ending: Ending) -> Self {
        self.script.children.insert(name.to_owned(), ending);
        self
    }

    /// An earlier claim expanded the task into this child, which had that result: the handler does
    /// not decide again, and the child's outcome stands behind those of the dependencies.
    ///
    /// # Panics
    /// When that is no name for a child.
    #[must_use]
    #[track_caller]
    pub fn expanded(mut self, name: &str, result: impl Into<ArgValue>) -> Self {
        self.expanded.push((parsed(name), Ending::Succeeded(Arc::new(result.into()))));
        self
    }

    /// Told to stop before it begins.
    #[must_use]
    pub fn cancelled(mut self) -> Self {
        self.stopped = true;
        self
    }

    /// Told to stop when the body has said so many things: a report of progress, a line of its log, a
    /// checkpoint, an event, a child or a wait for children are one each.
    #[must_use]
    pub fn cancelled_after_words(mut self, words: usize) -> Self {
        self.script.stop_after_words = Some(words);
        self
    }

    /// Told to stop when the body, an async one, has been polled so often.
    #[must_use]
    pub fn cancelled_after_polls(mut self, polls: usize) -> Self {
        self.stop_after_polls = Some(polls);
        self
    }

    /// Every checkpoint, event, child and join is answered with this error: [`HostError::Stale`] for an
    /// attempt that was given up.
    #[must_use]
    pub fn host_error(mut self, error: HostError) -> Self {
        self.script.error = Some(error);
        self
    }

    /// Runs it on this thread, sync bodies too. A body that is told to stop is given all the time it
    /// wants: a server would drop an async one after its grace.
    ///
    /// # Panics
    /// When the body waits for a child and the test does not say how that ends.
    pub fn run(self) -> impl Future<Output = TestOutcome> {
        run(self.begin())
    }

    /// Runs it in a test without a runtime: for bodies that use none, which all sync ones are.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn run_blocking(self) -> TestOutcome {
        block_on(self.run())
    }

    /// A context for functions that take one.
    pub fn context(self) -> TestContext {
        self.begin().context
    }

    fn begin(self) -> Run {
        let task = Arc::new(self.task.make());
        let now = self.clock.now();
        let host = FakeHost::new(self.clock.clone(), self.script, task.id.clone());
        let begun = AttemptInfo {
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
        let decided = !children.is_empty();
        let ended = self.dependencies.into_iter().chain(children);
        let dependencies: Vec<(TaskId, Outcome)> =
            ended.map(|(id, ending)| (id, outcome(ending, now.wall))).collect();
        let context = TaskContext::new(task, begun, host.clone());
        context.set_dependencies(dependencies);
        if self.stopped || context.remaining().is_zero() {
            context.stop();
        }
        Run {
            method: self.method,
            context: TestContext::new(context, host.clone()),
            host,
            clock: self.clock,
            decided,
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
