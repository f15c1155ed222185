//! The life cycle of a service without failures.

use super::{Behaviour, Scripted, brisk, recording, scheduler};
use crate::orchestrator::{
    BackgroundTask, EventBus, Executable, ExecutionStatus, Scheduler, SchedulerError,
};
use async_trait::async_trait;

#[tokio::test]
async fn a_service_is_initialized_then_works_then_is_shut_down() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    let turns = vec![Behaviour::Succeeds, Behaviour::Succeeds];
    let service = Scripted { turns, ..Scripted::new("sampler", &recorder) };
    let task = scheduler.register_background_task(service).unwrap();
    assert_eq!(task.status(), ExecutionStatus::Idle);
    assert_eq!(recorded.rest(), Vec::<String>::new());

    scheduler.start().await.unwrap();
    assert_eq!(task.status(), ExecutionStatus::Running);
    let expected = ["sampler begins", "sampler works", "sampler works"];
    assert_eq!(recorded.many(3).await, expected);

    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(task.status(), ExecutionStatus::Stopped);
    assert_eq!(recorded.rest(), ["sampler ends"]);
    assert_eq!((task.failures(), task.last_error()), (0, None));
}

#[tokio::test]
async fn services_begin_in_the_order_of_registration_and_stop_in_the_opposite_order() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    for name in ["first", "second", "third"] {
        scheduler.register_background_task(Scripted::new(name, &recorder)).unwrap();
    }
    scheduler.start().await.unwrap();
    assert_eq!(recorded.rest(), ["first begins", "second begins", "third begins"]);
    let report = scheduler.shutdown().await;
    assert_eq!(recorded.rest(), ["third ends", "second ends", "first ends"]);
    let stopped = report.stopped.iter().map(|task| task.name()).collect::<Vec<_>>();
    assert_eq!(stopped, ["third", "second", "first"]);
}

#[tokio::test]
async fn a_service_begins_after_the_one_before_it() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    let slow = Scripted { initialize: Behaviour::Hangs, ..Scripted::new("slow", &recorder) };
    scheduler.register_background_task(slow).unwrap();
    let next = scheduler.register_background_task(Scripted::new("next", &recorder)).unwrap();
    tokio::select! {
        biased;
        _ = scheduler.start() => panic!("no service has begun"),
        first = recorded.next() => assert_eq!(first, "slow begins"),
    }
    assert_eq!(next.status(), ExecutionStatus::Idle);
    let report = scheduler.shutdown().await;
    assert_eq!(report.stopped.len(), 2);
    // Neither was initialized, so neither is shut down.
    assert_eq!(recorded.rest(), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_that_is_registered_later_begins_at_once() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    scheduler.start().await.unwrap();
    let task = scheduler.register_background_task(Scripted::new("late", &recorder)).unwrap();
    assert_eq!(task.started().await, ExecutionStatus::Running);
    assert_eq!(recorded.rest(), ["late begins"]);
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(recorded.rest(), ["late ends"]);
}

#[tokio::test]
async fn a_start_that_is_dropped_still_starts_all_services() {
    let (recorder, mut recorded) = recording();
    let scheduler = scheduler();
    for name in ["first", "second"] {
        scheduler.register_background_task(Scripted::new(name, &recorder)).unwrap();
    }
    tokio::select! {
        biased;
        () = std::future::ready(()) => {}
        _ = scheduler.start() => {}
    }
    let mut start = Box::pin(scheduler.start());
    let polled = std::future::poll_fn(|context| {
        std::task::Poll::Ready(start.as_mut().poll(context).is_pending())
    });
    assert!(polled.await, "no service has begun yet");
    drop(start);
    assert_eq!(recorded.many(2).await, ["first begins", "second begins"]);
}

/// A service that never awaits.
struct Busy;

#[async_trait]
impl Executable for Busy {
    fn name(&self) -> &str {
        "busy"
    }
}

#[async_trait]
impl BackgroundTask for Busy {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        Ok(())
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_service_that_never_awaits_yields_its_thread_and_stops() {
    let scheduler = scheduler();
    let task = scheduler.register_background_task(Busy).unwrap();
    scheduler.start().await.unwrap();
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(task.status(), ExecutionStatus::Stopped);
}

/// Records the name of its thread.
struct Where(super::Recorder);

#[async_trait]
impl Executable for Where {
    fn name(&self) -> &str {
        "where"
    }
}

#[async_trait]
impl BackgroundTask for Where {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        self.0.record(std::thread::current().name().unwrap_or_default());
        std::future::pending().await
    }
}

#[tokio::test]
async fn services_run_on_the_configured_runtime() {
    let elsewhere = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("elsewhere")
        .enable_time()
        .build()
        .unwrap();
    let (recorder, mut recorded) = recording();
    let scheduler: Scheduler<String> =
        Scheduler::new(EventBus::default()).pace(brisk()).on_runtime(elsewhere.handle().clone());
    let task = scheduler.register_background_task(Where(recorder)).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(recorded.next().await, "elsewhere");

    // The end of the runtime is reported.
    elsewhere.shutdown_background();
    assert_eq!(task.ended().await, ExecutionStatus::Failed);
    let why = SchedulerError::TaskShutdown("its runtime is gone".to_owned());
    assert_eq!(task.last_error(), Some(why));
}

#[test]
fn starting_without_a_runtime_is_an_error() {
    let scheduler = scheduler();
    let mut start = Box::pin(scheduler.start());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match start.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Err(SchedulerError::TaskInitialization(why))) => {
            assert!(why.contains("no reactor"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}
