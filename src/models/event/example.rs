//! The values that the examples of events are made of.

use std::sync::Arc;
use std::time::Duration;

use super::{Event, Fact};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::models::{
    Digest, Durability, Ended, Ending, Failure, Name, OnDependencyFailure, Options, Outcome,
    QueueName, RetryPolicy, Task, TaskId,
};

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(seconds))
}

pub(super) fn event(fact: Fact) -> Event {
    Event { at: at(100), fact }
}

/// A task of the queue `mail` with the tag `eu`.
pub(super) fn task() -> Arc<Task> {
    let mut options = Options {
        queue: queue(),
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
    };
    options.labels.get_or_insert_default().tags = vec!["eu".to_owned()];
    Arc::new(Task {
        id: task_id("t-1"),
        method: "add".into(),
        args: Vec::new(),
        deps: Vec::new(),
        digest: Digest::of("add", &[], &[]),
        submitted_at: at(10),
        parent: None,
        options,
    })
}

/// The task's end; `started` is whether an attempt came before it.
pub(super) fn ended(ending: Ending, started: bool) -> Ended {
    let started_at = started.then(|| at(20));
    let outcome = Outcome { ending, attempts: u32::from(started), started_at, ended_at: at(30) };
    Ended { task: task(), outcome }
}

pub(super) fn failure() -> Failure {
    Failure { code: Code::HandlerFailed, message: "out of ink".into() }
}

pub(super) fn queue() -> QueueName {
    QueueName::parse("mail", "queue").expect("a valid name")
}

pub(super) fn name(name: &str) -> Name {
    Name::parse(name, "name").expect("a valid name")
}

pub(super) fn task_id(id: &str) -> TaskId {
    TaskId::parse(id, "id").expect("a valid id")
}
