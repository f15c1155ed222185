//! The host of a test: remembers what a body says, and answers what it was told to.

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

/// What a body said, in the order in which it did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Every report, also those that a server would have passed over for a later one.
    pub progress: Vec<Progress>,
    /// Lines of its log.
    pub logs: Vec<LogLine>,
    /// What it saved; `None` where it cleared it.
    pub checkpoints: Vec<Option<serde_json::Value>>,
    /// What it spawned, each once.
    pub children: Vec<Request>,
    /// What it announced: the name and the payload.
    pub events: Vec<(String, serde_json::Value)>,
}

impl Recorded {
    /// The log's texts.
    pub fn lines(&self) -> Vec<&str> {
        self.logs.iter().map(|line| line.text.as_str()).collect()
    }
}

/// What a host was told to do.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// How children end, by name.
    pub(super) children: HashMap<String, Ending>,
    /// What every call is answered with.
    pub(super) error: Option<HostError>,
    /// The word after which the body is told to stop, from 1.
    pub(super) stop_after_words: Option<usize>,
}

pub(super) struct FakeHost {
    clock: ManualClock,
    script: Script,
    parent: TaskId,
    heard: Mutex<Recorded>,
    words: AtomicUsize,
    /// While somebody listens: the context holds the host, too.
    context: Mutex<Option<TaskContext>>,
    /// What the test forgot to say.
    missing: Mutex<Option<String>>,
}

impl FakeHost {
    pub(super) fn new(clock: ManualClock, script: Script, parent: TaskId) -> Arc<Self> {
        Arc::new(Self {
            clock,
            script,
            parent,
            heard: Mutex::default(),
            words: AtomicUsize::new(0),
            context: Mutex::default(),
            missing: Mutex::default(),
        })
    }

    /// Whose words to take from now on.
    pub(super) fn listen(&self, context: Option<TaskContext>) {
        *self.context.lock() = context;
    }

    /// What it heard so far.
    pub(super) fn heard(&self) -> Recorded {
        self.heard.lock().clone()
    }

    /// What the test forgot to say, if it matters.
    pub(super) fn missing(&self) -> Option<String> {
        self.missing.lock().clone()
    }

    /// One more word; or what every word is answered with.
    fn hear(
        &self,
        take: impl FnOnce(&mut Recorded) -> Result<(), HostError>,
    ) -> Result<(), HostError> {
        if let Some(error) = &self.script.error {
            return Err(error.clone());
        }
        take(&mut self.heard.lock())?;
        self.count();
        Ok(())
    }

    fn count(&self) {
        let words = self.words.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(context) = self.context.lock().clone()
            && (self.script.stop_after_words == Some(words) || context.remaining().is_zero())
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
            "the body waits for its child {name:?}, and the test does not say how that ends: \
             add `.child_result({name:?}, …)`"
        );
        *self.missing.lock() = Some(missing.clone());
        panic!("{missing}")
    }
}

#[async_trait]
impl Host for FakeHost {
    async fn checkpoint(&self, _: Fence, data: Option<Arc<[u8]>>) -> Result<(), HostError> {
        self.hear(|heard| {
            let json = data.map(|data| serde_json::from_slice(&data)).transpose();
            let json = json.map_err(|error| Error::new(Code::Internal, error.to_string()))?;
            heard.checkpoints.push(json);
            Ok(())
        })
    }

    async fn spawn(&self, _: Fence, child: Request) -> Result<TaskId, HostError> {
        let id = child.id.clone().unwrap_or_else(TaskId::generate);
        self.hear(|heard| {
            if let Some(known) = heard.children.iter().find(|known| known.id == child.id) {
                let content = |it: &Request| (it.method.clone(), it.args.clone(), it.deps.clone());
                return if content(known) == content(&child) { Ok(()) } else { Err(taken(&id)) };
            }
            // A method of another program is not linked into this test.
            if let Ok(method) = linked().find(&child.method) {
                (method.signature.check)(&child.args)?;
            }
            heard.children.push(child);
            Ok(())
        })?;
        Ok(id)
    }

    async fn join(&self, _: Fence, children: Vec<TaskId>) -> Result<Vec<Outcome>, HostError> {
        self.hear(|_| Ok(()))?;
        let now = self.clock.now().wall;
        Ok(children.iter().map(|child| outcome(self.ending(child), now)).collect())
    }

    async fn emit(&self, _: Fence, custom: Arc<Custom>) -> Result<(), HostError> {
        self.hear(|heard| {
            let payload = serde_json::Value::Object(custom.payload.clone());
            heard.events.push((custom.name.to_string(), payload));
            Ok(())
        })
    }

    fn output_available(&self, _: Fence) {
        let Some(context) = self.context.lock().clone() else { return };
        let unwritten = context.take_unwritten();
        {
            let heard = &mut *self.heard.lock();
            heard.progress.extend(unwritten.progress);
            heard.logs.extend(unwritten.lines);
        }
        self.count();
    }

    fn now(&self) -> Now {
        self.clock.now()
    }
}

fn taken(id: &TaskId) -> HostError {
    let message = format!("{id} is another task already, with other content");
    Error::new(Code::IdTaken, message).into()
}

/// How something that took one attempt and no time ended.
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
