//! Graceful shutdown by SIGTERM and SIGINT: running tasks finish, nothing new starts.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use task_scheduler::clock::now;
use task_scheduler::pb;
use task_scheduler::pb::TaskState;
use task_scheduler::store::{NOTIFY_SLICE, OpenOptions, SqliteStore, Store as _};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::client::{Client, NOTHING, Refused, an_hour, named, task, with};
use crate::server::{Server, Setup, stock, with_methods};
use crate::waiting::{PATIENCE, eventually, soon};

async fn health_client(server: &Server) -> HealthClient<Channel> {
    let endpoint = Endpoint::try_from(format!("http://{}", server.addr())).unwrap();
    HealthClient::new(soon(endpoint.connect()).await.unwrap())
}

/// Waits until the server refuses new tasks.
async fn draining(client: &Client) {
    eventually("the server refuses", async || client.submit(task("ping", NOTHING)).await.err())
        .await;
}

#[tokio::test]
async fn a_drain_answers_running_tasks_and_refuses_new_ones() {
    for signal in [Server::terminate, Server::interrupt] {
        let mut server = with_methods();
        let client = server.client().await;
        client.run(named("known", "add", [1])).await;
        let callers = ["sync", "async"].map(|kind| {
            let method = if kind == "sync" { "wait_ignoring_cancel" } else { "wait" };
            let (client, request) = (client.clone(), named(kind, method, [server.path("gate")]));
            tokio::spawn(async move { client.run(request).await })
        });
        for id in ["sync", "async"] {
            client.once(id, TaskState::Running).await;
        }
        let mut health = health_client(&server).await;
        health.check(HealthCheckRequest::default()).await.unwrap();
        signal(&server);
        draining(&client).await;

        let expected = Refused {
            retry_after: Some(Duration::from_secs(1)),
            ..Refused::new(Code::Unavailable, "DRAINING", "the server is shutting down")
        };
        assert_eq!(client.refused(task("ping", NOTHING)).await, expected);
        let status = client.enqueue(task("ping", NOTHING)).await.unwrap_err();
        assert_eq!(Refused::from(status), expected);
        // Known tasks are still answered.
        assert_eq!(client.run(named("known", "add", [1])).await, "1");
        assert_eq!(client.result("known").await.unwrap().result, "1");
        assert_eq!(client.task("sync").await.unwrap().state(), TaskState::Running);
        eventually("health reports it", async || {
            let answer = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
            (answer.status() == ServingStatus::NotServing).then_some(())
        })
        .await;

        server.open_gate("gate");
        for caller in callers {
            assert_eq!(soon(caller).await.unwrap(), "waited");
        }
        assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    }
}

#[tokio::test]
async fn a_caller_may_still_join_a_running_task_during_a_drain() {
    let mut server = with_methods();
    let client = server.client().await;
    let request = named("one", "wait", [server.path("gate")]);
    client.enqueue(request.clone()).await.unwrap();
    client.once("one", TaskState::Running).await;
    server.terminate();
    draining(&client).await;
    let joined = client.enqueue(request.clone()).await.unwrap();
    assert!(joined.joined);
    let caller = tokio::spawn({
        let client = client.clone();
        async move { client.run(request).await }
    });
    server.open_gate("gate");
    assert_eq!(soon(caller).await.unwrap(), "waited");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn queued_tasks_do_not_start_during_a_drain_and_their_callers_are_refused() {
    let mut server = Setup::with_methods().config("[queues.narrow]\nconcurrency = 1").start();
    let client = server.client().await;
    let narrow = |request| with(request, |o| o.queue = "narrow".into());
    client.enqueue(narrow(named("first", "wait", [server.path("gate")]))).await.unwrap();
    client.once("first", TaskState::Running).await;
    let callers = ["queued", "delayed"].map(|id| {
        let request = named(id, "write", [server.path("ledger"), "ran".into()]);
        let request = narrow(request);
        let request =
            if id == "delayed" { with(request, |o| o.delay = an_hour()) } else { request };
        let client = client.clone();
        tokio::spawn(async move { client.refused(request).await })
    });
    client.once("queued", TaskState::Queued).await;
    client.once("delayed", TaskState::Pending).await;
    server.terminate();
    draining(&client).await;
    server.open_gate("gate");
    for caller in callers {
        let refused = soon(caller).await.unwrap();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::Unavailable, "OUTCOME_UNKNOWN"));
    }
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    assert_eq!(server.ledger("ledger"), Vec::<String>::new());
}

#[tokio::test]
async fn a_handler_that_exceeds_the_drain_timeout_is_left_and_its_caller_is_answered() {
    for method in ["never", "wait_ignoring_cancel", "block_the_runtime"] {
        let mut server = Setup::with_methods().flags(["--drain-timeout", "300ms"]).start();
        let client = server.client().await;
        let caller = tokio::spawn({
            let (client, request) = (client.clone(), named("one", method, [server.path("x")]));
            async move { client.refused(request).await }
        });
        client.once("one", TaskState::Running).await;
        server.terminate();
        let start = Instant::now();
        let refused = soon(caller).await.unwrap();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::Unavailable, "OUTCOME_UNKNOWN"));
        assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
        assert!(start.elapsed() < PATIENCE / 4, "{method}: it took {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_at_once() {
    for method in ["wait", "wait_ignoring_cancel"] {
        let mut server = Setup::with_methods().flags(["--drain-timeout", "24h"]).start();
        let client = server.client().await;
        let caller = tokio::spawn({
            let (client, request) = (client.clone(), named("one", method, [server.path("x")]));
            async move { client.submit(request).await }
        });
        client.once("one", TaskState::Running).await;
        server.terminate();
        draining(&client).await;
        assert!(!server.has_ended());
        server.interrupt();
        let status = server.ended().await;
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{}", server.log());
        assert!(soon(caller).await.unwrap().is_err(), "the outcome is unknown");
    }
}

#[tokio::test]
async fn an_idle_server_exits_at_once_even_with_open_connections() {
    let mut server = stock();
    let client = server.client().await;
    client.run(task("ping", NOTHING)).await;
    let silent = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let mut health = health_client(&server).await;
    let watching = health.watch(HealthCheckRequest::default()).await.unwrap();
    server.terminate();
    let start = Instant::now();
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < Duration::from_secs(4), "it took {:?}", start.elapsed());
    drop((silent, watching));
}

#[tokio::test]
async fn a_later_retry_does_not_delay_the_exit() {
    let mut server = with_methods();
    let client = server.client().await;
    let policy =
        pb::RetryPolicy { retries: Some(9), base: an_hour(), max: an_hour(), ..Default::default() };
    client.enqueue(with(named("one", "fail", [9]), |o| o.retry = Some(policy))).await.unwrap();
    client.once("one", TaskState::Retrying).await;
    server.terminate();
    let start = Instant::now();
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
}

#[tokio::test]
async fn an_orderly_failed_start_does_not_count_as_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_task-scheduler"))
        .args(["--addr", "127.0.0.1:0", "--log-dir", "none", "--data-dir", "data"])
        .env_clear()
        .current_dir(dir.path())
        .stdout(full)
        .output()
        .unwrap();
    let log = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{log}");
    assert!(log.contains("cannot write to stdout"), "{log}");
    let store = SqliteStore::open_dir(&dir.path().join("data")).unwrap();
    let opened = store
        .open(OpenOptions { now: now().wall, quarantine_after: 2, notify_slice: NOTIFY_SLICE })
        .await
        .unwrap();
    assert_eq!((opened.epoch, opened.events), (2, Vec::new()));
}
