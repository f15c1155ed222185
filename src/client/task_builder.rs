//! The builder of a task request.

use std::time::Duration;

use prost_types::Any;

use crate::client::{AsyncResult, check};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{
    ArgValue, Durability, OnConflict, OnDependencyFailure, StartTime, TaskId, TaskOptions, Unique,
};
use crate::{pb, wire};

/// Builds a task request. Options that are not set have the defaults of the method, then of the server.
/// An invalid task is refused when it is sent, before the call, with the server's message.
///
/// ```
/// use std::time::Duration;
/// use task_scheduler::client::TaskBuilder;
///
/// let task = TaskBuilder::new("payments/charge@2.1.0")
///     .arg(7)
///     .arg("EUR")
///     .queue("billing")
///     .retries(5)
///     .timeout(Duration::from_secs(30))
///     .tag("invoice-17");
/// # drop(task);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TaskBuilder {
    pub(super) id: Option<String>,
    pub(super) method: String,
    pub(super) args: Vec<ArgValue>,
    pub(super) deps: Vec<String>,
    pub(super) options: TaskOptions,
    pub(super) cancel_on_disconnect: bool,
}

impl TaskBuilder {
    /// A task of the method `[namespace/]name[@version]`.
    pub fn new(method: impl Into<String>) -> Self {
        Self {
            id: None,
            method: method.into(),
            args: Vec::new(),
            deps: Vec::new(),
            options: TaskOptions::default(),
            cancel_on_disconnect: false,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, value: impl Into<ArgValue>) -> Self {
        self.args.push(value.into());
        self
    }

    /// Adds arguments.
    pub fn args<T: Into<ArgValue>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(values.into_iter().map(Into::into));
        self
    }

    /// Sets the task's id, the idempotency key: 1 to 255 bytes; a new UUIDv7 unless set. A request with the
    /// same id and content joins the first one.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds a dependency: the task starts after `other` has succeeded. If `other` has not ended yet, the
    /// server refuses the task unless it [waits](Self::wait_for_dependencies).
    pub fn depends_on(self, other: &AsyncResult) -> Self {
        self.depends_on_id(other.id().as_str())
    }

    /// Adds a dependency by its id.
    pub fn depends_on_id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        if !self.deps.contains(&id) {
            self.deps.push(id);
        }
        self
    }

    /// Adds an argument that is the result of `other`, and a dependency on it.
    pub fn result_of(self, other: &AsyncResult) -> Self {
        self.result_of_id(other.id().clone())
    }

    /// Adds the result of a task by its id.
    pub fn result_of_id(self, id: TaskId) -> Self {
        self.depends_on_id(id.as_str()).arg(ArgValue::ResultOf(id))
    }

    /// Lets the task wait for dependencies that have not ended.
    pub fn wait_for_dependencies(mut self) -> Self {
        self.options.wait_for_dependencies = true;
        self
    }

    /// Sets what happens to the task when a dependency does not succeed.
    pub fn on_dependency_failure(mut self, choice: OnDependencyFailure) -> Self {
        self.options.on_dependency_failure = Some(choice);
        self
    }

    /// Sets the queue: at most 100 letters, digits, `_`, `-` or `.`.
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.options.queue = Some(name.into());
        self
    }

    /// Sets the priority: higher first; 0 unless set.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// Sets the earliest start, relative to the acceptance. Replaces [`run_at`](Self::run_at).
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.start = Some(StartTime::After(delay));
        self
    }

    /// Sets the earliest start. Replaces [`delay`](Self::delay).
    pub fn run_at(mut self, time: impl Into<Timestamp>) -> Self {
        self.options.start = Some(StartTime::At(time.into()));
        self
    }

    /// Sets the latest start, after which the task expires. Replaces [`ttl`](Self::ttl).
    pub fn expires_at(mut self, time: impl Into<Timestamp>) -> Self {
        self.options.expiry = Some(StartTime::At(time.into()));
        self
    }

    /// Sets the latest start, relative to the acceptance. Replaces [`expires_at`](Self::expires_at).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.expiry = Some(StartTime::After(ttl));
        self
    }

    /// Sets the longest time of one attempt: more than 0, at most 7 days.
    pub fn timeout(mut self, bound: Duration) -> Self {
        self.options.timeout = Some(bound);
        self
    }

    /// Sets the number of retries: at most 1,000.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = Some(retries);
        self
    }

    /// Sets the exponential backoff: after attempt n the delay is `min(base · multiplier^(n-1), max)`; `base`
    /// and `max` at most 24 hours, `multiplier` 1 to 100.
    pub fn backoff(mut self, base: Duration, multiplier: f64, max: Duration) -> Self {
        self.options.backoff_base = Some(base);
        self.options.backoff_multiplier = Some(multiplier);
        self.options.backoff_max = Some(max);
        self
    }

    /// Sets the random part of the backoff: 0 to 1.
    pub fn jitter(mut self, part: f64) -> Self {
        self.options.jitter = Some(part);
        self
    }

    /// Adds a tag: at most 16 of at most 100 bytes each.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.options.labels.tags.push(tag.into());
        self
    }

    /// Sets whether the task survives a restart of the server.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = Some(durability);
        self
    }

    /// Keeps the task in the server's memory only.
    pub fn ephemeral(self) -> Self {
        self.durability(Durability::Ephemeral)
    }

    /// Sets the concurrency key: tasks of one queue with the same key share the queue's limits per key. By
    /// default one of them runs at a time, in order. At most 255 bytes.
    pub fn concurrency_key(mut self, key: impl Into<String>) -> Self {
        self.options.keys.concurrency = Some(key.into());
        self
    }

    /// Sets a unique key: while a task with the key has not ended, a second request returns the first task.
    /// At most 255 bytes; durable tasks only.
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        let unique = Unique { key: key.into(), window: None, on_conflict: OnConflict::default() };
        self.options.keys.unique = Some(unique);
        self
    }

    /// Sets a unique key that also stays taken for `window` (at most 366 days) after the first task was
    /// accepted, and what happens to a second task.
    pub fn unique_for(
        mut self,
        key: impl Into<String>,
        window: Duration,
        on_conflict: OnConflict,
    ) -> Self {
        self.options.keys.unique =
            Some(Unique { key: key.into(), window: Some(window), on_conflict });
        self
    }

    /// Sets who submits the task: at most 100 bytes.
    pub fn initiator(mut self, text: impl Into<String>) -> Self {
        self.options.labels.initiator = text.into();
        self
    }

    /// Sets why the task is submitted: at most 100 bytes.
    pub fn reason(mut self, text: impl Into<String>) -> Self {
        self.options.labels.reason = text.into();
        self
    }

    /// Sets where the request comes from: at most 100 bytes.
    pub fn source_system(mut self, text: impl Into<String>) -> Self {
        self.options.labels.source_system = text.into();
        self
    }

    /// Sets an id that correlates the task with work in other systems: at most 100 bytes.
    pub fn correlation_id(mut self, text: impl Into<String>) -> Self {
        self.options.labels.correlation_id = text.into();
        self
    }

    /// Cancels the task when the caller of [`submit`](crate::client::TaskClient::submit) drops the call or
    /// loses the connection. Only `submit` accepts such a task.
    pub fn cancel_on_disconnect(mut self) -> Self {
        self.cancel_on_disconnect = true;
        self
    }

    /// Whether a second request that arrives has another effect than the first.
    pub(super) fn runs_once(&self) -> bool {
        // The disconnect of the first request cancels the task that the second would join.
        self.cancel_on_disconnect
            // The task that the first request changed may have started; the second would add another.
            || self.options.keys.unique.as_ref().is_some_and(|it| it.on_conflict == OnConflict::Replace)
    }

    /// The message; it always has an id.
    pub(super) fn build(self) -> Result<(TaskId, pb::TaskRequest), Error> {
        let id = match &self.id {
            Some(id) => TaskId::parse(id, "task_id")?,
            None => TaskId::generate(),
        };
        check::task(&id, &self)?;
        let Self { id: _, method, args, deps, options, cancel_on_disconnect } = self;
        let plain = options == TaskOptions::default() && !cancel_on_disconnect;
        let options =
            (!plain).then(|| wire::to_task_options(options, cancel_on_disconnect)).transpose()?;
        let args = args.iter().map(Any::from).collect();
        let task_id = id.as_str().into();
        let request = pb::TaskRequest { task_id, method, args, deps, is_async: false, options };
        Ok((id, request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Keys, Labels};

    fn build(task: TaskBuilder) -> pb::TaskRequest {
        task.id("t").build().expect("valid").1
    }

    #[test]
    fn a_plain_task_has_no_options() {
        let expected = pb::TaskRequest {
            task_id: "t".into(),
            method: "add".into(),
            args: [1, 2].map(|number| Any::from(&number.into())).into(),
            ..Default::default()
        };
        assert_eq!(build(TaskBuilder::new("add").args([1, 2])), expected);
    }

    #[test]
    fn every_setter_sets_its_option() {
        let seconds = Duration::from_secs;
        let task = TaskBuilder::new("add")
            .queue("mail")
            .priority(-3)
            .run_at(Timestamp::from_micros(1_000_002).expect("a time"))
            .ttl(seconds(60))
            .timeout(seconds(5))
            .retries(0)
            .backoff(seconds(2), 1.5, seconds(9))
            .jitter(0.0)
            .tag("a")
            .tag("b")
            .wait_for_dependencies()
            .on_dependency_failure(OnDependencyFailure::Run)
            .ephemeral()
            .initiator("ann")
            .reason("why")
            .source_system("shop")
            .correlation_id("c-1")
            .concurrency_key("k")
            .unique_for("u", seconds(3), OnConflict::Replace);
        let unique =
            Unique { key: "u".into(), window: Some(seconds(3)), on_conflict: OnConflict::Replace };
        let expected = TaskOptions {
            queue: Some("mail".into()),
            priority: Some(-3),
            start: Some(StartTime::At(Timestamp::from_micros(1_000_002).expect("a time"))),
            expiry: Some(StartTime::After(seconds(60))),
            timeout: Some(seconds(5)),
            retries: Some(0),
            backoff_base: Some(seconds(2)),
            backoff_multiplier: Some(1.5),
            backoff_max: Some(seconds(9)),
            jitter: Some(0.0),
            wait_for_dependencies: true,
            on_dependency_failure: Some(OnDependencyFailure::Run),
            durability: Some(Durability::Ephemeral),
            labels: Labels {
                tags: vec!["a".into(), "b".into()],
                initiator: "ann".into(),
                reason: "why".into(),
                source_system: "shop".into(),
                correlation_id: "c-1".into(),
            },
            keys: Keys { concurrency: Some("k".into()), unique: Some(unique) },
        };
        assert_eq!(task.options, expected);
    }

    #[test]
    fn cancel_on_disconnect_is_sent_without_other_options() {
        let options = build(TaskBuilder::new("add").cancel_on_disconnect()).options;
        let expected = pb::TaskOptions { cancel_on_disconnect: true, ..Default::default() };
        assert_eq!(options, Some(expected));
    }

    #[test]
    fn the_last_of_two_times_counts() {
        let at = Timestamp::from_micros(1_000_000).expect("a time");
        let second = Duration::from_secs(1);
        let builder = TaskBuilder::new("add");
        let check = |builder: TaskBuilder, start, expiry| {
            assert_eq!((builder.options.start, builder.options.expiry), (start, expiry));
        };
        let (absolute, relative) = (Some(StartTime::At(at)), Some(StartTime::After(second)));
        check(builder.clone().delay(second).run_at(at), absolute, None);
        check(builder.clone().run_at(at).delay(second), relative, None);
        check(builder.clone().ttl(second).expires_at(at), None, absolute);
        check(builder.expires_at(at).ttl(second), None, relative);
    }

    #[test]
    fn a_delay_that_the_wire_cannot_express_is_refused() {
        let task = TaskBuilder::new("add").delay(Duration::MAX);
        assert_eq!(task.build().expect_err("refused").violations[0].field, "options.delay");
    }
}
