use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use task_scheduler::error::Code;
use task_scheduler::models::{
    ArgValue, OnConflict, QueueLimits, QueueName, Rate, Request, StartTime, Unique,
};
use task_scheduler::system::TaskSystem;
use task_scheduler::{TaskContext, TaskError, sync_task};

use crate::harness::*;

/// A system with a method that records its starts and ends.
async fn with_notes() -> (TaskSystem, Arc<Mutex<Vec<String>>>) {
    let system = start().await;
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let written = notes.clone();
    let note = async_handler("tests/note", move |ctx, _| {
        let notes = written.clone();
        async move {
            notes.lock().push(format!("+{}", ctx.task_id()));
            tokio::task::yield_now().await;
            notes.lock().push(format!("-{}", ctx.task_id()));
            if ctx.attempt() == 1 && ctx.task_id().as_str().starts_with("twice") {
                return Err(TaskError::retry_after("once more", Duration::from_millis(20)));
            }
            Ok(ArgValue::Null)
        }
    });
    system.register_handler(note).expect("a valid handler");
    (system, notes)
}

fn keyed(task: &str, key: &str) -> Request {
    with(named(task, "tests/note", &[]), |it| it.keys.concurrency = Some(key.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_with_one_key_run_one_by_one_in_order_across_retries() {
    let (system, notes) = with_notes().await;
    let tasks = ["a", "twice", "b", "c"];
    let requests = tasks.iter().map(|task| Ok(keyed(task, "k"))).collect();
    for accepted in system.tasks().enqueue_many(requests).await {
        accepted.expect("it is accepted");
    }
    for task in tasks {
        outcome(&system, task).await;
    }
    let expected = ["+a", "-a", "+twice", "-twice", "+twice", "-twice", "+b", "-b", "+c", "-c"];
    assert_eq!(*notes.lock(), expected);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_limit_of_a_key_is_kept() {
    let (system, _) = with_notes().await;
    let rate = Rate { count: 2, per: Duration::from_millis(100) };
    let limits = QueueLimits { rate_per_key: Some(rate), ..QueueLimits::default() };
    system.tasks().limit(&QueueName::default(), limits).await.expect("it is stored");
    for number in 0..6 {
        system.tasks().enqueue(keyed(&format!("t{number}"), "k")).await.expect("it is accepted");
    }
    let mut starts = Vec::new();
    for number in 0..6 {
        starts.push(outcome(&system, &format!("t{number}")).await.started_at.expect("it ran"));
    }
    // Two at once, then one every 50 ms: the sixth starts at least 200 ms after the first.
    let spread = starts[5].since(starts[0]);
    assert!(spread >= Duration::from_millis(200), "{spread:?}");
    system.stop();
}

static SYNC_NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Runs on for a while after it was cancelled.
#[sync_task(namespace = "tests", timeout = "50ms", retries = 0)]
fn overrun(ctx: TaskContext) -> Result<(), TaskError> {
    SYNC_NOTES.lock().push(format!("+{}", ctx.task_id()));
    while !ctx.is_cancelled() {
        std::thread::yield_now();
    }
    SYNC_NOTES.lock().push(format!("cancelled {}", ctx.task_id()));
    // A fixed time, as long as the deadline: the next task would start within it if the key were
    // free.
    std::thread::sleep(Duration::from_millis(50));
    SYNC_NOTES.lock().push(format!("-{}", ctx.task_id()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_handler_that_overruns_its_timeout_holds_its_key_until_it_returns() {
    let system = start().await;
    for task in ["first", "second"] {
        let request = with(named(task, "tests/overrun", &[]), |it| {
            it.keys.concurrency = Some("k".into());
        });
        system.tasks().enqueue(request).await.expect("it is accepted");
    }
    for task in ["first", "second"] {
        let code = outcome(&system, task).await.failure().expect("its time is over").code;
        assert_eq!(code, Code::TimedOut, "{task}");
    }
    let expected =
        ["+first", "cancelled first", "-first", "+second", "cancelled second", "-second"];
    assert_eq!(*SYNC_NOTES.lock(), expected);
    system.stop();
}

fn unique(task: &str, argument: i32, on_conflict: OnConflict) -> Request {
    with(named(task, "add", &[argument, 0]), |it| {
        it.keys.unique = Some(Unique { key: "only".into(), window: None, on_conflict });
        it.start = Some(StartTime::After(Duration::from_millis(100)));
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_key_is_held_until_its_task_has_ended() {
    let system = start().await;
    let first = system
        .tasks()
        .enqueue(unique("first", 1, OnConflict::ReturnFirst))
        .await
        .expect("it is accepted");
    assert!(!first.joined);
    let joined =
        system.tasks().enqueue(unique("second", 2, OnConflict::ReturnFirst)).await.expect("joins");
    assert_eq!((joined.id, joined.joined, joined.replaced), (id("first"), true, false));
    let refused =
        system.tasks().enqueue(unique("third", 3, OnConflict::Refuse)).await.expect_err("refused");
    assert_eq!(refused.code, Code::UniqueTaken);
    let replaced =
        system.tasks().enqueue(unique("fourth", 4, OnConflict::Replace)).await.expect("joins");
    assert_eq!((replaced.id, replaced.joined, replaced.replaced), (id("first"), true, true));
    // A request that conflicts with the second joins it, and gets its outcome.
    let ended =
        system.tasks().submit(unique("fifth", 5, OnConflict::ReturnFirst)).await.expect("it runs");
    assert_eq!(ended.task.id, id("first"));
    assert_eq!(ended.outcome.result(), Some(&ArgValue::Int32(4)));
    for task in ["second", "third", "fourth", "fifth"] {
        let unknown = system.tasks().find(&id(task)).await.expect_err(task);
        assert_eq!(unknown.code, Code::TaskNotFound, "{task}");
    }
    let next = system
        .tasks()
        .enqueue(unique("sixth", 6, OnConflict::Refuse))
        .await
        .expect("it is accepted");
    assert!(!next.joined);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_concurrent_requests_with_one_unique_key_one_is_accepted() {
    let system = start().await;
    let requests = (0..64).map(|number| {
        let system = system.clone();
        tokio::spawn(async move {
            system.tasks().enqueue(unique(&format!("t{number}"), 1, OnConflict::ReturnFirst)).await
        })
    });
    let mut entered = 0;
    let mut ids = std::collections::BTreeSet::new();
    for answer in requests.collect::<Vec<_>>() {
        let accepted = answer.await.expect("it does not panic").expect("it is answered");
        entered += u32::from(!accepted.joined);
        ids.insert(accepted.id);
    }
    assert_eq!((entered, ids.len()), (1, 1));
    system.stop();
}
