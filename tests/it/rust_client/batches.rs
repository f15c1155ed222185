//! Batches and paging.

use task_scheduler::client::{ClientError, TaskBuilder};
use task_scheduler::error::Code;
use task_scheduler::models::{State, TaskFilter, TaskId};
use task_scheduler::pb;
use task_scheduler::pb::enqueue_outcome::Outcome;
use tonic::Status;

use super::fake::{Fake, Step, answer, quick};
use crate::waiting::soon;

fn accepted(id: &str) -> pb::EnqueueOutcome {
    let accepted = pb::EnqueueTaskResponse { task_id: id.into(), ..Default::default() };
    pb::EnqueueOutcome { outcome: Some(Outcome::Accepted(accepted)) }
}

fn outcomes(outcomes: Vec<pb::EnqueueOutcome>) -> Step {
    answer(&pb::EnqueueTasksResponse { outcomes })
}

fn numbered(count: usize) -> impl Iterator<Item = TaskBuilder> {
    (0..count).map(|number| TaskBuilder::new("add").id(format!("t{number}")))
}

fn answered(from: usize, to: usize) -> Step {
    outcomes((from..to).map(|number| accepted(&format!("t{number}"))).collect())
}

#[tokio::test]
async fn each_task_of_a_batch_has_its_own_answer_in_order() {
    let refused = pb::Refusal {
        code: 5,
        reason: "METHOD_NOT_FOUND".into(),
        message: "Method not found: odd".into(),
    };
    let refused = pb::EnqueueOutcome { outcome: Some(Outcome::Refused(refused)) };
    let fake = Fake::playing([outcomes(vec![accepted("a"), refused, accepted("d")])]).await;
    let tasks = [
        TaskBuilder::new("add").id("a"),
        TaskBuilder::new("odd").id("b"),
        TaskBuilder::new("add").id(""),
        TaskBuilder::new("add").id("d"),
    ];
    let results = soon(fake.client().batch(tasks)).await;
    assert_eq!(results[0].as_ref().unwrap().id().as_str(), "a");
    assert!(results[1].as_ref().unwrap_err().is(Code::MethodNotFound));
    assert!(
        results[2].as_ref().unwrap_err().is(Code::InvalidArgument),
        "the client checks it first"
    );
    assert_eq!(results[3].as_ref().unwrap().id().as_str(), "d");
    let sent: Vec<pb::EnqueueTasksRequest> = fake.requests();
    let ids: Vec<&str> = sent[0].tasks.iter().map(|task| task.task_id.as_str()).collect();
    assert_eq!((sent.len(), ids), (1, vec!["a", "b", "d"]));
}

#[tokio::test]
async fn a_batch_is_split_at_the_servers_task_limit() {
    let fake = Fake::playing([answered(0, 10_000), answered(10_000, 10_001)]).await;
    let results = soon(fake.client().batch(numbered(10_001))).await;
    let ids: Vec<String> =
        results.into_iter().map(|result| result.unwrap().id().to_string()).collect();
    assert_eq!(ids, (0..10_001).map(|number| format!("t{number}")).collect::<Vec<_>>());
    let sent: Vec<pb::EnqueueTasksRequest> = fake.requests();
    assert_eq!(sent.iter().map(|call| call.tasks.len()).collect::<Vec<_>>(), [10_000, 1]);
}

#[tokio::test]
async fn a_batch_is_split_at_the_message_size() {
    // The fake refuses messages beyond 4 MiB, as the real server does.
    let fake = Fake::playing([answered(0, 3), answered(3, 5)]).await;
    let megabyte = "x".repeat(1 << 20);
    let large = numbered(5).map(|task| task.arg(megabyte.as_str()));
    for result in soon(fake.client().batch(large)).await {
        result.unwrap();
    }
    let sent: Vec<pb::EnqueueTasksRequest> = fake.requests();
    assert_eq!(sent.iter().map(|call| call.tasks.len()).collect::<Vec<_>>(), [3, 2]);
}

#[tokio::test]
async fn a_failed_call_ends_the_batch() {
    let lost = Step::Refuse(Status::unavailable("lost"));
    let fake = Fake::playing([answered(0, 10_000), lost.clone(), lost]).await;
    let client = quick().tries(1).connect(fake.proxy.addr()).unwrap();
    let results = soon(client.batch(numbered(20_001))).await;
    let succeeded = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!((succeeded, results.len()), (10_000, 20_001));
    assert!(matches!(results.last(), Some(Err(ClientError::Transport(_)))));
    assert_eq!(fake.calls().len(), 2);
}

#[tokio::test]
async fn missing_answers_are_an_error() {
    let fake = Fake::playing([answered(0, 1)]).await;
    let results = soon(fake.client().batch(numbered(2))).await;
    assert!(results[0].is_ok());
    assert!(matches!(results[1], Err(ClientError::BadAnswer { .. })));

    let chain = pb::SubmitChainResponse { task_ids: vec!["t0".into()], outcome: None };
    fake.then([answer(&chain)]);
    let error = soon(fake.client().chain(numbered(2))).await.unwrap_err();
    assert!(matches!(error, ClientError::BadAnswer { call: "SubmitChain", .. }));
}

#[tokio::test]
async fn a_chord_names_its_tasks_and_its_callback() {
    let group = pb::SubmitGroupResponse {
        task_ids: vec!["t0".into(), "t1".into()],
        callback_id: "c".into(),
        outcome: None,
    };
    let fake = Fake::playing([answer(&group)]).await;
    let callback = TaskBuilder::new("sum").id("c");
    let chord = soon(fake.client().chord(numbered(2), callback)).await.unwrap();
    let ids: Vec<&str> = chord.tasks.iter().map(|task| task.id().as_str()).collect();
    assert_eq!((ids, chord.callback.id().as_str()), (vec!["t0", "t1"], "c"));
    let sent: Vec<pb::SubmitGroupRequest> = fake.requests();
    assert_eq!(sent[0].callback.as_ref().unwrap().method, "sum");
}

#[tokio::test]
async fn a_listing_is_read_page_by_page() {
    let page = |ids: &[&str], token: &str| {
        let task = |id: &&str| pb::Task { task_id: (*id).into(), ..Default::default() };
        answer(&pb::ListTasksResponse {
            tasks: ids.iter().map(task).collect(),
            next_page_token: token.into(),
        })
    };
    let pages = || [page(&["a", "b"], "1"), page(&[], "2"), page(&["c"], "")];
    let fake = Fake::playing(pages()).await;
    let filter = TaskFilter {
        states: vec![State::Failed],
        tag: Some("x".into()),
        parent: Some(TaskId::parse("p", "").unwrap()),
        ..TaskFilter::default()
    };
    let mut list = fake.client().list(filter).unwrap().page_size(2);
    let mut ids = Vec::new();
    while let Some(task) = soon(list.next()).await.unwrap() {
        ids.push(task.task_id);
    }
    assert_eq!(ids, ["a", "b", "c"]);
    let requests: Vec<pb::ListTasksRequest> = fake.requests();
    let tokens: Vec<&str> = requests.iter().map(|request| request.page_token.as_str()).collect();
    assert_eq!(tokens, ["", "1", "2"]);
    let expected = pb::ListTasksRequest {
        states: vec![pb::TaskState::Failed as i32],
        tag: "x".into(),
        parent_id: "p".into(),
        page_size: 2,
        page_token: "1".into(),
        ..Default::default()
    };
    assert_eq!(requests[1], expected);

    fake.then(pages());
    let mut list = fake.client().list(TaskFilter::default()).unwrap();
    let mut sizes = Vec::new();
    while let Some(page) = soon(list.next_page()).await.unwrap() {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [2, 0, 1]);
}
