//! Children that a handler spawns and joins.

use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{
    Durability, Ending, Failure, Labels, Request, StartTime, TaskId, TaskOptions,
};
use task_scheduler::tasks::{HostError, SpawnError, Subtask};
use task_scheduler::testing::TestTask;
use task_scheduler::{ArgValue, TaskContext, TaskError, async_task, sync_task};

/// Resizes each image in a child of its own, and counts those that succeeded.
#[async_task]
async fn resize_all(ctx: TaskContext, images: Vec<String>) -> Result<usize, TaskError> {
    let mut children = Vec::new();
    for image in images {
        children.push(ctx.spawn_subtask(Subtask::new("images/resize").arg(image)).await?);
    }
    let outcomes = ctx.join_all(&children).await?;
    Ok(outcomes.iter().filter(|outcome| outcome.result().is_some()).count())
}

fn images() -> ArgValue {
    vec!["a", "b", "c"].into()
}

fn broken() -> Ending {
    Ending::Failed(Failure { code: Code::HandlerFailed, message: "no image".into() })
}

#[tokio::test]
async fn children_are_numbered_and_their_outcomes_come_in_order() {
    let outcome = TestTask::new("resize_all")
        .arg(images())
        .child_result("1", ArgValue::Null)
        .child_ended("2", broken())
        .child_result("3", ArgValue::Null)
        .run()
        .await;
    assert_eq!(outcome.result(), &2_usize.into());
    let ids: Vec<_> =
        outcome.recorded.children.iter().filter_map(|child| child.id.clone()).collect();
    assert_eq!(ids.iter().map(TaskId::as_str).collect::<Vec<_>>(), ["test/1", "test/2", "test/3"]);
}

#[tokio::test]
async fn a_second_attempt_spawns_the_same_children() {
    let attempt = |number| {
        let task = TestTask::new("resize_all").arg(images()).attempt(number);
        ["1", "2", "3"].into_iter().fold(task, |task, child| task.child_result(child, "done")).run()
    };
    let (first, second) = (attempt(1).await, attempt(2).await);
    assert_eq!(first.recorded.children, second.recorded.children);
}

#[tokio::test]
async fn joining_no_children_returns_at_once() {
    let outcome = TestTask::new("resize_all").arg(ArgValue::Array(vec![])).run().await;
    assert_eq!(outcome.result(), &0_usize.into());
}

#[tokio::test]
async fn a_child_has_its_own_options_and_the_durability_of_its_parent() {
    let labels = Labels { correlation_id: "c-9".into(), ..Labels::default() };
    let ctx = TestTask::new("resize_all")
        .task(|task| {
            task.id("p").with(|options| {
                options.durability = Durability::Ephemeral;
                options.labels = Some(Box::new(labels));
            })
        })
        .context();
    let plain = ctx.spawn_subtask(Subtask::new("images/resize")).await.unwrap();
    let wishes = Subtask::new("images/pack@1")
        .name("pack")
        .args(["a", "b"])
        .arg(ArgValue::ResultOf(plain.id().clone()))
        .after(&plain)
        .queue("slow")
        .priority(-3)
        .delay(Duration::from_secs(9))
        .timeout(Duration::from_secs(60))
        .retries(7)
        .tag("x");
    let child = ctx.spawn_subtask(wishes).await.unwrap();
    assert_eq!(child.id().as_str(), "p/pack");

    let inherited = TaskOptions {
        durability: Some(Durability::Ephemeral),
        labels: Labels { correlation_id: "c-9".into(), ..Labels::default() },
        ..TaskOptions::default()
    };
    let mut labels = inherited.labels.clone();
    labels.tags.push("x".into());
    let asked = TaskOptions {
        queue: Some("slow".into()),
        priority: Some(-3),
        start: Some(StartTime::After(Duration::from_secs(9))),
        timeout: Some(Duration::from_secs(60)),
        retries: Some(7),
        wait_for_dependencies: true,
        labels,
        ..inherited.clone()
    };
    let first = Request {
        id: Some(plain.id().clone()),
        method: "images/resize".into(),
        options: Some(Box::new(inherited)),
        ..Request::default()
    };
    let second = Request {
        id: Some(child.id().clone()),
        method: "images/pack@1".into(),
        args: vec!["a".into(), "b".into(), ArgValue::ResultOf(plain.id().clone())],
        deps: vec![plain.id().clone()],
        options: Some(Box::new(asked)),
    };
    assert_eq!(ctx.recorded().children, [first, second]);
}

#[tokio::test]
async fn a_child_keeps_its_own_correlation_id() {
    let labels = |id: &str| Labels { correlation_id: id.into(), ..Labels::default() };
    let ctx = TestTask::new("resize_all")
        .task(|task| task.with(|options| options.labels = Some(Box::new(labels("c-9")))))
        .context();
    let asked = TaskOptions { labels: labels("c-10"), ..TaskOptions::default() };
    ctx.spawn_subtask(Subtask::new("images/resize").options(asked)).await.unwrap();
    let children = ctx.recorded().children;
    assert_eq!(children[0].options.as_ref().unwrap().labels.correlation_id, "c-10");
}

#[tokio::test]
async fn a_child_is_joined_by_its_name_if_its_content_is_the_same() {
    let ctx = TestTask::new("resize_all").context();
    let child = |arg: i32| Subtask::new("images/resize").name("one").arg(arg);
    let first = ctx.spawn_subtask(child(1)).await.unwrap();
    let again = ctx.spawn_subtask(child(1)).await.unwrap();
    assert_eq!(first.id(), again.id());
    assert_eq!(ctx.recorded().children.len(), 1);

    let other = ctx.spawn_subtask(child(2)).await.unwrap_err();
    let SpawnError::Host(HostError::Refused(error)) = other else { panic!("{other:?}") };
    assert_eq!(error.code, Code::IdTaken);
}

#[tokio::test]
async fn children_are_numbered_in_the_order_of_the_calls() {
    let ctx = TestTask::new("resize_all").context();
    let first = ctx.spawn_subtask(Subtask::new("a"));
    let named = ctx.spawn_subtask(Subtask::new("b").name("b"));
    let second = ctx.spawn_subtask(Subtask::new("c"));
    let (second, named, first) = tokio::join!(second, named, first);
    let ids = [first, named, second].map(|child| child.unwrap().id().to_string());
    assert_eq!(ids, ["test/1", "test/b", "test/2"]);
}

#[async_task]
async fn spawns_an_invalid_child(ctx: TaskContext, method: String) -> Result<(), TaskError> {
    ctx.spawn_subtask(Subtask::new(method).arg("three")).await?;
    Ok(())
}

#[tokio::test]
async fn a_child_s_arguments_are_checked_if_its_method_is_linked() {
    let outcome =
        TestTask::new("spawns_an_invalid_child").arg("spawns_an_invalid_child").run().await;
    assert_eq!(outcome.result(), &ArgValue::Null);
    let outcome = TestTask::new("spawns_an_invalid_child").arg("resize_all").run().await;
    assert_eq!(
        outcome.error().message(),
        "args[0]: expected list of text, got text (parameter `images`)"
    );
    assert_eq!(outcome.recorded.children, []);
}

#[sync_task]
fn spawns_from_a_thread(ctx: TaskContext) -> Result<String, TaskError> {
    let child = ctx.spawn_subtask_blocking(Subtask::new("images/resize").name("a"))?;
    Ok(child.id().to_string())
}

#[test]
fn a_sync_handler_spawns_on_its_own_thread() {
    let outcome = TestTask::new("spawns_from_a_thread").run_blocking();
    assert_eq!(outcome.result(), &"test/a".into());
}

#[async_task]
async fn waits_for_one(ctx: TaskContext) -> Result<String, TaskError> {
    let outcome = ctx.spawn_subtask(Subtask::new("slow")).await?.join().await?;
    Ok(format!("{:?}", outcome.state()))
}

#[tokio::test]
async fn one_child_is_joined_by_its_handle() {
    let outcome = TestTask::new("waits_for_one").child_ended("1", Ending::Expired).run().await;
    assert_eq!(outcome.result(), &"Expired".into());
}

#[tokio::test]
#[should_panic(expected = "add `.child_result(\"1\", …)`")]
async fn a_test_without_an_outcome_for_a_child_panics() {
    TestTask::new("waits_for_one").run().await;
}
