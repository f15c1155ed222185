use std::sync::Arc;

use task_scheduler::models::{Fence, Sequence};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    a_checkpoint_is_given_to_the_next_claim,
    a_checkpoint_can_be_replaced_and_cleared,
    a_checkpoint_under_a_stale_fence_is_refused,
    a_checkpoint_survives_the_process,
    a_checkpoint_is_deleted_at_the_end,
);

fn save(sequence: Sequence, fence: Fence, data: Option<&[u8]>) -> Change {
    Change::Checkpoint { sequence, fence, data: data.map(Arc::from) }
}

async fn a_checkpoint_is_given_to_the_next_claim(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let applied = given.commit(save(sequence, fence, Some(b"half"))).await;
    assert_eq!(applied, Applied::default());
    assert_eq!(given.find("a").await.checkpoint_bytes, 4);
    let due = given.now();
    given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
    given.commit(Change::Promote { limit: 9 }).await;
    let claimed = given.claim(sequence).await.expect("it is due");
    assert_eq!(claimed.checkpoint.as_deref(), Some(&b"half"[..]));
}

async fn a_checkpoint_can_be_replaced_and_cleared(given: Given) {
    let (sequence, mut fence) = given.run(task("a")).await;
    given.commit(save(sequence, fence, Some(b"first"))).await;
    for data in [Some(&b"second"[..]), None] {
        given.commit(save(sequence, fence, data)).await;
        given.commit(requeue(sequence, fence)).await;
        let claimed = given.claim(sequence).await.expect("it was released");
        assert_eq!(claimed.checkpoint.as_deref(), data);
        fence = claimed.fence;
    }
    assert_eq!(given.find("a").await.checkpoint_bytes, 0);
}

async fn a_checkpoint_under_a_stale_fence_is_refused(given: Given) {
    let (sequence, stale) = given.run(task("a")).await;
    given.commit(requeue(sequence, stale)).await;
    let refused = Applied { result: ChangeResult::Stale, ..Applied::default() };
    assert_eq!(given.commit(save(sequence, stale, Some(b"late"))).await, refused);
    assert_eq!(given.claim(sequence).await.expect("it was released").checkpoint, None);
    assert_eq!(given.commit(save(sequence, stale, Some(b"late"))).await, refused);
    assert_eq!(given.find("a").await.checkpoint_bytes, 0);
}

async fn a_checkpoint_survives_the_process(mut given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(save(sequence, fence, Some(b"half"))).await;
    if given.store.properties().durable {
        given.restart().await;
    } else {
        given.open().await;
    }
    let claimed = given.claim(sequence).await.expect("it was put back");
    assert_eq!(claimed.checkpoint.as_deref(), Some(&b"half"[..]));
}

async fn a_checkpoint_is_deleted_at_the_end(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(save(sequence, fence, Some(b"half"))).await;
    given.commit(fail(sequence, fence)).await;
    assert_eq!(given.find("a").await.checkpoint_bytes, 0);
    given.commit(again("a")).await;
    assert_eq!(given.claim(sequence).await.expect("it runs again").checkpoint, None);
}
