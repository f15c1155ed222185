use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::error::Code;
use crate::models::{
    Ended, Ending, Failure, HistoryEntry, Keys, ObstacleKind, Outcome, Rate, TaskMaker,
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(seconds))
}

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
    let started_at = (state == State::Running).then(|| at(3));
    Snapshot { state, attempts: 1, started_at, outcome: None, history, ..ended }
}

#[test]
fn the_sentences() {
    let task = found(State::Queued).task;
    let rate = Some(Rate { count: 5, per: Duration::from_secs(60) });
    let limits = QueueLimits { rate, ..QueueLimits::default() };
    let check = |reason: Reason, (count, limit): (u64, u64), expected: &str| {
        let obstacle = core::Obstacle { count, limit, until: Some(at(70)), ..reason.into() };
        assert_eq!(sentence(&obstacle, &task, &limits), expected);
    };
    let dependencies = |depends, expanded| Reason::Dependencies { depends, expanded };
    check(Reason::NotDue, (0, 0), "it may not start before 1970-01-01T00:01:10Z");
    check(Reason::Snoozed, (0, 0), "its handler snoozed it until 1970-01-01T00:01:10Z");
    check(
        Reason::Backoff { attempt: 3 },
        (0, 0),
        "attempt 3 failed, and the next may start at 1970-01-01T00:01:10Z",
    );
    check(dependencies(true, false), (1, 0), "1 task that it depends on has not ended");
    check(dependencies(false, true), (2, 0), "2 tasks that it was expanded into have not ended");
    check(
        dependencies(true, true),
        (2, 0),
        "2 tasks that it depends on, or was expanded into, have not ended",
    );
    check(
        Reason::Method("Method not found: ad; did you mean add?".into()),
        (0, 0),
        "its method is not registered here: Method not found: ad; did you mean add?",
    );
    check(
        Reason::KeyConcurrency,
        (1, 1),
        "1 task uses the concurrency key \"k\", and queue default allows 1",
    );
    check(
        Reason::KeyConcurrency,
        (3, 2),
        "3 tasks use the concurrency key \"k\", and queue default allows 2",
    );
    check(
        Reason::KeyRate,
        (0, 1),
        "the rate limit of concurrency key \"k\" is used up, and the next task may start at \
         1970-01-01T00:01:10Z",
    );
    check(Reason::KeyPosition, (1, 2), "another task with the concurrency key \"k\" is ahead");
    check(
        Reason::Suspect,
        (0, 0),
        "it ran at so many crashes of the process that it may be their cause, and another such task \
         runs",
    );
    check(Reason::Paused, (0, 0), "queue default is paused");
    check(Reason::QueueConcurrency, (1, 1), "1 task of queue default runs, and 1 may at once");
    check(Reason::QueueConcurrency, (2, 2), "2 tasks of queue default run, and 2 may at once");
    check(
        Reason::QueueRate,
        (0, 5),
        "queue default allows 5 starts in 60s, and the next may be at 1970-01-01T00:01:10Z",
    );
    let ahead = |more| Reason::QueuePosition { more };
    check(ahead(false), (1, 0), "1 task of queue default is ahead of it");
    check(ahead(true), (1_000, 0), "at least 1000 tasks of queue default are ahead of it");
    check(
        Reason::Capacity(HandlerKind::Async),
        (3, 2),
        "no slot for async handlers is free: 2 slots, 3 tasks",
    );
    check(
        Reason::Capacity(HandlerKind::Sync),
        (1, 1),
        "no slot for sync handlers is free: 1 slot, 1 task",
    );
    check(Reason::StoreFailed, (0, 0), "the store failed a moment ago, and the server tries again");
    check(Reason::Inserting, (0, 0), "the store has not committed its insert yet");
    check(Reason::Unreadable, (0, 0), "the store does not answer, so its state is unknown");
    check(Reason::Draining, (0, 0), "the server shuts down, and starts nothing more");
}

#[test]
fn the_summary_joins_the_sentences_and_the_latest_time_counts() {
    let rate = Some(Rate { count: 1, per: Duration::from_secs(80) });
    let limits = QueueLimits { rate, ..QueueLimits::default() };
    let view = CoreView { limits, rate_free_at: Some(at(90)), ..CoreView::default() };
    let later = Snapshot { due_at: Some(at(70)), attempts: 0, ..found(State::Pending) };
    let input = ExplainInput { view: Some(view), ..ExplainInput::of(later, at(10)) };
    let explained = explanation(&input);
    let kinds: Vec<ObstacleKind> = explained.obstacles.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [ObstacleKind::Time, ObstacleKind::QueueRate]);
    let summary = "it is PENDING: it may not start before 1970-01-01T00:01:10Z; queue default allows \
                   1 start in 80s, and the next may be at 1970-01-01T00:01:30Z";
    assert_eq!((explained.state, &*explained.summary), (State::Pending, summary));
    assert_eq!(explained.runs_at, Some(at(90)));
}

#[test]
fn without_obstacles_the_summary_says_what_the_task_does() {
    let check = |input: ExplainInput, state, summary: &str, runs_at| {
        let summary = summary.to_owned();
        let expected = Explanation { state, summary, obstacles: Vec::new(), runs_at };
        assert_eq!(explanation(&input), expected);
    };
    let of = |state| ExplainInput::of(found(state), at(10));
    let soon = "it is QUEUED, and starts in a moment";
    check(of(State::Queued), State::Queued, soon, Some(at(10)));
    let runs = "attempt 1 runs since 1970-01-01T00:00:03Z";
    check(of(State::Running), State::Running, runs, None);
    let view = CoreView { suspended: true, ..CoreView::default() };
    let cancelled = Snapshot { cancel_requested: true, ..found(State::Running) };
    let suspended = ExplainInput { view: Some(view), ..ExplainInput::of(cancelled, at(10)) };
    let summary = format!("{runs}, and waits for its children, and its cancel was requested");
    check(suspended, State::Running, &summary, None);
    let ended = "it ended FAILED at 1970-01-01T00:00:04Z, HANDLER_FAILED";
    check(of(State::Failed), State::Failed, ended, None);
    check(ExplainInput::unread(CoreStatus::Running, at(10)), State::Running, "it runs", None);
    let unread = explanation(&ExplainInput::unread(CoreStatus::Inserting, at(10)));
    assert_eq!((unread.state, unread.obstacles[0].kind), (State::Pending, ObstacleKind::Store));
    assert_eq!((&*unread.summary, unread.runs_at), (INSERTING, None));
}
