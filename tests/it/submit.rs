//! SubmitTask and GetResult: run a task, and return its outcome.

use task_scheduler::models::ArgValue;
use task_scheduler::pb;
use task_scheduler::pb::task_response::Status;
use tonic::Code;

use crate::client::{Failed, NOTHING, Refused, an_hour, named, task, with};
use crate::server::{stock, with_methods};

#[tokio::test]
async fn a_method_runs_and_its_caller_gets_the_result() {
    let server = stock();
    let client = server.client().await;
    let answer = client.submit(named("sum", "add", [1, 2, 3])).await.unwrap();
    let expected = pb::TaskResponse {
        task_id: "sum".into(),
        status: Status::Success.into(),
        result: "6".into(),
        failure: None,
        state: pb::TaskState::Succeeded.into(),
    };
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn a_task_without_an_id_gets_a_new_one_each_time() {
    let server = stock();
    let client = server.client().await;
    let first = client.submit(task("add", [1])).await.unwrap().task_id;
    let second = client.submit(task("add", [1])).await.unwrap().task_id;
    for id in [&first, &second] {
        let shape: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!((shape, id.as_bytes()[14]), (vec![8, 4, 4, 4, 12], b'7'), "{id} is no UUIDv7");
        assert_eq!(client.result(id).await.unwrap().result, "1");
    }
    assert!(first < second, "{first} {second}: later ids sort after earlier ones");
}

#[tokio::test]
async fn every_kind_of_handler_runs_whatever_kind_the_request_names() {
    let server = with_methods();
    let client = server.client().await;
    server.open_gate("gate");
    let gate = || [server.path("gate")];
    for is_async in [false, true] {
        for request in [
            task("wait", gate()),
            task("wait_ignoring_cancel", gate()),
            task("wait_until_cancelled", gate()),
        ] {
            assert_eq!(client.run(pb::TaskRequest { is_async, ..request }).await, "waited");
        }
        let request = task("add", [2, 2]);
        assert_eq!(client.run(pb::TaskRequest { is_async, ..request }).await, "4");
    }
}

#[tokio::test]
async fn durable_and_ephemeral_tasks_have_the_same_answers() {
    let server = with_methods();
    let client = server.client().await;
    for (id, durability) in [("d", pb::Durability::Durable), ("e", pb::Durability::Ephemeral)] {
        for (kind, method) in [("inline", "add"), ("async", "delete")] {
            let id = format!("{id}-{kind}");
            let request = with(named(&id, method, [5]), |o| o.durability = durability.into());
            let answer = client.submit(request).await.unwrap();
            assert_eq!(answer.status(), Status::Success, "{answer:?}");
            let again = client.result(&id).await.unwrap();
            assert_eq!((again.status, again.result), (answer.status, answer.result));
            assert_eq!(client.task(&id).await.unwrap().durability(), durability);
        }
    }
}

#[tokio::test]
async fn an_error_of_the_handler_is_an_answer_and_not_a_refusal() {
    let server = with_methods();
    let client = server.client().await;
    assert_eq!(
        client.fail(task("remove", [1])).await,
        Failed::new("HANDLER_FAILED", "Need at least 2 arguments", 1)
    );
    let failed = client.fail(named("f", "fail_permanently", NOTHING)).await;
    assert_eq!(failed, Failed::new("HANDLER_FAILED", "it cannot work", 1));
    let result = client.result("f").await.unwrap();
    assert_eq!((result.status(), result.result.as_str()), (Status::Failed, "it cannot work"));
    assert_eq!(result.state(), pb::TaskState::Failed);
}

#[tokio::test]
async fn a_handler_can_cancel_its_own_task() {
    let server = with_methods();
    let client = server.client().await;
    let answer = client.submit(task("cancel_itself", NOTHING)).await.unwrap();
    assert_eq!(
        (answer.status(), answer.state(), answer.result.as_str()),
        (Status::Failed, pb::TaskState::Cancelled, "no longer needed")
    );
}

#[tokio::test]
async fn an_unfinished_task_has_no_result_yet() {
    let server = stock();
    let client = server.client().await;
    let request = with(named("later", "add", [1]), |o| o.delay = an_hour());
    client.enqueue(request).await.unwrap();
    let expected = pb::ResultResponse {
        status: Status::Pending.into(),
        state: pb::TaskState::Pending.into(),
        ..Default::default()
    };
    assert_eq!(client.result("later").await.unwrap(), expected);
}

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let server = stock();
    let client = server.client().await;
    let expected = Refused::new(Code::NotFound, "TASK_NOT_FOUND", "no task nobody is known");
    assert_eq!(Refused::from(client.result("nobody").await.unwrap_err()), expected);
    assert_eq!(Refused::from(client.task("nobody").await.unwrap_err()), expected);
}

#[tokio::test]
async fn a_method_is_found_by_namespace_and_version() {
    let server = with_methods();
    let client = server.client().await;
    let args = || [ArgValue::from(5), "x".into(), true.into()];
    assert_eq!(client.run(task("default/add", [1, 1])).await, "2");
    assert_eq!(client.run(task("typed/describe@1", args())).await, "1.2.0 5 x [true]");
    assert_eq!(client.run(task("typed/describe@1.2", args())).await, "1.2.0 5 x [true]");
    assert_eq!(client.run(task("typed/describe@1.2.0", args())).await, "1.2.0 5 x [true]");
    assert_eq!(client.run(task("typed/describe", [5])).await, "3.0.0 5");
}

#[tokio::test]
async fn the_largest_result_arrives_whole_and_a_larger_one_is_a_failure() {
    const LIMIT: u32 = (4 << 20) - (64 << 10);
    let server = with_methods();
    let client = server.client().await;
    // A client with the default limit of 4 MiB.
    assert_eq!(client.run(task("text", [LIMIT])).await.len(), LIMIT as usize);

    let failed = client.fail(task("text", [LIMIT + 1])).await;
    assert_eq!((failed.code.as_str(), failed.attempts), ("RESULT_TOO_LARGE", 1), "{failed:?}");
    client.assert_served(server.addr()).await;
}
