use task_scheduler::models::{HistoryEntry, Labels, Snapshot, State, TaskId};
use task_scheduler::store::Change;

use super::given::*;

on_every_store!(
    a_task_is_found_with_all_that_belongs_to_it,
    each_id_has_its_own_result,
    an_unknown_id_is_known_to_be_unknown,
);

async fn a_task_is_found_with_all_that_belongs_to_it(given: Given) {
    let now = given.now();
    let (run_at, expires_at) = (given.after(SECOND), given.after(9 * SECOND));
    given.enter(task("parent")).await;
    let mut asked = waits("a", &["parent"]);
    asked.options.run_at = Some(run_at);
    asked.options.expires_at = Some(expires_at);
    asked.options.labels = Some(Box::new(Labels {
        tags: vec!["red".into()],
        initiator: "me".into(),
        ..Labels::default()
    }));
    let sequence = given.enter(asked.clone()).await;
    let mut expected = Snapshot {
        task: asked.into(),
        sequence: Some(sequence),
        state: State::Pending,
        attempts: 0,
        rescues: 0,
        started_at: None,
        due_at: Some(run_at),
        unmet: 1,
        cancel_requested: false,
        outcome: None,
        history: vec![HistoryEntry { state: State::Pending, at: now, attempt: 0, error: None }],
        history_dropped: 0,
        progress: (0.0, String::new()),
        checkpoint_bytes: 0,
        log_lines: 0,
        resolved: false,
        blocked_by: None,
    };
    assert_eq!(given.find("a").await, expected);
    given.wait(2 * SECOND);
    given.commit(Change::Promote { limit: 9 }).await;
    given.commit(cancel("a")).await;
    let entry = HistoryEntry {
        state: State::Cancelled,
        at: given.now(),
        attempt: 0,
        error: Some("tired".into()),
    };
    expected.history.push(entry);
    (expected.state, expected.due_at, expected.unmet) = (State::Cancelled, None, 0);
    let found = given.find("a").await;
    expected.outcome = found.outcome.clone();
    assert_eq!(found, expected);
}

async fn each_id_has_its_own_result(given: Given) {
    given.enter_all([task("a"), task("b")]).await;
    let asked: Vec<TaskId> = ["b", "nobody", "a", "b"].map(name).into();
    let found = given.store.find(&asked).await.expect("it reads");
    let found: Vec<Option<TaskId>> =
        found.into_iter().map(|it| it.map(|it| it.task.id.clone())).collect();
    assert_eq!(found, [Some(name("b")), None, Some(name("a")), Some(name("b"))]);
    assert_eq!(given.store.find(&[]).await.expect("it reads"), []);
}

async fn an_unknown_id_is_known_to_be_unknown(given: Given) {
    assert!(!given.store.may_know(&name("a")));
    given.enter(task("a")).await;
    assert!(given.store.may_know(&name("a")));
    given.commit(cancel("a")).await;
    assert!(given.store.may_know(&name("a")));
    assert!(!given.store.may_know(&name("b")));
}
