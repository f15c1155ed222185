//! The end of a boot, and what the next boot reports.

use std::sync::Arc;

use task_scheduler::error::Code;
use task_scheduler::models::{Ending, Event, Fact, Failure, NodeFact, TaskFact};
use task_scheduler::store::Change;

use super::given::*;

on_every_store!(
    a_first_boot_reports_no_crash,
    a_graceful_shutdown_is_reported_once,
    a_boot_after_a_graceful_shutdown_reports_no_crash,
    a_crash_is_reported_after_the_rescued_tasks,
    writes_after_a_graceful_shutdown_do_not_undo_it,
    how_a_boot_ended_survives_the_process,
);

fn node(given: &Given, fact: NodeFact) -> Event {
    Event { at: given.now(), fact: Fact::Node(fact) }
}

async fn a_first_boot_reports_no_crash(given: Given) {
    assert_eq!(given.first, []);
}

async fn a_graceful_shutdown_is_reported_once(given: Given) {
    let told = given.tell(Change::Stop).await.events;
    assert_eq!(told, [node(&given, NodeFact::Stopped { epoch: 1 })]);
    assert_eq!(given.tell(Change::Stop).await.events, []);
    given.open().await;
    let told = given.tell(Change::Stop).await.events;
    assert_eq!(told, [node(&given, NodeFact::Stopped { epoch: 2 })]);
}

async fn a_boot_after_a_graceful_shutdown_reports_no_crash(given: Given) {
    given.run(task("a")).await;
    given.commit(Change::Stop).await;
    let rescued = Fact::Task(Arc::new(task("a")), TaskFact::Rescued { rescues: 1 });
    assert_eq!(given.open().await.events, [Event { at: given.now(), fact: rescued }]);
}

async fn a_crash_is_reported_after_the_rescued_tasks(given: Given) {
    for _ in 0..QUARANTINE_AFTER {
        let sequence = match given.known("bad").await {
            Some(known) => known.sequence.expect("it is stored"),
            None => given.enter(task("bad")).await,
        };
        given.claim(sequence).await.expect("it can run");
        given.open().await;
    }
    let bad = given.find("bad").await.sequence.expect("it is stored");
    given.claim(bad).await.expect("it can run");
    given.run(task("good")).await;
    given.run(task("tired")).await;
    given.commit(cancel("tired")).await;
    let last_alive = given.now();
    given.wait(SECOND);
    let opened = given.open().await;
    let of = |id: &str, fact| Event { at: given.now(), fact: Fact::Task(Arc::new(task(id)), fact) };
    let outcome = given.find("bad").await.outcome.expect("it has ended");
    let Ending::Failed(Failure { code: Code::Quarantined, .. }) = &outcome.ending else {
        panic!("{outcome:?}");
    };
    let bad = task_scheduler::models::Ended { task: Arc::new(task("bad")), outcome };
    let outcome = given.find("tired").await.outcome.expect("it has ended");
    let tired = task_scheduler::models::Ended { task: Arc::new(task("tired")), outcome };
    let crashed = NodeFact::Crashed { epoch: 3, last_alive, rescued: 2, quarantined: 1 };
    let expected = [
        of("bad", TaskFact::Ended(Arc::new(bad))),
        of("good", TaskFact::Rescued { rescues: 1 }),
        of("tired", TaskFact::Ended(Arc::new(tired))),
        node(&given, crashed),
    ];
    assert_eq!(opened.events, expected);
}

async fn writes_after_a_graceful_shutdown_do_not_undo_it(given: Given) {
    given.commit(Change::Stop).await;
    given.enter(task("a")).await;
    assert_eq!(given.open().await.events, []);
}

async fn how_a_boot_ended_survives_the_process(mut given: Given) {
    given.commit(Change::Stop).await;
    assert_eq!(given.restart().await.events, []);
    let last_alive = given.now();
    given.enter(task("a")).await;
    given.wait(SECOND);
    let crashed = NodeFact::Crashed { epoch: 2, last_alive, rescued: 0, quarantined: 0 };
    let told = given.restart().await.events;
    // A store that is not durable has no earlier boot.
    let known = given.store.properties().durable.then(|| node(&given, crashed));
    assert_eq!(told, Vec::from_iter(known));
}
