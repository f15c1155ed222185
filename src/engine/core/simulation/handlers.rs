//! Handlers, their ends, and the methods that they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::world::{Work, World};
use crate::engine::core::{Admission, AttemptEnd, Settings, StartAttempt};
use crate::error::Code;
use crate::models::{
    ArgValue, Digest, Durability, Failure, Fence, MethodName, OnDependencyFailure, Options,
    QueueName, Sequence, Task, TaskId,
};
use crate::tasks::{
    Handler, HandlerKind, HandlerResult, Location, Method, MethodDefaults, Signature, TaskContext,
    TaskError, TaskHandler, TaskRegistry,
};

pub(super) const METHODS: [&str; 4] = ["sync", "async", "inline", "handler"];

/// A method of each kind. The simulation decides how handlers end; these are never called.
pub(super) fn methods() -> TaskRegistry {
    let registry = TaskRegistry::default();
    let handlers = [
        ("sync", Handler::Sync(|_, _| Ok(ArgValue::Null))),
        ("async", Handler::Async(|_, _| Box::pin(async { Ok(ArgValue::Null) }))),
        ("inline", Handler::Inline(|_, _| Ok(ArgValue::Null))),
        ("handler", Handler::Object(Arc::new(Idle))),
    ];
    for (name, handler) in handlers {
        let name = MethodName {
            namespace: "default".into(),
            name: name.into(),
            version: semver::Version::new(1, 0, 0),
        };
        let method = Method {
            name,
            handler,
            signature: Signature::ANY,
            defaults: MethodDefaults::default(),
            description: String::new(),
            declared_at: Location { file: file!(), line: line!() },
        };
        registry.register(method, false).expect("a fresh name");
    }
    registry
}

struct Idle;

#[async_trait]
impl TaskHandler for Idle {
    fn name(&self) -> String {
        "handler".into()
    }

    async fn execute(&self, _: &Task, _: &TaskContext, _: Vec<ArgValue>) -> HandlerResult {
        Ok(ArgValue::Null)
    }
}

/// Handlers that run.
#[derive(Default)]
pub(super) struct Handlers {
    pub(super) running: BTreeMap<Fence, RunningHandler>,
    /// Handlers that were signalled to stop, or dropped, before they started.
    signalled_early: BTreeSet<Fence>,
    aborted_early: BTreeSet<Fence>,
    gone: BTreeSet<Fence>,
}

pub(super) struct RunningHandler {
    pub(super) start: StartAttempt,
    pub(super) signalled: bool,
    aborted: bool,
    /// Does not return before the world is calm.
    stubborn: bool,
    /// How many lines the log of its task has.
    pub(super) lines: u32,
    /// The children that it has spawned.
    pub(super) children: Vec<TaskId>,
    /// It waits for them now, or has waited.
    pub(super) suspended: bool,
    pub(super) was_suspended: bool,
}

impl RunningHandler {
    pub(super) fn is_ephemeral(&self) -> bool {
        self.start.durability == Durability::Ephemeral
    }
}

impl Handlers {
    pub(super) fn signal(&mut self, fence: Fence) {
        match self.running.get_mut(&fence) {
            Some(handler) => handler.signalled = true,
            None => drop(self.signalled_early.insert(fence)),
        }
    }

    pub(super) fn abort(&mut self, fence: Fence) {
        match self.running.get_mut(&fence) {
            Some(handler) => handler.aborted = true,
            None => drop(self.aborted_early.insert(fence)),
        }
    }

    /// Whether every handler waits for children.
    pub(super) fn all_suspended(&self) -> bool {
        self.running.values().all(|handler| handler.suspended)
    }

    pub(super) fn all_returned(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn crash(&mut self) {
        *self = Self::default();
    }

    pub(super) fn check(&self, settings: &Settings, abandoned: impl Fn(&Fence) -> bool) {
        let mut sequences: BTreeSet<Sequence> = BTreeSet::new();
        let mut kinds: BTreeMap<HandlerKind, usize> = BTreeMap::new();
        for (fence, handler) in &self.running {
            // A task can be retried while its abandoned handler still runs.
            let alone = abandoned(fence) || sequences.insert(handler.start.claimed.sequence);
            assert!(alone, "two handlers of {:?}", handler.start.claimed.task);
            if handler.was_suspended {
                // It resumes with or without a free slot.
                continue;
            }
            *kinds.entry(handler.start.method.handler.kind()).or_default() += 1;
        }
        let sync = settings.sync_slots + settings.spare_threads;
        assert!(kinds.get(&HandlerKind::Sync).is_none_or(|running| *running <= sync));
        assert!(
            kinds.get(&HandlerKind::Async).is_none_or(|running| *running <= settings.async_slots)
        );
    }
}

impl World {
    pub(super) fn start(&mut self, start: StartAttempt) {
        let fence = start.claimed.fence;
        let handler = RunningHandler {
            signalled: self.handlers.signalled_early.remove(&fence),
            aborted: self.handlers.aborted_early.remove(&fence),
            stubborn: self.rng.u32(0..20) == 0,
            lines: start.claimed.log_lines,
            children: Vec::new(),
            suspended: false,
            was_suspended: false,
            start,
        };
        self.handlers.running.insert(fence, handler);
    }

    /// A handler returns. All but stubborn ones do so soon after they were signalled to stop.
    pub(super) fn handler_returns(&mut self) {
        let calm = self.calm;
        let may_end = |handler: &RunningHandler| calm || !handler.stubborn;
        let fences: Vec<Fence> = self
            .handlers
            .running
            .iter()
            .filter(|(_, handler)| may_end(handler))
            .map(|(fence, _)| *fence)
            .collect();
        let Some(fence) = self.rng.choice(fences) else { return };
        let handler = &self.handlers.running[&fence];
        let dropped = handler.aborted && handler.start.method.handler.kind() == HandlerKind::Async;
        if handler.suspended && !dropped {
            self.resume_if_children_ended(fence);
            if self.rng.bool() || self.handlers.running[&fence].suspended {
                return;
            }
        }
        // A future that it left behind may still wait.
        if self.handlers.running[&fence].suspended && self.rng.bool() {
            self.resume(fence);
        }
        let handler = self.handlers.running.remove(&fence).expect("just listed");
        let left_behind = handler.suspended && self.rng.bool();
        self.ledger.ends(fence);
        let end = if handler.aborted && handler.start.method.handler.kind() == HandlerKind::Async {
            AttemptEnd::Aborted
        } else {
            self.result(&handler.start)
        };
        self.handlers.gone.insert(fence);
        self.act(|core, now, out| core.ended(fence, end, now, out));
        if left_behind {
            self.act(|core, now, out| core.resume(fence, now, out));
        }
    }

    pub(super) fn result(&mut self, start: &StartAttempt) -> AttemptEnd {
        let is_handler = matches!(start.method.handler, Handler::Object(_));
        let undecided = start.claimed.resolved_args.is_none() && start.claimed.children.is_empty();
        let soon = Duration::from_millis(self.rng.u64(0..300));
        match self.rng.u32(0..20) {
            0..3 => AttemptEnd::Returned(Err(TaskError::new("try again"))),
            3 => AttemptEnd::Returned(Err(TaskError::permanent("no such file"))),
            4 => AttemptEnd::Returned(Err(TaskError::retry_after("later", soon))),
            5 | 6 if !self.calm => AttemptEnd::Returned(Err(TaskError::snooze(soon))),
            7 => AttemptEnd::Returned(Err(TaskError::cancel("not needed"))),
            8 => {
                let failure =
                    Failure { code: Code::Panicked, message: "index out of bounds".into() };
                AttemptEnd::Failed { failure, retryable: self.rng.bool() }
            }
            9 if is_handler && undecided => AttemptEnd::Skipped,
            10..14 if is_handler && undecided => {
                AttemptEnd::Expanded(self.children(&start.claimed.task))
            }
            _ => {
                let value = ArgValue::UInt64(self.ledger.returned(&start.claimed.task.id));
                AttemptEnd::Returned(Ok(Arc::new(value)))
            }
        }
    }

    fn children(&mut self, parent: &Task) -> Vec<Arc<Task>> {
        (0..self.rng.usize(1..6))
            .map(|ordinal| {
                let id = TaskId::parse(&format!("{}/{ordinal}", parent.id), "").expect("an id");
                let method = self.rng.choice(METHODS).expect("there are some");
                let options = Options {
                    run_at: None,
                    expires_at: None,
                    wait_for_dependencies: false,
                    on_dependency_failure: OnDependencyFailure::Fail,
                    keys: self.keys_of_child(parent),
                    queue: self.queue_of_child(parent),
                    ..parent.options.clone()
                };
                self.ledger.submitted(&id);
                Arc::new(Task {
                    digest: Digest::of(method, &[], &[]),
                    id,
                    method: method.into(),
                    args: Vec::new(),
                    deps: Vec::new(),
                    submitted_at: self.now.wall,
                    parent: Some(parent.id.clone()),
                    options,
                })
            })
            .collect()
    }

    fn queue_of_child(&mut self, parent: &Task) -> QueueName {
        if self.rng.u32(0..4) > 0 {
            return parent.options.queue.clone();
        }
        QueueName::parse("wide", "").expect("a name")
    }

    pub(super) fn check_start(&mut self, start: &StartAttempt) {
        let task = &start.claimed.task;
        self.ledger.starts(start);
        let retries = task.options.retry.retries;
        assert!(
            start.claimed.attempt - start.claimed.attempts_before_retry <= retries + 1,
            "attempt {} of {} retries",
            start.claimed.attempt,
            retries
        );
        self.check_reserved(start);
        if !self.ledger.is_claimed(start.claimed.fence) && start.durability == Durability::Durable {
            let options = &task.options;
            assert!(options.expires_at.is_none_or(|at| at > self.now.wall), "too late: {task:?}");
            assert!(options.run_at.is_none_or(|at| at <= self.now.wall), "too early: {task:?}");
        }
        for dependency in task.deps.iter().chain(&start.claimed.children) {
            let stored = self.store.find(dependency).map(|it| it.state);
            let ephemeral = self.core.find(dependency).0.map(|it| it.state);
            let unfinished = stored.or(ephemeral).is_some_and(|state| !state.has_ended());
            // In a later process another task may have the id; or another task was admitted after the
            // first was rejected.
            let forgotten =
                start.claimed.fence.epoch > 1 && self.ledger.is_ephemeral_id(dependency);
            let another = forgotten
                || self.requests.was_rejected(dependency)
                || self.ledger.was_purged(dependency)
                || self.ledger.retried.contains(dependency);
            assert!(!unfinished || another, "{dependency} has not ended and {task:?} starts");
        }
    }
}

impl World {
    /// Runs an inline handler on the thread of its caller.
    pub(super) fn run_inline(&mut self, start: StartAttempt, request: super::requests::Request) {
        let end = self.result(&start);
        let (ticket, wait_for) = (request.ticket, request.wait_for);
        let admission = self
            .act(|core, now, out| core.ended_inline(&start, wait_for, end, now, || ticket, out));
        if let Admission::Ended(_) = admission {
            self.events.ended_inline(&start.claimed.task);
        }
        self.admitted(request, admission);
    }

    pub(super) fn run_inline_later(
        &mut self,
        start: Box<StartAttempt>,
        request: super::requests::Request,
    ) {
        self.check_start(&start);
        self.events.started_inline(&start.claimed.task);
        self.work.push(Work::Inline(start, request));
    }
}
