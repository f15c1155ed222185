use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use crate::events::StreamItem;
use crate::models::{EventFilter, NamePattern};
use crate::monitor::Service;
use crate::orchestrator::{
    BackgroundTask, Executable, ExecutionStatus, SchedulerError, ServiceState,
};
use crate::system::TaskSystem;

const PATIENCE: Duration = Duration::from_secs(30);

/// Fails in the first turn if `fails` is set, then waits until it is stopped.
struct Waiting {
    name: &'static str,
    fails: bool,
}

impl Executable for Waiting {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
impl BackgroundTask for Waiting {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        if std::mem::take(&mut self.fails) {
            return Err(SchedulerError::TaskExecution("no disk".to_owned()));
        }
        std::future::pending().await
    }
}

async fn system() -> TaskSystem {
    TaskSystem::in_memory().start().await.unwrap()
}

#[tokio::test]
async fn services_of_the_engine_are_listed_while_they_run_and_after_their_end() {
    let system = system().await;
    let listed = |status| {
        ["commits", "dispatcher", "upkeep"].map(|name| Service {
            name: name.to_owned(),
            state: ServiceState { status, failures: 0, last_error: None },
        })
    };
    assert!(system.services().starts_with(&listed(ExecutionStatus::Running)));
    assert!(system.shutdown(PATIENCE).await);
    for service in system.engine.services() {
        service.ended().await;
    }
    assert!(system.services().starts_with(&listed(ExecutionStatus::Stopped)));
}

#[tokio::test]
async fn producers_stop_when_tasks_are_refused_and_watchers_after_the_drain() {
    let system = system().await;
    let services = &system.services;
    let producer = Waiting { name: "producer", fails: false };
    let producer = services.producers.register_background_task(producer).unwrap();
    let watcher = Waiting { name: "watcher", fails: false };
    let watcher = services.watchers.register_background_task(watcher).unwrap();
    assert_eq!(producer.started().await, ExecutionStatus::Running);
    assert_eq!(watcher.started().await, ExecutionStatus::Running);

    system.refuse();
    assert_eq!(producer.ended().await, ExecutionStatus::Stopped);
    assert_eq!(watcher.status(), ExecutionStatus::Running);
    assert!(system.drain(PATIENCE).await);
    assert_eq!(watcher.status(), ExecutionStatus::Stopped);
    let engine = system.engine.services();
    assert!(engine.iter().all(|service| service.status() == ExecutionStatus::Running));
    system.stop();
}

#[tokio::test]
async fn a_start_can_be_dropped_at_every_await() {
    for most in 1.. {
        let mut start = Box::pin(TaskSystem::in_memory().start());
        let mut polls = 0;
        let started = poll_fn(|context| {
            polls += 1;
            match start.as_mut().poll(context) {
                Poll::Ready(started) => Poll::Ready(Some(started)),
                Poll::Pending if polls == most => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        if let Some(system) = started.await {
            system.unwrap().stop();
            break;
        }
        // Inside a runtime, where blocking panics.
        drop(start);
    }
}

#[tokio::test]
async fn stopping_a_system_at_once_ends_its_services() {
    let system = system().await;
    let watcher = Waiting { name: "watcher", fails: false };
    let watcher = system.services.watchers.register_background_task(watcher).unwrap();
    assert_eq!(watcher.started().await, ExecutionStatus::Running);
    system.stop();
    assert_eq!(watcher.ended().await, ExecutionStatus::Stopped);
}

#[tokio::test]
async fn a_service_that_fails_is_announced_and_listed() {
    let system = system().await;
    let failed = EventFilter {
        names: vec![NamePattern::parse("observability.service_failed")],
        ..EventFilter::default()
    };
    let mut events = system.announcer().subscribe(failed, None);
    let producer = Waiting { name: "producer", fails: true };
    system.services.producers.register_background_task(producer).unwrap();
    let Some((_, StreamItem::Event(event))) = events.next().await else {
        panic!("the failure is announced")
    };
    let expected = serde_json::json!({
        "service": "producer",
        "error": "Task execution error: no disk",
        "failures": 1,
    });
    assert_eq!(serde_json::Value::Object(event.payload().clone()), expected);
    let listed = system.services();
    let producer = listed.iter().find(|service| service.name == "producer").unwrap();
    let error = SchedulerError::TaskExecution("no disk".to_owned());
    assert_eq!(producer.state.last_error, Some(error));
    system.shutdown(PATIENCE).await;
}
