use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{
    AdminResult, ArgValue, CancelRequest, Purged, QueueName, Request, Snapshot, StartTime, State,
    TaskFilter, TaskId,
};
use task_scheduler::system::TaskSystem;
use task_scheduler::tasks::TaskError;

use crate::harness::*;

/// A system with a method that fails until the switch is set.
async fn switched() -> (TaskSystem, Arc<AtomicBool>, Arc<AtomicU32>) {
    let system = start().await;
    let (works, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (switch, count) = (works.clone(), runs.clone());
    let flaky = async_handler("tests/flaky", move |_, _| {
        let works = switch.load(Ordering::SeqCst);
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            if works { Ok(5.into()) } else { Err(TaskError::retry_after("off", Duration::ZERO)) }
        }
    });
    system.register_handler(flaky).expect("a valid handler");
    (system, works, runs)
}

/// With a delay, so that other tasks are enqueued first.
fn soon(request: Request, retries: u32) -> Request {
    with(request, |it| {
        it.retries = Some(retries);
        it.start = Some(StartTime::After(Duration::from_millis(100)));
    })
}

fn waits_for(task: &str, method: &str, dep: &str) -> Request {
    let mut request = with(named(task, method, &[1, 2]), |it| it.wait_for_dependencies = true);
    request.deps.push(id(dep));
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_task_has_all_its_retries_and_its_dependants_are_retried() {
    let (system, works, runs) = switched().await;
    let first = soon(named("first", "tests/flaky", &[]), 2);
    system.tasks().enqueue(first).await.expect("it is accepted");
    for (task, dep) in [("second", "first"), ("third", "second")] {
        system.tasks().enqueue(waits_for(task, "add", dep)).await.expect("it is accepted");
    }
    assert_eq!(state(&system, "third").await, State::Failed);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    let again = system.tasks().retry(&id("first"), "try".into()).await;
    assert_eq!(again, Ok(AdminResult { state: State::Queued, retried_dependants: 2 }));
    // It uses all its retries once more.
    assert_eq!(state(&system, "third").await, State::Failed);
    assert_eq!((outcome(&system, "first").await.attempts, runs.load(Ordering::SeqCst)), (6, 6));
    works.store(true, Ordering::SeqCst);
    system.tasks().retry(&id("first"), "mended".into()).await.expect("it ended");
    assert_eq!(state(&system, "third").await, State::Succeeded);
    let history = system.tasks().find(&id("first")).await.expect("it is kept").history;
    assert!(history.iter().any(|it| it.error.as_deref() == Some("retried manually: mended")));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn dependants_use_the_result_of_a_resolved_task() {
    let (system, _, runs) = switched().await;
    let first = soon(named("first", "tests/flaky", &[]), 0);
    system.tasks().enqueue(first).await.expect("it is accepted");
    let mut second = waits_for("second", "add", "first");
    second.args = vec![ArgValue::ResultOf(id("first")), ArgValue::Int32(1)];
    system.tasks().enqueue(second).await.expect("it is accepted");
    assert_eq!(state(&system, "second").await, State::Failed);
    let resolved = system.tasks().resolve(&id("first"), 41.into(), "reason".into()).await;
    assert_eq!(resolved, Ok(AdminResult { state: State::Succeeded, retried_dependants: 1 }));
    assert_eq!(outcome(&system, "second").await.result(), Some(&ArgValue::Int32(42)));
    let kept = system.tasks().find(&id("first")).await.expect("it is kept");
    assert!(kept.resolved && kept.outcome.is_some_and(|it| it.result() == Some(&41.into())));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_success_is_not_answered_from_the_cache() {
    let (system, works, runs) = switched().await;
    works.store(true, Ordering::SeqCst);
    system.tasks().submit(named("t", "tests/flaky", &[])).await.expect("it runs");
    system.tasks().retry(&id("t"), String::new()).await.expect("it ended");
    system
        .tasks()
        .submit(named("t", "tests/flaky", &[]))
        .await
        .expect("it joins or gets the outcome");
    assert_eq!((state(&system, "t").await, runs.load(Ordering::SeqCst)), (State::Succeeded, 2));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_ended_durable_tasks_can_be_retried_or_resolved() {
    let system = start().await;
    let later = |task| {
        with(named(task, "add", &[1, 2]), |it| {
            it.start = Some(StartTime::After(Duration::from_secs(3600)));
        })
    };
    system.tasks().enqueue(later("later")).await.expect("it is accepted");
    system.tasks().submit(ephemeral(named("gone", "add", &[1, 2]))).await.expect("it runs");
    let check = async |task: &str, code: Code| {
        let again = system.tasks().retry(&id(task), String::new()).await.expect_err(task);
        let resolved =
            system.tasks().resolve(&id(task), 1.into(), String::new()).await.expect_err(task);
        assert_eq!((again.code, resolved.code), (code, code), "{task}");
    };
    check("later", Code::WrongState).await;
    check("gone", Code::WrongState).await;
    check("unknown", Code::TaskNotFound).await;
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_listed_cancelled_and_purged_by_filter() {
    let system = start().await;
    let names =
        |tasks: &[Snapshot]| -> Vec<TaskId> { tasks.iter().map(|it| it.task.id.clone()).collect() };
    for number in 0..5 {
        let request = with(named(&format!("t{number}"), "add", &[1, 2]), |it| {
            it.queue = Some(if number % 2 == 0 { "even" } else { "odd" }.to_owned());
            it.start = (number >= 2).then_some(StartTime::After(Duration::from_secs(3600)));
        });
        system.tasks().enqueue(request).await.expect("it is accepted");
    }
    for task in ["t0", "t1"] {
        assert_eq!(state(&system, task).await, State::Succeeded);
    }
    let even = TaskFilter {
        queue: Some(QueueName::parse("even", "queue").expect("good")),
        ..TaskFilter::default()
    };
    let first = system.tasks().list(&even, None, 2).await.expect("it lists");
    assert_eq!(names(&first.tasks), [id("t4"), id("t2")]);
    let second = system.tasks().list(&even, first.next, 2).await.expect("it lists");
    assert_eq!((names(&second.tasks), second.next), (vec![id("t0")], None));

    let unfinished = TaskFilter { states: TaskFilter::UNFINISHED.to_vec(), ..even.clone() };
    let request = CancelRequest { matching: Some(unfinished), ..CancelRequest::default() };
    let mut cancelled: Vec<_> = system
        .tasks()
        .cancel(request)
        .await
        .expect("it cancels")
        .into_iter()
        .map(|it| it.0)
        .collect();
    cancelled.sort();
    assert_eq!(cancelled, [id("t2"), id("t4")]);

    let purge =
        async |ids, matching| system.tasks().purge(ids, matching).await.expect("it purges").purged;
    assert_eq!(purge(vec![id("t3")], None).await, 0, "the task has not ended");
    assert_eq!(purge(vec![id("t1")], Some(even.clone())).await, 0, "the filter does not match");
    let purged = system.tasks().purge(Vec::new(), Some(even)).await;
    assert_eq!(purged, Ok(Purged { purged: 3, more: false }));
    let rest = system.tasks().list(&TaskFilter::default(), None, 9).await.expect("it lists");
    assert_eq!(names(&rest.tasks), [id("t3"), id("t1")]);
    assert_eq!(
        system.tasks().result(&id("t0")).await.expect_err("forgotten").code,
        Code::TaskNotFound
    );
    system.stop();
}
