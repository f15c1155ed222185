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

/// A task in that state.
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

/// The input for a task without any obstacle, 10 s after the epoch.
fn input(found: Snapshot) -> ExplainInput {
    ExplainInput { view: Some(CoreView::default()), ..ExplainInput::of(found, at(10)) }
}

fn queued(view: CoreView) -> ExplainInput {
    ExplainInput { view: Some(view), ..input(found(State::Queued)) }
}

#[track_caller]
fn check(input: &ExplainInput, expected: Obstacle) {
    assert_eq!(obstacles(input), [expected]);
}

#[test]
fn a_task_waits_for_its_time() {
    let later =
        |state, attempts, due| input(Snapshot { due_at: Some(at(due)), attempts, ..found(state) });
    let until = Some(at(70));
    check(&later(State::Pending, 0, 70), Obstacle { until, ..Reason::NotDue.into() });
    check(&later(State::Pending, 1, 70), Obstacle { until, ..Reason::Snoozed.into() });
    let backoff = Reason::Backoff { attempt: 3 };
    check(&later(State::Retrying, 3, 70), Obstacle { until, ..backoff.into() });
    assert_eq!(obstacles(&later(State::Pending, 0, 10)), []);
}

#[test]
fn a_task_waits_for_its_dependencies_and_for_its_children() {
    let waits = |unmet, dependencies: &[&str], children: &[&str]| ExplainInput {
        dependencies: ids(dependencies),
        children: ids(children),
        ..input(Snapshot { unmet, ..found(State::Pending) })
    };
    let expected = |depends, expanded, tasks: &[&str], count| Obstacle {
        tasks: ids(tasks),
        count,
        ..Reason::Dependencies { depends, expanded }.into()
    };
    check(&waits(1, &["a"], &[]), expected(true, false, &["a"], 1));
    check(&waits(2, &[], &["t/1", "t/2"]), expected(false, true, &["t/1", "t/2"], 2));
    check(&waits(2, &["a"], &["t/1"]), expected(true, true, &["a", "t/1"], 2));
    let many: Vec<String> = (0..150).map(|number| format!("d{number}")).collect();
    let many: Vec<&str> = many.iter().map(|it| &**it).collect();
    check(&waits(150, &many, &[]), expected(true, false, &many[..MAX_NAMED], 150));
}

#[test]
fn an_unregistered_method_is_reported_with_its_error() {
    let missing = "Method not found: ad; did you mean add?".to_owned();
    let unregistered =
        ExplainInput { missing: Some(missing.clone()), ..input(found(State::Queued)) };
    check(&unregistered, Reason::Method(missing).into());
}

#[test]
fn a_concurrency_key_blocks_later_tasks() {
    let blocked = |limit: u32, holders: &[&str], free_at| {
        let limits = QueueLimits { concurrency_per_key: limit, ..QueueLimits::default() };
        ExplainInput {
            key: Some(KeyUsage { holders: ids(holders), count: holders.len() as u32, free_at }),
            view: Some(CoreView { limits, ..CoreView::default() }),
            ..input(Snapshot {
                blocked_by: Some(BlockedBy::ConcurrencyKey),
                ..found(State::Queued)
            })
        }
    };
    let expected = |reason: Reason, tasks: &[&str], limit| Obstacle {
        tasks: ids(tasks),
        count: tasks.len() as u64,
        limit,
        ..reason.into()
    };
    let full = Reason::KeyConcurrency;
    check(&blocked(1, &["a"], None), expected(full.clone(), &["a"], 1));
    check(&blocked(2, &["a", "b"], None), expected(full.clone(), &["a", "b"], 2));
    let until = Some(at(12));
    check(&blocked(1, &[], until), Obstacle { until, ..expected(Reason::KeyRate, &[], 1) });
    check(&blocked(2, &["a"], None), expected(Reason::KeyPosition, &["a"], 2));
    // A task that waits for its time will have to wait for the key as well, as things are.
    let waits = |holders| ExplainInput {
        task: Source::Read(Box::new(found(State::Pending))),
        ..blocked(1, holders, None)
    };
    check(&waits(&["a"]), expected(full, &["a"], 1));
    assert_eq!(obstacles(&waits(&[])), []);
}

#[test]
fn a_concurrency_key_counts_more_tasks_than_it_names() {
    let names: Vec<String> = (0..MAX_NAMED).map(|number| format!("h{number}")).collect();
    let named = ids(&names.iter().map(|it| &**it).collect::<Vec<_>>());
    let limits = QueueLimits { concurrency_per_key: 150, ..QueueLimits::default() };
    let blocked = Snapshot { blocked_by: Some(BlockedBy::ConcurrencyKey), ..found(State::Queued) };
    let full = ExplainInput {
        key: Some(KeyUsage { holders: named.clone(), count: 150, free_at: None }),
        view: Some(CoreView { limits, ..CoreView::default() }),
        ..input(blocked)
    };
    let expected = Reason::KeyConcurrency.into();
    check(&full, Obstacle { tasks: named, count: 150, limit: 150, ..expected });
}

#[test]
fn suspects_run_one_at_a_time() {
    let blocked = Snapshot { blocked_by: Some(BlockedBy::Quarantine), ..found(State::Queued) };
    check(&input(blocked), Reason::Suspect.into());
}

#[test]
fn a_queue_blocks_its_tasks_when_it_is_paused_full_or_over_its_rate() {
    check(&queued(CoreView { paused: true, ..CoreView::default() }), Reason::Paused.into());

    let limits = QueueLimits { concurrency: Some(2), ..QueueLimits::default() };
    let full = |running| {
        let running_ids = ids(&["a", "b"]);
        CoreView { limits, running, running_ids, ..CoreView::default() }
    };
    let expected = Reason::QueueConcurrency.into();
    let expected = Obstacle { tasks: ids(&["a", "b"]), count: 2, limit: 2, ..expected };
    check(&queued(full(2)), expected);
    assert_eq!(obstacles(&queued(full(1))), []);

    let rate = Some(Rate { count: 5, per: Duration::from_secs(60) });
    let limits = QueueLimits { rate, ..QueueLimits::default() };
    let until = Some(at(15));
    let view = CoreView { limits, rate_free_at: until, ..CoreView::default() };
    check(&queued(view), Obstacle { until, limit: 5, ..Reason::QueueRate.into() });
}

#[test]
fn tasks_ahead_in_the_queue_are_counted_up_to_a_thousand() {
    let ahead = |before| ExplainInput { before, ..input(found(State::Queued)) };
    let expected = |count, more| Obstacle { count, ..Reason::QueuePosition { more }.into() };
    check(&ahead(1), expected(1, false));
    check(&ahead(999), expected(999, false));
    check(&ahead(MAX_BEFORE), expected(1_000, true));
}

#[test]
fn every_slot_is_taken() {
    for kind in [HandlerKind::Async, HandlerKind::Sync] {
        let full = SlotsFull { kind, slots: 2, taken: 3, ids: ids(&["a", "b"]) };
        let expected = Reason::Capacity(kind).into();
        let expected = Obstacle { tasks: ids(&["a", "b"]), count: 3, limit: 2, ..expected };
        check(&queued(CoreView { full: Some(full), ..CoreView::default() }), expected);
    }
}

#[test]
fn a_store_that_fails_blocks_only_durable_tasks() {
    let pauses = Pauses { store: true, draining: false };
    let paused = queued(CoreView { pauses, ..CoreView::default() });
    check(&paused, Reason::StoreFailed.into());
    let fails = ExplainInput { store_fails: true, ..input(found(State::Queued)) };
    check(&fails, Reason::StoreFailed.into());
    let Source::Read(mut ephemeral) = paused.task.clone() else { unreachable!() };
    let mut task = (*ephemeral.task).clone();
    task.options.durability = Durability::Ephemeral;
    ephemeral.task = Arc::new(task);
    let ephemeral = ExplainInput { task: Source::Read(ephemeral), ..paused };
    assert_eq!(obstacles(&ephemeral), []);
}

#[test]
fn nothing_starts_while_the_server_shuts_down() {
    let pauses = Pauses { store: false, draining: true };
    check(&queued(CoreView { pauses, ..CoreView::default() }), Reason::Draining.into());
}

#[test]
fn all_obstacles_are_reported_in_order() {
    let rate = Some(Rate { count: 1, per: Duration::from_secs(80) });
    let limits = QueueLimits { rate, ..QueueLimits::default() };
    let view = CoreView { paused: true, rate_free_at: Some(at(90)), limits, ..CoreView::default() };
    let input = ExplainInput {
        view: Some(view),
        dependencies: ids(&["a"]),
        ..input(Snapshot { due_at: Some(at(70)), unmet: 1, ..found(State::Pending) })
    };
    let kinds: Vec<ObstacleKind> = obstacles(&input).iter().map(|it| it.reason.kind()).collect();
    use ObstacleKind::{Dependencies, Paused, QueueRate, Time};
    assert_eq!(kinds, [Time, Dependencies, Paused, QueueRate]);
}

#[test]
fn a_task_that_runs_or_has_ended_has_no_obstacles() {
    for state in [State::Running, State::Failed] {
        let view = CoreView { paused: true, ..CoreView::default() };
        let input = ExplainInput { view: Some(view), ..input(found(state)) };
        assert_eq!(obstacles(&input), []);
    }
}

#[test]
fn a_task_that_cannot_be_read_waits_for_the_store_unless_it_runs() {
    let unread = |status| obstacles(&ExplainInput::unread(status, at(10)));
    assert_eq!(unread(CoreStatus::Inserting), [Reason::Inserting.into()]);
    assert_eq!(unread(CoreStatus::Awaited), [Reason::Unreadable.into()]);
    assert_eq!(unread(CoreStatus::Running), []);
}
