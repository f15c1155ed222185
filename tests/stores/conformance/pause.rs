use task_scheduler::models::{QueueLimits, QueueSettings, State};
use task_scheduler::store::{Applied, Change, QueueState};

use super::given::*;

on_every_store!(
    nothing_of_a_paused_queue_starts,
    running_tasks_of_a_paused_queue_go_on,
    a_pause_survives_the_process,
    a_pause_and_limits_are_independent,
);

fn pause(paused: bool) -> Change {
    Change::PauseQueue { queue: queue("default"), paused }
}

async fn nothing_of_a_paused_queue_starts(given: Given) {
    assert_eq!(given.commit(pause(true)).await, Applied::default());
    let sequence = given.enter(task("a")).await;
    let due = given.after(SECOND);
    let later = given.enter(task_with("b", |options| options.run_at = Some(due))).await;
    given.run(task_with("c", |options| options.queue = queue("other"))).await;
    assert_eq!(given.claim(sequence).await, None);
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await.ready, [ready(later)]);
    assert_eq!(given.states(["a", "b"]).await, [State::Queued, State::Queued]);
    assert_eq!(given.commit(pause(false)).await, Applied::default());
    assert!(given.claim(sequence).await.is_some());
}

async fn running_tasks_of_a_paused_queue_go_on(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(pause(true)).await;
    assert!(given.claim_under(sequence, fence).await.is_some(), "the same claim again");
    let applied = given.commit(complete(sequence, fence)).await;
    assert_eq!(ids(&applied.ended), ["a"]);
}

async fn a_pause_survives_the_process(mut given: Given) {
    given.commit(pause(true)).await;
    let opened = given.restart().await;
    let settings = QueueSettings { paused: true, ..QueueSettings::default() };
    let state = QueueState { settings, ..QueueState::empty(queue("default")) };
    let durable = given.store.properties().durable;
    assert_eq!(opened.queues, if durable { vec![state] } else { Vec::new() });
}

async fn a_pause_and_limits_are_independent(given: Given) {
    let limits = QueueLimits { weight: 7, ..QueueLimits::default() };
    given.commit(pause(true)).await;
    given.commit(limit(limits)).await;
    let settings = async || given.store.queues().await.expect("it reads")[0].settings;
    assert_eq!(settings().await, QueueSettings { limits, paused: true });
    given.commit(pause(false)).await;
    assert_eq!(settings().await, QueueSettings { limits, paused: false });
    given.commit(limit(QueueLimits::default())).await;
    assert_eq!(given.store.queues().await.expect("it reads"), []);
}
