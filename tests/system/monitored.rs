use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{Explanation, ObstacleKind, State, When};

use crate::faulty::Faulty;
use crate::harness::*;

fn store_alone(said: &Explanation) -> bool {
    matches!(&said.obstacles[..], [one] if one.kind == ObstacleKind::Store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_the_store_has_not_taken_is_explained_by_that() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    store.refused_commits.store(u32::MAX, Ordering::SeqCst);
    let (entering, later) = (system.clone(), named("new", "add", &[1]));
    let later = with(later, |asked| asked.start = Some(When::After(Duration::from_secs(3600))));
    let accepted = tokio::spawn(async move { entering.enqueue(later).await });
    let said = loop {
        match system.explain(&id("new")).await {
            Ok(said) => break said,
            Err(error) => assert_eq!(error.code, Code::TaskNotFound),
        }
    };
    assert!(store_alone(&said), "{said:?}");
    assert_eq!(said.state, State::Pending);
    store.refused_commits.store(0, Ordering::SeqCst);
    if accepted.await.expect("it is no panic").is_ok() {
        let said = system.explain(&id("new")).await.expect("it is kept");
        assert_eq!(said.obstacles[0].kind, ObstacleKind::Time);
    }
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_cannot_be_read_is_explained_by_the_store_if_somebody_waits_for_it() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    let later = with(named("later", "add", &[1]), |asked| {
        asked.start = Some(When::After(Duration::from_secs(3600)));
    });
    system.enqueue(later).await.expect("it is accepted");
    store.refused_reads.store(1, Ordering::SeqCst);
    let refused = system.explain(&id("later")).await.expect_err("it cannot be read");
    assert_eq!(refused.code, Code::StoreUnavailable);
    let waiting = system.clone();
    let waits = tokio::spawn(async move {
        waiting.wait(&id("later"), Duration::from_secs(60)).await.map(|_| ())
    });
    let said = loop {
        store.refused_reads.store(1, Ordering::SeqCst);
        match system.explain(&id("later")).await {
            Ok(said) if store_alone(&said) => break said,
            // Whoever waits has read in its place, or does not wait yet.
            Ok(_) => {}
            Err(error) => assert_eq!(error.code, Code::StoreUnavailable),
        }
        if waits.is_finished() {
            waits.await.expect("it is no panic").expect("nothing was read in its place");
            unreachable!("it waits for longer than this test");
        }
    };
    assert_eq!(said.runs_at, None);
    waits.abort();
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_makes_the_system_unready() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    let in_memory = "tasks are kept in memory, as was chosen: they end with the process";
    let well = system.health().await;
    assert_eq!((well.ready, well.degraded, &*well.reasons), (true, false, &[in_memory.into()][..]));
    store.refused_reads.store(1, Ordering::SeqCst);
    let ill = system.health().await;
    assert_eq!((ill.ready, ill.degraded, ill.reasons.len()), (false, true, 2));
    assert!(ill.reasons[0].starts_with("the store does not answer: "), "{ill:?}");
    assert_eq!(system.health().await, well);
    store.refused_reads.store(1, Ordering::SeqCst);
    let refused = system.statistics().await.expect_err("it cannot be read");
    assert_eq!(refused.code, Code::StoreUnavailable);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_answered_is_counted() {
    let system = start().await;
    for number in 1..=20 {
        let request = request("add", &[1, 2]);
        let request = if number % 2 == 0 { ephemeral(request) } else { request };
        system.submit(request).await.expect("it runs");
        let totals = system.statistics().await.expect("it reads").totals;
        assert_eq!((totals.accepted, totals.started, totals.succeeded), (number, number, number));
    }
    system.stop();
}
