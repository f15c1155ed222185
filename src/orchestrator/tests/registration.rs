//! Registration and its limits.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Recorder, Scripted, recording, scheduler};
use crate::orchestrator::bus;
use crate::orchestrator::{
    BackgroundTask, Executable, ExecutionStatus, MAX_SERVICES, Scheduler, SchedulerError,
    ServiceHandle,
};

#[tokio::test]
async fn a_service_is_found_by_its_own_id_only() {
    let (recorder, _recorded) = recording();
    let (here, elsewhere) = (scheduler(), scheduler());
    let task = here.register_background_task(Scripted::new("sampler", &recorder)).unwrap();
    let other = elsewhere.register_background_task(Scripted::new("other", &recorder)).unwrap();
    assert_eq!(here.task(task.id()).unwrap().name(), "sampler");
    assert_eq!(here.task_registry().task(task.id()).unwrap().id(), task.id());
    let missing = here.task(other.id()).unwrap_err();
    assert_eq!(missing, SchedulerError::TaskNotFound(other.id()));
    assert_eq!(missing.to_string(), format!("Task not found: {}", other.id()));
    // It stays registered after its end.
    assert!(here.shutdown().await.is_clean());
    assert_eq!(here.task(task.id()).unwrap().status(), ExecutionStatus::Stopped);
}

#[tokio::test]
async fn a_second_start_is_refused_and_changes_nothing() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    scheduler.register_background_task(Scripted::new("sampler", &recorder)).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(scheduler.start().await, Err(SchedulerError::AlreadyStarted));
    assert_eq!(recorded.rest(), ["sampler begins"]);
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(scheduler.start().await, Err(SchedulerError::ShutDown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_register_while_the_scheduler_starts() {
    const THREADS: usize = 8;
    const EACH: usize = 50;
    let (recorder, mut recorded) = recording();
    let scheduler = Arc::new(scheduler());
    let registering = (0..THREADS).map(|_| {
        let (scheduler, recorder) = (scheduler.clone(), recorder.clone());
        std::thread::spawn(move || {
            (0..EACH)
                .map(|_| {
                    scheduler.register_background_task(Scripted::new("one", &recorder)).unwrap()
                })
                .collect::<Vec<_>>()
        })
    });
    let registering = registering.collect::<Vec<_>>();
    scheduler.start().await.unwrap();
    let mut tasks: Vec<ServiceHandle> =
        registering.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    for task in &tasks {
        assert_eq!(task.started().await, ExecutionStatus::Running);
    }
    tasks.sort_by_key(ServiceHandle::id);
    let ids = |tasks: &[ServiceHandle]| tasks.iter().map(ServiceHandle::id).collect::<Vec<_>>();
    assert_eq!(ids(&scheduler.tasks()), ids(&tasks));
    assert_eq!(tasks.len(), THREADS * EACH);
    assert_eq!(recorded.many(THREADS * EACH).await, ["one begins"; THREADS * EACH]);
    let report = scheduler.shutdown().await;
    assert_eq!(report.stopped.len(), THREADS * EACH);
}

/// Calls its scheduler from a turn.
struct UsesScheduler {
    scheduler: Arc<Scheduler<&'static str>>,
    recorder: Recorder,
}

#[async_trait]
impl Executable for UsesScheduler {
    fn name(&self) -> &str {
        "caller"
    }
}

#[async_trait]
impl BackgroundTask for UsesScheduler {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        for task in self.scheduler.tasks() {
            self.recorder.record(self.scheduler.task(task.id())?.name());
        }
        self.scheduler.register_background_task(Scripted::new("child", &self.recorder))?;
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_service_may_call_its_scheduler() {
    let (recorder, mut recorded) = recording();
    let scheduler = Arc::new(scheduler());
    let uses_scheduler = UsesScheduler { scheduler: scheduler.clone(), recorder };
    scheduler.register_background_task(uses_scheduler).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(recorded.many(2).await, ["caller", "child begins"]);
    assert!(scheduler.shutdown().await.is_clean());
}

#[test]
fn the_number_of_services_is_limited() {
    let (recorder, _recorded) = recording();
    let scheduler = scheduler();
    for _ in 0..MAX_SERVICES {
        scheduler.register_background_task(Scripted::new("one", &recorder)).unwrap();
    }
    let error = scheduler.register_background_task(Scripted::new("one", &recorder)).unwrap_err();
    assert_eq!(error.to_string(), format!("Too many tasks: at most {MAX_SERVICES}"));
}

#[test]
fn every_error_has_its_text() {
    let text = || "no disk".to_owned();
    let unheard: broadcast::error::SendError<u8> = broadcast::Sender::new(1).send(1).unwrap_err();
    let rows: [(SchedulerError, &str); 10] = [
        (SchedulerError::TaskInitialization(text()), "Task initialization error: no disk"),
        (SchedulerError::TaskExecution(text()), "Task execution error: no disk"),
        (SchedulerError::TaskShutdown(text()), "Task shutdown error: no disk"),
        (SchedulerError::InvalidChannel(text()), "Invalid channel: no disk"),
        (bus::Error::TooManyChannels.into(), "Invalid channel: a bus has at most 1024 channels"),
        (unheard.into(), "Event send error: the channel has no subscriber"),
        (RecvError::Lagged(3).into(), "Event receive error: channel lagged by 3"),
        (RecvError::Closed.into(), "Event receive error: channel closed"),
        (SchedulerError::AlreadyStarted, "Scheduler already started"),
        (SchedulerError::ShutDown, "Scheduler is shut down"),
    ];
    for (error, expected) in rows {
        assert_eq!(error.to_string(), expected);
    }
}
