//! Failures of services and how they are reported.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Behaviour, NEVER, Scripted, brisk, recording, scheduler};
use crate::orchestrator::{ExecutionStatus, Pace, SchedulerError};

fn no_disk(kind: fn(String) -> SchedulerError) -> SchedulerError {
    kind("no disk".to_owned())
}

fn no_disk_at_all(kind: fn(String) -> SchedulerError) -> SchedulerError {
    kind("panicked: no disk at all".to_owned())
}

#[tokio::test]
async fn a_service_that_cannot_begin_is_named_and_the_others_run() {
    let (recorder, mut recorded) = recording();
    let scheduler =
        scheduler().pace(Pace { initialize_within: Duration::from_millis(20), ..brisk() });
    let mut tasks = Vec::new();
    for (name, initialize) in [
        ("fails", Behaviour::Fails),
        ("first", Behaviour::Succeeds),
        ("panics", Behaviour::Panics),
        ("hangs", Behaviour::Hangs),
        ("last", Behaviour::Succeeds),
    ] {
        let service = Scripted { initialize, ..Scripted::new(name, &recorder) };
        tasks.push(scheduler.register_background_task(service).unwrap());
    }
    let error = scheduler.start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Task initialization error: fails: no disk; panics: panicked: no disk at all; \
         hangs: it did not begin within 20ms"
    );
    use ExecutionStatus::{Failed, Running};
    let statuses = tasks.iter().map(|task| task.status()).collect::<Vec<_>>();
    assert_eq!(statuses, [Failed, Running, Failed, Failed, Running]);
    assert_eq!(tasks[0].last_error(), Some(no_disk(SchedulerError::TaskInitialization)));
    recorded.rest();

    // A service that could not begin is not shut down.
    let report = scheduler.shutdown().await;
    assert!(report.is_clean());
    assert_eq!(recorded.rest(), ["last ends", "first ends"]);
}

#[tokio::test]
async fn a_service_that_fails_is_reported_and_recovers() {
    for (behaviour, error) in [
        (Behaviour::Fails, no_disk(SchedulerError::TaskExecution)),
        (Behaviour::Panics, no_disk_at_all(SchedulerError::TaskExecution)),
    ] {
        let (recorder, mut recorded) = recording();
        let reported = Arc::new(Mutex::new(Vec::new()));
        let reports = reported.clone();
        let scheduler = scheduler().on_failure(move |failure| reports.lock().push(failure.clone()));
        let panics = matches!(behaviour, Behaviour::Panics);
        let bad = || behaviour.clone();
        let turns = vec![
            Behaviour::Succeeds,
            bad(),
            bad(),
            Behaviour::Succeeds,
            bad(),
            Behaviour::Succeeds,
            Behaviour::Succeeds,
        ];
        let service = Scripted { turns, ..Scripted::new("sampler", &recorder) };
        let task = scheduler.register_background_task(service).unwrap();
        scheduler.start().await.unwrap();
        // One start and seven turns.
        recorded.many(8).await;
        let state = task.wait_for(|state| state.failures == 0).await;
        assert_eq!(state.status, ExecutionStatus::Running);
        // The error stays visible.
        assert_eq!(state.last_error, Some(error.clone()));

        let reported = std::mem::take(&mut *reported.lock());
        let failures = reported
            .iter()
            .map(|it| (it.id, &*it.name, it.error.clone(), it.failures, it.panicked))
            .collect::<Vec<_>>();
        // A successful turn resets the count.
        let expected = [1, 2, 1].map(|count| (task.id(), "sampler", error.clone(), count, panics));
        assert_eq!(failures, expected);
        assert!(scheduler.shutdown().await.is_clean());
    }
}

#[tokio::test]
async fn shutdown_interrupts_the_pause_after_a_failure() {
    let (recorder, mut recorded) = recording();
    let pace = Pace { first_pause: NEVER, longest_pause: NEVER, ..brisk() };
    let scheduler = scheduler().pace(pace);
    let turns = vec![Behaviour::Fails, Behaviour::Succeeds];
    let service = Scripted { turns, ..Scripted::new("sampler", &recorder) };
    let task = scheduler.register_background_task(service).unwrap();
    scheduler.start().await.unwrap();
    let state = task.wait_for(|state| state.failures == 1).await;
    assert_eq!(state.status, ExecutionStatus::Running);
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(recorded.rest(), ["sampler begins", "sampler works", "sampler ends"]);
}

#[tokio::test]
async fn a_service_whose_shutdown_fails_is_named() {
    let (recorder, _recorded) = recording();
    let scheduler = scheduler();
    for (name, shutdown) in
        [("fails", Behaviour::Fails), ("panics", Behaviour::Panics), ("ends", Behaviour::Succeeds)]
    {
        let service = Scripted { shutdown, ..Scripted::new(name, &recorder) };
        scheduler.register_background_task(service).unwrap();
    }
    scheduler.start().await.unwrap();
    let report = scheduler.shutdown().await;
    assert_eq!(report.stopped.len(), 1);
    assert!(report.failed.iter().all(|task| task.status() == ExecutionStatus::Failed));
    assert_eq!(
        report.into_result().unwrap_err().to_string(),
        "Task shutdown error: panics: panicked: no disk at all; fails: no disk"
    );
}

#[tokio::test]
async fn a_failure_hook_that_panics_does_not_end_the_service() {
    let (recorder, mut recorded) = recording();
    let hook_recorder = recorder.clone();
    let scheduler = scheduler().on_failure(move |_| {
        hook_recorder.record("hook");
        panic!("a bad hook");
    });
    let turns = vec![Behaviour::Fails, Behaviour::Succeeds];
    let service =
        Scripted { turns, shutdown: Behaviour::Fails, ..Scripted::new("sampler", &recorder) };
    let task = scheduler.register_background_task(service).unwrap();
    scheduler.start().await.unwrap();
    let expected = ["sampler begins", "sampler works", "hook", "sampler works"];
    assert_eq!(recorded.many(4).await, expected);
    let report = scheduler.shutdown().await;
    assert_eq!(report.failed.len(), 1);
    assert_eq!(task.last_error(), Some(no_disk(SchedulerError::TaskShutdown)));
    assert_eq!(recorded.rest(), ["sampler ends", "hook"]);
}
