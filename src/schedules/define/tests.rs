use std::time::Duration;

use super::*;
use crate::engine::PlannedFiring;
use crate::models::{Request, ScheduleRun};
use crate::orchestrator::BackgroundTask;
use crate::schedules::tests::{MINUTE, engine, engine_on};
use crate::schedules::{Ticker, TickerOptions, parse_file, run};
use crate::store::{Change, MemoryStore, Store};

async fn declared(schedules: &Schedules, args: &str) -> ScheduleStatus {
    let text = format!(
        "- {{name: s, every: 366d, anchor: 2026-01-01T00:00:00Z, method: add, args: {args}}}"
    );
    let declared = parse_file(&text, clock::now().wall).unwrap();
    schedules.declare(declared).await.unwrap();
    schedules.get(&Name::parse("s", "name").unwrap()).await.unwrap()
}

#[tokio::test]
async fn an_occurrence_that_is_due_at_the_start_runs_with_the_newly_declared_arguments() {
    let store = Arc::new(MemoryStore::default());
    let earlier = engine_on(store.clone()).await;
    let before = declared(&Schedules::new(earlier.clone()), "[1, 2]").await;
    earlier.drain(MINUTE).await;
    earlier.stop();
    let due = clock::now().wall;
    let (schedule, next) = (before.schedule.clone(), Some(due));
    let overdue = Change::SetSchedule { schedule, enabled: true, next };
    store.commit(vec![overdue].into(), due).await.unwrap();

    let engine = engine_on(store).await;
    let status = declared(&Schedules::new(engine.clone()), "[1, 2, 3]").await;
    assert_eq!(status.next, next, "the due occurrence is kept");
    Ticker::new(engine.clone(), TickerOptions::default()).execute().await.unwrap();
    let id = run(&status.schedule, due, due).id.clone();
    let snapshot = engine.find(&id).await.unwrap();
    let args: Vec<String> = snapshot.task.args.iter().map(ToString::to_string).collect();
    assert_eq!(args, ["1", "2", "3"]);
    engine.stop();
}

#[tokio::test]
async fn an_occurrence_does_not_run_again_after_the_clock_was_set_back() {
    let engine = engine().await;
    let mut status = declared(&Schedules::new(engine.clone()), "[1]").await;
    let now = clock::now().wall;
    let later = |seconds| now.plus(Duration::from_secs(seconds));
    let run = |occurrence, manual| ScheduleRun {
        occurrence,
        accepted_at: occurrence,
        task: TaskId::generate(),
        manual,
        ended: None,
    };
    assert_eq!(resume_after(Some(&status), now), now);
    status.runs = vec![run(later(30), false), run(later(60), false), run(later(90), true)];
    assert_eq!(resume_after(Some(&status), now), later(60));
    assert_eq!(resume_after(Some(&status), later(61)), later(61));
    engine.stop();
}

#[tokio::test]
async fn a_redefinition_that_races_a_firing_does_not_move_the_next_time_back() {
    const YEAR: Duration = Duration::from_secs(366 * 24 * 3_600);
    let engine = engine().await;
    let schedules = Schedules::new(engine.clone());
    let seen = declared(&schedules, "[1]").await;
    let redefined = async |description: &str| {
        let request = ScheduleRequest::every("s", YEAR, Request::of("add").arg(1));
        schedules.prepare(request.description(description)).await.unwrap()
    };
    let (first, second) = (redefined("first").await, redefined("second").await);
    let due = seen.next.unwrap();
    let next = Some(due.plus(YEAR));
    let firing = PlannedFiring { runs: Vec::new(), missed: Some((1, due)), next, status: seen };
    assert_eq!(engine.fire(vec![firing]).await.unwrap(), [Some(0)]);
    for (prepared, description) in [(first, "first"), (second, "second")] {
        let status = prepared.store(&engine).await.unwrap();
        assert_eq!((status.next, &*status.schedule.description), (next, description));
    }
    engine.stop();
}
