use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use task_scheduler::engine::Options;
use task_scheduler::models::{ArgValue, CancelRequest, QueueLimits, QueueName, State, TaskFilter};
use task_scheduler::tasks::{Subtask, TaskError};
use tokio::sync::Notify;

use crate::harness::*;

/// Spawns children of a method as its argument says, joins them and adds up their results.
fn summing(name: &str, child: &'static str) -> Arc<dyn task_scheduler::tasks::TaskHandler> {
    async_handler(name, move |ctx, args| async move {
        let [ArgValue::Int32(count)] = args[..] else { panic!("{args:?}") };
        let mut children = Vec::new();
        for number in 0..count {
            children.push(ctx.spawn_subtask(Subtask::new(child).arg(number).arg(1)).await?);
        }
        let mut sum = 0;
        for outcome in ctx.join_all(&children).await? {
            match outcome.result() {
                Some(ArgValue::Int32(number)) => sum += number,
                other => return Err(TaskError::permanent(format!("{other:?}"))),
            }
        }
        Ok(ArgValue::Int32(sum))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_joins_its_children_gives_back_its_slot() {
    // One slot and one running task per queue: the children run only if the parent gives both back.
    let limits = QueueLimits { concurrency: Some(1), ..QueueLimits::default() };
    let queues = [(QueueName::default(), limits)].into();
    let system = start_with(Options { async_tasks: 1, queues, ..options() }).await;
    system.register_handler(summing("tests/inner", "add")).expect("a valid handler");
    system
        .register_handler(async_handler("tests/outer", |ctx, _| async move {
            let inner = ctx.spawn_subtask(Subtask::new("tests/inner").arg(3).name("inner")).await?;
            Ok(inner.join().await?.result().cloned().unwrap_or_default())
        }))
        .expect("a valid handler");
    system.tasks().enqueue(named("outer", "tests/outer", &[])).await.expect("it is accepted");
    let came_to = outcome(&system, "outer").await;
    assert_eq!(came_to.result(), Some(&ArgValue::Int32(6)));
    let child = system.tasks().find(&id("outer/inner/2")).await.expect("it is kept");
    assert_eq!(child.task.parent, Some(id("outer/inner")));
    let of_inner = TaskFilter { parent: Some(id("outer/inner")), ..TaskFilter::default() };
    assert_eq!(system.tasks().list(&of_inner, None, 10).await.expect("it lists").tasks.len(), 3);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_parent_joins_its_existing_children() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    static CHILD_RUNS: AtomicU32 = AtomicU32::new(0);
    let system = start().await;
    system
        .register_handler(async_handler("tests/child", |_, _| async {
            CHILD_RUNS.fetch_add(1, Ordering::SeqCst);
            Ok(ArgValue::Int32(7))
        }))
        .expect("a valid handler");
    system
        .register_handler(async_handler("tests/parent", |ctx, _| async move {
            let children = [
                ctx.spawn_subtask(Subtask::new("tests/child")).await?,
                ctx.spawn_subtask(Subtask::new("tests/child")).await?,
            ];
            ctx.join_all(&children).await?;
            if RUNS.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err(TaskError::retry_after("once more", Duration::ZERO));
            }
            Ok(ArgValue::Null)
        }))
        .expect("a valid handler");
    system.tasks().enqueue(named("parent", "tests/parent", &[])).await.expect("it is accepted");
    assert_eq!(outcome(&system, "parent").await.attempts, 2);
    assert_eq!(CHILD_RUNS.load(Ordering::SeqCst), 2);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_parent_cancels_its_children() {
    let system = start().await;
    let running = Arc::new(Notify::new());
    let notify = running.clone();
    system
        .register_handler(async_handler("tests/endless", move |ctx, _| {
            let notify = notify.clone();
            async move {
                notify.notify_one();
                ctx.cancelled().await;
                Err(TaskError::new("cancelled"))
            }
        }))
        .expect("a valid handler");
    system
        .register_handler(async_handler("tests/parent", |ctx, _| async move {
            let at_work = ctx.spawn_subtask(Subtask::new("tests/endless").name("runs")).await?;
            let later = Subtask::new("add").arg(1).arg(2).name("waits");
            ctx.spawn_subtask(later.delay(Duration::from_secs(3600))).await?;
            at_work.join().await?;
            ctx.cancelled().await;
            Err(TaskError::new("cancelled"))
        }))
        .expect("a valid handler");
    system.tasks().enqueue(named("parent", "tests/parent", &[])).await.expect("it is accepted");
    running.notified().await;
    let request = CancelRequest { ids: vec![id("parent")], ..CancelRequest::default() };
    system.tasks().cancel(request).await.expect("it is cancelled");
    for task in ["parent", "parent/waits", "parent/runs"] {
        assert_eq!(state(&system, task).await, State::Cancelled, "{task}");
    }
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_child_is_refused_like_any_task() {
    let system = start().await;
    system
        .register_handler(async_handler("tests/parent", |ctx, _| async move {
            let unknown = ctx.spawn_subtask(Subtask::new("no-such")).await.expect_err("unknown");
            let long = ctx.spawn_subtask(Subtask::new("add").name("x".repeat(300))).await;
            Ok(format!("{unknown} | {}", long.expect_err("too long")).into())
        }))
        .expect("a valid handler");
    let ended = system.tasks().submit(named("p", "tests/parent", &[])).await.expect("it runs");
    let text = ended.outcome.result().expect("a result").to_string();
    assert!(text.starts_with("Method not found: no-such"), "{text}");
    assert!(text.contains("the child's id would be 302 bytes long"), "{text}");
    system.stop();
}
