//! Callers that go away.

use task_scheduler::pb;
use task_scheduler::pb::TaskState;

use crate::client::{Client, named, with};
use crate::server::{Server, Setup};
use crate::waiting::{eventually, soon};

/// The request, its caller's connection, and the caller, once the body runs.
async fn begun(server: &Server, request: pb::TaskRequest) -> (Client, tokio::task::JoinHandle<()>) {
    let id = request.task_id.clone();
    let caller = server.client().await;
    let calling = tokio::spawn({
        let caller = caller.clone();
        async move {
            let answer = caller.submit(request).await;
            panic!("its caller was to go away before {answer:?}");
        }
    });
    server.client().await.once(&id, TaskState::Running).await;
    (caller, calling)
}

async fn gone((client, calling): (Client, tokio::task::JoinHandle<()>)) {
    drop(client);
    calling.abort();
    assert!(soon(calling).await.unwrap_err().is_cancelled());
}

fn setup() -> Server {
    Setup::with_methods().flags(["--cancel-grace", "10ms"]).start()
}

#[tokio::test]
async fn a_task_goes_on_when_its_caller_goes_away() {
    let server = setup();
    let client = server.client().await;
    let request = named("one", "wait", [server.path("gate")]);
    gone(begun(&server, request.clone()).await).await;
    // Another caller that goes away later, to be sure that the first is known to be gone.
    let other = with(named("other", "never", [server.path("other")]), |o| {
        o.cancel_on_disconnect = true;
    });
    gone(begun(&server, other).await).await;
    client.once("other", TaskState::Cancelled).await;
    assert_eq!(client.task("one").await.unwrap().state(), TaskState::Running);
    server.open_gate("gate");
    assert_eq!(client.run(request).await, "waited");
}

#[tokio::test]
async fn a_task_that_asked_for_it_is_cancelled_when_its_caller_goes_away() {
    let server = setup();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let id = format!("{durability:?}");
        let request = with(named(&id, "never", [server.path(&id)]), |o| {
            (o.cancel_on_disconnect, o.durability) = (true, durability.into());
        });
        gone(begun(&server, request).await).await;
        let task = client.once(&id, TaskState::Cancelled).await;
        assert_eq!(task.failure.unwrap().message, "its caller went away");
        eventually("its body is dropped", async || {
            (server.ledger(&id) == ["started", "dropped"]).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_deadline_that_passes_is_a_caller_that_goes_away() {
    let server = setup();
    let client = server.client().await;
    let request = with(named("one", "never", [server.path("one")]), |o| {
        o.cancel_on_disconnect = true;
    });
    let connection = crate::wire::Connection::open(server.addr()).await;
    let headers = [("grpc-timeout", "300m")];
    let status = connection.call(crate::wire::SUBMIT, &headers, &request).await;
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    client.once("one", TaskState::Cancelled).await;
}

#[tokio::test]
async fn a_caller_that_joined_and_goes_away_takes_only_itself_along() {
    let server = setup();
    let client = server.client().await;
    let request = named("one", "wait", [server.path("gate")]);
    client.enqueue(request.clone()).await.unwrap();
    gone(begun(&server, request.clone()).await).await;
    client.assert_served(server.addr()).await;
    server.open_gate("gate");
    assert_eq!(client.run(request).await, "waited");
}
