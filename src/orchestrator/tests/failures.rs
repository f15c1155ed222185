//! Services that fail, and what is said of it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Does, NEVER, Scripted, brisk, scheduler, telling};
use crate::orchestrator::{ExecutionStatus, Pace, SchedulerError};

fn no_disk(kind: fn(String) -> SchedulerError) -> SchedulerError {
    kind("no disk".to_owned())
}

fn no_disk_at_all(kind: fn(String) -> SchedulerError) -> SchedulerError {
    kind("panicked: no disk at all".to_owned())
}

#[tokio::test]
async fn who_cannot_begin_is_named_and_the_others_run() {
    let (tell, mut told) = telling();
    let scheduler =
        scheduler().pace(Pace { initialize_within: Duration::from_millis(20), ..brisk() });
    let mut tasks = Vec::new();
    for (name, initialize) in [
        ("fails", Does::Fails),
        ("first", Does::Well),
        ("panics", Does::Panics),
        ("hangs", Does::Hangs),
        ("last", Does::Well),
    ] {
        let service = Scripted { initialize, ..Scripted::new(name, &tell) };
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
    told.rest();

    // What could not begin has nothing to end.
    let report = scheduler.shutdown().await;
    assert!(report.is_clean());
    assert_eq!(told.rest(), ["last ends", "first ends"]);
}

#[tokio::test]
async fn a_service_that_fails_is_reported_and_recovers() {
    for (does, error) in [
        (Does::Fails, no_disk(SchedulerError::TaskExecution)),
        (Does::Panics, no_disk_at_all(SchedulerError::TaskExecution)),
    ] {
        let (tell, mut told) = telling();
        let reported = Arc::new(Mutex::new(Vec::new()));
        let reports = reported.clone();
        let scheduler = scheduler().on_failure(move |failure| reports.lock().push(failure.clone()));
        let panics = matches!(does, Does::Panics);
        let bad = || does.clone();
        let turns = vec![Does::Well, bad(), bad(), Does::Well, bad(), Does::Well, Does::Well];
        let service = Scripted { turns, ..Scripted::new("sampler", &tell) };
        let task = scheduler.register_background_task(service).unwrap();
        scheduler.start().await.unwrap();
        // It begins and works seven times.
        told.many(8).await;
        let state = task.wait_for(|state| state.failures == 0).await;
        assert_eq!(state.status, ExecutionStatus::Running);
        // What went wrong can still be seen.
        assert_eq!(state.last_error, Some(error.clone()));

        let reported = std::mem::take(&mut *reported.lock());
        let failures = reported
            .iter()
            .map(|it| (it.task, &*it.name, it.error.clone(), it.failures, it.panicked))
            .collect::<Vec<_>>();
        // A good turn in between has the count begin anew.
        let expected = [1, 2, 1].map(|count| (task.id(), "sampler", error.clone(), count, panics));
        assert_eq!(failures, expected);
        assert!(scheduler.shutdown().await.is_clean());
    }
}

#[tokio::test]
async fn after_a_failure_comes_a_pause_that_the_end_does_not_wait_for() {
    let (tell, mut told) = telling();
    let pace = Pace { first_pause: NEVER, longest_pause: NEVER, ..brisk() };
    let scheduler = scheduler().pace(pace);
    let turns = vec![Does::Fails, Does::Well];
    let service = Scripted { turns, ..Scripted::new("sampler", &tell) };
    let task = scheduler.register_background_task(service).unwrap();
    scheduler.start().await.unwrap();
    let state = task.wait_for(|state| state.failures == 1).await;
    assert_eq!(state.status, ExecutionStatus::Running);
    assert!(scheduler.shutdown().await.is_clean());
    assert_eq!(told.rest(), ["sampler begins", "sampler works", "sampler ends"]);
}

#[tokio::test]
async fn who_does_not_end_well_is_named() {
    let (tell, _told) = telling();
    let scheduler = scheduler();
    for (name, shutdown) in [("fails", Does::Fails), ("panics", Does::Panics), ("ends", Does::Well)]
    {
        let service = Scripted { shutdown, ..Scripted::new(name, &tell) };
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
async fn who_is_told_of_failures_and_panics_does_not_end_the_service() {
    let (tell, mut told) = telling();
    let hears = tell.clone();
    let scheduler = scheduler().on_failure(move |_| {
        hears.tell("heard");
        panic!("no ears");
    });
    let turns = vec![Does::Fails, Does::Well];
    let service = Scripted { turns, shutdown: Does::Fails, ..Scripted::new("sampler", &tell) };
    let task = scheduler.register_background_task(service).unwrap();
    scheduler.start().await.unwrap();
    let expected = ["sampler begins", "sampler works", "heard", "sampler works"];
    assert_eq!(told.many(4).await, expected);
    let report = scheduler.shutdown().await;
    assert_eq!(report.failed.len(), 1);
    assert_eq!(task.last_error(), Some(no_disk(SchedulerError::TaskShutdown)));
    assert_eq!(told.rest(), ["sampler ends", "heard"]);
}
