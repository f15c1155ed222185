use std::num::NonZeroUsize;
use std::time::Duration;

use super::*;
use crate::cache::ResultsCache;
use crate::engine::Firing;
use crate::events::Subscribers;
use crate::models::{Request, ScheduleRun};
use crate::schedules::{parse_file, run};
use crate::store::{Change, MemoryStore, Store};
use crate::system::Parts;
use crate::tasks::{TaskRegistry, collected};

/// How often a test looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Nothing here takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// As the server puts it together before it reads what its file declares.
async fn prepared(store: &Arc<MemoryStore>) -> TaskSystem {
    let parts = Parts {
        options: crate::engine::Options::default(),
        registry: Arc::new(TaskRegistry::from_registrations(collected()).unwrap()),
        cache: Arc::new(ResultsCache::new(NonZeroUsize::MIN, 1 << 20)),
        store: store.clone(),
        announcer: Arc::default(),
        subscribers: Subscribers::default(),
    };
    TaskSystem::prepare(parts).await.unwrap()
}

async fn declared(system: &TaskSystem, args: &str) -> ScheduleStatus {
    let text = format!(
        "- {{name: s, every: 366d, anchor: 2026-01-01T00:00:00Z, method: add, args: {args}}}"
    );
    let declared = parse_file(&text, clock::now().wall).unwrap();
    system.declare_schedules(declared).await.unwrap();
    system.schedule(&Name::parse("s", "name").unwrap()).await.unwrap()
}

#[tokio::test]
async fn what_is_due_at_the_start_runs_as_it_is_declared_by_now() {
    let store = Arc::new(MemoryStore::default());
    let system = prepared(&store).await;
    let before = declared(&system, "[1, 2]").await;
    system.shutdown(PATIENCE).await;
    let due = clock::now().wall;
    let (schedule, next) = (before.schedule.clone(), Some(due));
    let overdue = Change::SetSchedule { schedule, enabled: true, next };
    store.commit(vec![overdue].into(), due).await.unwrap();

    let system = prepared(&store).await;
    let status = declared(&system, "[1, 2, 3]").await;
    assert_eq!(status.next, next, "what is due is not lost");
    system.begin().await;
    let id = run(&status.schedule, due, due).id.clone();
    let ran = async {
        loop {
            match system.find(&id).await {
                Ok(snapshot) => return snapshot,
                Err(error) => assert_eq!(error.code, Code::TaskNotFound, "{error}"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let ran = tokio::time::timeout(PATIENCE, ran).await.expect("it runs");
    let args: Vec<String> = ran.task.args.iter().map(ToString::to_string).collect();
    assert_eq!(args, ["1", "2", "3"]);
    system.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn what_ran_does_not_run_again_because_the_clock_was_put_back() {
    let store = Arc::new(MemoryStore::default());
    let system = prepared(&store).await;
    let mut status = declared(&system, "[1]").await;
    let now = clock::now().wall;
    let later = |seconds| now.plus(Duration::from_secs(seconds));
    let run = |occurrence, manual| ScheduleRun {
        occurrence,
        accepted_at: occurrence,
        task: TaskId::generate(),
        manual,
        ended: None,
    };
    assert_eq!(after_what_ran(Some(&status), now), now);
    status.runs = vec![run(later(30), false), run(later(60), false), run(later(90), true)];
    assert_eq!(after_what_ran(Some(&status), now), later(60));
    assert_eq!(after_what_ran(Some(&status), later(61)), later(61));
    system.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_definition_that_others_overtook_does_not_put_the_next_time_back() {
    const YEAR: Duration = Duration::from_secs(366 * 24 * 3_600);
    let system = prepared(&Arc::default()).await;
    let engine = &system.engine;
    let seen = declared(&system, "[1]").await;
    let anew = async |description: &str| {
        let request = ScheduleRequest::every("s", YEAR, Request::of("add").arg(1));
        Definition::of(engine, request.description(description)).await.unwrap()
    };
    let (first, second) = (anew("first").await, anew("second").await);
    let due = seen.next.unwrap();
    let next = Some(due.plus(YEAR));
    let firing = Firing { runs: Vec::new(), missed: Some((1, due)), next, status: seen };
    assert_eq!(engine.fire(vec![firing]).await.unwrap(), [Some(0)]);
    for (definition, description) in [(first, "first"), (second, "second")] {
        let status = definition.store(engine).await.unwrap();
        assert_eq!((status.next, &*status.schedule.description), (next, description));
    }
    system.shutdown(PATIENCE).await;
}
