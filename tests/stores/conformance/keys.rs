use std::sync::Arc;

use task_scheduler::models::{BlockedBy, QueueLimits, Sequence, State, Task};
use task_scheduler::store::{Applied, Change, ChangeResult, NOTIFY_SLICE};

use super::given::*;

on_every_store!(
    tasks_of_a_key_are_claimable_one_at_a_time_in_order,
    blocked_tasks_wait_in_the_order_of_their_positions,
    a_key_is_kept_through_a_retry_and_a_snooze,
    with_a_limit_of_two_a_retry_releases_the_key,
    keys_of_other_queues_are_independent,
    a_key_passes_to_the_next_task_however_its_holder_releases_it,
    a_raised_limit_unblocks_tasks,
    a_raised_limit_unblocks_many_tasks_in_slices,
    a_resumed_attempt_holds_its_slot_again,
    a_task_beyond_a_lowered_limit_waits_before_it_runs_again,
    a_blocked_task_can_be_cancelled_and_expire,
    a_task_does_not_hold_its_key_before_it_is_claimable,
);

fn per_key(concurrency_per_key: u32) -> Change {
    limit(QueueLimits { concurrency_per_key, ..QueueLimits::default() })
}

fn ready_all(sequences: &[Sequence]) -> Applied {
    Applied { ready: sequences.iter().map(|it| ready(*it)).collect(), ..Applied::default() }
}

async fn held(given: &Given, id: &str) -> (State, Option<BlockedBy>) {
    let snapshot = given.find(id).await;
    (snapshot.state, snapshot.blocked_by)
}

const HELD: (State, Option<BlockedBy>) = (State::Queued, Some(BlockedBy::ConcurrencyKey));
const FREE: (State, Option<BlockedBy>) = (State::Queued, None);

/// Tasks with the key `k`.
async fn enter<const N: usize>(given: &Given, ids: [&str; N]) -> [Sequence; N] {
    let mut entered = [Sequence(0); N];
    for (at, id) in ids.into_iter().enumerate() {
        entered[at] = given.enter(keyed(id, "k")).await;
    }
    entered
}

async fn tasks_of_a_key_are_claimable_one_at_a_time_in_order(given: Given) {
    let all = enter(&given, ["a", "b", "c"]).await;
    assert_eq!(given.claimable().await, [all[0].0]);
    assert_eq!([held(&given, "a").await, held(&given, "b").await], [FREE, HELD]);
    assert_eq!(given.claim(all[1]).await, None);
    for (at, next) in [(0, vec![ready(all[1])]), (1, vec![ready(all[2])]), (2, vec![])] {
        let fence = given.claim(all[at]).await.expect("it is its turn").fence;
        assert!(given.claimable().await.is_empty(), "the next waits until this one has ended");
        assert_eq!(given.commit(complete(all[at], fence)).await.ready, next);
    }
}

async fn blocked_tasks_wait_in_the_order_of_their_positions(given: Given) {
    let (first, fence) = given.run(keyed("a", "k")).await;
    enter(&given, ["b"]).await;
    let mut better = keyed("c", "k");
    better.options.priority = 5;
    let better = given.enter(better).await;
    given.commit(complete(first, fence)).await;
    assert_eq!(given.claimable().await, [better.0]);
    assert_eq!([held(&given, "b").await, held(&given, "c").await], [HELD, FREE]);
}

async fn a_key_is_kept_through_a_retry_and_a_snooze(given: Given) {
    let (first, fence) = given.run(keyed("a", "k")).await;
    let [second] = enter(&given, ["b"]).await;
    let due = given.after(SECOND);
    let retry = Change::Retry { sequence: first, fence, failure: failure(), due };
    assert_eq!(given.commit(retry).await, Applied::default());
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await, ready_all(&[first]));
    let fence = given.claim(first).await.expect("it is due").fence;
    let due = given.after(SECOND);
    given.commit(Change::Snooze { sequence: first, fence, due }).await;
    assert_eq!((held(&given, "b").await, given.claim(second).await), (HELD, None));
    given.wait(SECOND);
    given.commit(Change::Promote { limit: 9 }).await;
    let fence = given.claim(first).await.expect("it is due").fence;
    assert_eq!(given.commit(requeue(first, fence)).await, ready_all(&[first]));
    let fence = given.claim(first).await.expect("it was released").fence;
    assert_eq!(given.commit(fail(first, fence)).await.ready, [ready(second)]);
}

async fn with_a_limit_of_two_a_retry_releases_the_key(given: Given) {
    given.commit(per_key(2)).await;
    let all = enter(&given, ["a", "b", "c"]).await;
    assert_eq!(given.claimable().await, [all[0].0, all[1].0]);
    let fence = given.claim(all[0]).await.expect("a place").fence;
    let due = given.after(SECOND);
    let retry = Change::Retry { sequence: all[0], fence, failure: failure(), due };
    assert_eq!(given.commit(retry).await, ready_all(&[all[2]]));
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await, Applied::default());
    assert_eq!(held(&given, "a").await, HELD, "both places are taken");
    assert_eq!(given.commit(cancel("b")).await.ready, [ready(all[0])]);
}

async fn keys_of_other_queues_are_independent(given: Given) {
    let mut elsewhere = keyed("c", "k");
    elsewhere.options.queue = queue("other");
    given.enter_all([keyed("a", "k"), keyed("b", "l"), elsewhere, task("d")]).await;
    for id in ["a", "b", "c", "d"] {
        assert_eq!(held(&given, id).await, FREE, "{id}");
    }
}

async fn a_key_passes_to_the_next_task_however_its_holder_releases_it(given: Given) {
    let over = given.after(SECOND);
    let next = async |given: &Given, id: &str| given.enter(keyed(&format!("{id} next"), id)).await;
    let at_once = |id: &str| keyed(id, id);

    given.enter(at_once("cancelled")).await;
    let waits = next(&given, "cancelled").await;
    assert_eq!(given.commit(cancel("cancelled")).await.ready, [ready(waits)]);

    let mut dies = at_once("expired");
    dies.options.expires_at = Some(over);
    given.enter(dies).await;
    let waits = next(&given, "expired").await;
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await.ready, [ready(waits)]);

    let (sequence, fence) = given.run(at_once("expanded")).await;
    let waits = next(&given, "expanded").await;
    let child = given.insert(keyed("child", "expanded"));
    let expand = Change::Expand { sequence, fence, children: vec![child] };
    assert_eq!(given.commit(expand).await.ready, [ready(waits)]);
    assert_eq!(held(&given, "child").await, HELD);

    let (sequence, fence) = given.run(at_once("rests")).await;
    let waits = next(&given, "rests").await;
    assert_eq!(given.commit(rest(sequence, fence, true)).await, ready_all(&[waits]));
}

async fn a_raised_limit_unblocks_tasks(given: Given) {
    let all = enter(&given, ["a", "b", "c", "d"]).await;
    assert_eq!(given.commit(per_key(3)).await, ready_all(&all[1..3]));
    assert_eq!(given.claimable().await, [all[0].0, all[1].0, all[2].0]);
    assert_eq!(given.commit(per_key(1)).await, Applied::default());
    for (sequence, next) in [(all[0], vec![]), (all[1], vec![]), (all[2], vec![ready(all[3])])] {
        let fence = given.claim(sequence).await.expect("it had its place before").fence;
        assert_eq!(given.commit(complete(sequence, fence)).await.ready, next);
    }
}

async fn a_raised_limit_unblocks_many_tasks_in_slices(given: Given) {
    let many = NOTIFY_SLICE + 6;
    given.enter_all((0..many).map(|number| keyed(&format!("a{number}"), "k"))).await;
    let commit = given.commit_all(Arc::new([per_key(2_000)])).await;
    assert_eq!(commit.applied[0].ready.len(), NOTIFY_SLICE);
    assert_eq!(commit.due, Some(given.now()), "the rest is to be looked at at once");
    let applied = given.commit(Change::Promote { limit: 3 }).await;
    assert_eq!((applied.ready.len(), applied.more), (3, true));
    let applied = given.commit(Change::Promote { limit: 9 }).await;
    assert_eq!((applied.ready.len(), applied.more), (2, false));
    assert_eq!(given.claimable().await.len(), many);
}

async fn a_resumed_attempt_holds_its_slot_again(given: Given) {
    let (first, fence) = given.run(keyed("a", "k")).await;
    given.commit(rest(first, fence, true)).await;
    given.commit(rest(first, fence, false)).await;
    let [second] = enter(&given, ["b"]).await;
    assert_eq!((held(&given, "b").await, given.claim(second).await), (HELD, None));
    assert_eq!(given.commit(complete(first, fence)).await.ready, [ready(second)]);
}

async fn a_task_beyond_a_lowered_limit_waits_before_it_runs_again(given: Given) {
    let (first, fence) = given.run(keyed("a", "k")).await;
    let all = enter(&given, ["b", "c"]).await;
    given.commit(rest(first, fence, true)).await;
    let second = given.claim(all[0]).await.expect("the place is free").fence;
    given.commit(rest(first, fence, false)).await;
    assert_eq!(given.commit(requeue(first, fence)).await, Applied::default());
    assert_eq!(held(&given, "a").await, HELD);
    assert_eq!(given.commit(complete(all[0], second)).await.ready, [ready(first)]);
}

async fn a_blocked_task_can_be_cancelled_and_expire(given: Given) {
    let (first, fence) = given.run(keyed("a", "k")).await;
    let mut dies = keyed("b", "k");
    dies.options.expires_at = Some(given.after(SECOND));
    given.enter_all([dies, keyed("c", "k")]).await;
    assert_eq!(ids(&given.commit(cancel("c")).await.ended), ["c"]);
    given.wait(SECOND);
    assert_eq!(ids(&given.commit(Change::Promote { limit: 9 }).await.ended), ["b"]);
    assert_eq!((held(&given, "b").await, held(&given, "c").await), {
        ((State::Expired, None), (State::Cancelled, None))
    });
    assert_eq!(given.commit(complete(first, fence)).await.ready, []);
}

async fn a_task_does_not_hold_its_key_before_it_is_claimable(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let waiting = Task { deps: vec![name("parent")], ..keyed("a", "k") };
    let mut later = keyed("b", "k");
    later.options.run_at = Some(given.after(SECOND));
    given.enter_all([waiting, later]).await;
    let [third] = enter(&given, ["c"]).await;
    assert_eq!(held(&given, "c").await, FREE);
    given.commit(complete(parent, fence)).await;
    assert_eq!(held(&given, "a").await, HELD);
    let fence = given.claim(third).await.expect("it has the place").fence;
    let said = given.commit(complete(third, fence)).await;
    assert_eq!((said.result, said.ready.len()), (ChangeResult::Done, 1));
    assert_eq!(held(&given, "a").await, FREE);
}
