use std::time::{Duration, Instant};

use task_scheduler::store::sqlite::Options;
use task_scheduler::store::{Change, Retention, RetentionLimit, Store as _};

use super::given::*;

#[tokio::test]
async fn pruning_drops_the_id_filters_of_old_tasks() {
    let given = Given::with(Options { ids_per_filter: 8, ..Options::default() }).await;
    for number in 0..32 {
        given.succeed(&format!("order {number}")).await;
    }
    let (old, new) = (name("order 0"), name("order 31"));
    assert!(given.store().may_know(&old));
    let limit = RetentionLimit { max_age: Duration::from_secs(3_600), max_count: 8 };
    let retention = Retention { succeeded: limit, others: limit };
    given.commit(vec![Change::Prune { retention, limit: 100 }]).await;
    assert!(!given.store().may_know(&old), "no filter has it any more");
    assert!(given.store().may_know(&new));
}

#[tokio::test]
async fn an_idle_log_is_cut_to_nothing() {
    let idle_checkpoint_after = Duration::from_millis(50);
    let given = Given::with(Options { idle_checkpoint_after, ..Options::default() }).await;
    given.enter(["order 1".to_owned()]).await;
    let log = given.directory().join("tasks.db-wal");
    let begun = Instant::now();
    while std::fs::metadata(&log).expect("a log").len() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the log is not cut");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn one_reader_answers_more_queries_than_may_wait() {
    let given = Given::with(Options { readers: 1, waiting_queries: 1, ..Options::default() }).await;
    given.enter(["order 1".to_owned()]).await;
    let ids = [name("order 1")];
    let queries = async || given.store().find(&ids).await.expect("it reads");
    let (one, two, three) = tokio::join!(queries(), queries(), queries());
    assert!([one, two, three].iter().all(|found| found[0].is_some()));
}
