use std::time::Duration;

use task_scheduler::models::{BlockedBy, QueueLimits, Rate, Sequence};
use task_scheduler::store::{Applied, Change, ClaimRequest};

use super::given::*;

on_every_store!(
    a_rate_limit_permits_a_burst_and_then_one_start_after_another,
    idle_time_permits_no_more_than_a_burst,
    a_rate_without_a_whole_interval_permits_no_early_start,
    a_removed_rate_limit_unblocks_every_task,
    a_blocked_task_is_next_when_the_one_before_it_is_cancelled,
    the_pace_of_a_key_survives_the_process,
);

/// A burst of two, then one every two seconds.
const LIMITS: QueueLimits = QueueLimits {
    weight: 1,
    concurrency: None,
    max_length: None,
    rate: None,
    concurrency_per_key: 10,
    rate_per_key: Some(Rate { count: 2, per: SECOND.saturating_mul(4) }),
};

const PROMOTE: Change = Change::Promote { limit: 9 };

async fn five(given: &Given) -> Vec<Sequence> {
    given.commit(limit(LIMITS)).await;
    let mut all = Vec::new();
    for id in ["a", "b", "c", "d", "e"] {
        all.push(given.enter(keyed(id, "k")).await);
    }
    all
}

/// Claims a task. Returns what became ready, and the next due time.
async fn start(given: &Given, sequence: Sequence) -> (Vec<u64>, Option<u64>) {
    let claims = given.claim_all(vec![ClaimRequest { sequence, fence: given.fence() }]).await;
    assert!(claims.claimed[0].is_some(), "{sequence:?}");
    let ready = claims.ready.iter().map(|ready| ready.position.sequence.0).collect();
    (ready, claims.due.map(|due| due.since(given.now()).as_secs()))
}

async fn a_rate_limit_permits_a_burst_and_then_one_start_after_another(given: Given) {
    let all = five(&given).await;
    assert_eq!(given.claimable().await, [all[0].0]);
    assert_eq!(given.find("b").await.blocked_by, Some(BlockedBy::ConcurrencyKey));
    assert_eq!(start(&given, all[0]).await, (vec![all[1].0], Some(2)));
    assert_eq!(start(&given, all[1]).await, (vec![], Some(2)));
    assert_eq!(given.commit(PROMOTE).await, Applied::default());
    for next in &all[2..4] {
        given.wait(2 * SECOND);
        assert_eq!(given.commit(PROMOTE).await.ready, [ready(*next)]);
        assert_eq!(start(&given, *next).await, (vec![], Some(2)));
    }
}

async fn idle_time_permits_no_more_than_a_burst(given: Given) {
    let all = five(&given).await;
    start(&given, all[0]).await;
    start(&given, all[1]).await;
    given.wait(100 * SECOND);
    assert_eq!(given.commit(PROMOTE).await.ready, [ready(all[2])]);
    assert_eq!(start(&given, all[2]).await.0, [all[3].0]);
    assert_eq!(start(&given, all[3]).await, (vec![], Some(2)));
}

async fn a_rate_without_a_whole_interval_permits_no_early_start(given: Given) {
    let all = five(&given).await;
    let rate_per_key = Some(Rate { count: 3, per: SECOND });
    given.commit(limit(QueueLimits { rate_per_key, ..LIMITS })).await;
    for sequence in &all[..3] {
        start(&given, *sequence).await;
    }
    given.wait(Duration::from_micros(333_333));
    assert_eq!(given.commit(PROMOTE).await, Applied::default());
    given.wait(Duration::from_micros(1));
    assert_eq!(given.commit(PROMOTE).await.ready, [ready(all[3])]);
}

async fn a_removed_rate_limit_unblocks_every_task(given: Given) {
    let all = five(&given).await;
    start(&given, all[0]).await;
    start(&given, all[1]).await;
    let applied = given.commit(limit(QueueLimits { rate_per_key: None, ..LIMITS })).await;
    let expected: Vec<_> = all[2..].iter().map(|sequence| ready(*sequence)).collect();
    assert_eq!(applied, Applied { ready: expected, ..Applied::default() });
}

async fn a_blocked_task_is_next_when_the_one_before_it_is_cancelled(given: Given) {
    let all = five(&given).await;
    assert_eq!(given.commit(cancel("a")).await.ready, [ready(all[1])]);
}

async fn the_pace_of_a_key_survives_the_process(mut given: Given) {
    let all = five(&given).await;
    start(&given, all[0]).await;
    start(&given, all[1]).await;
    let opened = given.restart().await;
    if !given.store.properties().durable {
        return assert_eq!(opened.due, None);
    }
    assert_eq!(opened.due, Some(given.after(2 * SECOND)));
    assert_eq!(given.find("c").await.blocked_by, Some(BlockedBy::ConcurrencyKey));
    given.wait(2 * SECOND);
    given.enter(task("another")).await;
    // Tasks that ran hold the key, and come first.
    let again: Vec<u64> = given.claimable().await;
    assert_eq!(again[..2], [all[0].0, all[1].0]);
}
