//! The fake host of a test: records the calls of a handler, and answers them by a script.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::ManualClock;
use crate::clock::{Now, Timestamp};
use crate::error::{Code, Error};
use crate::models::{Custom, Ending, Fence, LogLine, Outcome, Request, TaskId};
use crate::tasks::{Host, HostError, Progress, TaskContext, TaskRegistry, collected};

/// The output and the host calls of a handler, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Every progress report. A server stores only the latest of several.
    pub progress: Vec<Progress>,
    /// Lines of the task's log.
    pub logs: Vec<LogLine>,
    /// Every saved checkpoint; `None` where the handler cleared it.
    pub checkpoints: Vec<Option<serde_json::Value>>,
    /// Spawned children, each once.
    pub children: Vec<Request>,
    /// Custom events: the name and the payload.
    pub events: Vec<(String, serde_json::Value)>,
}

impl Recorded {
    /// The texts of the log lines.
    pub fn lines(&self) -> Vec<&str> {
        self.logs.iter().map(|line| line.text.as_str()).collect()
    }
}

/// The answers of the fake host.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// The outcomes of children, by name.
    pub(super) children: HashMap<String, Ending>,
    /// The error of every host call.
    pub(super) error: Option<HostError>,
    /// Cancel the context after this many outputs and host calls.
    pub(super) cancel_after_calls: Option<usize>,
}

pub(super) struct FakeHost {
    clock: ManualClock,
    script: Script,
    parent: TaskId,
    recorded: Mutex<Recorded>,
    calls: AtomicUsize,
    /// Detached at the end of the test: the context holds the host, too.
    context: Mutex<Option<TaskContext>>,
    /// What the script lacks.
    missing: Mutex<Option<String>>,
}

impl FakeHost {
    pub(super) fn new(clock: ManualClock, script: Script, parent: TaskId) -> Arc<Self> {
        Arc::new(Self {
            clock,
            script,
            parent,
            recorded: Mutex::default(),
            calls: AtomicUsize::new(0),
            context: Mutex::default(),
            missing: Mutex::default(),
        })
    }

    /// Records the output of this context from now on.
    pub(super) fn attach(&self, context: Option<TaskContext>) {
        *self.context.lock() = context;
    }

    /// Everything recorded so far.
    pub(super) fn recorded(&self) -> Recorded {
        self.recorded.lock().clone()
    }

    /// What the script lacks, if the handler needed it.
    pub(super) fn missing(&self) -> Option<String> {
        self.missing.lock().clone()
    }

    /// Records one host call; or returns the error of the script.
    fn record(
        &self,
        call: impl FnOnce(&mut Recorded) -> Result<(), HostError>,
    ) -> Result<(), HostError> {
        if let Some(error) = &self.script.error {
            return Err(error.clone());
        }
        call(&mut self.recorded.lock())?;
        self.count();
        Ok(())
    }

    fn count(&self) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(context) = self.context.lock().clone()
            && (self.script.cancel_after_calls == Some(calls) || context.remaining().is_zero())
        {
            context.stop();
        }
    }

    fn ending(&self, child: &TaskId) -> Ending {
        let name = child.as_str().strip_prefix(self.parent.as_str());
        let name = name.and_then(|name| name.strip_prefix('/')).unwrap_or(child.as_str());
        if let Some(ending) = self.script.children.get(name) {
            return ending.clone();
        }
        let missing = format!(
            "the handler waits for its child {name:?}, and the test has no outcome for it: add \
             `.child_result({name:?}, …)`"
        );
        *self.missing.lock() = Some(missing.clone());
        panic!("{missing}")
    }
}

#[async_trait]
impl Host for FakeHost {
    async fn checkpoint(&self, _: Fence, data: Option<Arc<[u8]>>) -> Result<(), HostError> {
        self.record(|recorded| {
            let json = data.map(|data| serde_json::from_slice(&data)).transpose();
            let json = json.map_err(|error| Error::new(Code::Internal, error.to_string()))?;
            recorded.checkpoints.push(json);
            Ok(())
        })
    }

    async fn spawn(&self, _: Fence, child: Request) -> Result<TaskId, HostError> {
        let id = child.id.clone().unwrap_or_else(TaskId::generate);
        self.record(|recorded| {
            if let Some(known) = recorded.children.iter().find(|known| known.id == child.id) {
                let content = |it: &Request| (it.method.clone(), it.args.clone(), it.deps.clone());
                return if content(known) == content(&child) { Ok(()) } else { Err(id_taken(&id)) };
            }
            // The check is skipped for a method that is not linked into this test.
            if let Ok(method) = linked().find(&child.method) {
                (method.signature.check)(&child.args)?;
            }
            recorded.children.push(child);
            Ok(())
        })?;
        Ok(id)
    }

    async fn join(&self, _: Fence, children: Vec<TaskId>) -> Result<Vec<Outcome>, HostError> {
        self.record(|_| Ok(()))?;
        let now = self.clock.now().wall;
        Ok(children.iter().map(|child| outcome(self.ending(child), now)).collect())
    }

    async fn emit(&self, _: Fence, custom: Arc<Custom>) -> Result<(), HostError> {
        self.record(|recorded| {
            let payload = serde_json::Value::Object(custom.payload.clone());
            recorded.events.push((custom.name.to_string(), payload));
            Ok(())
        })
    }

    fn output_available(&self, _: Fence) {
        let Some(context) = self.context.lock().clone() else { return };
        let unwritten = context.take_unwritten();
        {
            let recorded = &mut *self.recorded.lock();
            recorded.progress.extend(unwritten.progress);
            recorded.logs.extend(unwritten.lines);
        }
        self.count();
    }

    fn now(&self) -> Now {
        self.clock.now()
    }
}

fn id_taken(id: &TaskId) -> HostError {
    let message = format!("the id {id} belongs to a child with other content");
    Error::new(Code::IdTaken, message).into()
}

/// An outcome after one attempt that took no time.
pub(super) fn outcome(ending: Ending, at: Timestamp) -> Outcome {
    Outcome { ending, attempts: 1, started_at: Some(at), ended_at: at }
}

/// The methods that are linked into the test.
#[track_caller]
pub(super) fn linked() -> &'static TaskRegistry {
    static LINKED: OnceLock<Result<TaskRegistry, Error>> = OnceLock::new();
    let linked = LINKED.get_or_init(|| TaskRegistry::from_registrations(collected()));
    match linked {
        Ok(registry) => registry,
        Err(error) => panic!("{error}"),
    }
}
