//! What a task is, said step by step.

use std::time::Duration;

use prost_types::Any;

use crate::client::{AsyncResult, check};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{
    ArgValue, Durability, OnConflict, OnDependencyFailure, StartTime, TaskId, TaskOptions, Unique,
};
use crate::{pb, wire};

/// A task to ask for. What is not said comes from the method, then from the server. What the server
/// would refuse is refused when the task is sent, before it leaves, in the server's words.
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
    /// A task of this method: `[namespace/]name[@version]`.
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

    /// One more argument.
    pub fn arg(mut self, value: impl Into<ArgValue>) -> Self {
        self.args.push(value.into());
        self
    }

    /// More arguments.
    pub fn args<T: Into<ArgValue>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(values.into_iter().map(Into::into));
        self
    }

    /// The task's id, 1 to 255 bytes; a new UUIDv7 unless set. The same id with the same content joins
    /// the first such task.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Starts after that task succeeded. If that has not ended yet, the task is refused unless it
    /// [waits](Self::wait_for_dependencies).
    pub fn depends_on(self, other: &AsyncResult) -> Self {
        self.depends_on_id(other.id().as_str())
    }

    /// The same, by id.
    pub fn depends_on_id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        if !self.deps.contains(&id) {
            self.deps.push(id);
        }
        self
    }

    /// One more argument, which is the result of that task; and a dependency on it.
    pub fn result_of(self, other: &AsyncResult) -> Self {
        self.result_of_id(other.id().clone())
    }

    /// The same, by id.
    pub fn result_of_id(self, id: TaskId) -> Self {
        self.depends_on_id(id.as_str()).arg(ArgValue::ResultOf(id))
    }

    /// Waits for dependencies that have not ended, instead of being refused.
    pub fn wait_for_dependencies(mut self) -> Self {
        self.options.wait_for_dependencies = true;
        self
    }

    /// What becomes of it when a dependency ends badly.
    pub fn on_dependency_failure(mut self, choice: OnDependencyFailure) -> Self {
        self.options.on_dependency_failure = Some(choice);
        self
    }

    /// The queue that it stands in: at most 100 letters, digits, `_`, `-`, `.`.
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.options.queue = Some(name.into());
        self
    }

    /// Higher first; 0 is usual.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// Not before this long after it is accepted. Replaces [`run_at`](Self::run_at).
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.start = Some(StartTime::After(delay));
        self
    }

    /// Not before this time. Replaces [`delay`](Self::delay).
    pub fn run_at(mut self, time: impl Into<Timestamp>) -> Self {
        self.options.start = Some(StartTime::At(time.into()));
        self
    }

    /// Not started after this time. Replaces [`ttl`](Self::ttl).
    pub fn expires_at(mut self, time: impl Into<Timestamp>) -> Self {
        self.options.expiry = Some(StartTime::At(time.into()));
        self
    }

    /// Not started later than this long after it is accepted. Replaces
    /// [`expires_at`](Self::expires_at).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.expiry = Some(StartTime::After(ttl));
        self
    }

    /// The bound on one attempt: more than 0, at most 7 days.
    pub fn timeout(mut self, bound: Duration) -> Self {
        self.options.timeout = Some(bound);
        self
    }

    /// Attempts after the first: at most 1,000.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = Some(retries);
        self
    }

    /// After attempt n the next waits `min(base · multiplier^(n-1), max)`: `base` and `max` at most 24
    /// hours, `multiplier` 1 to 100.
    pub fn backoff(mut self, base: Duration, multiplier: f64, max: Duration) -> Self {
        self.options.backoff_base = Some(base);
        self.options.backoff_multiplier = Some(multiplier);
        self.options.backoff_max = Some(max);
        self
    }

    /// The part of the backoff that is random: 0 to 1.
    pub fn jitter(mut self, part: f64) -> Self {
        self.options.jitter = Some(part);
        self
    }

    /// One more tag to find it by: at most 16, each at most 100 bytes.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.options.labels.tags.push(tag.into());
        self
    }

    /// Whether it outlives the server's process.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = Some(durability);
        self
    }

    /// Kept in the server's memory only.
    pub fn ephemeral(self) -> Self {
        self.durability(Durability::Ephemeral)
    }

    /// Tasks of one queue with the same key share the queue's limits per key; unless the queue says
    /// otherwise, one of them runs at a time, in order. At most 255 bytes.
    pub fn concurrency_key(mut self, key: impl Into<String>) -> Self {
        self.options.keys.concurrency = Some(key.into());
        self
    }

    /// At most one task with this key that has not ended; whoever asks second is told of the first. At
    /// most 255 bytes, durable tasks only.
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        let unique = Unique { key: key.into(), window: None, on_conflict: OnConflict::default() };
        self.options.keys.unique = Some(unique);
        self
    }

    /// The same, and for `window` (at most 366 days) after the first was accepted; `on_conflict` says
    /// what becomes of a second.
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

    /// Who asks: at most 100 bytes, as the other three.
    pub fn initiator(mut self, word: impl Into<String>) -> Self {
        self.options.labels.initiator = word.into();
        self
    }

    /// Why.
    pub fn reason(mut self, word: impl Into<String>) -> Self {
        self.options.labels.reason = word.into();
        self
    }

    /// From where.
    pub fn source_system(mut self, word: impl Into<String>) -> Self {
        self.options.labels.source_system = word.into();
        self
    }

    /// Joins what belongs together across systems.
    pub fn correlation_id(mut self, word: impl Into<String>) -> Self {
        self.options.labels.correlation_id = word.into();
        self
    }

    /// Cancels the task when the caller of [`submit`](crate::client::TaskClient::submit) goes away: drops
    /// the call, or loses the connection. Only `submit` takes such a task.
    pub fn cancel_on_disconnect(mut self) -> Self {
        self.cancel_on_disconnect = true;
        self
    }

    /// Whether a second request that arrives does more than the first.
    pub(super) fn is_harmful_twice(&self) -> bool {
        // The first one's end of the connection cancels what the second would join.
        self.cancel_on_disconnect
            // What the first replaced may run by then, and the second would enter beside it.
            || self.options.keys.unique.as_ref().is_some_and(|it| it.on_conflict == OnConflict::Replace)
    }

    /// The message, with an id in any case.
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
