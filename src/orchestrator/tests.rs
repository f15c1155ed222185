mod events;
mod failures;
mod lifecycle;
mod registration;
mod shutdown;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc};

use super::{BackgroundTask, EventBus, EventTask, Executable, Pace, Scheduler, SchedulerError};

/// A test that waits this long has failed.
const NEVER: Duration = Duration::from_secs(3_600);

/// What the services recorded, in order.
struct Recorded(mpsc::UnboundedReceiver<String>);

impl Recorded {
    async fn next(&mut self) -> String {
        self.0.recv().await.expect("a recorder is left")
    }

    async fn many(&mut self, count: usize) -> Vec<String> {
        let mut recorded = Vec::new();
        for _ in 0..count {
            recorded.push(self.next().await);
        }
        recorded
    }

    /// What was recorded and not read yet.
    fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

#[derive(Clone)]
struct Recorder(mpsc::UnboundedSender<String>);

impl Recorder {
    fn record(&self, what: impl Into<String>) {
        // The test may be over.
        drop(self.0.send(what.into()));
    }
}

fn recording() -> (Recorder, Recorded) {
    let (recorder, recorded) = mpsc::unbounded_channel();
    (Recorder(recorder), Recorded(recorded))
}

/// How a scripted service behaves in one call.
#[derive(Clone, Debug, Default)]
enum Behaviour {
    #[default]
    Succeeds,
    Fails,
    Panics,
    Hangs,
}

impl Behaviour {
    async fn run(&self, error: fn(String) -> SchedulerError) -> Result<(), SchedulerError> {
        match self {
            Self::Succeeds => Ok(()),
            Self::Fails => Err(error("no disk".to_owned())),
            Self::Panics => panic!("no disk at all"),
            Self::Hangs => std::future::pending().await,
        }
    }
}

/// A service that behaves as scripted. After the listed turns it waits until it is stopped.
struct Scripted {
    name: &'static str,
    recorder: Recorder,
    initialize: Behaviour,
    turns: Vec<Behaviour>,
    shutdown: Behaviour,
}

impl Scripted {
    fn new(name: &'static str, recorder: &Recorder) -> Self {
        Self {
            name,
            recorder: recorder.clone(),
            initialize: Behaviour::Succeeds,
            turns: Vec::new(),
            shutdown: Behaviour::Succeeds,
        }
    }
}

#[async_trait]
impl Executable for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    async fn initialize(&mut self) -> Result<(), SchedulerError> {
        self.recorder.record(format!("{} begins", self.name));
        self.initialize.run(SchedulerError::TaskInitialization).await
    }

    async fn shutdown(&mut self) -> Result<(), SchedulerError> {
        self.recorder.record(format!("{} ends", self.name));
        self.shutdown.run(SchedulerError::TaskShutdown).await
    }
}

#[async_trait]
impl BackgroundTask for Scripted {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        if self.turns.is_empty() {
            return std::future::pending().await;
        }
        let turn = self.turns.remove(0);
        self.recorder.record(format!("{} works", self.name));
        turn.run(SchedulerError::TaskExecution).await
    }
}

/// A service that records its events.
struct EventRecorder {
    channel: &'static str,
    recorder: Recorder,
    /// `initialize` waits for this.
    until: Option<Arc<Notify>>,
}

#[async_trait]
impl Executable for EventRecorder {
    fn name(&self) -> &str {
        self.channel
    }

    async fn initialize(&mut self) -> Result<(), SchedulerError> {
        if let Some(until) = &self.until {
            until.notified().await;
        }
        Ok(())
    }
}

#[async_trait]
impl EventTask<&'static str> for EventRecorder {
    fn subscribed_event(&self) -> &&'static str {
        &self.channel
    }

    async fn handle_event(&mut self, event: String) -> Result<(), SchedulerError> {
        self.recorder.record(format!("{}: {event}", self.channel));
        match event.as_str() {
            "bad" => Err(SchedulerError::TaskExecution("cannot read it".to_owned())),
            _ => Ok(()),
        }
    }

    async fn missed(&mut self, count: u64) {
        self.recorder.record(format!("{}: missed {count}", self.channel));
    }
}

/// Short pauses and no time limits.
fn brisk() -> Pace {
    let short = Duration::from_millis(1);
    Pace {
        first_pause: short,
        longest_pause: short,
        initialize_within: NEVER,
        stop_within: NEVER,
        shutdown_within: NEVER,
    }
}

fn scheduler() -> Scheduler<&'static str> {
    Scheduler::new(EventBus::default()).pace(brisk())
}
