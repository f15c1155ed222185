//! GetHealth: whether the server takes work, and does all that it should.

use task_scheduler::pb;
use task_scheduler::pb::TaskState::{Failed, Running};
use tonic::Response;

use crate::client::{Client, named, with};
use crate::server::{Setup, stock, with_methods};
use crate::waiting::{eventually, soon};

async fn health(client: &Client) -> pb::GetHealthResponse {
    let answer = soon(client.rpc().get_health(pb::GetHealthRequest {})).await;
    let said = answer.map(Response::into_inner).unwrap();
    assert!(said.live, "{said:?}");
    said
}

#[tokio::test]
async fn a_server_that_is_well_has_no_reasons() {
    let server = stock();
    let said = health(&server.client().await).await;
    assert_eq!((said.ready, said.degraded, said.reasons.len()), (true, false, 0), "{said:?}");
    let commits = said.services.iter().find(|service| service.name == "commits");
    let commits = commits.unwrap_or_else(|| panic!("{said:?}"));
    assert_eq!((commits.status(), commits.failures), (pb::service_status::Status::Running, 0));
}

#[tokio::test]
async fn a_store_in_memory_is_named_though_nothing_is_wrong() {
    let server = Setup::stock().flags(["--store", "memory"]).start();
    let said = health(&server.client().await).await;
    assert_eq!((said.ready, said.degraded), (true, false));
    assert_eq!(
        said.reasons,
        ["tasks are kept in memory, as configured: they end with the process"]
    );
}

#[tokio::test]
async fn a_body_that_was_given_up_degrades_the_server_until_it_returns() {
    let flags = ["--stuck-after", "100ms", "--cancel-grace", "10ms"];
    let server = Setup::with_methods().flags(flags).start();
    let client = server.client().await;
    let stubborn = named("stubborn", "wait_stubbornly", [server.path("gate")]);
    let stubborn = with(stubborn, |o| o.timeout = crate::client::ms(10));
    client.enqueue(with(stubborn, |o| o.retry = crate::client::retries(0))).await.unwrap();
    client.once("stubborn", Failed).await;
    let said = eventually("it is stuck", async || {
        Some(health(&client).await).filter(|said| said.degraded)
    });
    let said = said.await;
    let why = "1 handler was abandoned after a timeout or cancel, and still runs";
    assert_eq!((said.ready, said.reasons), (true, vec![why.to_owned()]));
    server.open_gate("gate");
    eventually("it returned", async || (!health(&client).await.degraded).then_some(())).await;
}

#[tokio::test]
async fn a_server_that_drains_takes_no_work() {
    let mut server = with_methods();
    let client = server.client().await;
    client.enqueue(named("a", "wait", [server.path("gate")])).await.unwrap();
    client.once("a", Running).await;
    assert!(health(&client).await.ready);
    server.terminate();
    let said =
        eventually("it drains", async || Some(health(&client).await).filter(|said| !said.ready));
    let why = "the server is shutting down and accepts no tasks";
    assert_eq!(said.await.reasons, [why]);
    server.open_gate("gate");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}
