//! Firings: occurrences become runs, and runs end.

use std::sync::Arc;

use task_scheduler::error::Code;
use task_scheduler::models::{
    Ending, Event, Fact, Failure, Keys, MAX_REMEMBERED_RUNS, OnConflict, Overlap, ScheduleCounts,
    ScheduleFact, ScheduleRun, State, Task, TaskFact, Unique,
};
use task_scheduler::store::{Applied, Change, ChangeResult, Insert};

use super::defined::*;
use super::given::*;

on_every_store!(
    a_run_is_inserted_in_the_commit_that_changes_the_next_time,
    a_stale_firing_changes_nothing,
    the_skip_policy_skips_a_run_while_another_one_is_unfinished,
    the_skip_policy_inserts_only_the_first_of_several_due_runs,
    runs_overlap_with_the_allow_policy,
    the_replace_policy_cancels_a_waiting_run,
    the_replace_policy_cancels_a_running_run,
    missed_occurrences_are_counted,
    a_refused_run_counts_as_failed,
    the_end_of_a_run_is_remembered_and_counted_if_it_failed,
    a_retried_run_is_unfinished,
    a_resolved_run_counts_as_succeeded,
    a_task_that_claims_to_be_a_run_is_not_counted,
    a_manual_run_ignores_the_overlap_policy,
    a_refused_manual_run_leaves_no_trace,
    remembered_runs_are_bounded_and_ended_ones_go_first,
    a_repeated_firing_returns_the_same,
);

fn event(given: &Given, fact: ScheduleFact) -> Event {
    Event { at: given.now(), fact: Fact::Schedule(called("s"), fact) }
}

fn of(given: &Given, id: &str, fact: TaskFact) -> Event {
    Event { at: given.now(), fact: Fact::Task(Arc::new(run_of("s", id)), fact) }
}

fn fired(entered: &[bool]) -> ChangeResult {
    ChangeResult::Fired { entered: entered.to_vec() }
}

fn executed(given: &Given, id: &str) -> Event {
    let (occurrence, task) = (given.now(), name(id));
    event(given, ScheduleFact::Executed { occurrence, task, manual: false })
}

fn run(given: &Given, id: &str, ended: Option<State>) -> ScheduleRun {
    ScheduleRun {
        occurrence: given.now(),
        accepted_at: given.now(),
        task: name(id),
        manual: false,
        ended: ended.map(|state| (state, given.now())),
    }
}

async fn claimed(
    given: &Given,
    id: &str,
) -> (task_scheduler::models::Sequence, task_scheduler::models::Fence) {
    let sequence = given.find(id).await.sequence.expect("it is stored");
    (sequence, given.claim(sequence).await.expect("it can run").fence)
}

async fn a_run_is_inserted_in_the_commit_that_changes_the_next_time(given: Given) {
    given.define("s", Overlap::Skip).await;
    let before = given.status("s").await;
    let insert = given.insert(run_of("s", "r1"));
    let sequence = insert.sequence;
    let firing = given.firing("s", vec![(given.now(), insert)]).await;
    let next = firing.next;
    let applied = given.tell(Change::Fire(firing)).await;
    let expected = Applied {
        result: fired(&[true]),
        ready: vec![ready(sequence)],
        events: vec![of(&given, "r1", TaskFact::Accepted(State::Queued)), executed(&given, "r1")],
        ..Applied::default()
    };
    assert_eq!(applied, expected);
    let after = given.status("s").await;
    assert_eq!((after.next, after.revision), (next, before.revision));
    assert_eq!(after.runs, [run(&given, "r1", None)]);
    assert_eq!(after.counts, ScheduleCounts { executed: 1, ..ScheduleCounts::default() });
}

async fn a_stale_firing_changes_nothing(given: Given) {
    given.define("s", Overlap::Allow).await;
    let sound = given.firing("s", vec![(given.now(), given.insert(run_of("s", "r1")))]).await;
    let mut other_time = sound.clone();
    other_time.due = given.after(SECOND);
    let mut other_revision = sound.clone();
    other_revision.revision += 1;
    let mut other_name = sound.clone();
    other_name.name = called("other");
    let before = given.status("s").await;
    for stale in [other_time, other_revision, other_name] {
        assert_eq!(given.commit(Change::Fire(stale)).await.result, ChangeResult::Stale);
    }
    assert_eq!((given.status("s").await, given.known("r1").await), (before, None));
    // The schedule fires, is replaced, or is disabled in between.
    given.commit(Change::Fire(sound.clone())).await;
    let before = given.status("s").await;
    assert_eq!(given.commit(Change::Fire(sound)).await.result, ChangeResult::Stale);
    assert_eq!(given.status("s").await, before);
    let late = given.firing("s", Vec::new()).await;
    given.commit(set(&schedule("s", Overlap::Allow), true, Some(late.due))).await;
    assert_eq!(given.commit(Change::Fire(late)).await.result, ChangeResult::Stale);
    let late = given.firing("s", Vec::new()).await;
    let disable = Change::EnableSchedule { name: called("s"), enabled: false, next: None };
    given.commit(disable).await;
    assert_eq!(given.commit(Change::Fire(late)).await.result, ChangeResult::Stale);
}

async fn the_skip_policy_skips_a_run_while_another_one_is_unfinished(given: Given) {
    given.define("s", Overlap::Skip).await;
    given.fire("s", &["r1"]).await;
    let applied = given.fire("s", &["r2"]).await;
    let skipped = event(&given, ScheduleFact::Skipped { occurrence: given.now() });
    assert_eq!((applied.result, applied.events), (fired(&[false]), vec![skipped]));
    assert_eq!(given.known("r2").await, None);
    let (sequence, fence) = claimed(&given, "r1").await;
    given.commit(complete(sequence, fence)).await;
    assert_eq!(given.fire("s", &["r3"]).await.result, fired(&[true]));
    let counts = ScheduleCounts { executed: 2, skipped: 1, ..ScheduleCounts::default() };
    assert_eq!(given.status("s").await.counts, counts);
}

async fn the_skip_policy_inserts_only_the_first_of_several_due_runs(given: Given) {
    given.define("s", Overlap::Skip).await;
    let applied = given.fire("s", &["r1", "r2", "r3"]).await;
    assert_eq!(applied.result, fired(&[true, false, false]));
    assert_eq!(given.status("s").await.runs, [run(&given, "r1", None)]);
}

async fn runs_overlap_with_the_allow_policy(given: Given) {
    given.define("s", Overlap::Allow).await;
    assert_eq!(given.fire("s", &["r1", "r2"]).await.result, fired(&[true, true]));
    assert_eq!(given.fire("s", &["r3"]).await.result, fired(&[true]));
    assert_eq!(given.states(["r1", "r2", "r3"]).await, [State::Queued; 3]);
    assert_eq!(given.status("s").await.runs.len(), 3);
}

async fn the_replace_policy_cancels_a_waiting_run(given: Given) {
    given.define("s", Overlap::Replace).await;
    given.fire("s", &["r1"]).await;
    given.enter(waits("child", &["r1"])).await;
    let applied = given.fire("s", &["r2"]).await;
    let reason = "replaced by the next run of schedule s";
    let end = ended(run_of("s", "r1"), Ending::Cancelled(reason.into()), 0, given.now());
    let child = ended(waits("child", &["r1"]), dependency_failed("r1"), 0, given.now());
    let failed = Fact::Task(Arc::new(waits("child", &["r1"])), TaskFact::Ended(child));
    let expected = [
        of(&given, "r1", TaskFact::Ended(end)),
        Event { at: given.now(), fact: failed },
        of(&given, "r2", TaskFact::Accepted(State::Queued)),
        executed(&given, "r2"),
    ];
    assert_eq!(applied.events, expected);
    assert_eq!((applied.result, ids(&applied.ended)), (fired(&[true]), vec!["child", "r1"]));
    let status = given.status("s").await;
    let runs = [run(&given, "r1", Some(State::Cancelled)), run(&given, "r2", None)];
    assert_eq!(status.runs, runs);
    let counts = ScheduleCounts { executed: 2, ..ScheduleCounts::default() };
    assert_eq!(status.counts, counts, "a run that was replaced has not failed");
}

async fn the_replace_policy_cancels_a_running_run(given: Given) {
    given.define("s", Overlap::Replace).await;
    given.fire("s", &["r1"]).await;
    let (sequence, fence) = claimed(&given, "r1").await;
    let applied = given.fire("s", &["r2"]).await;
    let reason = "replaced by the next run of schedule s";
    assert_eq!(applied.signals, [(fence, reason.to_owned())]);
    let expected = [
        of(&given, "r1", TaskFact::CancelRequested { reason: reason.into() }),
        of(&given, "r2", TaskFact::Accepted(State::Queued)),
        executed(&given, "r2"),
    ];
    assert_eq!(applied.events, expected);
    assert!(given.find("r1").await.cancel_requested);
    // The running run gets one request to cancel, however many follow.
    let applied = given.fire("s", &["r3"]).await;
    assert_eq!((applied.signals, ids(&applied.ended)), (vec![], vec!["r2"]));
    let give_in = Change::CancelAttempt { sequence, fence, reason: "as told".into() };
    given.commit(give_in).await;
    let states =
        given.status("s").await.runs.into_iter().map(|run| run.ended.map(|(state, _)| state));
    let expected = [Some(State::Cancelled), Some(State::Cancelled), None];
    assert_eq!(states.collect::<Vec<_>>(), expected);
}

async fn missed_occurrences_are_counted(given: Given) {
    given.define("s", Overlap::Skip).await;
    let mut firing = given.firing("s", Vec::new()).await;
    firing.missed = Some((41, given.now()));
    let next = firing.next;
    let applied = given.tell(Change::Fire(firing)).await;
    let missed = event(&given, ScheduleFact::Missed { count: 41, last: given.now() });
    assert_eq!((applied.result, applied.events), (fired(&[]), vec![missed]));
    let status = given.status("s").await;
    let counts = ScheduleCounts { missed: 41, ..ScheduleCounts::default() };
    assert_eq!((status.counts, status.next), (counts, next));
}

async fn a_refused_run_counts_as_failed(given: Given) {
    let with_key = |id: &str, on_conflict| {
        let unique = Unique { key: "u".into(), window: None, on_conflict };
        let mut task = run_of("s", id);
        task.options.keys = Some(Keys { unique: Some(unique), ..Keys::default() }.into());
        task
    };
    given.enter(task("taken")).await;
    given.enter(with_key("first", OnConflict::Refuse)).await;
    given.define("s", Overlap::Skip).await;
    let missing = Task { deps: vec![name("nobody")], ..run_of("s", "misses") };
    let occurrence = given.now();
    let runs = [
        (run_of("s", "taken"), Code::IdTaken, "task taken has the id already"),
        (
            with_key("r1", OnConflict::ReturnFirst),
            Code::UniqueTaken,
            "unique key is held by task first",
        ),
        (
            with_key("r2", OnConflict::Refuse),
            Code::UniqueTaken,
            "unique key is held by another task",
        ),
        (missing, Code::DependencyUnmet, "dependency nobody does not exist"),
    ];
    let inserts = runs.iter().map(|(task, ..)| (occurrence, given.insert(task.clone())));
    let firing = given.firing("s", inserts.collect()).await;
    let applied = given.tell(Change::Fire(firing)).await;
    let failed = |(task, code, message): &(Task, Code, &str)| {
        let failure = Failure { code: *code, message: (*message).to_owned() };
        let (task, failure) = (task.id.clone(), Arc::new(failure));
        event(&given, ScheduleFact::Failed { occurrence, task, failure })
    };
    assert_eq!(applied.events, runs.iter().map(failed).collect::<Vec<_>>());
    assert_eq!(applied.result, fired(&[false; 4]));
    let status = given.status("s").await;
    let counts = ScheduleCounts { failed: 4, ..ScheduleCounts::default() };
    assert_eq!((status.counts, status.runs), (counts, vec![]));
}

async fn the_end_of_a_run_is_remembered_and_counted_if_it_failed(given: Given) {
    given.define("s", Overlap::Allow).await;
    given.fire("s", &["well", "badly", "tired"]).await;
    let occurrence = given.now();
    let mut late = run_of("s", "late");
    late.options.expires_at = Some(given.after(SECOND));
    let firing = given.firing("s", vec![(occurrence, given.insert(late))]).await;
    given.commit(Change::Fire(firing)).await;
    let accepted = given.status("s").await.runs;
    let (sequence, fence) = claimed(&given, "well").await;
    given.commit(complete(sequence, fence)).await;
    let (sequence, fence) = claimed(&given, "badly").await;
    let told = given.tell(fail(sequence, fence)).await.events;
    let failed =
        ScheduleFact::Failed { occurrence, task: name("badly"), failure: Arc::new(failure()) };
    assert_eq!((told.len(), &told[1]), (2, &event(&given, failed)));
    assert_eq!(given.tell(cancel("tired")).await.events.len(), 1);
    given.wait(SECOND);
    let told = given.tell(Change::Promote { limit: 9 }).await.events;
    let names: Vec<&str> = told.iter().map(Event::name).collect();
    assert_eq!(names, ["task.expired", "schedule.failed"]);
    let ends = [State::Succeeded, State::Failed, State::Cancelled, State::Expired];
    let at = [occurrence, occurrence, occurrence, given.now()];
    let expected: Vec<ScheduleRun> = accepted
        .into_iter()
        .zip(ends.into_iter().zip(at))
        .map(|(run, ended)| ScheduleRun { ended: Some(ended), ..run })
        .collect();
    let status = given.status("s").await;
    assert_eq!(status.runs, expected);
    let counts = ScheduleCounts { executed: 4, failed: 2, ..ScheduleCounts::default() };
    assert_eq!(status.counts, counts);
}

async fn a_retried_run_is_unfinished(given: Given) {
    given.define("s", Overlap::Skip).await;
    given.fire("s", &["r1"]).await;
    let (sequence, fence) = claimed(&given, "r1").await;
    given.commit(fail(sequence, fence)).await;
    given.commit(again("r1")).await;
    assert_eq!(given.status("s").await.runs, [run(&given, "r1", None)]);
    assert_eq!(given.fire("s", &["r2"]).await.result, fired(&[false]));
    let (sequence, fence) = claimed(&given, "r1").await;
    given.commit(complete(sequence, fence)).await;
    assert_eq!(given.status("s").await.runs, [run(&given, "r1", Some(State::Succeeded))]);
}

async fn a_resolved_run_counts_as_succeeded(given: Given) {
    given.define("s", Overlap::Skip).await;
    given.fire("s", &["r1"]).await;
    let (sequence, fence) = claimed(&given, "r1").await;
    given.commit(fail(sequence, fence)).await;
    let resolve = Change::Resolve { id: name("r1"), result: result(), reason: String::new() };
    given.commit(resolve).await;
    let status = given.status("s").await;
    assert_eq!(status.runs, [run(&given, "r1", Some(State::Succeeded))]);
    let counts = ScheduleCounts { executed: 1, failed: 1, ..ScheduleCounts::default() };
    assert_eq!(status.counts, counts);
}

async fn a_task_that_claims_to_be_a_run_is_not_counted(given: Given) {
    given.define("s", Overlap::Skip).await;
    let before = given.status("s").await;
    let (sequence, fence) = given.run(run_of("s", "impostor")).await;
    let told = given.tell(fail(sequence, fence)).await.events;
    assert_eq!((told.len(), given.status("s").await), (1, before));
    // Nor does a missing schedule, or an invalid name.
    for schedule in ["nobody", "", "no name"] {
        let (sequence, fence) = given.run(run_of(schedule, &format!("of {schedule}"))).await;
        assert_eq!(given.tell(fail(sequence, fence)).await.events.len(), 1);
    }
}

fn trigger(given: &Given, run: Insert) -> Change {
    Change::Trigger { name: called("s"), occurrence: given.now(), run }
}

async fn a_manual_run_ignores_the_overlap_policy(given: Given) {
    for overlap in [Overlap::Skip, Overlap::Replace] {
        given.define("s", overlap).await;
        let before = given.status("s").await;
        let disable = Change::EnableSchedule { name: called("s"), enabled: false, next: None };
        given.commit(disable).await;
        let ids = [format!("{overlap:?} 1"), format!("{overlap:?} 2")];
        for id in &ids {
            let insert = given.insert(run_of("s", id));
            let applied = given.tell(trigger(&given, insert.clone())).await;
            let (occurrence, task) = (given.now(), name(id));
            let executed = ScheduleFact::Executed { occurrence, task, manual: true };
            let expected = Applied {
                result: ChangeResult::Inserted(State::Queued),
                ready: vec![ready(insert.sequence)],
                events: vec![
                    of(&given, id, TaskFact::Accepted(State::Queued)),
                    event(&given, executed),
                ],
                ..Applied::default()
            };
            assert_eq!(applied, expected);
            // A repeated firing finds the run.
            let expected =
                Applied { result: ChangeResult::Inserted(State::Queued), ..Applied::default() };
            assert_eq!(given.tell(trigger(&given, insert)).await, expected);
        }
        let status = given.status("s").await;
        assert_eq!(status.counts.executed, before.counts.executed + 2);
        let latest = &status.runs[before.runs.len()..];
        let manual = |id: &String| ScheduleRun { manual: true, ..run(&given, id, None) };
        assert_eq!(latest, ids.iter().map(manual).collect::<Vec<_>>());
    }
}

async fn a_refused_manual_run_leaves_no_trace(given: Given) {
    given.define("s", Overlap::Skip).await;
    given.enter(task("taken")).await;
    let before = given.status("s").await;
    let applied = given.tell(trigger(&given, given.insert(run_of("s", "taken")))).await;
    assert!(matches!(applied.result, ChangeResult::IdConflict(_)), "{applied:?}");
    assert_eq!((applied.events, given.status("s").await), (vec![], before));
}

async fn remembered_runs_are_bounded_and_ended_ones_go_first(given: Given) {
    given.define("s", Overlap::Allow).await;
    let ids: Vec<String> = (0..MAX_REMEMBERED_RUNS).map(|at| format!("r{at}")).collect();
    for id in &ids {
        given.fire("s", &[id]).await;
    }
    let (sequence, fence) = claimed(&given, "r7").await;
    given.commit(complete(sequence, fence)).await;
    let remembered = async || {
        let runs = given.status("s").await.runs;
        runs.into_iter().map(|run| run.task.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(remembered().await, ids);
    given.fire("s", &["next"]).await;
    let mut expected = ids.clone();
    expected.remove(7);
    expected.push("next".into());
    assert_eq!(remembered().await, expected, "the one that had ended is forgotten");
    given.fire("s", &["last"]).await;
    expected.remove(0);
    expected.push("last".into());
    assert_eq!(remembered().await, expected, "none had ended: the oldest is forgotten");
    // The end of a forgotten run is not counted.
    let (sequence, fence) = claimed(&given, "r0").await;
    assert_eq!(given.tell(fail(sequence, fence)).await.events.len(), 1);
}

async fn a_repeated_firing_returns_the_same(given: Given) {
    given.define("s", Overlap::Replace).await;
    let insert = |id| (given.now(), given.insert(run_of("s", id)));
    let firing = given.firing("s", vec![insert("r1"), insert("r2")]).await;
    let changes: Arc<[Change]> = Arc::new([Change::Fire(firing)]);
    let first = given.commit_all(changes.clone()).await;
    let before = given.status("s").await;
    assert_eq!(given.commit_all(changes).await, first);
    assert_eq!(given.status("s").await, before);
}
