//! Graceful shutdown, its time limits, and aborts.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Behaviour, NEVER, Recorder, Scripted, brisk, recording, scheduler};
use crate::orchestrator::{
    BackgroundTask, Executable, ExecutionStatus, Pace, SchedulerError, ServiceHandle,
};

/// Far below the time limits, and enough for a loaded machine.
const BOUND: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

fn names(tasks: &[ServiceHandle]) -> Vec<&str> {
    tasks.iter().map(ServiceHandle::name).collect()
}

#[tokio::test]
async fn a_service_that_does_not_stop_in_time_is_aborted_and_named() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler().pace(Pace { stop_within: SHORT, ..brisk() });
    for (name, shutdown) in
        [("first", Behaviour::Succeeds), ("hangs", Behaviour::Hangs), ("last", Behaviour::Succeeds)]
    {
        let service = Scripted { shutdown, ..Scripted::new(name, &recorder) };
        scheduler.register_background_task(service).unwrap();
    }
    scheduler.start().await.unwrap();
    recorded.rest();
    let began = Instant::now();
    let report = scheduler.shutdown().await;
    assert!(began.elapsed() < BOUND);
    assert_eq!(names(&report.stopped), ["last", "first"]);
    assert_eq!(names(&report.aborted), ["hangs"]);
    assert_eq!(recorded.rest(), ["last ends", "hangs ends", "first ends"]);
    assert_eq!(report.aborted[0].ended().await, ExecutionStatus::Failed);
    let why = SchedulerError::TaskShutdown("it did not stop in time and was aborted".to_owned());
    assert_eq!(report.aborted[0].last_error(), Some(why));
    let error = report.into_result().unwrap_err();
    assert_eq!(error.to_string(), "Task shutdown error: hangs did not stop");
}

#[tokio::test]
async fn all_services_together_stop_within_a_time_limit() {
    let (recorder, _recorded) = recording();
    let scheduler = scheduler().pace(Pace { shutdown_within: SHORT, ..brisk() });
    for name in ["first", "second", "third"] {
        let service = Scripted { shutdown: Behaviour::Hangs, ..Scripted::new(name, &recorder) };
        scheduler.register_background_task(service).unwrap();
    }
    scheduler.start().await.unwrap();
    let began = Instant::now();
    let report = scheduler.shutdown().await;
    assert!(began.elapsed() < BOUND);
    assert_eq!(names(&report.aborted), ["third", "second", "first"]);
}

#[tokio::test]
async fn a_healthy_service_is_not_aborted_when_others_use_up_the_common_time_limit() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler().pace(Pace { shutdown_within: SHORT, ..brisk() });
    for (name, shutdown) in
        [("idle", Behaviour::Succeeds), ("hangs", Behaviour::Hangs), ("too", Behaviour::Hangs)]
    {
        let service = Scripted { shutdown, ..Scripted::new(name, &recorder) };
        scheduler.register_background_task(service).unwrap();
    }
    scheduler.start().await.unwrap();
    recorded.rest();
    let report = scheduler.shutdown().await;
    assert_eq!(names(&report.stopped), ["idle"]);
    assert_eq!(names(&report.aborted), ["too", "hangs"]);
    assert!(recorded.rest().contains(&"idle ends".to_owned()));
}

#[tokio::test]
async fn a_service_that_failed_before_the_shutdown_is_reported_once() {
    let (recorder, _recorded) = recording();
    let scheduler = scheduler();
    let mut tasks = Vec::new();
    for (name, shutdown) in [("fails", Behaviour::Fails), ("ends", Behaviour::Succeeds)] {
        let service = Scripted { shutdown, ..Scripted::new(name, &recorder) };
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
async fn time_limits_may_be_duration_max() {
    let (recorder, _recorded) = recording();
    let longest = Duration::MAX;
    let pace = Pace {
        first_pause: longest,
        longest_pause: longest,
        initialize_within: longest,
        stop_within: longest,
        shutdown_within: longest,
    };
    let scheduler = scheduler().pace(pace);
    let service = Scripted { turns: vec![Behaviour::Fails], ..Scripted::new("sampler", &recorder) };
    let task = scheduler.register_background_task(service).unwrap();
    scheduler.start().await.unwrap();
    task.wait_for(|state| state.failures == 1).await;
    assert!(scheduler.shutdown().await.is_clean());
}

/// Blocks its thread until the test releases it.
struct Blocking {
    recorder: Recorder,
    release: Arc<Mutex<mpsc::Receiver<()>>>,
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
        self.recorder.record("it blocks");
        self.release.lock().recv().map_err(|error| SchedulerError::TaskExecution(error.to_string()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_turn_that_blocks_its_thread_is_reported_by_each_shutdown_and_stops_when_it_returns() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler().pace(Pace { stop_within: SHORT, ..brisk() });
    let (release, waits) = mpsc::channel();
    let service = Blocking { recorder, release: Arc::new(Mutex::new(waits)) };
    let task = scheduler.register_background_task(service).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(recorded.next().await, "it blocks");
    for _ in 0..2 {
        let report = scheduler.shutdown().await;
        assert_eq!(names(&report.aborted), ["blocking"]);
        assert_eq!(task.status(), ExecutionStatus::Running);
    }
    release.send(()).unwrap();
    // The stop signal is read before the next turn.
    assert_eq!(task.ended().await, ExecutionStatus::Stopped);
    let report = scheduler.shutdown().await;
    assert!(report.is_clean() && report.stopped.is_empty());
}

#[tokio::test]
async fn shutdown_may_be_called_again() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    scheduler.register_background_task(Scripted::new("sampler", &recorder)).unwrap();
    scheduler.start().await.unwrap();
    // Two at once, then another.
    let (first, second) = tokio::join!(scheduler.shutdown(), scheduler.shutdown());
    assert!(first.is_clean() && second.is_clean());
    assert!(scheduler.shutdown().await.stopped.is_empty());
    assert_eq!(recorded.rest(), ["sampler begins", "sampler ends"]);
}

#[tokio::test]
async fn a_service_that_is_shut_down_before_the_start_never_begins() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    let task = scheduler.register_background_task(Scripted::new("sampler", &recorder)).unwrap();
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(task.status(), ExecutionStatus::Stopped);
    assert_eq!(scheduler.start().await, Err(SchedulerError::ShutDown));
    let late = scheduler.register_background_task(Scripted::new("late", &recorder));
    assert_eq!(late.unwrap_err(), SchedulerError::ShutDown);
    assert_eq!(recorded.rest(), Vec::<String>::new());
}

/// Records its drop.
struct Guarded(Recorder);

impl Drop for Guarded {
    fn drop(&mut self) {
        self.0.record("dropped");
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
        self.0.record("works");
        tokio::time::sleep(NEVER).await;
        self.0.record("finished");
        Ok(())
    }
}

#[tokio::test]
async fn a_turn_is_dropped_at_its_await_and_the_service_is_dropped_when_it_has_stopped() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    scheduler.register_background_task(Guarded(recorder)).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(recorded.next().await, "works");
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(recorded.rest(), ["dropped"]);
}

#[tokio::test]
async fn dropping_a_scheduler_drops_its_services() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    let task = scheduler.register_background_task(Guarded(recorder)).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(recorded.next().await, "works");
    drop(scheduler);
    assert_eq!(task.ended().await, ExecutionStatus::Stopped);
    assert_eq!(recorded.rest(), ["dropped"]);
}
