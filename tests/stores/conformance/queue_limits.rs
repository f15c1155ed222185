use task_scheduler::store::Applied;

use super::given::*;

on_every_store!(
    a_suspended_attempt_gives_back_its_slot,
    a_suspension_under_a_stale_fence_is_refused,
    limits_survive_the_process,
);

async fn a_suspended_attempt_gives_back_its_slot(given: Given) {
    given.commit(set_queue(Some(1))).await;
    let (first, fence) = given.run(task("a")).await;
    let [second, third] = [given.enter(task("b")).await, given.enter(task("c")).await];
    assert_eq!(given.claim(second).await, None);
    assert_eq!(given.commit(rest(first, fence, true)).await, Applied::default());
    let second_fence = given.claim(second).await.expect("there is room").fence;
    given.commit(rest(first, fence, false)).await;
    given.commit(complete(second, second_fence)).await;
    assert_eq!(given.claim(third).await, None, "the first went on");
    given.commit(rest(first, fence, true)).await;
    given.commit(requeue(first, fence)).await;
    assert!(given.claim(third).await.is_some());
}

async fn a_suspension_under_a_stale_fence_is_refused(given: Given) {
    given.commit(set_queue(Some(1))).await;
    let (first, stale) = given.run(task("a")).await;
    given.commit(requeue(first, stale)).await;
    given.claim(first).await.expect("it was released");
    let second = given.enter(task("b")).await;
    let applied = given.commit(rest(first, stale, true)).await;
    let result = task_scheduler::store::ChangeResult::Stale;
    assert_eq!(applied, Applied { result, ..Applied::default() });
    assert_eq!(given.claim(second).await, None);
}

async fn limits_survive_the_process(mut given: Given) {
    given.commit(set_queue(Some(1))).await;
    given.restart().await;
    let [first, second] = [given.enter(task("a")).await, given.enter(task("b")).await];
    assert!(given.claim(first).await.is_some());
    let bound = given.store.properties().durable;
    assert_eq!(given.claim(second).await.is_none(), bound);
}
