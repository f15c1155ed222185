//! Callers that disconnect.

use task_scheduler::pb;
use task_scheduler::pb::TaskState;

use crate::client::{Client, named, with};
use crate::server::{Server, Setup};
use crate::waiting::{eventually, soon};

/// Submits the request; returns the caller's connection and its call once the handler runs.
async fn submit(
    server: &Server,
    request: pb::TaskRequest,
) -> (Client, tokio::task::JoinHandle<()>) {
    let id = request.task_id.clone();
    let caller = server.client().await;
    let calling = tokio::spawn({
        let caller = caller.clone();
        async move {
            let answer = caller.submit(request).await;
            panic!("the caller disconnects before {answer:?}");
        }
    });
    server.client().await.once(&id, TaskState::Running).await;
    (caller, calling)
}

async fn disconnect((client, calling): (Client, tokio::task::JoinHandle<()>)) {
    drop(client);
    calling.abort();
    assert!(soon(calling).await.unwrap_err().is_cancelled());
}

fn setup() -> Server {
    Setup::with_methods().flags(["--cancel-grace", "10ms"]).start()
}

#[tokio::test]
async fn a_task_continues_when_its_caller_disconnects() {
    let server = setup();
    let client = server.client().await;
    let request = named("one", "wait", [server.path("gate")]);
    disconnect(submit(&server, request.clone()).await).await;
    // Another caller that disconnects later: its effect shows that the server has noticed the
    // first.
    let other = with(named("other", "never", [server.path("other")]), |o| {
        o.cancel_on_disconnect = true;
    });
    disconnect(submit(&server, other).await).await;
    client.once("other", TaskState::Cancelled).await;
    assert_eq!(client.task("one").await.unwrap().state(), TaskState::Running);
    server.open_gate("gate");
    assert_eq!(client.run(request).await, "waited");
}

#[tokio::test]
async fn cancel_on_disconnect_cancels_the_task_when_its_caller_disconnects() {
    let server = setup();
    let client = server.client().await;
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let id = format!("{durability:?}");
        let request = with(named(&id, "never", [server.path(&id)]), |o| {
            (o.cancel_on_disconnect, o.durability) = (true, durability.into());
        });
        disconnect(submit(&server, request).await).await;
        let task = client.once(&id, TaskState::Cancelled).await;
        assert_eq!(task.failure.unwrap().message, "the caller disconnected");
        eventually("its handler is dropped", async || {
            (server.ledger(&id) == ["started", "dropped"]).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_passed_deadline_counts_as_a_disconnect() {
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
async fn a_joined_caller_that_disconnects_does_not_cancel_the_task() {
    let server = setup();
    let client = server.client().await;
    let request = named("one", "wait", [server.path("gate")]);
    client.enqueue(request.clone()).await.unwrap();
    disconnect(submit(&server, request.clone()).await).await;
    client.assert_served(server.addr()).await;
    server.open_gate("gate");
    assert_eq!(client.run(request).await, "waited");
}
