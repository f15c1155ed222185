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

/// Long enough that a test that waits for it has failed.
const NEVER: Duration = Duration::from_secs(3_600);

/// What services said that they do, as they did it.
struct Told(mpsc::UnboundedReceiver<String>);

impl Told {
    #[track_caller]
    fn next(&mut self) -> impl Future<Output = String> {
        async { self.0.recv().await.expect("somebody still tells") }
    }

    async fn many(&mut self, count: usize) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..count {
            told.push(self.next().await);
        }
        told
    }

    /// What was told and not yet asked for.
    fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

#[derive(Clone)]
struct Tell(mpsc::UnboundedSender<String>);

impl Tell {
    fn tell(&self, what: impl Into<String>) {
        // A test that is over does not listen any more.
        drop(self.0.send(what.into()));
    }
}

fn telling() -> (Tell, Told) {
    let (tell, told) = mpsc::unbounded_channel();
    (Tell(tell), Told(told))
}

/// What a service does in one part of its life.
#[derive(Clone, Debug, Default)]
enum Does {
    #[default]
    Well,
    Fails,
    Panics,
    Hangs,
}

impl Does {
    async fn it(&self, error: fn(String) -> SchedulerError) -> Result<(), SchedulerError> {
        match self {
            Self::Well => Ok(()),
            Self::Fails => Err(error("no disk".to_owned())),
            Self::Panics => panic!("no disk at all"),
            Self::Hangs => std::future::pending().await,
        }
    }
}

/// A service that does what the test says. Its turns are as listed; after them it waits to be stopped.
struct Scripted {
    name: &'static str,
    tell: Tell,
    initialize: Does,
    turns: Vec<Does>,
    shutdown: Does,
}

impl Scripted {
    fn new(name: &'static str, tell: &Tell) -> Self {
        Self {
            name,
            tell: tell.clone(),
            initialize: Does::Well,
            turns: Vec::new(),
            shutdown: Does::Well,
        }
    }
}

#[async_trait]
impl Executable for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    async fn initialize(&mut self) -> Result<(), SchedulerError> {
        self.tell.tell(format!("{} begins", self.name));
        self.initialize.it(SchedulerError::TaskInitialization).await
    }

    async fn shutdown(&mut self) -> Result<(), SchedulerError> {
        self.tell.tell(format!("{} ends", self.name));
        self.shutdown.it(SchedulerError::TaskShutdown).await
    }
}

#[async_trait]
impl BackgroundTask for Scripted {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        if self.turns.is_empty() {
            return std::future::pending().await;
        }
        let turn = self.turns.remove(0);
        self.tell.tell(format!("{} works", self.name));
        turn.it(SchedulerError::TaskExecution).await
    }
}

/// A service that tells what it hears.
struct Listener {
    channel: &'static str,
    tell: Tell,
    /// It waits for this before it hears anything.
    begins: Option<Arc<Notify>>,
}

#[async_trait]
impl Executable for Listener {
    fn name(&self) -> &str {
        self.channel
    }

    async fn initialize(&mut self) -> Result<(), SchedulerError> {
        if let Some(begins) = &self.begins {
            begins.notified().await;
        }
        Ok(())
    }
}

#[async_trait]
impl EventTask<&'static str> for Listener {
    fn subscribed_event(&self) -> &&'static str {
        &self.channel
    }

    async fn handle_event(&mut self, event: String) -> Result<(), SchedulerError> {
        self.tell.tell(format!("{}: {event}", self.channel));
        match event.as_str() {
            "a bad one" => Err(SchedulerError::TaskExecution("cannot read it".to_owned())),
            _ => Ok(()),
        }
    }

    async fn missed(&mut self, count: u64) {
        self.tell.tell(format!("{}: missed {count}", self.channel));
    }
}

/// Pauses that nobody notices, and an end that nobody reaches.
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
