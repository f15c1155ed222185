//! Ends that do not come by themselves.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Does, NEVER, Scripted, Tell, brisk, scheduler, telling};
use crate::orchestrator::{
    BackgroundTask, Executable, ExecutionStatus, Pace, SchedulerError, TaskHandle,
};

/// Far less than forever, and what a loaded machine may need.
const BOUND: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

fn names(tasks: &[TaskHandle]) -> Vec<&str> {
    tasks.iter().map(TaskHandle::name).collect()
}

#[tokio::test]
async fn who_does_not_stop_is_named_within_the_bound_and_aborted() {
    let (tell, mut told) = telling();
    let scheduler = scheduler().pace(Pace { stop_within: SHORT, ..brisk() });
    for (name, shutdown) in [("first", Does::Well), ("hangs", Does::Hangs), ("last", Does::Well)] {
        let service = Scripted { shutdown, ..Scripted::new(name, &tell) };
        scheduler.register_background_task(service).unwrap();
    }
    scheduler.start().await.unwrap();
    told.rest();
    let began = Instant::now();
    let report = scheduler.shutdown().await;
    assert!(began.elapsed() < BOUND);
    assert_eq!(names(&report.stopped), ["last", "first"]);
    assert_eq!(names(&report.aborted), ["hangs"]);
    assert_eq!(told.rest(), ["last ends", "hangs ends", "first ends"]);
    assert_eq!(report.aborted[0].ended().await, ExecutionStatus::Failed);
    let why = SchedulerError::TaskShutdown("it did not stop in time and was aborted".to_owned());
    assert_eq!(report.aborted[0].last_error(), Some(why));
    let error = report.into_result().unwrap_err();
    assert_eq!(error.to_string(), "Task shutdown error: hangs did not stop");
}

#[tokio::test]
async fn all_together_stop_within_a_bound() {
    let (tell, _told) = telling();
    let scheduler = scheduler().pace(Pace { shutdown_within: SHORT, ..brisk() });
    for name in ["first", "second", "third"] {
        let service = Scripted { shutdown: Does::Hangs, ..Scripted::new(name, &tell) };
        scheduler.register_background_task(service).unwrap();
    }
    scheduler.start().await.unwrap();
    let began = Instant::now();
    let report = scheduler.shutdown().await;
    assert!(began.elapsed() < BOUND);
    assert_eq!(names(&report.aborted), ["third", "second", "first"]);
}

#[tokio::test]
async fn who_is_well_is_not_aborted_because_others_used_up_the_time_of_all() {
    let (tell, mut told) = telling();
    let scheduler = scheduler().pace(Pace { shutdown_within: SHORT, ..brisk() });
    for (name, shutdown) in [("idle", Does::Well), ("hangs", Does::Hangs), ("too", Does::Hangs)] {
        let service = Scripted { shutdown, ..Scripted::new(name, &tell) };
        scheduler.register_background_task(service).unwrap();
    }
    scheduler.start().await.unwrap();
    told.rest();
    let report = scheduler.shutdown().await;
    assert_eq!(names(&report.stopped), ["idle"]);
    assert_eq!(names(&report.aborted), ["too", "hangs"]);
    assert!(told.rest().contains(&"idle ends".to_owned()));
}

#[tokio::test]
async fn who_ended_badly_before_the_shutdown_is_named_in_it_and_only_once() {
    let (tell, _told) = telling();
    let scheduler = scheduler();
    let mut tasks = Vec::new();
    for (name, shutdown) in [("fails", Does::Fails), ("ends", Does::Well)] {
        let service = Scripted { shutdown, ..Scripted::new(name, &tell) };
        tasks.push(scheduler.register_background_task(service).unwrap());
    }
    scheduler.start().await.unwrap();
    scheduler.stop();
    for task in &tasks {
        task.ended().await;
    }
    let report = scheduler.shutdown().await;
    assert_eq!((names(&report.stopped), names(&report.failed)), (vec!["ends"], vec!["fails"]));
    let report = scheduler.shutdown().await;
    assert!(report.is_clean() && report.stopped.is_empty());
}

#[tokio::test]
async fn a_time_may_be_as_long_as_can_be_said() {
    let (tell, _told) = telling();
    let longest = Duration::MAX;
    let pace = Pace {
        first_pause: longest,
        longest_pause: longest,
        initialize_within: longest,
        stop_within: longest,
        shutdown_within: longest,
    };
    let scheduler = scheduler().pace(pace);
    let service = Scripted { turns: vec![Does::Fails], ..Scripted::new("sampler", &tell) };
    let task = scheduler.register_background_task(service).unwrap();
    scheduler.start().await.unwrap();
    task.wait_for(|state| state.failures == 1).await;
    assert!(scheduler.shutdown().await.is_clean());
}

/// Keeps its thread until the test lets it go.
struct Blocking {
    tell: Tell,
    let_go: Arc<Mutex<mpsc::Receiver<()>>>,
}

#[async_trait]
impl Executable for Blocking {
    fn name(&self) -> &str {
        "blocking"
    }
}

#[async_trait]
impl BackgroundTask for Blocking {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        self.tell.tell("it blocks");
        self.let_go.lock().recv().map_err(|error| SchedulerError::TaskExecution(error.to_string()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_turn_that_keeps_its_thread_is_named_each_time_and_ends_when_it_can() {
    let (tell, mut told) = telling();
    let scheduler = scheduler().pace(Pace { stop_within: SHORT, ..brisk() });
    let (let_go, waits) = mpsc::channel();
    let service = Blocking { tell, let_go: Arc::new(Mutex::new(waits)) };
    let task = scheduler.register_background_task(service).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(told.next().await, "it blocks");
    for _ in 0..2 {
        let report = scheduler.shutdown().await;
        assert_eq!(names(&report.aborted), ["blocking"]);
        assert_eq!(task.status(), ExecutionStatus::Running);
    }
    let_go.send(()).unwrap();
    // It looks for its end before the next turn.
    assert_eq!(task.ended().await, ExecutionStatus::Stopped);
    let report = scheduler.shutdown().await;
    assert!(report.is_clean() && report.stopped.is_empty());
}

#[tokio::test]
async fn a_second_shutdown_is_harmless() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    scheduler.register_background_task(Scripted::new("sampler", &tell)).unwrap();
    scheduler.start().await.unwrap();
    // Two at once, and one afterwards.
    let (first, second) = tokio::join!(scheduler.shutdown(), scheduler.shutdown());
    assert!(first.is_clean() && second.is_clean());
    assert!(scheduler.shutdown().await.stopped.is_empty());
    assert_eq!(told.rest(), ["sampler begins", "sampler ends"]);
}

#[tokio::test]
async fn what_is_shut_down_before_the_start_never_begins() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    let task = scheduler.register_background_task(Scripted::new("sampler", &tell)).unwrap();
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(task.status(), ExecutionStatus::Stopped);
    assert_eq!(scheduler.start().await, Err(SchedulerError::ShutDown));
    let late = scheduler.register_background_task(Scripted::new("late", &tell));
    assert_eq!(late.unwrap_err(), SchedulerError::ShutDown);
    assert_eq!(told.rest(), Vec::<String>::new());
}

/// Says when it is dropped.
struct Guarded(Tell);

impl Drop for Guarded {
    fn drop(&mut self) {
        self.0.tell("dropped");
    }
}

#[async_trait]
impl Executable for Guarded {
    fn name(&self) -> &str {
        "guarded"
    }
}

#[async_trait]
impl BackgroundTask for Guarded {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        self.0.tell("works");
        tokio::time::sleep(NEVER).await;
        self.0.tell("finished");
        Ok(())
    }
}

#[tokio::test]
async fn a_turn_is_dropped_where_it_waits_and_the_service_is_gone_when_it_has_stopped() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    scheduler.register_background_task(Guarded(tell)).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(told.next().await, "works");
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(told.rest(), ["dropped"]);
}

#[tokio::test]
async fn a_scheduler_that_is_dropped_takes_its_services_along() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    let task = scheduler.register_background_task(Guarded(tell)).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(told.next().await, "works");
    drop(scheduler);
    assert_eq!(task.ended().await, ExecutionStatus::Stopped);
    assert_eq!(told.rest(), ["dropped"]);
}
