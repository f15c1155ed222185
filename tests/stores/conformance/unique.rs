use std::sync::Arc;
use std::time::Duration;

use task_scheduler::models::{ArgValue, Digest, Keys, OnConflict, State, Task, Unique};
use task_scheduler::store::{Applied, Change, ChangeResult, Retention, RetentionLimit};

use super::given::*;

on_every_store!(
    return_first_returns_the_first_task,
    a_second_task_is_refused_if_the_request_says_so,
    the_task_runs_with_the_replaced_arguments,
    replace_inserts_a_second_task_while_the_first_runs_and_passes_it_the_key,
    only_a_task_of_the_same_method_without_dependencies_can_be_replaced,
    a_key_is_free_at_the_end_of_its_holder,
    a_key_with_a_window_is_free_after_its_holder_has_ended_and_the_window_is_over,
    a_task_is_kept_while_its_unique_key_window_lasts,
    a_key_is_released_when_its_task_is_purged,
    other_keys_are_not_blocked,
);

/// A task accepted now.
fn unique(given: &Given, id: &str, on_conflict: OnConflict, window: Option<Duration>) -> Task {
    let unique = Unique { key: "u".into(), window, on_conflict };
    let keys = Keys { unique: Some(unique), ..Keys::default() };
    let task = task_with(id, |options| options.keys = Some(keys.into()));
    Task { submitted_at: given.now(), ..task }
}

async fn insert(given: &Given, task: Task) -> Applied {
    given.commit(Change::Insert(given.insert(task))).await
}

async fn clash(given: &Given, first: &str, replaced: bool) -> Applied {
    let first = Box::new(given.find(first).await);
    Applied { result: ChangeResult::UniqueConflict { first, replaced }, ..Applied::default() }
}

async fn return_first_returns_the_first_task(given: Given) {
    let (sequence, fence) = given.run(unique(&given, "a", OnConflict::ReturnFirst, None)).await;
    for _ in 0..2 {
        let said = insert(&given, unique(&given, "b", OnConflict::ReturnFirst, None)).await;
        assert_eq!(said, clash(&given, "a", false).await);
    }
    assert_eq!(given.known("b").await, None);
    given.commit(complete(sequence, fence)).await;
}

async fn a_second_task_is_refused_if_the_request_says_so(given: Given) {
    given.enter(unique(&given, "a", OnConflict::ReturnFirst, None)).await;
    let said = insert(&given, unique(&given, "b", OnConflict::Refuse, None)).await;
    assert_eq!(said, Applied { result: ChangeResult::UniqueRefused, ..Applied::default() });
    assert_eq!(given.known("b").await, None);
}

async fn the_task_runs_with_the_replaced_arguments(given: Given) {
    let sequence = given.enter(unique(&given, "a", OnConflict::Replace, None)).await;
    let args = vec![ArgValue::Int32(7)];
    let newcomer = Task {
        args: args.clone(),
        digest: Digest::of("add", &args, &[]),
        ..unique(&given, "b", OnConflict::Replace, None)
    };
    let said = insert(&given, newcomer.clone()).await;
    assert_eq!(said, clash(&given, "a", true).await);
    let claimed = given.claim(sequence).await.expect("it can run");
    // A repetition of the first request still finds it.
    let digest = unique(&given, "a", OnConflict::Replace, None).digest;
    let expected = Task { id: name("a"), submitted_at: given.now(), digest, ..newcomer };
    assert_eq!(claimed.task, Arc::new(expected));
}

async fn replace_inserts_a_second_task_while_the_first_runs_and_passes_it_the_key(given: Given) {
    let (first, fence) = given.run(unique(&given, "a", OnConflict::Replace, None)).await;
    given.enter(unique(&given, "b", OnConflict::Replace, None)).await;
    given.commit(complete(first, fence)).await;
    let said = insert(&given, unique(&given, "c", OnConflict::ReturnFirst, None)).await;
    assert_eq!(said, clash(&given, "b", false).await);
}

async fn only_a_task_of_the_same_method_without_dependencies_can_be_replaced(given: Given) {
    given.enter(task("parent")).await;
    given.enter(unique(&given, "a", OnConflict::Replace, None)).await;
    let other = Task { method: "other".into(), ..unique(&given, "b", OnConflict::Replace, None) };
    let waits =
        Task { deps: vec![name("parent")], ..unique(&given, "b", OnConflict::Replace, None) };
    for newcomer in [other, waits] {
        assert_eq!(insert(&given, newcomer).await.result, ChangeResult::UniqueRefused);
    }
}

async fn a_key_is_free_at_the_end_of_its_holder(given: Given) {
    given.enter(unique(&given, "a", OnConflict::Refuse, None)).await;
    given.commit(cancel("a")).await;
    given.enter(unique(&given, "b", OnConflict::Refuse, None)).await;
}

async fn a_key_with_a_window_is_free_after_its_holder_has_ended_and_the_window_is_over(
    given: Given,
) {
    let window = Some(5 * SECOND);
    let (first, fence) = given.run(unique(&given, "a", OnConflict::Refuse, window)).await;
    given.wait(2 * SECOND);
    given.commit(complete(first, fence)).await;
    let said = insert(&given, unique(&given, "b", OnConflict::Replace, window)).await;
    assert_eq!(said, clash(&given, "a", false).await, "it has ended, and its window lasts");
    given.wait(3 * SECOND);
    let (second, fence) = given.run(unique(&given, "b", OnConflict::Refuse, window)).await;
    given.wait(9 * SECOND);
    let said = insert(&given, unique(&given, "c", OnConflict::Refuse, window)).await;
    assert_eq!(said.result, ChangeResult::UniqueRefused, "it has not ended");
    given.commit(complete(second, fence)).await;
    given.enter(unique(&given, "c", OnConflict::Refuse, window)).await;
}

async fn a_task_is_kept_while_its_unique_key_window_lasts(given: Given) {
    let (first, fence) = given.run(unique(&given, "a", OnConflict::Refuse, Some(9 * SECOND))).await;
    given.commit(complete(first, fence)).await;
    let keep = RetentionLimit { max_age: SECOND, max_count: 0 };
    let prune = Change::Prune { retention: Retention { succeeded: keep, others: keep }, limit: 9 };
    given.wait(5 * SECOND);
    given.commit(prune.clone()).await;
    assert_eq!(given.state("a").await, State::Succeeded);
    given.wait(5 * SECOND);
    given.commit(prune).await;
    assert_eq!(given.known("a").await, None);
}

async fn a_key_is_released_when_its_task_is_purged(given: Given) {
    let (first, fence) = given.run(unique(&given, "a", OnConflict::Refuse, Some(9 * SECOND))).await;
    given.commit(complete(first, fence)).await;
    given.commit(Change::Purge { id: name("a") }).await;
    given.enter(unique(&given, "b", OnConflict::Refuse, None)).await;
}

async fn other_keys_are_not_blocked(given: Given) {
    given.enter(unique(&given, "a", OnConflict::Refuse, None)).await;
    let mut other = unique(&given, "b", OnConflict::Refuse, None);
    let keys = other.options.keys.as_mut().and_then(|keys| keys.unique.as_mut());
    keys.expect("it has one").key = "v".into();
    given.enter_all([other, task("c")]).await;
}
