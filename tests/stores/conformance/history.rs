use task_scheduler::models::{MAX_HISTORY, State};
use task_scheduler::store::Change;

use super::given::*;

on_every_store!(
    the_history_of_a_task_is_complete,
    a_long_history_keeps_its_first_and_its_latest_entries,
);

async fn the_history_of_a_task_is_complete(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let sequence = given.enter(waits("a", &["parent"])).await;
    given.commit(complete(parent, fence)).await;
    let fence = given.claim(sequence).await.expect("it was released").fence;
    let due = given.now();
    given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
    given.commit(Change::Promote { limit: 9 }).await;
    let fence = given.claim(sequence).await.expect("it is due").fence;
    given.commit(complete(sequence, fence)).await;
    let history = given.find("a").await.history;
    let told: Vec<(State, u32, Option<&str>)> =
        history.iter().map(|it| (it.state, it.attempt, it.error.as_deref())).collect();
    let expected = [
        (State::Pending, 0, None),
        (State::Queued, 0, None),
        (State::Running, 1, None),
        (State::Retrying, 1, Some("broken")),
        (State::Queued, 1, None),
        (State::Running, 2, None),
        (State::Succeeded, 2, None),
    ];
    assert_eq!(told, expected);
}

async fn a_long_history_keeps_its_first_and_its_latest_entries(given: Given) {
    let (sequence, mut fence) = given.run(task("a")).await;
    for _ in 0..MAX_HISTORY {
        given.wait(SECOND);
        let due = given.now();
        given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
        given.commit(Change::Promote { limit: 9 }).await;
        fence = given.claim(sequence).await.expect("it is due").fence;
    }
    let snapshot = given.find("a").await;
    let history = &snapshot.history;
    assert_eq!((history.len(), snapshot.attempts), (MAX_HISTORY, 65));
    assert_eq!((history[0].state, history[0].attempt), (State::Queued, 0));
    let last = history.last().expect("there is one");
    assert_eq!((last.state, last.attempt, last.at), (State::Running, 65, given.now()));
    assert!(history.windows(2).all(|pair| pair[0].at <= pair[1].at));
    for pair in history[1..].windows(2) {
        assert!(pair[0].state.may_become(pair[1].state, true), "{pair:?}");
    }
}
