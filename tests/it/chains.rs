//! SubmitChain and SubmitGroup: tasks that use each other's results.

use std::time::Duration;

use task_scheduler::pb;
use task_scheduler::pb::TaskState;
use task_scheduler::pb::task_response::Status;
use tonic::{Code, Response};

use crate::client::{Answer, Client, NOTHING, Refused, ms, named, retries, span, task, with};
use crate::server::{stock, with_methods};
use crate::waiting::soon;

async fn chain(
    client: &Client,
    tasks: Vec<pb::TaskRequest>,
    wait: Option<prost_types::Duration>,
) -> Answer<pb::SubmitChainResponse> {
    let request = pb::SubmitChainRequest { tasks, wait };
    soon(client.rpc().submit_chain(request)).await.map(Response::into_inner)
}

async fn group(
    client: &Client,
    tasks: Vec<pb::TaskRequest>,
    callback: Option<pb::TaskRequest>,
    wait: Option<prost_types::Duration>,
) -> Answer<pb::SubmitGroupResponse> {
    let request = pb::SubmitGroupRequest { tasks, callback, wait };
    soon(client.rpc().submit_group(request)).await.map(Response::into_inner)
}

/// Longer than any test; the longest accepted wait.
fn ten_minutes() -> Option<prost_types::Duration> {
    span(Duration::from_secs(600))
}

#[tokio::test]
async fn each_task_of_a_chain_gets_the_result_of_the_one_before() {
    let server = stock();
    let client = server.client().await;
    let tasks = vec![named("a", "add", [1, 2]), task("add", [10]), task("add", [100, 1_000])];
    let answer = chain(&client, tasks, ten_minutes()).await.unwrap();
    let outcome = answer.outcome.expect("it was waited for");
    assert_eq!((outcome.status(), &*outcome.result), (Status::Success, "1113"));
    assert_eq!((answer.task_ids.len(), &*answer.task_ids[0]), (3, "a"));
    assert_eq!(outcome.task_id, answer.task_ids[2]);
    for (id, result) in answer.task_ids.iter().zip(["3", "13", "1113"]) {
        assert_eq!(client.result(id).await.unwrap().result, result);
    }
    let last = client.task(&answer.task_ids[2]).await.unwrap();
    assert!(last.deps.contains(&answer.task_ids[1]), "{last:?}");
}

#[tokio::test]
async fn a_chain_is_answered_when_it_is_accepted_unless_the_request_waits() {
    let server = with_methods();
    let client = server.client().await;
    let tasks =
        || vec![named("first", "wait", [server.path("gate")]), named("last", "ping", NOTHING)];
    let answer = chain(&client, tasks(), None).await.unwrap();
    assert_eq!((answer.outcome, &*answer.task_ids), (None, &["first".into(), "last".into()][..]));
    client.once("first", TaskState::Running).await;
    let last = client.task("last").await.unwrap();
    assert_eq!((last.state(), last.waits_for), (TaskState::Pending, 1));
    // A repeated request joins the chain; after the wait there is no outcome yet.
    let answer = chain(&client, tasks(), ms(50)).await.unwrap();
    assert_eq!((answer.outcome, answer.task_ids.len()), (None, 2));
    server.open_gate("gate");
    let answer = chain(&client, tasks(), ten_minutes()).await.unwrap();
    assert_eq!(answer.outcome.unwrap().result, "pong: waited");
}

#[tokio::test]
async fn a_chain_of_one_is_a_task() {
    let server = stock();
    let client = server.client().await;
    let answer = chain(&client, vec![task("add", [1, 2])], ten_minutes()).await.unwrap();
    assert_eq!(answer.outcome.unwrap().result, "3");
}

#[tokio::test]
async fn a_failure_fails_the_rest_of_its_chain() {
    let server = with_methods();
    let client = server.client().await;
    let tasks = vec![
        task("ping", NOTHING),
        with(task("fail", [9]), |o| o.retry = retries(0)),
        named("third", "ping", NOTHING),
        named("fourth", "ping", NOTHING),
    ];
    // Its own argument is replaced by a result.
    let refused = Refused::from(chain(&client, tasks, None).await.unwrap_err());
    assert_eq!(refused.reason, "INVALID_ARGUMENT", "{refused:?}");
    let tasks = vec![
        with(named("first", "fail", [9]), |o| o.retry = retries(0)),
        named("second", "ping", NOTHING),
        named("third", "ping", NOTHING),
    ];
    let answer = chain(&client, tasks, ten_minutes()).await.unwrap();
    let outcome = answer.outcome.unwrap();
    assert_eq!(
        (outcome.status(), &*outcome.failure.unwrap().code),
        (Status::Failed, "DEPENDENCY_FAILED")
    );
    assert_eq!(client.result("first").await.unwrap().failure.unwrap().code, "HANDLER_FAILED");
    assert_eq!(client.task("second").await.unwrap().attempts, 0);
}

#[tokio::test]
async fn a_callback_gets_all_results_in_the_order_of_the_group() {
    let server = with_methods();
    let client = server.client().await;
    let tasks = ["a", "b", "c"].map(|name| {
        named(name, "write_and_wait", [server.path("ledger"), name.into(), server.path(name)])
    });
    let callback = named("all", "dashes", NOTHING);
    let answer = group(&client, tasks.into(), Some(callback), None).await.unwrap();
    assert_eq!(answer.task_ids, ["a", "b", "c"]);
    assert_eq!((&*answer.callback_id, answer.outcome), ("all", None));
    for name in ["a", "b", "c"] {
        client.once(name, TaskState::Running).await;
    }
    for name in ["c", "a"] {
        server.open_gate(name);
        client.once(name, TaskState::Succeeded).await;
    }
    assert_eq!(client.task("all").await.unwrap().waits_for, 1);
    server.open_gate("b");
    assert_eq!(client.once("all", TaskState::Succeeded).await.result, "a-b-c");
}

#[tokio::test]
async fn a_request_waits_until_the_callback_or_the_whole_group_has_ended() {
    let server = stock();
    let client = server.client().await;
    let numbers = || (1..=10).map(|n| task("add", [n])).collect::<Vec<_>>();
    let sum = Some(task("sum_list", NOTHING));
    let answer = group(&client, numbers(), sum, ten_minutes()).await.unwrap();
    let outcome = answer.outcome.expect("it was waited for");
    assert_eq!((outcome.task_id, &*outcome.result), (answer.callback_id, "55"));

    let slow = vec![task("delete", NOTHING), task("ping", NOTHING)];
    let answer = group(&client, slow, None, ten_minutes()).await.unwrap();
    assert_eq!((&*answer.callback_id, answer.outcome), ("", None));
    for (id, result) in answer.task_ids.iter().zip(["Deleted 0 items", "pong"]) {
        let ended = client.result(id).await.unwrap();
        assert_eq!((ended.status(), &*ended.result), (Status::Success, result));
    }
}

#[tokio::test]
async fn a_callback_of_a_group_that_failed_in_part_fails_unless_it_runs_after_failures() {
    let server = with_methods();
    let client = server.client().await;
    let tasks = || vec![task("ping", NOTHING), task("fail_permanently", NOTHING)];
    let callback = task("process_collection", NOTHING);
    let answer = group(&client, tasks(), Some(callback), ten_minutes()).await.unwrap();
    let outcome = answer.outcome.unwrap();
    assert_eq!(outcome.failure.unwrap().code, "DEPENDENCY_FAILED");
}

#[tokio::test]
async fn a_chain_and_a_group_take_at_most_a_thousand_tasks() {
    const MOST: i32 = 1_000;
    let server = stock();
    let client = server.client().await;
    let ones = || (0..MOST).map(|_| task("add", [1])).collect::<Vec<_>>();
    let answer = chain(&client, ones(), ten_minutes()).await.unwrap();
    assert_eq!(answer.outcome.unwrap().result, "1000");
    let sum = Some(task("sum_list", NOTHING));
    let answer = group(&client, ones(), sum, ten_minutes()).await.unwrap();
    assert_eq!(answer.outcome.unwrap().result, "1000");

    let mut many = ones();
    many.push(task("add", [1]));
    let expected = Refused::invalid("tasks", "1001 tasks; at most 1000 are accepted");
    assert_eq!(Refused::from(chain(&client, many.clone(), None).await.unwrap_err()), expected);
    assert_eq!(Refused::from(group(&client, many, None, None).await.unwrap_err()), expected);
}

#[tokio::test]
async fn one_invalid_task_refuses_all_and_reserves_no_id() {
    let server = stock();
    let client = server.client().await;
    let tasks = |bad| vec![named("first", "ping", NOTHING), bad, named("third", "ping", NOTHING)];
    let unknown = task("no_such_method", NOTHING);
    let tab = named("\t", "ping", NOTHING);
    let attended = with(task("ping", NOTHING), |o| o.cancel_on_disconnect = true);
    let twice = named("first", "ping", NOTHING);
    for (bad, reason) in [
        (unknown, "METHOD_NOT_FOUND"),
        (tab, "INVALID_ARGUMENT"),
        (attended, "INVALID_ARGUMENT"),
        (twice, "INVALID_ARGUMENT"),
    ] {
        let refused = Refused::from(chain(&client, tasks(bad.clone()), None).await.unwrap_err());
        assert_eq!(refused.reason, reason, "{bad:?}");
        let refused = group(&client, tasks(bad.clone()), None, None).await.unwrap_err();
        assert_eq!(Refused::from(refused).reason, reason, "{bad:?}");
        for id in ["first", "third"] {
            assert_eq!(client.task(id).await.unwrap_err().code(), Code::NotFound, "{bad:?}");
        }
    }
    let callback = Some(task("no_such_method", NOTHING));
    let tasks = vec![named("first", "ping", NOTHING)];
    let refused = Refused::from(group(&client, tasks, callback, None).await.unwrap_err());
    assert_eq!(refused.reason, "METHOD_NOT_FOUND");
    assert_eq!(client.task("first").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_empty_chain_or_group_and_a_wait_that_is_too_long_are_refused() {
    let server = stock();
    let client = server.client().await;
    let none = Refused::invalid("tasks", "none; expected 1 to 1000");
    assert_eq!(Refused::from(chain(&client, vec![], None).await.unwrap_err()), none);
    let callback = Some(task("ping", NOTHING));
    assert_eq!(Refused::from(group(&client, vec![], callback, None).await.unwrap_err()), none);
    let long = span(Duration::from_secs(601));
    let refused = chain(&client, vec![task("ping", NOTHING)], long).await.unwrap_err();
    let expected = Refused::invalid("wait", "601s; at most 10 minutes are accepted");
    assert_eq!(Refused::from(refused), expected);
}

#[tokio::test]
async fn a_result_that_does_not_fit_beside_the_ids_is_left_to_get_result() {
    let server = with_methods();
    let client = server.client().await;
    let largest = (4 << 20) - (64 << 10);
    let tasks = (0..1_000).map(|n| named(&format!("{n:0>250}"), "ping", NOTHING)).collect();
    let callback = named("callback", "multiply_argument", NOTHING);
    let answer = group(&client, tasks, Some(callback), ten_minutes()).await.unwrap();
    assert_eq!((answer.task_ids.len(), answer.outcome), (1_000, None));
    let result = client.result(&answer.callback_id).await.unwrap();
    assert_eq!((result.status(), result.result.len()), (Status::Success, largest));
}
