//! GetHealth: whether the server accepts work, and whether anything is degraded.

use task_scheduler::pb;
use task_scheduler::pb::TaskState::{Failed, Running};
use tonic::Response;

use crate::client::{Client, named, with};
use crate::server::{Setup, stock, with_methods};
use crate::waiting::{eventually, soon};

async fn get_health(client: &Client) -> pb::GetHealthResponse {
    let answer = soon(client.rpc().get_health(pb::GetHealthRequest {})).await;
    let health = answer.map(Response::into_inner).unwrap();
    assert!(health.live, "{health:?}");
    health
}

#[tokio::test]
async fn a_healthy_server_has_no_reasons() {
    let server = stock();
    let health = get_health(&server.client().await).await;
    assert_eq!(
        (health.ready, health.degraded, health.reasons.len()),
        (true, false, 0),
        "{health:?}"
    );
    let commits = health.services.iter().find(|service| service.name == "commits");
    let commits = commits.unwrap_or_else(|| panic!("{health:?}"));
    assert_eq!((commits.status(), commits.failures), (pb::service_status::Status::Running, 0));
}

#[tokio::test]
async fn an_in_memory_store_is_named_although_the_server_is_healthy() {
    let server = Setup::stock().flags(["--store", "memory"]).start();
    let health = get_health(&server.client().await).await;
    assert_eq!((health.ready, health.degraded), (true, false));
    assert_eq!(
        health.reasons,
        ["tasks are kept in memory, as configured: they end with the process"]
    );
}

#[tokio::test]
async fn an_abandoned_handler_degrades_the_server_until_it_returns() {
    let flags = ["--stuck-after", "100ms", "--cancel-grace", "10ms"];
    let server = Setup::with_methods().flags(flags).start();
    let client = server.client().await;
    let stubborn = named("stubborn", "wait_ignoring_cancel", [server.path("gate")]);
    let stubborn = with(stubborn, |o| o.timeout = crate::client::ms(10));
    client.enqueue(with(stubborn, |o| o.retry = crate::client::retries(0))).await.unwrap();
    client.once("stubborn", Failed).await;
    let health = eventually("the handler is stuck", async || {
        Some(get_health(&client).await).filter(|health| health.degraded)
    });
    let health = health.await;
    let why = "1 handler was abandoned after a timeout or cancel, and still runs";
    assert_eq!((health.ready, health.reasons), (true, vec![why.to_owned()]));
    server.open_gate("gate");
    eventually("the handler has returned", async || {
        (!get_health(&client).await.degraded).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_draining_server_is_not_ready() {
    let mut server = with_methods();
    let client = server.client().await;
    client.enqueue(named("a", "wait", [server.path("gate")])).await.unwrap();
    client.once("a", Running).await;
    assert!(get_health(&client).await.ready);
    server.terminate();
    let health = eventually("it drains", async || {
        Some(get_health(&client).await).filter(|health| !health.ready)
    });
    let why = "the server is shutting down and accepts no tasks";
    assert_eq!(health.await.reasons, [why]);
    server.open_gate("gate");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}
