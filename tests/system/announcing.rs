//! Events are announced once, after the commit, in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{ArgValue, NodeFact, QueueName, StartTime};
use task_scheduler::store::{MemoryStore, Store};
use task_scheduler::system::TaskSystem;
use task_scheduler::tasks::TaskError;
use task_scheduler::{TaskContext, sync_task};

use crate::faulty::Faulty;
use crate::harness::*;
use crate::recorder::Recorder;

/// Succeeds at the second attempt.
#[sync_task(namespace = "announcing", inline)]
fn second_time(ctx: TaskContext) -> Result<u32, TaskError> {
    match ctx.attempt() {
        1 => Err(TaskError::retry_after("not yet", Duration::ZERO)),
        attempt => Ok(attempt),
    }
}

async fn start_on_store(store: Arc<dyn Store>, recorder: &Recorder) -> TaskSystem {
    let system = TaskSystem::on(store).options(options()).announcer(recorder.announcer());
    system.start().await.expect("it starts")
}

async fn start_recorded() -> (TaskSystem, Recorder) {
    let recorder = Recorder::default();
    (start_on_store(Arc::new(MemoryStore::default()), &recorder).await, recorder)
}

const TWICE: [&str; 6] = [
    "task.accepted",
    "task.started",
    "task.retrying",
    "task.queued",
    "task.started",
    "task.completed",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_task_come_in_order() {
    let (system, recorder) = start_recorded().await;
    let handler = async_handler("tests/second_time", |ctx, _| async move {
        match ctx.attempt() {
            1 => Err(TaskError::retry_after("not yet", Duration::ZERO)),
            attempt => Ok(ArgValue::UInt32(attempt)),
        }
    });
    system.register_handler(handler).expect("a valid handler");
    for method in ["tests/second_time", "announcing/second_time"] {
        let patient = |mut request: task_scheduler::models::Request| {
            request.options.get_or_insert_default().retries = Some(1);
            request
        };
        let kept = format!("{method}/kept");
        let short_lived = format!("{method}/short_lived");
        system.tasks().submit(patient(named(&kept, method, &[]))).await.expect("it runs");
        system
            .tasks()
            .submit(patient(ephemeral(named(&short_lived, method, &[]))))
            .await
            .expect("it runs");
        assert_eq!(recorder.about(&kept), TWICE);
        assert_eq!(recorder.about(&short_lived), TWICE);
    }
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ephemeral_task_emits_the_same_events() {
    let (system, recorder) = start_recorded().await;
    system.tasks().submit(ephemeral(named("succeeds", "add", &[1, 2]))).await.expect("it runs");
    assert_eq!(recorder.about("succeeds"), ["task.accepted", "task.started", "task.completed"]);
    let failing = with(named("failing", "announcing/second_time", &[]), |options| {
        options.durability = Some(task_scheduler::models::Durability::Ephemeral);
        options.retries = Some(0);
    });
    system.tasks().submit(failing).await.expect("it runs");
    assert_eq!(recorder.about("failing"), ["task.accepted", "task.started", "task.failed"]);
    system
        .tasks()
        .submit(ephemeral(named("none", "no_such", &[])))
        .await
        .expect_err("no such method");
    assert_eq!(recorder.about("none"), [""; 0], "a refusal is no event");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_unstored_tasks_emit_no_events() {
    let (recorder, store) = (Recorder::default(), Arc::new(Faulty::default()));
    let system = start_on_store(store.clone(), &recorder).await;
    store.refused_commits.store(5, Ordering::SeqCst);
    let later = with(named("lost", "add", &[1]), |options| {
        options.start = Some(StartTime::After(Duration::from_secs(60)));
    });
    let refused = system.tasks().enqueue(later).await.expect_err("nothing was stored");
    assert_eq!(refused.code, Code::StoreUnavailable);
    system.tasks().submit(named("kept", "add", &[1])).await.expect("the store is back");
    assert_eq!(recorder.about("kept"), ["task.accepted", "task.started", "task.completed"]);
    assert_eq!(recorder.about("lost"), [""; 0]);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_announced_when_its_retried_commit_succeeds() {
    let (recorder, store) = (Recorder::default(), Arc::new(Faulty::default()));
    let system = start_on_store(store.clone(), &recorder).await;
    store.refused_commits.store(5, Ordering::SeqCst);
    let refused =
        system.tasks().submit(named("t", "add", &[1])).await.expect_err("it was not stored");
    assert_eq!(refused.code, Code::OutcomeUnknown);
    outcome(&system, "t").await;
    assert_eq!(recorder.about("t"), ["task.accepted", "task.started", "task.completed"]);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_or_claim_whose_answer_is_lost_is_announced_once() {
    let (recorder, store) = (Recorder::default(), Arc::new(Faulty::default()));
    let system = start_on_store(store.clone(), &recorder).await;
    store.lost_answers.store(3, Ordering::SeqCst);
    system.tasks().submit(named("commit", "add", &[1])).await.expect("it runs");
    assert_eq!(recorder.about("commit"), ["task.accepted", "task.started", "task.completed"]);

    store.lost_claims.store(2, Ordering::SeqCst);
    let later = with(named("claim", "add", &[1]), |options| {
        options.start = Some(StartTime::After(Duration::from_millis(20)));
    });
    system.tasks().submit(later).await.expect("it runs");
    let life = ["task.accepted", "task.queued", "task.started", "task.completed"];
    assert_eq!(recorder.about("claim"), life);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_announces_how_the_previous_process_ended() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let version = env!("CARGO_PKG_VERSION");
    let first = Recorder::default();
    let system = start_on_store(store.clone(), &first).await;
    assert!(system.shutdown(Duration::from_secs(10)).await);
    let life = [
        NodeFact::Started { epoch: 1, version },
        NodeFact::Draining,
        NodeFact::Stopped { epoch: 1 },
    ];
    assert_eq!(first.about_nodes(), life);

    let second = Recorder::default();
    let system = start_on_store(store.clone(), &second).await;
    assert_eq!(second.about_nodes(), [NodeFact::Started { epoch: 2, version }]);
    system.stop();

    let third = Recorder::default();
    let system = start_on_store(store, &third).await;
    let found = third.about_nodes();
    assert!(matches!(found[0], NodeFact::Crashed { epoch: 2, .. }), "{found:?}");
    assert_eq!(found[1..], [NodeFact::Started { epoch: 3, version }]);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_drain_is_not_a_clean_stop() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let recorder = Recorder::default();
    let system = start_on_store(store.clone(), &recorder).await;
    let (started, mut starts) = tokio::sync::mpsc::channel(1);
    let handler = async_handler("tests/endless", move |_, _| {
        let started = started.clone();
        async move {
            started.send(()).await.expect("the test listens");
            std::future::pending().await
        }
    });
    system.register_handler(handler).expect("a valid handler");
    system.tasks().enqueue(named("endless", "tests/endless", &[])).await.expect("it is accepted");
    starts.recv().await.expect("it runs");
    let draining = system.drain(Duration::from_secs(600));
    assert!(tokio::time::timeout(Duration::from_millis(50), draining).await.is_err());
    system.stop();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        recorder.about_nodes(),
        [NodeFact::Started { epoch: 1, version }, NodeFact::Draining]
    );

    let second = Recorder::default();
    let system = start_on_store(store, &second).await;
    assert_eq!(second.about("endless"), ["task.rescued"]);
    let crashed = &second.about_nodes()[0];
    assert!(matches!(crashed, NodeFact::Crashed { epoch: 1, rescued: 1, .. }), "{crashed:?}");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_although_every_change_leaves_another_slice() {
    let store = Arc::new(Faulty::default());
    let recorder = Recorder::default();
    let system = start_on_store(store.clone(), &recorder).await;
    store.never_done.store(true, Ordering::SeqCst);
    system.tasks().submit(request("add", &[1])).await.expect("it runs");
    assert!(system.drain(Duration::from_secs(10)).await);
    let stopped = NodeFact::Stopped { epoch: 1 };
    assert_eq!(recorder.about_nodes().last(), Some(&stopped));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_last_change_is_retried_by_the_next_drain() {
    let store = Arc::new(Faulty::default());
    let recorder = Recorder::default();
    let system = start_on_store(store.clone(), &recorder).await;
    system.refuse();
    // Only the last change is left to be written.
    system.tasks().resume(&QueueName::default()).await.expect("it is stored");
    store.refused_commits.store(u32::MAX, Ordering::SeqCst);
    system.drain(Duration::from_secs(10)).await;
    assert_eq!(recorder.about_nodes().last(), Some(&NodeFact::Draining));
    store.refused_commits.store(0, Ordering::SeqCst);
    system.drain(Duration::from_secs(10)).await;
    assert_eq!(recorder.about_nodes().last(), Some(&NodeFact::Stopped { epoch: 1 }));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_after_the_last_change_are_refused() {
    let (system, recorder) = start_recorded().await;
    let later = with(named("later", "add", &[1]), |options| {
        options.start = Some(StartTime::After(Duration::from_secs(600)));
    });
    system.tasks().enqueue(later).await.expect("it is accepted");
    assert!(system.drain(Duration::from_secs(10)).await);
    let refused = system.tasks().pause(&QueueName::default()).await.expect_err("it has stopped");
    assert_eq!(refused.code, Code::Draining);
    assert_eq!(
        recorder.events().last().map(|it| it.name().to_owned()),
        Some("node.stopped".into())
    );
    assert!(system.drain(Duration::from_secs(10)).await, "a repeated drain is harmless");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_may_call_the_system() {
    let system = Arc::new(std::sync::OnceLock::<TaskSystem>::new());
    let asks = system.clone();
    let tap = move |_: &task_scheduler::models::Event| {
        if let Some(system) = asks.get() {
            system.refuse();
            assert_eq!(system.tasks().stuck_handlers(), 0);
        }
    };
    let announcer = task_scheduler::events::Announcer::default().observer(Arc::new(tap));
    let recorded = TaskSystem::in_memory().announcer(Arc::new(announcer));
    system.set(recorded.start().await.expect("it starts")).ok().expect("once");
    let system = system.get().expect("just set");
    system.tasks().submit(request("add", &[1])).await.expect("it runs");
    let refused =
        system.tasks().submit(request("add", &[1])).await.expect_err("the listener has it drain");
    assert_eq!(refused.code, Code::Draining);
    system.stop();
}
