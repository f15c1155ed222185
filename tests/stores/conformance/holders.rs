//! Holders of concurrency keys.

use task_scheduler::models::{QueueLimits, Task};

use super::given::*;

on_every_store!(the_holders_of_a_key_are_listed_in_order);

async fn the_holders_of_a_key_are_listed_in_order(given: Given) {
    given.commit(limit(QueueLimits { concurrency_per_key: 3, ..QueueLimits::default() })).await;
    let in_other_queue: Task = {
        let mut task = keyed("elsewhere", "k");
        task.options.queue = queue("other");
        task
    };
    let first = given.enter(keyed("a", "k")).await;
    given.enter_all([keyed("b", "k"), keyed("c", "k"), keyed("held", "k")]).await;
    given.enter_all([keyed("l", "l"), in_other_queue, task("free")]).await;
    let fence = given.claim(first).await.expect("it can run").fence;
    let holders = async |of: &str, key, limit| {
        let holders = given.store.holders(&queue(of), key, limit).await.expect("it reads");
        holders.into_iter().map(|id| id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(holders("default", "k", 9).await, ["a", "b", "c"]);
    assert_eq!(holders("default", "k", 2).await, ["a", "b"]);
    assert_eq!(holders("other", "k", 9).await, ["elsewhere"]);
    let nobody: Vec<String> = Vec::new();
    assert_eq!(holders("default", "m", 9).await, nobody);
    assert_eq!(holders("nowhere", "k", 9).await, nobody);
    given.commit(complete(first, fence)).await;
    assert_eq!(holders("default", "k", 9).await, ["b", "c", "held"]);
}
