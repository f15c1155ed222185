use std::sync::Arc;
use std::sync::atomic::Ordering;

use task_scheduler::error::Code;
use task_scheduler::events::StreamItem;
use task_scheduler::models::{EventFilter, NamePattern};
use task_scheduler::monitor::Service;
use task_scheduler::orchestrator::{ExecutionStatus, ServiceState};

use crate::faulty::Faulty;
use crate::harness::*;

fn commits(services: Vec<Service>) -> ServiceState {
    let commits = services.into_iter().find(|service| service.name == "commits");
    commits.expect("it is listed").state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_fails_again_without_a_success_did_not_recover() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    let failed = EventFilter {
        names: vec![NamePattern::parse("observability.service_failed")],
        ..EventFilter::default()
    };
    let mut events = system.announcer().subscribe(failed, None);
    store.refused_commits.store(10, Ordering::SeqCst);
    for failures in [1, 2] {
        system.tasks().submit(request("add", &[1])).await.expect_err("it was not stored");
        let Some((_, StreamItem::Event(event))) = events.next().await else {
            panic!("it is announced")
        };
        let payload = event.payload();
        assert_eq!(
            (&payload["service"], &payload["failures"]),
            (&"commits".into(), &failures.into())
        );
    }
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_store_shows_as_a_failing_service_until_it_recovers() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    let failed = EventFilter {
        names: vec![NamePattern::parse("observability.service_failed")],
        ..EventFilter::default()
    };
    let mut events = system.announcer().subscribe(failed, None);
    store.refused_commits.store(5, Ordering::SeqCst);
    let refused = system.tasks().submit(request("add", &[1])).await.expect_err("it was not stored");
    assert_eq!(refused.code, Code::OutcomeUnknown);
    let Some((_, StreamItem::Event(event))) = events.next().await else {
        panic!("it is announced")
    };
    let payload = event.payload();
    assert_eq!((&payload["service"], &payload["failures"]), (&"commits".into(), &1.into()));

    system.tasks().submit(request("add", &[1])).await.expect("the store is back");
    // The next pass reports the previous one as successful.
    system.tasks().submit(request("add", &[1])).await.expect("the store is back");
    let commits = commits(system.services());
    assert_eq!((commits.status, commits.failures), (ExecutionStatus::Running, 0));
    assert!(commits.last_error.is_some());
    system.stop();
}
