use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use task_scheduler::engine::Options;
use task_scheduler::error::Code;
use task_scheduler::models::{ArgValue, State};

use crate::faulty::Faulty;
use crate::harness::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_is_retried() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    store.refused_commits.store(2, Ordering::SeqCst);
    let ended = system.tasks().submit(request("add", &[1, 2])).await.expect("it runs");
    assert_eq!((ended.outcome.state(), ended.outcome.attempts), (State::Succeeded, 1));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_not_applied_twice() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    store.lost_answers.store(3, Ordering::SeqCst);
    let ended = system.tasks().submit(named("once", "add", &[1, 2])).await.expect("it runs");
    assert_eq!((ended.outcome.state(), ended.outcome.attempts), (State::Succeeded, 1));
    let kept = system.tasks().find(&id("once")).await.expect("it is kept");
    assert_eq!((kept.state, kept.rescues, kept.history.len()), (State::Succeeded, 0, 2));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_store_refuses_new_tasks() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    store.refused_commits.store(5, Ordering::SeqCst);
    let later = with(request("add", &[1]), |options| {
        options.start =
            Some(task_scheduler::models::StartTime::After(std::time::Duration::from_secs(60)));
    });
    let refused = system.tasks().enqueue(later).await.expect_err("nothing was stored");
    assert_eq!(refused.code, Code::StoreUnavailable);
    let ended = system.tasks().submit(request("add", &[1])).await.expect("the store is back");
    assert_eq!(ended.outcome.state(), State::Succeeded);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_cannot_be_stored_is_not_reported() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    store.refused_commits.store(5, Ordering::SeqCst);
    let refused = system.tasks().submit(request("add", &[1])).await.expect_err("it was not stored");
    assert_eq!(refused.code, Code::OutcomeUnknown);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_claim_leaves_its_task_in_the_queue() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    store.refused_claims.store(1, Ordering::SeqCst);
    let later = with(request("add", &[1, 1]), |options| {
        options.start =
            Some(task_scheduler::models::StartTime::After(std::time::Duration::from_millis(20)));
    });
    let ended = system.tasks().submit(later).await.expect("it runs in the end");
    assert_eq!(ended.outcome.result().map(ToString::to_string), Some("2".to_owned()));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_ends_once_whichever_store_operation_fails() {
    type Knob = fn(&Faulty);
    let knobs: [(&str, Knob); 6] = [
        ("commits refused", |store| store.refused_commits.store(3, Ordering::SeqCst)),
        ("commits whose answers are lost", |store| store.lost_answers.store(3, Ordering::SeqCst)),
        ("claims refused", |store| store.refused_claims.store(3, Ordering::SeqCst)),
        ("claims whose answers are lost", |store| store.lost_claims.store(3, Ordering::SeqCst)),
        ("reads refused", |store| store.refused_reads.store(3, Ordering::SeqCst)),
        ("delays", |store| store.delay.store(5, Ordering::SeqCst)),
    ];
    for (fault, turn) in knobs {
        let store = Arc::new(Faulty::default());
        // Few slots, so that most tasks must be read from the store's queue and claimed.
        let options = Options { async_tasks: 2, ..options() };
        let system = start_on(options, store.clone()).await;
        let yields = async_handler("tests/yields", |_, _| async {
            tokio::task::yield_now().await;
            Ok(ArgValue::Null)
        });
        system.register_handler(yields).expect("a valid handler");
        turn(&store);
        let requests = (0..20).map(|_| Ok(request("tests/yields", &[]))).collect();
        for accepted in system.tasks().enqueue_many(requests).await {
            let id = accepted.unwrap_or_else(|error| panic!("{fault}: {error}")).id;
            let ended = loop {
                match system.tasks().wait(&id, Duration::from_secs(20)).await {
                    Err(error) if error.code == Code::StoreUnavailable => {}
                    ended => break ended,
                }
            };
            let ended = ended.expect("it is known").unwrap_or_else(|| panic!("{fault}: {id}"));
            let outcome = &ended.outcome;
            assert_eq!((outcome.state(), outcome.attempts), (State::Succeeded, 1), "{fault}");
        }
        system.stop();
    }
}
