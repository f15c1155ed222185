//! Following a task to its end, across failures of the server and the connection.

use std::sync::mpsc;
use std::time::Duration;

use task_scheduler::client::{ClientError, Progress, TaskClient, Update};
use task_scheduler::error::Code;
use task_scheduler::models::{CancelVerdict, LogLevel, State};
use task_scheduler::pb;
use tonic::{Code as Grpc, Status};

use super::fake::{End, Fake, Step, answer, quick};
use super::refusals::refusal;
use crate::waiting::soon;

const LONG: Duration = Duration::from_secs(30);

fn pending() -> Step {
    let state = pb::TaskState::Running as i32;
    answer(&pb::ResultResponse { state, ..Default::default() })
}

fn success() -> pb::ResultResponse {
    pb::ResultResponse {
        status: pb::task_response::Status::Success as i32,
        result: "6".into(),
        state: pb::TaskState::Succeeded as i32,
        ..Default::default()
    }
}

fn failed() -> pb::ResultResponse {
    let message = "on request".to_owned();
    pb::ResultResponse {
        status: pb::task_response::Status::Failed as i32,
        result: message.clone(),
        failure: Some(pb::TaskFailure { code: "CANCELLED".into(), message, attempts: 1 }),
        state: pb::TaskState::Cancelled as i32,
    }
}

fn result(client: &TaskClient) -> task_scheduler::client::AsyncResult {
    client.result("t").unwrap()
}

#[tokio::test]
async fn a_wait_continues_across_transient_failures() {
    let lost = Step::Refuse(Status::unavailable("lost"));
    let mut steps = vec![lost; 10];
    steps.extend([Step::Cut, pending(), answer(&success())]);
    let fake = Fake::playing(steps).await;
    let outcome = soon(result(&fake.client()).get(LONG)).await.unwrap();
    assert_eq!((outcome.id().as_str(), outcome.text()), ("t", "6"));
    assert_eq!(fake.calls().len(), 13, "more tries than one call has");
}

#[tokio::test]
async fn a_wait_is_a_long_poll() {
    let fake = Fake::playing([answer(&success())]).await;
    soon(result(&fake.client()).get(LONG)).await.unwrap();
    let requests: Vec<pb::ResultRequest> = fake.requests();
    let wait = requests[0].wait.unwrap();
    assert!((29..=30).contains(&wait.seconds), "{wait:?}");
}

#[tokio::test]
async fn a_wait_ends_at_its_timeout() {
    let fake = Fake::playing([Step::Silence]).await;
    let patience = Duration::from_millis(1_200);
    assert!(!soon(result(&fake.client()).wait(patience)).await.unwrap());
}

#[tokio::test]
async fn a_server_that_answers_at_once_is_polled_with_backoff() {
    let fake = Fake::playing(vec![pending(); 1_000]).await;
    let wait = Duration::from_millis(50);
    let client = quick().backoff(wait, wait).connect(fake.proxy.addr()).unwrap();
    let patience = 10 * wait;
    assert!(!soon(result(&client).wait(patience)).await.unwrap());
    // Jitter takes up to half of each backoff; there is one more call at the end.
    let calls = fake.calls().len();
    assert!((2..=22).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn a_wait_of_zero_still_calls_once() {
    let fake = Fake::playing([pending(), answer(&success())]).await;
    let client = fake.client();
    let answer = soon(result(&client).get(Duration::ZERO)).await.unwrap_err();
    assert!(matches!(&answer, ClientError::Timeout { id: Some(id), .. } if id.as_str() == "t"));
    assert_eq!(soon(result(&client).get(Duration::ZERO)).await.unwrap().text(), "6");
    let requests: Vec<pb::ResultRequest> = fake.requests();
    assert_eq!(requests[0].wait, None);
}

#[tokio::test]
async fn a_failed_task_is_an_error_of_get_and_an_outcome_of_wait() {
    let fake = Fake::playing([answer(&failed()), answer(&failed())]).await;
    let client = fake.client();
    let answer = soon(result(&client).get(LONG)).await.unwrap_err();
    assert_eq!(answer.failure().unwrap().state, State::Cancelled);
    assert!(answer.is(Code::Cancelled));
    assert!(soon(result(&client).wait(LONG)).await.unwrap());
}

#[tokio::test]
async fn a_wait_for_an_unknown_task_fails() {
    let unknown = Step::Refuse(refusal(Grpc::NotFound, "TASK_NOT_FOUND"));
    let fake = Fake::playing([unknown.clone(), unknown]).await;
    let client = fake.client();
    assert!(soon(result(&client).get(LONG)).await.unwrap_err().is(Code::TaskNotFound));
    let answer = soon(result(&client).watch().next()).await.unwrap().unwrap_err();
    assert!(answer.is(Code::TaskNotFound));
}

#[tokio::test]
async fn one_of_the_two_callbacks_is_called() {
    let check = async |step: Step, expected: &str| {
        let fake = Fake::playing([pending(), step]).await;
        let (sender, receiver) = mpsc::channel();
        let second_sender = sender.clone();
        let callbacks = result(&fake.client()).then(
            move |outcome| sender.send(format!("succeeded: {}", outcome.text())).unwrap(),
            move |error| second_sender.send(format!("failed: {error}")).unwrap(),
        );
        soon(callbacks).await;
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [expected]);
    };
    check(answer(&success()), "succeeded: 6").await;
    check(
        answer(&failed()),
        "failed: task t ended CANCELLED with CANCELLED (attempts: 1): on request",
    )
    .await;
    let unknown = Step::Refuse(refusal(Grpc::NotFound, "TASK_NOT_FOUND"));
    check(unknown, "failed: because of TASK_NOT_FOUND").await;
}

#[tokio::test]
async fn dropped_callbacks_are_not_called() {
    let fake = Fake::playing([Step::Silence]).await;
    let (sender, receiver) = mpsc::channel::<()>();
    let second_sender = sender.clone();
    let callbacks = result(&fake.client())
        .then(move |_| sender.send(()).unwrap(), move |_| second_sender.send(()).unwrap());
    drop(callbacks);
    // Dropping the callbacks drops both senders.
    let heard = soon(tokio::task::spawn_blocking(move || receiver.recv())).await.unwrap();
    assert_eq!(heard, Err(mpsc::RecvError));
}

fn entered(cursor: &str, state: pb::TaskState) -> pb::WatchTaskResponse {
    let at = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let entry = pb::HistoryEntry { state: state as i32, at, attempt: 1, error: String::new() };
    let update = Some(pb::watch_task_response::Update::Entered(entry));
    pb::WatchTaskResponse { cursor: cursor.into(), update }
}

fn logged(number: u32, text: &str) -> pb::WatchTaskResponse {
    let at = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let level = pb::log_line::Level::Warn as i32;
    let line = pb::LogLine { number, at, level, attempt: 1, text: text.into() };
    let update = Some(pb::watch_task_response::Update::Log(line));
    pb::WatchTaskResponse { cursor: format!("l{number}"), update }
}

fn progressed(cursor: &str, fraction: f64) -> pb::WatchTaskResponse {
    let progress = pb::Progress { fraction, message: "on".into() };
    let update = Some(pb::watch_task_response::Update::Progress(progress));
    pb::WatchTaskResponse { cursor: cursor.into(), update }
}

fn ended(cursor: &str) -> pb::WatchTaskResponse {
    let update = Some(pb::watch_task_response::Update::Outcome(success()));
    pb::WatchTaskResponse { cursor: cursor.into(), update }
}

fn word(update: &Update) -> String {
    match update {
        Update::Entered(entry) => entry.state.to_string(),
        Update::Progress(Progress { fraction, message }) => format!("{fraction} {message}"),
        Update::Log(line) => format!("{:?} {} {}", line.level, line.number, line.text),
        Update::Outcome(ended) => ended.as_ref().unwrap().text().to_owned(),
    }
}

#[tokio::test]
async fn a_watch_resumes_from_its_cursor() {
    let lost = Step::Refuse(Status::unavailable("lost"));
    let fake = Fake::playing([
        lost.clone(),
        Step::Updates(vec![entered("h1", pb::TaskState::Running)], End::Silence),
        lost,
        Step::Updates(vec![progressed("p1", 0.5)], End::Close),
        Step::Updates(vec![logged(1, "mind"), ended("o")], End::Silence),
    ])
    .await;
    let client = fake.client();
    let mut watch = result(&client).watch();
    let mut words = Vec::new();
    while let Some(update) = soon(watch.next()).await {
        words.push(word(&update.unwrap()));
        if words.len() == 1 {
            fake.proxy.cut();
        }
    }
    assert_eq!(words, ["RUNNING", "0.5 on", "Warn 1 mind", "6"]);
    assert!(soon(watch.next()).await.is_none());
    let requests: Vec<pb::WatchTaskRequest> = fake.requests();
    let cursors: Vec<&str> = requests.iter().map(|request| request.cursor.as_str()).collect();
    assert_eq!(cursors, ["", "", "h1", "h1", "p1"]);
}

#[tokio::test]
async fn another_client_can_resume_a_watch() {
    let first = vec![progressed("p1", 0.5)];
    let fake = Fake::playing([
        Step::Updates(first, End::Silence),
        Step::Updates(vec![ended("o")], End::Close),
    ])
    .await;
    let client = fake.client();
    let mut watch = result(&client).watch();
    soon(watch.next()).await.unwrap().unwrap();
    let mut other = result(&client).watch_from(watch.cursor().to_owned());
    assert_eq!(word(&soon(other.next()).await.unwrap().unwrap()), "6");
    let requests: Vec<pb::WatchTaskRequest> = fake.requests();
    assert_eq!(requests[1].cursor, "p1");
}

#[tokio::test]
async fn a_watch_of_an_unreachable_server_ends_with_an_error() {
    let empty = || Step::Updates(Vec::new(), End::Close);
    let fake = Fake::playing([empty(), empty(), empty(), empty(), empty()]).await;
    let client = fake.client();
    let mut watch = result(&client).watch();
    let answer = soon(watch.next()).await.unwrap().unwrap_err();
    assert!(matches!(answer, ClientError::Transport(_)), "{answer:?}");
    assert!(soon(watch.next()).await.is_none());
    assert_eq!(fake.calls().len(), 4, "the tries of one call");
}

#[tokio::test]
async fn logs_returns_the_lines_so_far() {
    let task = |log_lines| {
        let task = pb::Task { log_lines, ..Default::default() };
        answer(&pb::GetTaskResponse { task: Some(task) })
    };
    let updates = vec![
        entered("h1", pb::TaskState::Running),
        logged(1, "one"),
        progressed("p1", 0.1),
        logged(2, "two"),
    ];
    let fake = Fake::playing([task(2), Step::Updates(updates, End::Silence), task(0)]).await;
    let client = fake.client();
    let lines = soon(result(&client).logs()).await.unwrap();
    let answer: Vec<_> = lines.iter().map(|line| (line.number, line.text.as_str())).collect();
    assert_eq!(answer, [(1, "one"), (2, "two")]);
    assert_eq!(lines[0].level, LogLevel::Warn);
    assert!(soon(result(&client).logs()).await.unwrap().is_empty());
    assert_eq!(fake.calls(), ["GetTask", "WatchTask", "GetTask"]);
}

#[tokio::test]
async fn a_handle_uses_its_own_task_id() {
    let task = pb::Task { progress: 0.25, progress_message: "a bit".into(), ..Default::default() };
    let verdict = pb::cancel_outcome::Verdict::AlreadyEnded as i32;
    let cancelled =
        pb::CancelOutcome { task_id: "t".into(), verdict, state: pb::TaskState::Succeeded as i32 };
    let child = pb::Task { task_id: "t.1".into(), ..Default::default() };
    let fake = Fake::playing([
        pending(),
        answer(&success()),
        answer(&pb::GetTaskResponse { task: Some(task) }),
        answer(&pb::CancelTasksResponse { outcomes: vec![cancelled] }),
        answer(&pb::ListTasksResponse { tasks: vec![child], ..Default::default() }),
    ])
    .await;
    let client = quick().connect(fake.proxy.addr()).unwrap();
    let task = result(&client);
    assert_eq!(soon(task.state()).await.unwrap(), State::Running);
    assert!(soon(task.is_ready()).await.unwrap());
    let progress = Progress { fraction: 0.25, message: "a bit".into() };
    assert_eq!(soon(task.progress()).await.unwrap(), progress);
    let verdict = soon(task.revoke("late")).await.unwrap();
    assert_eq!(verdict, CancelVerdict::AlreadyEnded(State::Succeeded));
    let mut children = task.children();
    assert_eq!(soon(children.next()).await.unwrap().unwrap().task_id, "t.1");
    assert!(soon(children.next()).await.unwrap().is_none());
}
