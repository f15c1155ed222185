//! Kills the real binary between an event and its delivery: the outbox loses nothing.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use task_scheduler::pb;
use task_scheduler::pb::task_scheduler_client::TaskSchedulerClient;
use tonic::transport::Channel;

use super::receiver::{Answer, Receiver};

/// The number of kills.
const ROUNDS: usize = 8;
/// Tasks that end before each kill.
const TASKS: usize = 25;

struct Server(Child, TaskSchedulerClient<Channel>);

impl Server {
    async fn boot(dir: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_task-scheduler"))
            .args(["--addr", "127.0.0.1:0", "--log-dir", "none", "--data-dir"])
            .arg(dir)
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("got {line:?}"));
        let client = TaskSchedulerClient::connect(format!("http://{}", addr.trim_end())).await;
        Self(process, client.unwrap())
    }

    /// Kills the server with SIGKILL.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_delivered_although_the_server_is_killed() {
    // In the first half of the rounds the receiver is down, so that no event is delivered before
    // the kill.
    let answers = Arc::new(AtomicBool::new(false));
    let does = answers.clone();
    let mut receiver = Receiver::start(move |_, _| {
        if does.load(Ordering::Acquire) { Answer::status(200) } else { Answer::Stall }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let webhook = pb::Webhook {
        name: "ledger".into(),
        url: receiver.url(),
        filter: Some(pb::EventFilter {
            names: vec!["task.completed".into()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut server = Server::boot(dir.path()).await;
    let put = pb::PutWebhookRequest { webhook: Some(webhook) };
    let put = server.1.put_webhook(put).await.unwrap().into_inner();
    assert!(put.secret.starts_with("whsec_"));
    let mut expected = BTreeSet::new();
    for round in 0..ROUNDS {
        answers.store(round >= ROUNDS / 2, Ordering::Release);
        for task in 0..TASKS {
            let task_id = format!("{round}-{task}");
            let request = pb::TaskRequest {
                task_id: task_id.clone(),
                method: "ping".into(),
                ..Default::default()
            };
            server.1.submit_task(request).await.unwrap();
            expected.insert(task_id);
        }
        server.kill();
        server = Server::boot(dir.path()).await;
    }
    let mut delivered = BTreeSet::new();
    let mut ids = BTreeSet::new();
    while delivered.len() < expected.len() {
        let request = receiver.next().await;
        let task = request.json()["payload"]["task_id"].as_str().unwrap().to_owned();
        assert!(expected.contains(&task), "{task}");
        ids.insert((task.clone(), request.header("webhook-id").to_owned()));
        delivered.insert(task);
    }
    // A subscriber can recognise repeated deliveries by their id.
    assert_eq!(ids.len(), expected.len(), "an event has one id, whenever it is sent");
}
