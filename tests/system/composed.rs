use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{ArgValue, TaskFilter};

use crate::harness::*;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn each_task_of_a_chain_gets_the_previous_result() {
    let system = start().await;
    let ids = system
        .tasks()
        .chain(vec![request("add", &[1, 2]), request("add", &[10]), named("last", "add", &[100])])
        .await
        .expect("all are accepted");
    assert_eq!((ids.len(), &ids[2]), (3, &id("last")));
    assert_eq!(outcome(&system, "last").await.result(), Some(&ArgValue::Int32(113)));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_gets_all_results_of_its_group() {
    let system = start().await;
    let echo = async_handler("tests/echo", |_, args| async move { Ok(ArgValue::Array(args)) });
    system.register_handler(echo).expect("a valid handler");
    let tasks = (1..=3).map(|number| request("add", &[number, number])).collect();
    let (ids, callback) = system
        .tasks()
        .group(tasks, Some(request("tests/echo", &[7])))
        .await
        .expect("all are accepted");
    assert_eq!(ids.len(), 3);
    let callback = callback.expect("the group has a callback");
    let ended = system.tasks().wait(&callback, LONG).await.expect("known").expect("it ends");
    let sums = ArgValue::Array(vec![2.into(), 4.into(), 6.into()]);
    assert_eq!(ended.outcome.result(), Some(&ArgValue::Array(vec![sums, 7.into()])));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_with_an_invalid_task_is_refused_as_a_whole() {
    let system = start().await;
    let refused = system
        .tasks()
        .chain(vec![request("add", &[1, 2]), request("no-such", &[])])
        .await
        .expect_err("refused");
    assert_eq!(refused.code, Code::MethodNotFound);
    assert!(refused.message.starts_with("tasks[1]: Method not found: no-such"), "{refused}");
    let left = system.tasks().list(&TaskFilter::default(), None, 9).await.expect("it lists");
    assert!(left.tasks.is_empty(), "{left:?}");
    system.stop();
}
