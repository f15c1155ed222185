//! `grpc-timeout`: the wait ends, the task continues.
//!
//! Over HTTP/2 without a gRPC client, because tonic's client ends such a call by itself.

use task_scheduler::pb;
use tonic::Code;

use crate::client::{named, task};
use crate::server::with_methods;
use crate::wire::{Connection, SUBMIT};

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_its_task_continues() {
    let server = with_methods();
    let client = server.client().await;
    let connection = Connection::open(server.addr()).await;
    let request = named("one", "wait", [server.path("gate")]);
    let status = connection.call(SUBMIT, &[("grpc-timeout", "200m")], &request).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    let details = crate::client::Refused::from(status);
    assert_eq!(details.reason, "DEADLINE_EXCEEDED");
    assert_eq!(client.task("one").await.unwrap().state(), pb::TaskState::Running);
    server.open_gate("gate");
    assert_eq!(client.run(request).await, "waited");
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_starts_nothing() {
    let server = with_methods();
    let client = server.client().await;
    let connection = Connection::open(server.addr()).await;
    let request = named("one", "write", [server.path("ledger"), "ran".into()]);
    for _ in 0..100 {
        let status = connection.call(SUBMIT, &[("grpc-timeout", "0n")], &request).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    }
    assert_eq!(client.task("one").await.unwrap_err().code(), Code::NotFound);
    client.assert_served(server.addr()).await;
    assert_eq!(server.ledger("ledger"), Vec::<String>::new());
}

#[tokio::test]
async fn a_malformed_deadline_is_refused() {
    let server = with_methods();
    let connection = Connection::open(server.addr()).await;
    for malformed in ["soon", "5", "-1S", "123456789S", ""] {
        let headers = [("grpc-timeout", malformed)];
        let status = connection.call(SUBMIT, &headers, &task("add", [1])).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{malformed:?}: {status:?}");
    }
    let status = connection.call(SUBMIT, &[("grpc-timeout", "1H")], &task("add", [1])).await;
    assert_eq!(status.code(), Code::Ok);
}
