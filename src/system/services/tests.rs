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

/// Fails once, if it is to, and then waits for its end.
struct Waits {
    name: &'static str,
    fails: bool,
}

impl Executable for Waits {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
impl BackgroundTask for Waits {
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
async fn the_engine_s_services_are_listed_while_they_run_and_afterwards() {
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
async fn services_that_make_tasks_stop_when_tasks_are_refused_and_those_that_watch_at_the_end() {
    let system = system().await;
    let services = &system.services;
    let maker = Waits { name: "maker", fails: false };
    let maker = services.makers.register_background_task(maker).unwrap();
    let watcher = Waits { name: "watcher", fails: false };
    let watcher = services.watchers.register_background_task(watcher).unwrap();
    assert_eq!(maker.begun().await, ExecutionStatus::Running);
    assert_eq!(watcher.begun().await, ExecutionStatus::Running);

    system.refuse();
    assert_eq!(maker.ended().await, ExecutionStatus::Stopped);
    assert_eq!(watcher.status(), ExecutionStatus::Running);
    assert!(system.drain(PATIENCE).await);
    assert_eq!(watcher.status(), ExecutionStatus::Stopped);
    let engine = system.engine.services();
    assert!(engine.iter().all(|service| service.status() == ExecutionStatus::Running));
    system.stop();
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_any_more_ends_wherever_it_is() {
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
        // Where a runtime must not be waited for.
        drop(start);
    }
}

#[tokio::test]
async fn a_system_that_is_stopped_at_once_takes_its_services_along() {
    let system = system().await;
    let watcher = Waits { name: "watcher", fails: false };
    let watcher = system.services.watchers.register_background_task(watcher).unwrap();
    assert_eq!(watcher.begun().await, ExecutionStatus::Running);
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
    let maker = Waits { name: "maker", fails: true };
    system.services.makers.register_background_task(maker).unwrap();
    let Some((_, StreamItem::Event(event))) = events.next().await else {
        panic!("it is announced")
    };
    let expected = serde_json::json!({
        "service": "maker",
        "error": "Task execution error: no disk",
        "failures": 1,
    });
    assert_eq!(serde_json::Value::Object(event.payload().clone()), expected);
    let listed = system.services();
    let maker = listed.iter().find(|service| service.name == "maker").unwrap();
    let error = SchedulerError::TaskExecution("no disk".to_owned());
    assert_eq!(maker.state.last_error, Some(error));
    system.shutdown(PATIENCE).await;
}
