use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::Code;
use crate::models::{
    Ended, Ending, Failure, HistoryEntry, Keys, Outcome, Rate, Sequence, TaskMaker,
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(seconds))
}

fn id(id: &str) -> TaskId {
    TaskId::parse(id, "").expect("an id")
}

fn ids(all: &[&str]) -> Vec<TaskId> {
    all.iter().map(|it| id(it)).collect()
}

/// What is read of a task in that state.
fn found(state: State) -> Snapshot {
    let keys = Keys { concurrency: Some("k".into()), unique: None };
    let task = TaskMaker::new("t").with(|options| options.keys = Some(keys.into())).make();
    let outcome = Outcome {
        ending: Ending::Failed(Failure { code: Code::HandlerFailed, message: "no".into() }),
        attempts: 2,
        started_at: Some(at(3)),
        ended_at: at(4),
    };
    let ended = Snapshot::of_ended(&Ended { task: Arc::new(task), outcome });
    if state.has_ended() {
        return ended;
    }
    let history = vec![HistoryEntry { state, at: at(1), attempt: 0, error: None }];
    let sequence = Some(Sequence(7));
    let started_at = (state == State::Running).then(|| at(3));
    let attempts = u32::from(matches!(state, State::Running | State::Retrying));
    Snapshot { state, sequence, attempts, started_at, outcome: None, history, ..ended }
}

/// That of a task of which this was read, 10 s after the epoch, and nothing is in its way.
fn situation(found: Snapshot) -> Situation {
    Situation { stance: Some(Stance::default()), ..Situation::of(found, at(10)) }
}

fn told(kind: ObstacleKind, description: &str) -> Obstacle {
    obstacle(kind, description.to_owned())
}

fn check(situation: Situation, expected: &[Obstacle]) {
    let Known::Found(found) = &situation.task else { unreachable!("all were read") };
    let said = explain(&situation);
    assert_eq!(said.obstacles, expected);
    assert_eq!(said.state, found.state);
    let reasons: Vec<&str> = expected.iter().map(|it| &*it.description).collect();
    assert_eq!(said.summary, format!("it is {}: {}", found.state, reasons.join("; ")));
    assert_eq!(said.runs_at, expected.iter().filter_map(|it| it.until).max());
}

fn with_stance(state: State, stance: Stance) -> Situation {
    Situation { stance: Some(stance), ..situation(found(state)) }
}

#[test]
fn a_task_waits_for_its_time() {
    let later = |state, attempts, due| {
        situation(Snapshot { due_at: Some(at(due)), attempts, ..found(state) })
    };
    let until = Some(at(70));
    let why = "it may not start before 1970-01-01T00:01:10Z";
    check(later(State::Pending, 0, 70), &[Obstacle { until, ..told(ObstacleKind::Time, why) }]);
    let why = "its body asked to be called again at 1970-01-01T00:01:10Z";
    check(later(State::Pending, 1, 70), &[Obstacle { until, ..told(ObstacleKind::Time, why) }]);
    let why = "attempt 3 ended badly, and the next may start at 1970-01-01T00:01:10Z";
    check(later(State::Retrying, 3, 70), &[Obstacle { until, ..told(ObstacleKind::Backoff, why) }]);
    assert_eq!(explain(&later(State::Pending, 0, 10)).obstacles, []);
}

#[test]
fn a_task_waits_for_those_that_it_depends_on_and_for_its_children() {
    let waits = |unmet, dependencies: &[&str], children: &[&str]| Situation {
        dependencies: ids(dependencies),
        children: ids(children),
        ..situation(Snapshot { unmet, ..found(State::Pending) })
    };
    let expected = |why, tasks: &[&str], count| Obstacle {
        tasks: ids(tasks),
        count,
        ..told(ObstacleKind::Dependencies, why)
    };
    let why = "1 task that it depends on has not ended";
    check(waits(1, &["a"], &[]), &[expected(why, &["a"], 1)]);
    let why = "2 tasks that it was expanded into have not ended";
    check(waits(2, &[], &["t/1", "t/2"]), &[expected(why, &["t/1", "t/2"], 2)]);
    let why = "2 tasks that it depends on, or was expanded into, have not ended";
    check(waits(2, &["a"], &["t/1"]), &[expected(why, &["a", "t/1"], 2)]);
    let many: Vec<String> = (0..150).map(|number| format!("d{number}")).collect();
    let many: Vec<&str> = many.iter().map(|it| &**it).collect();
    let why = "150 tasks that it depends on have not ended";
    check(waits(150, &many, &[]), &[expected(why, &many[..MAX_NAMED], 150)]);
}

#[test]
fn a_method_that_is_not_here_is_named_with_what_may_have_been_meant() {
    let missing = Some("Method not found: ad (did you mean add?)".to_owned());
    let why = "no body for it is here: Method not found: ad (did you mean add?)";
    check(
        Situation { missing, ..situation(found(State::Queued)) },
        &[told(ObstacleKind::Method, why)],
    );
}

#[test]
fn a_key_holds_back_those_that_come_later() {
    let blocked_by = |limit: u32, holders: &[&str], free_at| {
        let limits = QueueLimits { concurrency_per_key: limit, ..QueueLimits::default() };
        Situation {
            key: Some(KeyStance { holders: ids(holders), count: holders.len() as u32, free_at }),
            stance: Some(Stance { limits, ..Stance::default() }),
            ..situation(Snapshot {
                blocked_by: Some(BlockedBy::ConcurrencyKey),
                ..found(State::Queued)
            })
        }
    };
    let expected = |why, tasks: &[&str], limit| Obstacle {
        tasks: ids(tasks),
        count: tasks.len() as u64,
        limit,
        ..told(ObstacleKind::ConcurrencyKey, why)
    };
    let why = "1 task with the concurrency key \"k\" holds the place that the queue allows it";
    check(blocked_by(1, &["a"], None), &[expected(why, &["a"], 1)]);
    let why = "2 tasks with the concurrency key \"k\" hold the 2 places that the queue allows it";
    check(blocked_by(2, &["a", "b"], None), &[expected(why, &["a", "b"], 2)]);
    let why = "as many with the concurrency key \"k\" have started as may in a time, and the next may \
               start at 1970-01-01T00:00:12Z";
    let until = Some(at(12));
    check(blocked_by(1, &[], until), &[Obstacle { until, ..expected(why, &[], 1) }]);
    let why = "another with the concurrency key \"k\" comes first";
    check(blocked_by(2, &["a"], None), &[expected(why, &["a"], 2)]);
    // One that waits for its time will have to wait for the key as well, as it stands now.
    let waits = |holders| Situation {
        task: Known::Found(Box::new(found(State::Pending))),
        ..blocked_by(1, holders, None)
    };
    let why = "1 task with the concurrency key \"k\" holds the place that the queue allows it";
    check(waits(&["a"]), &[expected(why, &["a"], 1)]);
    assert_eq!(explain(&waits(&[])).obstacles, []);
}

#[test]
fn a_key_is_full_although_more_hold_it_than_are_named() {
    let names: Vec<String> = (0..MAX_NAMED).map(|number| format!("h{number}")).collect();
    let named = ids(&names.iter().map(|it| &**it).collect::<Vec<_>>());
    let limits = QueueLimits { concurrency_per_key: 150, ..QueueLimits::default() };
    let blocked_by =
        Snapshot { blocked_by: Some(BlockedBy::ConcurrencyKey), ..found(State::Queued) };
    let full = Situation {
        key: Some(KeyStance { holders: named.clone(), count: 150, free_at: None }),
        stance: Some(Stance { limits, ..Stance::default() }),
        ..situation(blocked_by)
    };
    let why =
        "150 tasks with the concurrency key \"k\" hold the 150 places that the queue allows it";
    let expected = told(ObstacleKind::ConcurrencyKey, why);
    check(full, &[Obstacle { tasks: named, count: 150, limit: 150, ..expected }]);
}

#[test]
fn suspects_wait_for_each_other() {
    let blocked_by = Snapshot { blocked_by: Some(BlockedBy::Quarantine), ..found(State::Queued) };
    let why = "it ran at so many ends of the process that it may be their cause, and another such \
               task runs";
    check(situation(blocked_by), &[told(ObstacleKind::Suspect, why)]);
}

#[test]
fn a_queue_keeps_its_tasks_by_being_paused_full_or_too_fast() {
    let stance = Stance { paused: true, ..Stance::default() };
    let why = "queue default is paused";
    check(with_stance(State::Queued, stance), &[told(ObstacleKind::Paused, why)]);

    let limits = QueueLimits { concurrency: Some(2), ..QueueLimits::default() };
    let full = |running| {
        let running_ids = ids(&["a", "b"]);
        Stance { limits, running, running_ids, ..Stance::default() }
    };
    let why = "2 tasks of queue default run, and 2 may at once";
    let expected = Obstacle {
        tasks: ids(&["a", "b"]),
        count: 2,
        limit: 2,
        ..told(ObstacleKind::QueueConcurrency, why)
    };
    check(with_stance(State::Queued, full(2)), &[expected]);
    assert_eq!(explain(&with_stance(State::Queued, full(1))).obstacles, []);

    let rate = Some(Rate { count: 5, per: Duration::from_secs(60) });
    let limits = QueueLimits { rate, ..QueueLimits::default() };
    let until = Some(at(15));
    let stance = Stance { limits, rate_free_at: until, ..Stance::default() };
    let why = "queue default may start 5 tasks in 60s, and the next may start at \
               1970-01-01T00:00:15Z";
    let expected = Obstacle { until, limit: 5, ..told(ObstacleKind::QueueRate, why) };
    check(with_stance(State::Queued, stance), &[expected]);
}

#[test]
fn others_stand_before_it() {
    let behind = |before| Situation { before, ..situation(found(State::Queued)) };
    let expected = |count, why| Obstacle { count, ..told(ObstacleKind::QueuePosition, why) };
    check(behind(1), &[expected(1, "1 task of queue default stands before it")]);
    check(behind(999), &[expected(999, "999 tasks of queue default stand before it")]);
    let why = "at least 1000 tasks of queue default stand before it";
    check(behind(MAX_BEFORE), &[expected(1_000, why)]);
}

#[test]
fn every_slot_is_taken() {
    let full = |kind| {
        let full = Full { kind, slots: 2, taken: 3, ids: ids(&["a", "b"]) };
        with_stance(State::Queued, Stance { full: Some(full), ..Stance::default() })
    };
    let expected = |why| Obstacle {
        tasks: ids(&["a", "b"]),
        count: 3,
        limit: 2,
        ..told(ObstacleKind::Capacity, why)
    };
    check(full(HandlerKind::Async), &[expected("all 2 slots for async bodies are taken")]);
    check(full(HandlerKind::Sync), &[expected("all 2 slots for sync bodies are taken")]);
}

#[test]
fn a_store_that_fails_holds_up_durable_tasks_alone() {
    let why = "the store failed a moment ago, and is asked again";
    let pauses = Pauses { store: true, draining: false };
    let paused = with_stance(State::Queued, Stance { pauses, ..Stance::default() });
    check(paused.clone(), &[told(ObstacleKind::Store, why)]);
    let fails = Situation { store_fails: true, ..situation(found(State::Queued)) };
    check(fails, &[told(ObstacleKind::Store, why)]);
    let Known::Found(mut ephemeral) = paused.task.clone() else { unreachable!() };
    let mut task = (*ephemeral.task).clone();
    task.options.durability = Durability::Ephemeral;
    ephemeral.task = Arc::new(task);
    let ephemeral = Situation { task: Known::Found(ephemeral), ..paused };
    assert_eq!(explain(&ephemeral).obstacles, []);
}

#[test]
fn nothing_starts_while_the_server_shuts_down() {
    let pauses = Pauses { store: false, draining: true };
    let why = "the server is shutting down, and starts nothing any more";
    let stance = Stance { pauses, ..Stance::default() };
    check(with_stance(State::Queued, stance), &[told(ObstacleKind::Draining, why)]);
}

#[test]
fn every_obstacle_is_told_and_the_latest_time_holds() {
    let stance = Stance { paused: true, rate_free_at: Some(at(90)), ..Stance::default() };
    let limits = QueueLimits {
        rate: Some(Rate { count: 1, per: Duration::from_secs(80) }),
        ..QueueLimits::default()
    };
    let situation = Situation {
        stance: Some(Stance { limits, ..stance }),
        dependencies: ids(&["a"]),
        ..situation(Snapshot { due_at: Some(at(70)), unmet: 1, ..found(State::Pending) })
    };
    let said = explain(&situation);
    let kinds: Vec<ObstacleKind> = said.obstacles.iter().map(|it| it.kind).collect();
    use ObstacleKind::{Dependencies, Paused, QueueRate, Time};
    assert_eq!(kinds, [Time, Dependencies, Paused, QueueRate]);
    assert_eq!(said.runs_at, Some(at(90)));
}

#[test]
fn a_task_that_nothing_keeps_starts_in_a_moment() {
    let said = explain(&situation(found(State::Queued)));
    let expected = Explanation {
        state: State::Queued,
        summary: "it is QUEUED, and nothing keeps it from starting in a moment".into(),
        obstacles: Vec::new(),
        runs_at: Some(at(10)),
    };
    assert_eq!(said, expected);
}

#[test]
fn of_a_task_that_runs_or_has_ended_it_is_told_since_when() {
    let check = |situation: Situation, state, summary: &str| {
        let summary = summary.to_owned();
        let expected = Explanation { state, summary, obstacles: Vec::new(), runs_at: None };
        assert_eq!(explain(&situation), expected);
    };
    let runs = "attempt 1 runs since 1970-01-01T00:00:03Z";
    check(situation(found(State::Running)), State::Running, runs);
    let suspended = Stance { suspended: true, paused: true, ..Stance::default() };
    let told = Snapshot { cancel_requested: true, ..found(State::Running) };
    let suspended = Situation { stance: Some(suspended), ..situation(told) };
    let why = format!("{runs}, and waits for its children, and was asked to stop");
    check(suspended, State::Running, &why);
    let ended = "it ended FAILED at 1970-01-01T00:00:04Z, HANDLER_FAILED";
    check(situation(found(State::Failed)), State::Failed, ended);
}

#[test]
fn of_a_task_that_cannot_be_read_it_is_told_what_is_known() {
    let check = |fate, state, summary: &str| {
        let said = explain(&Situation::unread(fate, at(10)));
        assert_eq!((said.state, &*said.summary, said.runs_at), (state, summary, None));
        let waits = state != State::Running;
        assert_eq!(
            said.obstacles,
            Vec::from_iter(waits.then(|| told(ObstacleKind::Store, summary)))
        );
    };
    let why = "it is on its way to the store, which has not taken it yet";
    check(Fate::Entering, State::Pending, why);
    let why = "the store does not answer, so nobody knows how it stands";
    check(Fate::Awaited, State::Pending, why);
    check(Fate::Running, State::Running, "it runs");
}
