use std::sync::atomic::{AtomicBool, Ordering};

use task_scheduler::models::TaskId;
use task_scheduler::store::Store as _;
use task_scheduler::store::sqlite::verify;

use super::given::{Given, name};

/// Ids in no order.
fn scattered(n: u64) -> String {
    format!("order-{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

async fn every_task_is_found(given: &Given, ids: &[String]) {
    for ids in ids.chunks(1_000) {
        let names: Vec<TaskId> = ids.iter().map(|id| name(id)).collect();
        assert!(names.iter().all(|id| given.store().may_know(id)), "each may be here");
        let found = given.store().find(&names).await.expect("it reads");
        for (name, found) in names.iter().zip(found) {
            assert_eq!(found.map(|found| found.task.id.clone()).as_ref(), Some(name));
        }
    }
}

#[tokio::test]
async fn scattered_ids_are_found_before_and_after_they_are_merged() {
    const ALL: u64 = 100_000;
    let mut given = Given::new().await;
    let ids: Vec<String> = (0..ALL).map(scattered).collect();
    for ids in ids.chunks(1_024) {
        given.enter(ids.iter().cloned()).await;
    }
    every_task_is_found(&given, &ids).await;
    given.open().await;
    every_task_is_found(&given, &ids).await;
    let problems = verify(&given.directory()).expect("it is a store");
    assert!(problems.is_empty(), "{problems:?}");
    // No id can be inserted a second time.
    let again = vec![task_scheduler::store::Change::Insert(given.insert(&ids[500]))];
    let said = given.commit(again).await.applied.remove(0).result;
    assert!(matches!(said, task_scheduler::store::ChangeResult::IdConflict(_)), "{said:?}");
}

#[tokio::test]
async fn ids_inserted_as_a_merge_begins_are_found_by_the_next_process() {
    let mut given = Given::new().await;
    let ids: Vec<String> = (0..17_200).map(scattered).collect();
    let (large, small) = ids.split_at(17_000);
    for ids in large.chunks(500) {
        given.enter(ids.iter().cloned()).await;
    }
    // Until the merge is over; too few for another one.
    for id in small {
        given.enter([id.clone()]).await;
    }
    given.open().await;
    every_task_is_found(&given, &ids).await;
}

#[tokio::test]
async fn generated_ids_are_found() {
    let mut given = Given::new().await;
    let ids: Vec<String> = (0..20_000).map(|_| TaskId::generate().to_string()).collect();
    for ids in ids.chunks(1_000) {
        given.enter(ids.iter().cloned()).await;
    }
    every_task_is_found(&given, &ids).await;
    given.open().await;
    every_task_is_found(&given, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_id_may_always_be_stored() {
    let mut given = Given::new().await;
    given.enter((0..5_000).map(scattered)).await;
    given.open().await;
    let over = AtomicBool::new(false);
    let early: Vec<TaskId> = (0..5_000).map(|n| name(&scattered(n))).collect();
    std::thread::scope(|scope| {
        // Also while the filters are being filled.
        let store = given.store();
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                assert!(early.iter().all(|id| store.may_know(id)));
            }
        });
        let writes = async {
            for n in 5_000..6_000 {
                given.enter([scattered(n)]).await;
                assert!(store.may_know(&name(&scattered(n))));
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(writes));
        over.store(true, Ordering::Relaxed);
    });
}

#[tokio::test]
async fn most_unknown_ids_are_known_to_be_unknown() {
    let given = Given::new().await;
    given.enter((0..1_000).map(scattered)).await;
    let perhaps = (1_000..2_000).filter(|n| given.store().may_know(&name(&scattered(*n)))).count();
    assert!(perhaps < 20, "{perhaps} of 1,000");
}

#[tokio::test]
async fn purged_ids_can_be_used_again_after_a_restart() {
    let mut given = Given::new().await;
    for n in 0..10 {
        given.succeed(&scattered(n)).await;
    }
    let forget = (0..10).map(|n| task_scheduler::store::Change::Purge { id: name(&scattered(n)) });
    given.commit(forget.collect()).await;
    given.open().await;
    given.enter((0..10).map(scattered)).await;
    every_task_is_found(&given, &(0..10).map(scattered).collect::<Vec<_>>()).await;
}
