//! EnqueueTask and EnqueueTasks: accept tasks now, run them later.

use task_scheduler::pb;
use task_scheduler::pb::enqueue_outcome::Outcome;
use tonic::Code;

use crate::client::{NOTHING, Refused, after, an_hour, named, task, with};
use crate::server::{stock, with_methods};

fn accepted(outcome: &pb::EnqueueOutcome) -> &pb::EnqueueTaskResponse {
    match &outcome.outcome {
        Some(Outcome::Accepted(accepted)) => accepted,
        other => panic!("it was not accepted: {other:?}"),
    }
}

fn refusal(outcome: &pb::EnqueueOutcome) -> (i32, &str, &str) {
    match &outcome.outcome {
        Some(Outcome::Refused(refused)) => (refused.code, &refused.reason, &refused.message),
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_enqueued_task_is_acknowledged_before_it_runs() {
    let server = with_methods();
    let client = server.client().await;
    let answer = client.enqueue(named("one", "wait", [server.path("gate")])).await.unwrap();
    assert_eq!((answer.task_id.as_str(), answer.joined), ("one", false));
    client.once("one", pb::TaskState::Running).await;
    server.open_gate("gate");
    assert_eq!(client.once("one", pb::TaskState::Succeeded).await.result, "waited");
}

#[tokio::test]
async fn an_answer_has_the_tasks_state_and_queue_position() {
    let server = with_methods();
    let client = server.client().await;
    let later = || with(named("later", "ping", NOTHING), |o| o.delay = an_hour());
    let first = client.enqueue(later()).await.unwrap();
    assert_eq!((first.state(), first.joined), (pb::TaskState::Pending, false));
    let again = client.enqueue(later()).await.unwrap();
    assert_eq!((again.state(), again.joined), (pb::TaskState::Pending, true));
    client.run(named("ended", "ping", NOTHING)).await;
    let ended = client.enqueue(named("ended", "ping", NOTHING)).await.unwrap();
    assert_eq!((ended.state(), ended.joined), (pb::TaskState::Succeeded, true));
}

#[tokio::test]
async fn an_enqueued_task_is_retried_by_default() {
    let server = with_methods();
    let client = server.client().await;
    let backoff = Some(pb::RetryPolicy { base: crate::client::ms(1), ..Default::default() });
    let request = with(named("three", "fail", [3]), |o| o.retry = backoff);
    client.enqueue(request).await.unwrap();
    assert_eq!(client.once("three", pb::TaskState::Succeeded).await.result, "4");
    // A caller that waits sets its own retries; the default is 0.
    let request = with(named("none", "fail", [1]), |o| o.retry = backoff);
    assert_eq!(client.fail(request).await.attempts, 1);
}

#[tokio::test]
async fn each_task_of_a_batch_has_its_own_answer_in_the_order_of_the_request() {
    let server = with_methods();
    let client = server.client().await;
    client.run(named("known", "add", [1])).await;
    let outcomes = client
        .enqueue_many(vec![
            named("a", "add", [1]),
            task("no_such_method", [1]),
            named("known", "add", [1]),
            named("known", "add", [2]),
            pb::TaskRequest { task_id: "\0".into(), ..task("add", [1]) },
            after(["nobody"], task("add", [1])),
            task("typed/describe", ["five"]),
            named("a", "add", [1]),
            with(task("add", [1]), |o| o.cancel_on_disconnect = true),
        ])
        .await
        .unwrap();
    assert_eq!(outcomes.len(), 9);
    assert_eq!(
        (accepted(&outcomes[0]).task_id.as_str(), accepted(&outcomes[0]).joined),
        ("a", false)
    );
    let not_found = "Method not found: no_such_method";
    assert_eq!(refusal(&outcomes[1]), (Code::NotFound as i32, "METHOD_NOT_FOUND", not_found));
    assert!(accepted(&outcomes[2]).joined);
    let taken = "task id known is taken by a task with other content";
    assert_eq!(refusal(&outcomes[3]), (Code::AlreadyExists as i32, "ID_TAKEN", taken));
    let control = "task_id: contains the control character '\\0'; printable text is accepted";
    let invalid = Code::InvalidArgument as i32;
    assert_eq!(refusal(&outcomes[4]), (invalid, "INVALID_ARGUMENT", control));
    let unmet = "dependency nobody is not known";
    assert_eq!(refusal(&outcomes[5]), (Code::FailedPrecondition as i32, "DEPENDENCY_UNMET", unmet));
    let (code, reason, message) = refusal(&outcomes[6]);
    assert_eq!((code, reason), (invalid, "INVALID_ARGUMENT"));
    assert!(message.starts_with("args[0]: expected an integer"), "{message}");
    assert_eq!(
        (accepted(&outcomes[7]).task_id.as_str(), accepted(&outcomes[7]).joined),
        ("a", true)
    );
    assert_eq!(refusal(&outcomes[8]).0, invalid);
    assert_eq!(client.once("a", pb::TaskState::Succeeded).await.result, "1");
}

#[tokio::test]
async fn a_task_may_depend_on_an_earlier_one_of_the_same_call() {
    let server = with_methods();
    let client = server.client().await;
    let wait = |request| with(request, |o| o.wait_for_dependencies = true);
    let outcomes = client
        .enqueue_many(vec![
            wait(after(["b"], named("too-early", "ping", NOTHING))),
            named("a", "wait", [server.path("gate")]),
            wait(after(["a"], named("b", "ping", NOTHING))),
            wait(after(["a", "b"], named("c", "dependencies", NOTHING))),
        ])
        .await
        .unwrap();
    assert_eq!(refusal(&outcomes[0]).1, "DEPENDENCY_UNMET");
    for outcome in &outcomes[1..] {
        accepted(outcome);
    }
    server.open_gate("gate");
    let ended = client.once("c", pb::TaskState::Succeeded).await;
    assert_eq!(ended.result, "a=SUCCEEDED(waited) b=SUCCEEDED(pong)");
}

#[tokio::test]
async fn a_call_takes_at_most_ten_thousand_tasks_and_all_run() {
    const MOST: usize = 10_000;
    let server = stock();
    let client = server.client().await;
    let tasks = (0..MOST).map(|n| named(&format!("t-{n}"), "ping", NOTHING)).collect();
    let outcomes = client.enqueue_many(tasks).await.unwrap();
    assert_eq!(outcomes.len(), MOST);
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(accepted(outcome).task_id, format!("t-{n}"));
    }
    client.once(&format!("t-{}", MOST - 1), pb::TaskState::Succeeded).await;
    for n in (0..MOST).step_by(97) {
        client.once(&format!("t-{n}"), pb::TaskState::Succeeded).await;
    }

    let tasks = vec![task("ping", NOTHING); MOST + 1];
    let status = client.enqueue_many(tasks).await.unwrap_err();
    let expected = Refused::invalid("tasks", "10001 tasks; at most 10000 are accepted");
    assert_eq!(Refused::from(status), expected);
    assert_eq!(client.enqueue_many(Vec::new()).await.unwrap(), []);
}
