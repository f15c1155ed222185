use task_scheduler::models::{HistoryEntry, Keys, OnConflict, State, Task, Unique};
use task_scheduler::store::{Applied, Change, ChangeResult, DependencyProblem, NOTIFY_SLICE};

use super::given::*;

on_every_store!(
    any_ended_task_can_be_retried_with_all_its_retries,
    unknown_and_unfinished_tasks_cannot_be_retried,
    a_retried_expired_task_does_not_expire_again,
    tasks_that_failed_only_for_a_retried_one_are_retried_transitively,
    a_task_that_failed_for_two_dependencies_waits_for_both_retries,
    a_task_with_a_failed_dependency_cannot_be_retried,
    a_retry_takes_the_unique_key_again_or_is_refused,
    many_dependants_are_retried_in_slices,
);

fn changed(state: State, retried_dependants: u32) -> ChangeResult {
    ChangeResult::Changed { state, retried_dependants, ended: None }
}

async fn any_ended_task_can_be_retried_with_all_its_retries(given: Given) {
    given.succeed(task("well")).await;
    given.fail(task("badly")).await;
    given.enter(task("cancelled")).await;
    given.commit(cancel("cancelled")).await;
    for (id, attempts) in [("well", 1), ("badly", 1), ("cancelled", 0)] {
        given.wait(SECOND);
        let sequence = given.find(id).await.sequence.expect("it is kept");
        let applied = given.commit(again(id)).await;
        let expected = Applied {
            result: changed(State::Queued, 0),
            ready: vec![ready(sequence)],
            retried: vec![task(id).into()],
            ..Applied::default()
        };
        assert_eq!(applied, expected, "{id}");
        let snapshot = given.find(id).await;
        assert_eq!((snapshot.state, snapshot.outcome), (State::Queued, None));
        let error = Some("retried manually: mended".to_owned());
        let entry =
            HistoryEntry { state: State::Queued, at: given.now(), attempt: attempts, error };
        assert_eq!(snapshot.history.last(), Some(&entry));
        let claimed = given.claim(sequence).await.expect("it runs again");
        assert_eq!((claimed.attempt, claimed.attempts_before_retry), (attempts + 1, attempts));
        let applied = given.commit(complete(sequence, claimed.fence)).await;
        assert_eq!((ids(&applied.ended), given.state(id).await), (vec![id], State::Succeeded));
    }
}

async fn unknown_and_unfinished_tasks_cannot_be_retried(given: Given) {
    assert_eq!(given.commit(again("nobody")).await.result, ChangeResult::NotFound);
    given.run(task("a")).await;
    let applied = given.commit(again("a")).await;
    let result = ChangeResult::WrongState(State::Running);
    assert_eq!(applied, Applied { result, ..Applied::default() });
}

async fn a_retried_expired_task_does_not_expire_again(given: Given) {
    let over = given.after(SECOND);
    let sequence = given.enter(task_with("a", |options| options.expires_at = Some(over))).await;
    given.wait(SECOND);
    given.commit(Change::Promote { limit: 9 }).await;
    assert_eq!(given.commit(again("a")).await.result, changed(State::Queued, 0));
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await, Applied::default());
    assert!(given.claim(sequence).await.is_some());
}

async fn tasks_that_failed_only_for_a_retried_one_are_retried_transitively(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    given.enter_all([waits("child", &["parent"]), waits("grandchild", &["child"])]).await;
    given.enter(waits("tired", &["parent"])).await;
    given.commit(cancel("tired")).await;
    given.commit(fail(parent, fence)).await;
    let applied = given.commit(again("parent")).await;
    assert_eq!(applied.result, changed(State::Queued, 2));
    let returned: Vec<_> = applied.retried.iter().map(|task| task.id.to_string()).collect();
    assert_eq!(returned, ["parent", "child", "grandchild"]);
    let states = given.states(["child", "grandchild", "tired"]).await;
    assert_eq!(states, [State::Pending, State::Pending, State::Cancelled]);
    let last = given.find("child").await.history.pop().and_then(|entry| entry.error);
    assert_eq!(last.as_deref(), Some("a dependency was retried or resolved"));
    let fence = given.claim(parent).await.expect("it runs again").fence;
    assert_eq!(given.commit(complete(parent, fence)).await.ready.len(), 1);
    assert_eq!(given.states(["child", "grandchild"]).await, [State::Queued, State::Pending]);
}

async fn a_task_that_failed_for_two_dependencies_waits_for_both_retries(given: Given) {
    let (one, one_fence) = given.run(task("one")).await;
    let (two, two_fence) = given.run(task("two")).await;
    given.enter(waits("child", &["one", "two"])).await;
    given.commit(fail(one, one_fence)).await;
    given.commit(fail(two, two_fence)).await;
    assert_eq!(given.commit(again("one")).await.result, changed(State::Queued, 0));
    assert_eq!(given.state("child").await, State::Failed);
    assert_eq!(given.commit(again("two")).await.result, changed(State::Queued, 1));
    assert_eq!((given.state("child").await, given.find("child").await.unmet), (State::Pending, 2));
}

async fn a_task_with_a_failed_dependency_cannot_be_retried(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    given.enter_all([waits("child", &["parent"]), waits_and_runs("brave", &["parent"])]).await;
    given.commit(fail(parent, fence)).await;
    let applied = given.commit(again("child")).await;
    let problem = DependencyProblem::Failed(State::Failed);
    let result = ChangeResult::Unmet { dependency: name("parent"), problem };
    assert_eq!(applied, Applied { result, ..Applied::default() });
    given.commit(cancel("brave")).await;
    assert_eq!(given.commit(again("brave")).await.result, changed(State::Queued, 0));
}

async fn a_retry_takes_the_unique_key_again_or_is_refused(given: Given) {
    let unique = |id: &str| {
        let unique = Unique { key: "u".into(), window: None, on_conflict: OnConflict::Refuse };
        let keys = Keys { unique: Some(unique), ..Keys::default() };
        task_with(id, |options| options.keys = Some(keys.into()))
    };
    given.fail(unique("a")).await;
    given.enter(unique("b")).await;
    assert_eq!(given.commit(again("a")).await.result, ChangeResult::UniqueRefused);
    given.commit(cancel("b")).await;
    assert_eq!(given.commit(again("a")).await.result, changed(State::Queued, 0));
    assert_eq!(given.commit(again("b")).await.result, ChangeResult::UniqueRefused);
    let third: Task = unique("c");
    let refused = given.commit(Change::Insert(given.insert(third))).await;
    assert_eq!(refused.result, ChangeResult::UniqueRefused);
}

async fn many_dependants_are_retried_in_slices(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let many = NOTIFY_SLICE + 5;
    given.enter_all((0..many).map(|number| waits(&format!("c{number}"), &["parent"]))).await;
    given.commit(fail(parent, fence)).await;
    given.notify_dependants(NOTIFY_SLICE).await;
    let applied = given.commit(again("parent")).await;
    assert_eq!((applied.retried.len(), applied.more), (NOTIFY_SLICE + 1, true));
    let applied = given.commit(Change::NotifyDependants { limit: NOTIFY_SLICE }).await;
    assert_eq!((applied.retried.len(), applied.more), (5, false));
}
