use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{Explanation, ObstacleKind, Request, StartTime, State};

use crate::faulty::Faulty;
use crate::harness::*;

fn store_alone(explanation: &Explanation) -> bool {
    matches!(&explanation.obstacles[..], [one] if one.kind == ObstacleKind::Store)
}

fn later(name: &str) -> Request {
    with(named(name, "add", &[1]), |options| {
        options.start = Some(StartTime::After(Duration::from_secs(3600)));
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uncommitted_task_is_explained_by_the_store() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    store.refused_commits.store(u32::MAX, Ordering::SeqCst);
    let (entering, request) = (system.clone(), later("new"));
    let accepted = tokio::spawn(async move { entering.tasks().enqueue(request).await });
    let explanation = loop {
        match system.tasks().explain(&id("new")).await {
            Ok(explanation) => break explanation,
            Err(error) => assert_eq!(error.code, Code::TaskNotFound),
        }
    };
    assert!(store_alone(&explanation), "{explanation:?}");
    assert_eq!(explanation.state, State::Pending);
    store.refused_commits.store(0, Ordering::SeqCst);
    if accepted.await.expect("it is no panic").is_ok() {
        let explanation = system.tasks().explain(&id("new")).await.expect("it is kept");
        assert_eq!(explanation.obstacles[0].kind, ObstacleKind::Time);
    }
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_task_is_explained_by_the_store_if_a_caller_waits_for_it() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    system.tasks().enqueue(later("later")).await.expect("it is accepted");
    store.refused_reads.store(1, Ordering::SeqCst);
    let refused = system.tasks().explain(&id("later")).await.expect_err("it cannot be read");
    assert_eq!(refused.code, Code::StoreUnavailable);
    let (awaiting, request) = (system.clone(), later("awaited"));
    let waits = tokio::spawn(async move { awaiting.tasks().submit(request).await });
    while system.tasks().find(&id("awaited")).await.is_err() {}
    store.refused_reads.store(1, Ordering::SeqCst);
    let explanation = system.tasks().explain(&id("awaited")).await.expect("a caller waits for it");
    assert!(store_alone(&explanation), "{explanation:?}");
    assert_eq!(explanation.runs_at, None);
    waits.abort();
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_makes_the_system_unready() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    let in_memory = "tasks are kept in memory, as configured: they end with the process";
    let healthy = system.health().await;
    assert_eq!(
        (healthy.ready, healthy.degraded, &*healthy.reasons),
        (true, false, &[in_memory.into()][..])
    );
    store.refused_reads.store(1, Ordering::SeqCst);
    let ill = system.health().await;
    assert_eq!((ill.ready, ill.degraded, ill.reasons.len()), (false, true, 2));
    assert!(ill.reasons[0].starts_with("the store does not answer: "), "{ill:?}");
    assert_eq!(system.health().await, healthy);
    store.refused_reads.store(1, Ordering::SeqCst);
    let refused = system.monitor().statistics().await.expect_err("it cannot be read");
    assert_eq!(refused.code, Code::StoreUnavailable);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_counted_before_its_caller_is_answered() {
    let system = start().await;
    for number in 1..=20 {
        let request = request("add", &[1, 2]);
        let request = if number % 2 == 0 { ephemeral(request) } else { request };
        system.tasks().submit(request).await.expect("it runs");
        let totals = system.monitor().statistics().await.expect("it reads").totals;
        assert_eq!((totals.accepted, totals.started, totals.succeeded), (number, number, number));
    }
    system.stop();
}
