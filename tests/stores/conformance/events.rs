//! Events: every transition emits its event once, and nothing else.

use std::sync::Arc;

use task_scheduler::models::{
    ArgValue, Custom, Ending, Event, Fact, Keys, OnConflict, Payload, QueueFact, QueueLimits,
    QueueSettings, State, Task, TaskFact, Unique,
};
use task_scheduler::store::{Change, ChangeResult, Insert, Retention, RetentionLimit};

use super::given::*;

on_every_store!(
    an_insert_emits_accepted_with_the_state,
    a_task_inserted_with_a_claim_emits_accepted_and_started,
    a_repeated_insert_and_a_refused_one_emit_nothing,
    a_dependant_emits_queued_when_its_dependencies_have_ended,
    a_due_task_emits_queued,
    a_claim_emits_started_and_a_repeated_one_nothing,
    progress_is_emitted,
    a_retry_emits_its_reason_and_its_time,
    a_snooze_emits_its_time_and_a_requeue_no_second_queued_event,
    an_expansion_emits_the_events_of_parent_and_children_in_order,
    a_request_to_cancel_a_running_task_is_emitted_once,
    a_task_cancelled_before_it_runs_ends,
    replaced_arguments_are_emitted_with_their_task,
    every_end_is_emitted,
    overdue_tasks_expire,
    the_end_of_a_dependant_is_emitted_after_that_of_its_parent,
    running_children_get_a_request_to_cancel_when_their_parent_fails,
    a_child_with_a_request_to_cancel_gets_no_second_one_for_its_parent,
    a_retry_emits_retried_for_the_task_and_its_dependants,
    a_resolved_task_emits_its_outcome,
    queue_events_are_emitted_when_settings_change,
    stale_writes_and_repeated_ends_emit_nothing,
    a_running_attempt_emits_an_event_under_its_fence,
    announced_events_are_emitted_as_they_are,
    a_task_blocked_by_its_key_emits_queued_once,
    a_repeated_commit_returns_the_same_events,
    purging_and_pruning_emit_nothing,
);

/// An event of a task, now.
fn of(given: &Given, task: Task, fact: TaskFact) -> Event {
    Event { at: given.now(), fact: Fact::Task(Arc::new(task), fact) }
}

async fn events(given: &Given, change: Change) -> Vec<Event> {
    given.tell(change).await.events
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::name).collect()
}

fn kept(given: &Given, task: Task, ending: Ending, attempts: u32) -> TaskFact {
    TaskFact::Ended(ended(task, ending, attempts, given.now()))
}

async fn an_insert_emits_accepted_with_the_state(given: Given) {
    let run_at = given.after(SECOND);
    let later = task_with("later", |options| options.run_at = Some(run_at));
    for (task, state) in [
        (task("a"), State::Queued),
        (waits("waits", &["a"]), State::Pending),
        (later, State::Pending),
        (keyed("holds", "k"), State::Queued),
        (keyed("held", "k"), State::Queued),
    ] {
        let told = events(&given, Change::Insert(given.insert(task.clone()))).await;
        assert_eq!(told, [of(&given, task, TaskFact::Accepted(state))]);
    }
}

async fn a_task_inserted_with_a_claim_emits_accepted_and_started(given: Given) {
    let fence = given.fence();
    let insert = Insert { claim: Some(fence), ..given.insert(task("a")) };
    let told = events(&given, Change::Insert(insert)).await;
    let expected = [
        of(&given, task("a"), TaskFact::Accepted(State::Running)),
        of(&given, task("a"), TaskFact::Started { attempt: 1, fence }),
    ];
    assert_eq!(told, expected);
}

async fn a_repeated_insert_and_a_refused_one_emit_nothing(given: Given) {
    let insert = given.insert(task("a"));
    given.commit(Change::Insert(insert.clone())).await;
    assert_eq!(events(&given, Change::Insert(insert)).await, []);
    assert_eq!(events(&given, Change::Insert(given.insert(task("a")))).await, []);
    let unmet = given.insert(waits("b", &["nobody"]));
    assert_eq!(events(&given, Change::Insert(unmet)).await, []);
}

async fn a_dependant_emits_queued_when_its_dependencies_have_ended(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.enter(waits("b", &["a"])).await;
    let mut abroad = given.insert(task("c"));
    abroad.foreign = vec![name("far")];
    given.commit(Change::Insert(abroad)).await;
    let told = events(&given, complete(sequence, fence)).await;
    let end = kept(&given, task("a"), Ending::Succeeded(result()), 1);
    let expected = [of(&given, task("a"), end), of(&given, waits("b", &["a"]), TaskFact::Queued)];
    assert_eq!(told, expected);
    let told = events(&given, Change::ForeignEnded { id: name("far"), succeeded: true }).await;
    assert_eq!(told, [of(&given, task("c"), TaskFact::Queued)]);
}

async fn a_due_task_emits_queued(given: Given) {
    let run_at = given.after(SECOND);
    let later = task_with("later", |options| options.run_at = Some(run_at));
    given.enter(later.clone()).await;
    assert_eq!(events(&given, Change::Promote { limit: 9 }).await, []);
    given.wait(SECOND);
    let told = events(&given, Change::Promote { limit: 9 }).await;
    assert_eq!(told, [of(&given, later, TaskFact::Queued)]);
}

async fn a_claim_emits_started_and_a_repeated_one_nothing(given: Given) {
    let sequence = given.enter(task("a")).await;
    let wanted = |fence| vec![task_scheduler::store::ClaimRequest { sequence, fence }];
    let fence = given.fence();
    let told = given.claim_all(wanted(fence)).await.events;
    assert_eq!(told, [of(&given, task("a"), TaskFact::Started { attempt: 1, fence })]);
    assert_eq!(given.claim_all(wanted(fence)).await.events, []);
    assert_eq!(given.claim_all(wanted(given.fence())).await.events, []);
}

async fn progress_is_emitted(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let progress = Change::Progress { sequence, fence, fraction: 0.5, message: "half".into() };
    let expected = TaskFact::Progressed { fraction: 0.5, message: "half".into() };
    assert_eq!(events(&given, progress).await, [of(&given, task("a"), expected)]);
}

async fn a_retry_emits_its_reason_and_its_time(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let due = given.after(SECOND);
    let retry = Change::Retry { sequence, fence, failure: failure(), due };
    let expected = TaskFact::Retrying { attempt: 1, failure: Arc::new(failure()), due };
    assert_eq!(events(&given, retry).await, [of(&given, task("a"), expected)]);
    given.wait(SECOND);
    let told = events(&given, Change::Promote { limit: 9 }).await;
    assert_eq!(told, [of(&given, task("a"), TaskFact::Queued)]);
    let fence = given.fence();
    let wanted = vec![task_scheduler::store::ClaimRequest { sequence, fence }];
    let told = given.claim_all(wanted).await.events;
    assert_eq!(told, [of(&given, task("a"), TaskFact::Started { attempt: 2, fence })]);
}

async fn a_snooze_emits_its_time_and_a_requeue_no_second_queued_event(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let due = given.after(SECOND);
    let told = events(&given, Change::Snooze { sequence, fence, due }).await;
    assert_eq!(told, [of(&given, task("a"), TaskFact::Snoozed { due })]);
    given.wait(SECOND);
    given.commit(Change::Promote { limit: 9 }).await;
    let fence = given.claim(sequence).await.expect("it is due").fence;
    let told = events(&given, requeue(sequence, fence)).await;
    assert_eq!(told, [of(&given, task("a"), TaskFact::Requeued)]);
}

async fn an_expansion_emits_the_events_of_parent_and_children_in_order(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let children = vec![given.insert(task("a/1")), given.insert(task("a/2"))];
    let told = events(&given, Change::Expand { sequence, fence, children }).await;
    let expected = [
        of(&given, task("a"), TaskFact::Expanded { children: 2 }),
        of(&given, task("a/1"), TaskFact::Accepted(State::Queued)),
        of(&given, task("a/2"), TaskFact::Accepted(State::Queued)),
    ];
    assert_eq!(told, expected);
    let (sequence, fence) = given.run(task("b")).await;
    let told = events(&given, Change::Expand { sequence, fence, children: Vec::new() }).await;
    let expected = [
        of(&given, task("b"), TaskFact::Expanded { children: 0 }),
        of(&given, task("b"), TaskFact::Queued),
    ];
    assert_eq!(told, expected);
    let (sequence, fence) = given.run(task("c")).await;
    let child = given.insert(task("c/1"));
    let told = events(&given, Change::Spawn { sequence, fence, child }).await;
    assert_eq!(told, [of(&given, task("c/1"), TaskFact::Accepted(State::Queued))]);
}

async fn a_request_to_cancel_a_running_task_is_emitted_once(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let wished = TaskFact::CancelRequested { reason: "tired".into() };
    assert_eq!(events(&given, cancel("a")).await, [of(&given, task("a"), wished)]);
    assert_eq!(events(&given, cancel("a")).await, []);
    let told = events(&given, requeue(sequence, fence)).await;
    let end = kept(&given, task("a"), Ending::Cancelled("tired".into()), 1);
    assert_eq!(told, [of(&given, task("a"), end)]);
    assert_eq!(events(&given, cancel("a")).await, []);
}

async fn a_task_cancelled_before_it_runs_ends(given: Given) {
    given.enter(task("a")).await;
    let end = kept(&given, task("a"), Ending::Cancelled("tired".into()), 0);
    assert_eq!(events(&given, cancel("a")).await, [of(&given, task("a"), end)]);
}

async fn replaced_arguments_are_emitted_with_their_task(given: Given) {
    let unique = |id: &str| {
        let unique = Unique { key: "u".into(), window: None, on_conflict: OnConflict::Replace };
        let keys = Keys { unique: Some(unique), ..Keys::default() };
        task_with(id, |options| options.keys = Some(keys.into()))
    };
    given.enter(unique("a")).await;
    let args = vec![ArgValue::Int32(7)];
    let newcomer = Task { args: args.clone(), ..unique("b") };
    let told = events(&given, Change::Insert(given.insert(newcomer))).await;
    let replaced = Task { args, ..unique("a") };
    assert_eq!(told, [of(&given, replaced, TaskFact::Replaced)]);
}

async fn every_end_is_emitted(given: Given) {
    for (at, (ending, expected)) in [
        (Ending::Succeeded(result()), "task.completed"),
        (Ending::Skipped, "task.skipped"),
        (Ending::Failed(failure()), "task.failed"),
        (Ending::Cancelled("enough".into()), "task.cancelled"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("t{at}");
        let (sequence, fence) = given.run(task(&id)).await;
        let change = match ending.clone() {
            Ending::Succeeded(result) => Change::Complete { sequence, fence, result },
            Ending::Failed(failure) => Change::Fail { sequence, fence, failure },
            Ending::Cancelled(reason) => Change::CancelAttempt { sequence, fence, reason },
            _ => Change::Skip { sequence, fence },
        };
        let told = events(&given, change).await;
        assert_eq!(names(&told), [expected]);
        let end = kept(&given, task(&id), ending, 1);
        assert_eq!(told, [of(&given, task(&id), end)]);
    }
}

async fn overdue_tasks_expire(given: Given) {
    let expires_at = given.after(SECOND);
    let short = task_with("a", |options| options.expires_at = Some(expires_at));
    given.enter(short.clone()).await;
    given.wait(SECOND);
    let told = events(&given, Change::Promote { limit: 9 }).await;
    let end = kept(&given, short.clone(), Ending::Expired, 0);
    assert_eq!(told, [of(&given, short, end)]);
    assert_eq!(names(&told), ["task.expired"]);
}

async fn the_end_of_a_dependant_is_emitted_after_that_of_its_parent(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.enter(waits("b", &["a"])).await;
    given.enter(waits("c", &["b"])).await;
    let told = events(&given, fail(sequence, fence)).await;
    let failed = |id: &str, dep: &str| {
        let task = waits(id, &[dep]);
        let end = kept(&given, task.clone(), dependency_failed(dep), 0);
        of(&given, task, end)
    };
    let end = kept(&given, task("a"), Ending::Failed(failure()), 1);
    assert_eq!(told, [of(&given, task("a"), end), failed("b", "a"), failed("c", "b")]);
}

async fn running_children_get_a_request_to_cancel_when_their_parent_fails(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let child = given.insert(task("a/1"));
    let running = child.sequence;
    given.commit(Change::Spawn { sequence, fence, child }).await;
    given.claim(running).await.expect("it can run");
    let told = events(&given, fail(sequence, fence)).await;
    assert_eq!(names(&told), ["task.failed", "task.cancel_requested"]);
    let reason = "its parent a ended FAILED".into();
    assert_eq!(told[1], of(&given, task("a/1"), TaskFact::CancelRequested { reason }));
}

async fn a_child_with_a_request_to_cancel_gets_no_second_one_for_its_parent(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let child = given.insert(task("a/1"));
    let running = child.sequence;
    given.commit(Change::Spawn { sequence, fence, child }).await;
    given.claim(running).await.expect("it can run");
    assert_eq!(names(&events(&given, cancel("a/1")).await), ["task.cancel_requested"]);
    let applied = given.tell(fail(sequence, fence)).await;
    assert_eq!((names(&applied.events), applied.signals), (vec!["task.failed"], Vec::new()));
}

async fn a_retry_emits_retried_for_the_task_and_its_dependants(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.enter(waits("b", &["a"])).await;
    given.commit(fail(sequence, fence)).await;
    let told = events(&given, again("a")).await;
    let expected = [
        of(&given, task("a"), TaskFact::Retried),
        of(&given, task("a"), TaskFact::Queued),
        of(&given, waits("b", &["a"]), TaskFact::Retried),
    ];
    assert_eq!(told, expected);
    assert_eq!(events(&given, again("a")).await, []);
}

async fn a_resolved_task_emits_its_outcome(given: Given) {
    given.fail(task("a")).await;
    let change = Change::Resolve { id: name("a"), result: result(), reason: "seen to".into() };
    let told = events(&given, change).await;
    let outcome = ended(task("a"), Ending::Succeeded(result()), 1, given.now());
    assert_eq!(told, [of(&given, task("a"), TaskFact::Resolved(outcome))]);
}

async fn queue_events_are_emitted_when_settings_change(given: Given) {
    let event = |fact| Event { at: given.now(), fact: Fact::Queue(queue("default"), fact) };
    let pause = |paused| Change::PauseQueue { queue: queue("default"), paused };
    let limits = QueueLimits { concurrency: Some(3), ..QueueLimits::default() };
    assert_eq!(events(&given, pause(false)).await, []);
    assert_eq!(events(&given, pause(true)).await, [event(QueueFact::Paused)]);
    assert_eq!(events(&given, pause(true)).await, []);
    let settings = QueueSettings { limits, paused: true };
    let limited = event(QueueFact::LimitsChanged(Box::new(settings)));
    assert_eq!(events(&given, set_queue(Some(3))).await, [limited]);
    assert_eq!(events(&given, set_queue(Some(3))).await, []);
    assert_eq!(events(&given, pause(false)).await, [event(QueueFact::Resumed)]);
}

async fn stale_writes_and_repeated_ends_emit_nothing(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(complete(sequence, fence)).await;
    let again = given.tell(complete(sequence, fence)).await;
    assert_eq!((again.ended.len(), again.events), (1, Vec::new()));
    let stale = given.fence();
    let due = given.after(SECOND);
    for change in [
        Change::Retry { sequence, fence: stale, failure: failure(), due },
        Change::Snooze { sequence, fence: stale, due },
        Change::Requeue { sequence, fence: stale },
        Change::Progress { sequence, fence: stale, fraction: 1.0, message: String::new() },
        Change::Expand { sequence, fence: stale, children: Vec::new() },
        Change::Emit { sequence, fence: stale, custom: custom() },
    ] {
        let told = given.tell(change).await;
        assert_eq!((told.result, told.events), (ChangeResult::Stale, Vec::new()));
    }
}

fn custom() -> Arc<Custom> {
    let mut payload = Payload::new();
    payload.insert("order".into(), 7.into());
    let task = Arc::new(task("a"));
    Arc::new(Custom { name: "custom.shipped".into(), payload, task, attempt: 1 })
}

async fn a_running_attempt_emits_an_event_under_its_fence(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let told = events(&given, Change::Emit { sequence, fence, custom: custom() }).await;
    assert_eq!(told, [Event { at: given.now(), fact: Fact::Custom(custom()) }]);
}

async fn announced_events_are_emitted_as_they_are(given: Given) {
    let draining = task_scheduler::models::NodeFact::Draining;
    let event = Event { at: given.after(SECOND), fact: Fact::Node(draining) };
    assert_eq!(events(&given, Change::Announce(event.clone())).await, [event]);
}

async fn a_task_blocked_by_its_key_emits_queued_once(given: Given) {
    let run_at = given.after(SECOND);
    let (sequence, fence) = given.run(keyed("a", "k")).await;
    let mut later = keyed("b", "k");
    later.options.run_at = Some(run_at);
    given.enter(later.clone()).await;
    given.wait(SECOND);
    let told = events(&given, Change::Promote { limit: 9 }).await;
    assert_eq!(told, [of(&given, later, TaskFact::Queued)]);
    let told = given.tell(complete(sequence, fence)).await;
    assert_eq!((names(&told.events), told.ready.len()), (vec!["task.completed"], 1));
}

async fn a_repeated_commit_returns_the_same_events(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.enter(waits("b", &["a"])).await;
    let changes: Arc<[Change]> =
        Arc::new([complete(sequence, fence), Change::Insert(given.insert(task("c")))]);
    let first = given.commit_all(changes.clone()).await;
    assert_eq!(names(&first.applied[0].events), ["task.completed", "task.queued"]);
    assert_eq!(given.commit_all(changes).await, first);
}

async fn purging_and_pruning_emit_nothing(given: Given) {
    given.succeed(task("a")).await;
    given.succeed(task("b")).await;
    assert_eq!(events(&given, Change::Purge { id: name("a") }).await, []);
    given.wait(9 * SECOND);
    let keep = RetentionLimit { max_age: SECOND, max_count: 0 };
    let retention = Retention { succeeded: keep, others: keep };
    assert_eq!(events(&given, Change::Prune { retention, limit: 9 }).await, []);
    assert_eq!(given.known("b").await, None);
}
