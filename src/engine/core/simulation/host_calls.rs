//! Calls of running handlers: arguments, checkpoints, progress, log lines, children, joins.

use std::sync::Arc;

use super::handlers::{METHODS, RunningHandler};
use super::requests::Waiting;
use super::world::{Ticket, World};
use crate::engine::core::{HostCall, Output};
use crate::models::{
    ArgValue, Custom, Digest, Durability, Fence, LogLevel, LogLine, OnDependencyFailure, Options,
    Payload, QueueName, State, Task, TaskId,
};
use crate::store::ChangeResult;
use crate::tasks::HandlerKind;

/// How many children one handler spawns at most: each attempt spawns some of the same.
const CHILDREN: usize = 3;
/// How many generations of children there are.
const DEPTH: usize = 2;

/// The call whose answer a handler waits for.
#[derive(Debug)]
pub(super) enum HostCallKind {
    ArgsSet,
    CheckpointSet,
    Emitted,
    Child(Arc<Task>),
}

impl World {
    /// A handler calls its host.
    pub(super) fn handler_calls_host(&mut self) {
        let fences: Vec<Fence> = self.handlers.running.keys().copied().collect();
        let Some(fence) = self.rng.choice(fences) else { return };
        let handler = &self.handlers.running[&fence];
        if handler.suspended {
            self.resume_if_children_ended(fence);
            return;
        }
        let number = handler.start.claimed.attempt;
        match self.rng.u32(0..10) {
            0 => {
                let args = vec![ArgValue::Int32(7)];
                self.call_host(fence, HostCall::SetArgs(args), HostCallKind::ArgsSet);
            }
            1 => {
                let handler = &self.handlers.running[&fence].start.claimed;
                let custom = Custom {
                    name: "custom.emitted".into(),
                    payload: Payload::new(),
                    task: handler.task.clone(),
                    attempt: number,
                };
                self.call_host(fence, HostCall::Emit(Arc::new(custom)), HostCallKind::Emitted);
            }
            2 => {
                let saved = (self.rng.u32(0..6) > 0).then(|| self.ledger.next_checkpoint());
                self.call_host(fence, HostCall::Checkpoint(saved), HostCallKind::CheckpointSet);
            }
            3..5 => self.write_output(fence, number),
            5..8 => self.spawn(fence),
            _ => self.suspend(fence),
        }
    }

    fn call_host(&mut self, fence: Fence, call: HostCall, kind: HostCallKind) {
        let id = self.handlers.running[&fence].start.claimed.task.id.clone();
        let ephemeral = match (&call, self.handlers.running[&fence].is_ephemeral()) {
            (HostCall::Checkpoint(saved), true) => Some(saved.clone()),
            _ => None,
        };
        let ticket = self.requests.ticket(&mut self.rng);
        let waiting = Waiting::HostCall { fence, id, kind, ephemeral };
        self.requests.waiting.insert(ticket, waiting);
        self.act(|core, now, out| core.host_call(fence, call, ticket, now, out));
    }

    fn write_output(&mut self, fence: Fence, attempt: u32) {
        let count = self.rng.u32(0..3);
        let at = self.now.wall;
        let handler = self.handlers.running.get_mut(&fence).expect("it runs");
        let lines = (0..count).map(|_| {
            handler.lines += 1;
            let text = format!("{fence} line {}", handler.lines);
            LogLine { number: handler.lines, at, level: LogLevel::Info, attempt, text }
        });
        let lines: Vec<LogLine> = lines.collect();
        let lines_written = handler.lines;
        let progress = self.rng.bool().then(|| (self.rng.f64(), String::new()));
        let decided = self.core.attempts.get(&fence).is_none_or(|it| it.is_concluded());
        if !decided {
            self.ledger.logged(fence, lines_written);
        }
        self.act(|core, now, out| core.output(fence, Output { progress, lines }, now, out));
    }

    fn spawn(&mut self, fence: Fence) {
        let parent = self.handlers.running[&fence].start.claimed.task.clone();
        if parent.id.as_str().matches('/').count() >= DEPTH {
            return;
        }
        let ordinal = self.rng.usize(0..CHILDREN);
        let id = TaskId::parse(&format!("{}/s{ordinal}", parent.id), "").expect("an id");
        let method = METHODS[ordinal];
        let queue = self.rng.choice(["wide", "narrow", "heavy"]).expect("some");
        let options = Options {
            queue: QueueName::parse(queue, "").expect("a name"),
            run_at: None,
            expires_at: None,
            wait_for_dependencies: true,
            on_dependency_failure: OnDependencyFailure::Fail,
            keys: self.keys_of_child(&parent),
            ..parent.options.clone()
        };
        let child = Arc::new(Task {
            digest: Digest::of(method, &[], &[]),
            id,
            method: method.into(),
            args: Vec::new(),
            deps: Vec::new(),
            submitted_at: self.now.wall,
            parent: Some(parent.id.clone()),
            options,
        });
        self.ledger.submitted(&child.id);
        if parent.options.durability == Durability::Ephemeral {
            self.ledger.add_ephemeral_id(&child.id);
        }
        self.call_host(fence, HostCall::Spawn(child.clone()), HostCallKind::Child(child));
    }

    /// Mostly none; else the keys of the parent, so that parent and child compete.
    pub(super) fn keys_of_child(&mut self, parent: &Task) -> Option<Box<crate::models::Keys>> {
        match self.rng.u32(0..8) {
            0 => parent.options.keys.clone(),
            1..5 => parent.options.keys.clone().map(|mut keys| {
                keys.unique = None;
                keys
            }),
            _ => None,
        }
    }

    /// A handler begins to wait for its children.
    fn suspend(&mut self, fence: Fence) {
        let handler = self.handlers.running.get_mut(&fence).expect("it runs");
        if handler.start.method.handler.kind() == HandlerKind::Inline {
            return;
        }
        handler.suspended = true;
        handler.was_suspended = true;
        self.ledger.was_suspended.insert(handler.start.claimed.task.id.clone());
        self.act(|core, now, out| core.suspend(fence, now, out));
    }

    /// Whether every child that it waits for has ended.
    pub(super) fn children_ended(&self, handler: &RunningHandler) -> bool {
        handler.children.iter().all(|id| {
            let stored = self.store.find(id).map(|it| it.state);
            let state = stored.or_else(|| self.core.find(id).0.map(|it| it.state));
            state.is_none_or(State::has_ended)
        })
    }

    pub(super) fn resume_if_children_ended(&mut self, fence: Fence) {
        let handler = &self.handlers.running[&fence];
        if handler.signalled || self.children_ended(handler) {
            self.resume(fence);
        }
    }

    pub(super) fn resume(&mut self, fence: Fence) {
        if let Some(handler) = self.handlers.running.get_mut(&fence) {
            handler.suspended = false;
        }
        self.act(|core, now, out| core.resume(fence, now, out));
    }

    /// A handler gets an answer.
    pub(super) fn host_call_answered(
        &mut self,
        ticket: Ticket,
        waiting: Waiting,
        result: ChangeResult,
    ) {
        let Waiting::HostCall { fence, id, kind, ephemeral } = waiting else {
            panic!("{ticket:?} does not wait for {result:?}");
        };
        match (kind, result) {
            (HostCallKind::CheckpointSet, ChangeResult::Done) => {
                if let Some(saved) = ephemeral {
                    self.ledger.saved(&id, saved);
                }
            }
            (HostCallKind::ArgsSet | HostCallKind::Emitted, ChangeResult::Done)
            | (_, ChangeResult::Stale) => {}
            (HostCallKind::Child(child), ChangeResult::Inserted(_)) => {
                self.is_child(fence, child.id.clone())
            }
            (HostCallKind::Child(child), ChangeResult::IdConflict(known)) => {
                if known.task.digest == child.digest {
                    if child.options.durability == Durability::Ephemeral && !known.state.has_ended()
                    {
                        // It may have been retried; no event reports that.
                        self.ledger.may_be_retried(&child.id);
                    }
                    self.is_child(fence, child.id.clone());
                }
            }
            (HostCallKind::Child(child), ChangeResult::UniqueConflict { first, .. }) => {
                let key = |task: &Task| task.options.unique().map(|it| it.key.clone());
                assert_eq!(key(&first.task), key(&child));
            }
            (HostCallKind::Child(_), ChangeResult::UniqueRefused) => {}
            (kind, result) => panic!("{result:?} is no answer to {kind:?}"),
        }
    }

    fn is_child(&mut self, fence: Fence, child: TaskId) {
        if let Some(handler) = self.handlers.running.get_mut(&fence) {
            handler.children.push(child);
        }
    }
}
