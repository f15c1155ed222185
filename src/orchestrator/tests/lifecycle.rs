//! From the beginning of a service to its end, where nothing goes wrong.

use super::{Does, Scripted, brisk, scheduler, telling};
use crate::orchestrator::{
    BackgroundTask, EventBus, Executable, ExecutionStatus, Scheduler, SchedulerError,
};
use async_trait::async_trait;

#[tokio::test]
async fn a_service_begins_works_and_ends_in_that_order() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    let turns = vec![Does::Well, Does::Well];
    let service = Scripted { turns, ..Scripted::new("sampler", &tell) };
    let task = scheduler.register_background_task(service).unwrap();
    assert_eq!(task.status(), ExecutionStatus::Idle);
    assert_eq!(told.rest(), Vec::<String>::new());

    scheduler.start().await.unwrap();
    assert_eq!(task.status(), ExecutionStatus::Running);
    let expected = ["sampler begins", "sampler works", "sampler works"];
    assert_eq!(told.many(3).await, expected);

    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(task.status(), ExecutionStatus::Stopped);
    assert_eq!(told.rest(), ["sampler ends"]);
    assert_eq!((task.failures(), task.last_error()), (0, None));
}

#[tokio::test]
async fn services_begin_in_the_order_of_registration_and_end_in_the_opposite_one() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    for name in ["first", "second", "third"] {
        scheduler.register_background_task(Scripted::new(name, &tell)).unwrap();
    }
    scheduler.start().await.unwrap();
    assert_eq!(told.rest(), ["first begins", "second begins", "third begins"]);
    let report = scheduler.shutdown().await;
    assert_eq!(told.rest(), ["third ends", "second ends", "first ends"]);
    let stopped = report.stopped.iter().map(|task| task.name()).collect::<Vec<_>>();
    assert_eq!(stopped, ["third", "second", "first"]);
}

#[tokio::test]
async fn a_service_begins_only_when_the_one_before_it_has() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    let slow = Scripted { initialize: Does::Hangs, ..Scripted::new("slow", &tell) };
    scheduler.register_background_task(slow).unwrap();
    let next = scheduler.register_background_task(Scripted::new("next", &tell)).unwrap();
    tokio::select! {
        biased;
        _ = scheduler.start() => panic!("nobody has begun"),
        first = told.next() => assert_eq!(first, "slow begins"),
    }
    assert_eq!(next.status(), ExecutionStatus::Idle);
    let report = scheduler.shutdown().await;
    assert_eq!(report.stopped.len(), 2);
    // Neither was initialized, so neither is shut down.
    assert_eq!(told.rest(), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_that_is_registered_later_begins_at_once() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    scheduler.start().await.unwrap();
    let task = scheduler.register_background_task(Scripted::new("late", &tell)).unwrap();
    assert_eq!(task.begun().await, ExecutionStatus::Running);
    assert_eq!(told.rest(), ["late begins"]);
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(told.rest(), ["late ends"]);
}

#[tokio::test]
async fn a_start_that_is_not_waited_for_still_begins_with_everybody() {
    let (tell, mut told) = telling();
    let scheduler = scheduler();
    for name in ["first", "second"] {
        scheduler.register_background_task(Scripted::new(name, &tell)).unwrap();
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
    assert!(polled.await, "nobody has begun yet");
    drop(start);
    assert_eq!(told.many(2).await, ["first begins", "second begins"]);
}

/// Works without ever waiting.
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
async fn a_service_that_never_waits_leaves_its_thread_to_others_and_stops() {
    let scheduler = scheduler();
    let task = scheduler.register_background_task(Busy).unwrap();
    scheduler.start().await.unwrap();
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(task.status(), ExecutionStatus::Stopped);
}

/// Tells which thread it is on.
struct Where(super::Tell);

#[async_trait]
impl Executable for Where {
    fn name(&self) -> &str {
        "where"
    }
}

#[async_trait]
impl BackgroundTask for Where {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        self.0.tell(std::thread::current().name().unwrap_or_default());
        std::future::pending().await
    }
}

#[tokio::test]
async fn services_run_where_the_scheduler_was_told() {
    let elsewhere = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("elsewhere")
        .enable_time()
        .build()
        .unwrap();
    let (tell, mut told) = telling();
    let scheduler: Scheduler<String> =
        Scheduler::new(EventBus::default()).pace(brisk()).on_runtime(elsewhere.handle().clone());
    let task = scheduler.register_background_task(Where(tell)).unwrap();
    scheduler.start().await.unwrap();
    assert_eq!(told.next().await, "elsewhere");

    // It is told of the end of what it ran on.
    elsewhere.shutdown_background();
    assert_eq!(task.ended().await, ExecutionStatus::Failed);
    let why = SchedulerError::TaskShutdown("its runtime is gone".to_owned());
    assert_eq!(task.last_error(), Some(why));
}

#[test]
fn a_scheduler_without_a_runtime_says_so() {
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
