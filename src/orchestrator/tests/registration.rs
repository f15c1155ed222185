//! Who is registered, and what is refused.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Scripted, Tell, scheduler, telling};
use crate::events::bus;
use crate::orchestrator::{
    BackgroundTask, Executable, ExecutionStatus, MAX_TASKS, Scheduler, SchedulerError, TaskHandle,
};

#[tokio::test]
async fn a_task_is_found_by_its_id_and_by_no_other() {
    let (tell, _told) = telling();
    let (here, elsewhere) = (scheduler(), scheduler());
    let task = here.register_background_task(Scripted::new("sampler", &tell)).unwrap();
    let other = elsewhere.register_background_task(Scripted::new("other", &tell)).unwrap();
    assert_eq!(here.task(task.id()).unwrap().name(), "sampler");
    assert_eq!(here.task_registry().task(task.id()).unwrap().id(), task.id());
    let missing = here.task(other.id()).unwrap_err();
    assert_eq!(missing, SchedulerError::TaskNotFound(other.id()));
    assert_eq!(missing.to_string(), format!("Task not found: {}", other.id()));
    // It is still there when its life is over.
    assert!(here.shutdown().await.is_clean());
    assert_eq!(here.task(task.id()).unwrap().status(), ExecutionStatus::Stopped);
}

#[tokio::test]
async fn a_second_start_is_refused_and_changes_nothing() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    scheduler.register_background_task(Scripted::new("sampler", &tell)).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(scheduler.start().await, Err(SchedulerError::AlreadyStarted));
    assert_eq!(told.rest(), ["sampler begins"]);
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(scheduler.start().await, Err(SchedulerError::ShutDown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_register_at_once_while_it_starts() {
    const THREADS: usize = 8;
    const EACH: usize = 50;
    let (tell, mut told) = telling();
    let scheduler = Arc::new(scheduler());
    let registering = (0..THREADS).map(|_| {
        let (scheduler, tell) = (scheduler.clone(), tell.clone());
        std::thread::spawn(move || {
            (0..EACH)
                .map(|_| scheduler.register_background_task(Scripted::new("one", &tell)).unwrap())
                .collect::<Vec<_>>()
        })
    });
    let registering = registering.collect::<Vec<_>>();
    scheduler.start().await.unwrap();
    let mut tasks: Vec<TaskHandle> =
        registering.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    for task in &tasks {
        assert_eq!(task.begun().await, ExecutionStatus::Running);
    }
    tasks.sort_by_key(TaskHandle::id);
    let ids = |tasks: &[TaskHandle]| tasks.iter().map(TaskHandle::id).collect::<Vec<_>>();
    assert_eq!(ids(&scheduler.tasks()), ids(&tasks));
    assert_eq!(tasks.len(), THREADS * EACH);
    assert_eq!(told.many(THREADS * EACH).await, ["one begins"; THREADS * EACH]);
    let report = scheduler.shutdown().await;
    assert_eq!(report.stopped.len(), THREADS * EACH);
}

/// Uses its scheduler while it works.
struct Curious {
    scheduler: Arc<Scheduler<&'static str>>,
    tell: Tell,
}

#[async_trait]
impl Executable for Curious {
    fn name(&self) -> &str {
        "curious"
    }
}

#[async_trait]
impl BackgroundTask for Curious {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        for task in self.scheduler.tasks() {
            self.tell.tell(self.scheduler.task(task.id())?.name());
        }
        self.scheduler.register_background_task(Scripted::new("its child", &self.tell))?;
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_body_may_use_its_scheduler() {
    let (tell, mut told) = telling();
    let scheduler = Arc::new(scheduler());
    let curious = Curious { scheduler: scheduler.clone(), tell };
    scheduler.register_background_task(curious).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(told.many(2).await, ["curious", "its child begins"]);
    assert!(scheduler.shutdown().await.is_clean());
}

#[test]
fn there_is_a_most_of_tasks() {
    let (tell, _told) = telling();
    let scheduler = scheduler();
    for _ in 0..MAX_TASKS {
        scheduler.register_background_task(Scripted::new("one", &tell)).unwrap();
    }
    let error = scheduler.register_background_task(Scripted::new("one", &tell)).unwrap_err();
    assert_eq!(error.to_string(), format!("Too many tasks: at most {MAX_TASKS}"));
}

#[test]
fn every_error_says_what_happened() {
    let text = || "no disk".to_owned();
    let unheard: broadcast::error::SendError<u8> = broadcast::Sender::new(1).send(1).unwrap_err();
    let rows: [(SchedulerError, &str); 10] = [
        (SchedulerError::TaskInitialization(text()), "Task initialization error: no disk"),
        (SchedulerError::TaskExecution(text()), "Task execution error: no disk"),
        (SchedulerError::TaskShutdown(text()), "Task shutdown error: no disk"),
        (SchedulerError::InvalidChannel(text()), "Invalid channel: no disk"),
        (bus::Error::TooManyChannels.into(), "Invalid channel: a bus has at most 1024 channels"),
        (unheard.into(), "Event send error: nobody is subscribed"),
        (RecvError::Lagged(3).into(), "Event receive error: channel lagged by 3"),
        (RecvError::Closed.into(), "Event receive error: channel closed"),
        (SchedulerError::AlreadyStarted, "Scheduler already started"),
        (SchedulerError::ShutDown, "Scheduler is shut down"),
    ];
    for (error, expected) in rows {
        assert_eq!(error.to_string(), expected);
    }
}
