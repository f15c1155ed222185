//! What bodies say and ask for while they run: decisions, checkpoints, progress, log lines, children.

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

/// The most children that one body asks for: each attempt asks for some of the same.
const CHILDREN: usize = 3;
/// How deep children have children.
const DEPTH: usize = 2;

/// What a body waits for the answer to.
#[derive(Debug)]
pub(super) enum Heard {
    Decided,
    Saved,
    Announced,
    Child(Arc<Task>),
}

impl World {
    /// Some body says something.
    pub(super) fn some_body_speaks(&mut self) {
        let fences: Vec<Fence> = self.handlers.running.keys().copied().collect();
        let Some(fence) = self.rng.choice(fences) else { return };
        let body = &self.handlers.running[&fence];
        if body.suspended {
            self.go_on_if_children_ended(fence);
            return;
        }
        let number = body.start.claimed.attempt;
        match self.rng.u32(0..10) {
            0 => {
                let args = vec![ArgValue::Int32(7)];
                self.ask_for(fence, HostCall::SetArgs(args), Heard::Decided);
            }
            1 => {
                let body = &self.handlers.running[&fence].start.claimed;
                let custom = Custom {
                    name: "custom.said".into(),
                    payload: Payload::new(),
                    task: body.task.clone(),
                    attempt: number,
                };
                self.ask_for(fence, HostCall::Emit(Arc::new(custom)), Heard::Announced);
            }
            2 => {
                let saved = (self.rng.u32(0..6) > 0).then(|| self.ledger.next_checkpoint());
                self.ask_for(fence, HostCall::Checkpoint(saved), Heard::Saved);
            }
            3..5 => self.say(fence, number),
            5..8 => self.spawn(fence),
            _ => self.rest(fence),
        }
    }

    fn ask_for(&mut self, fence: Fence, asked: HostCall, heard: Heard) {
        let id = self.handlers.running[&fence].start.claimed.task.id.clone();
        let ephemeral = match (&asked, self.handlers.running[&fence].is_ephemeral()) {
            (HostCall::Checkpoint(saved), true) => Some(saved.clone()),
            _ => None,
        };
        let ticket = self.requests.ticket(&mut self.rng);
        let waiting = Waiting::During { fence, id, heard, ephemeral };
        self.requests.waiting.insert(ticket, waiting);
        self.act(|core, now, out| core.host_call(fence, asked, ticket, now, out));
    }

    fn say(&mut self, fence: Fence, attempt: u32) {
        let count = self.rng.u32(0..3);
        let at = self.now.wall;
        let body = self.handlers.running.get_mut(&fence).expect("it runs");
        let lines = (0..count).map(|_| {
            body.lines += 1;
            let text = format!("{fence} line {}", body.lines);
            LogLine { number: body.lines, at, level: LogLevel::Info, attempt, text }
        });
        let lines: Vec<LogLine> = lines.collect();
        let said = body.lines;
        let progress = self.rng.bool().then(|| (self.rng.f64(), String::new()));
        let decided = self.core.attempts.get(&fence).is_none_or(|it| it.is_concluded());
        if !decided {
            self.ledger.said(fence, said);
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
        self.ledger.asked(&child.id);
        if parent.options.durability == Durability::Ephemeral {
            self.ledger.may_be_forgotten(&child.id);
        }
        self.ask_for(fence, HostCall::Spawn(child.clone()), Heard::Child(child));
    }

    /// Mostly none; else the parent's, so that a child stands in its way.
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

    /// A body begins to wait for its children.
    fn rest(&mut self, fence: Fence) {
        let body = self.handlers.running.get_mut(&fence).expect("it runs");
        if body.start.method.handler.kind() == HandlerKind::Inline {
            return;
        }
        body.suspended = true;
        body.was_suspended = true;
        self.ledger.was_suspended.insert(body.start.claimed.task.id.clone());
        self.act(|core, now, out| core.suspend(fence, now, out));
    }

    /// Whether nothing that it waits for is unfinished.
    pub(super) fn children_ended(&self, body: &RunningHandler) -> bool {
        body.children.iter().all(|id| {
            let stored = self.store.find(id).map(|it| it.state);
            let state = stored.or_else(|| self.core.find(id).0.map(|it| it.state));
            state.is_none_or(State::has_ended)
        })
    }

    pub(super) fn go_on_if_children_ended(&mut self, fence: Fence) {
        let body = &self.handlers.running[&fence];
        if body.told || self.children_ended(body) {
            self.go_on(fence);
        }
    }

    pub(super) fn go_on(&mut self, fence: Fence) {
        if let Some(body) = self.handlers.running.get_mut(&fence) {
            body.suspended = false;
        }
        self.act(|core, now, out| core.resume(fence, now, out));
    }

    /// A body is answered.
    pub(super) fn heard(&mut self, ticket: Ticket, waiting: Waiting, result: ChangeResult) {
        let Waiting::During { fence, id, heard, ephemeral } = waiting else {
            panic!("{ticket:?} does not wait for {result:?}");
        };
        match (heard, result) {
            (Heard::Saved, ChangeResult::Done) => {
                if let Some(saved) = ephemeral {
                    self.ledger.saved(&id, saved);
                }
            }
            (Heard::Decided | Heard::Announced, ChangeResult::Done) | (_, ChangeResult::Stale) => {}
            (Heard::Child(child), ChangeResult::Inserted(_)) => {
                self.is_child(fence, child.id.clone())
            }
            (Heard::Child(child), ChangeResult::IdConflict(known)) => {
                if known.task.digest == child.digest {
                    if child.options.durability == Durability::Ephemeral && !known.state.has_ended()
                    {
                        // It may have come back; nobody tells of that.
                        self.ledger.may_have_come_back(&child.id);
                    }
                    self.is_child(fence, child.id.clone());
                }
            }
            (Heard::Child(child), ChangeResult::UniqueConflict { first, .. }) => {
                let key = |task: &Task| task.options.unique().map(|it| it.key.clone());
                assert_eq!(key(&first.task), key(&child));
            }
            (Heard::Child(_), ChangeResult::UniqueRefused) => {}
            (heard, result) => panic!("{result:?} is no answer to {heard:?}"),
        }
    }

    fn is_child(&mut self, fence: Fence, child: TaskId) {
        if let Some(body) = self.handlers.running.get_mut(&fence) {
            body.children.push(child);
        }
    }
}
