//! The Rust client against the real server.

use std::fs;
use std::time::{Duration, SystemTime};

use task_scheduler::client::{ClientError, TaskBuilder, TaskClient, Update};
use task_scheduler::error::Code;
use task_scheduler::models::{
    CancelRequest, CancelVerdict, LogLevel, OnConflict, OnDependencyFailure, QueueLimits,
    QueueName, State, TaskFilter, TaskId,
};

use super::proxy::Proxy;
use crate::server::{Server, Setup, with_methods};
use crate::waiting::{PATIENCE, eventually, soon};

fn client(server: &Server) -> TaskClient {
    TaskClient::connect(server.addr()).unwrap()
}

/// A task that waits for this gate.
fn waiting(server: &Server, gate: &str) -> TaskBuilder {
    TaskBuilder::new("wait").arg(server.path(gate))
}

fn add(numbers: [i32; 2]) -> TaskBuilder {
    TaskBuilder::new("add").args(numbers)
}

#[tokio::test]
async fn submit_returns_the_result() {
    let server = with_methods();
    let client = client(&server);
    let sum = soon(client.submit(add([1, 2]))).await.unwrap();
    assert_eq!((sum.json::<i64>().unwrap(), sum.id().as_str().len()), (3, 36));

    let failed = soon(client.submit(TaskBuilder::new("fail").arg(5).retries(1))).await.unwrap_err();
    let failed = failed.failure().unwrap();
    assert_eq!((failed.state, failed.attempts), (State::Failed, 2));
    assert_eq!(failed.message, "attempt 2 failed");

    let refused = soon(client.submit(TaskBuilder::new("ad"))).await.unwrap_err();
    assert!(refused.is(Code::MethodNotFound));
    let refused = soon(client.submit(TaskBuilder::new("add").arg("one"))).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().violations[0].field, "args[0]");
}

#[tokio::test]
async fn a_task_is_followed_to_its_end() {
    let server = with_methods();
    let client = client(&server);
    let task = soon(client.send(waiting(&server, "gate").id("followed"))).await.unwrap();
    assert_eq!((task.id().as_str(), task.joined()), ("followed", false));
    assert!(!soon(task.wait(Duration::from_millis(1))).await.unwrap());
    assert!(!soon(task.is_ready()).await.unwrap());
    let again = soon(client.send(waiting(&server, "gate").id("followed"))).await.unwrap();
    assert!(again.joined());

    let same = client.result("followed").unwrap();
    let (got, ()) = soon(async {
        tokio::join!(same.get(PATIENCE), async {
            eventually("it runs", async || {
                (task.state().await.unwrap() == State::Running).then_some(())
            })
            .await;
            server.open_gate("gate");
        })
    })
    .await;
    assert_eq!(got.unwrap().text(), "waited");
    assert!(soon(task.is_ready()).await.unwrap());
    let unknown = client.handle(TaskId::generate());
    assert!(soon(unknown.get(PATIENCE)).await.unwrap_err().is(Code::TaskNotFound));
}

#[tokio::test]
async fn a_later_task_waits_and_can_be_revoked() {
    let server = with_methods();
    let client = client(&server);
    let hour = Duration::from_secs(3_600);
    let later = soon(client.send_later(add([1, 2]), hour)).await.unwrap();
    let at = soon(client.send_at(add([1, 2]), SystemTime::now() + hour)).await.unwrap();
    for task in [later, at] {
        assert_eq!(soon(task.state()).await.unwrap(), State::Pending);
        assert_eq!(soon(task.revoke("no need")).await.unwrap(), CancelVerdict::Cancelled);
        let outcome = soon(task.get(PATIENCE)).await.unwrap_err();
        assert_eq!(outcome.failure().unwrap().state, State::Cancelled);
        let again = soon(task.revoke("no need")).await.unwrap();
        assert_eq!(again, CancelVerdict::AlreadyEnded(State::Cancelled));
    }
}

#[tokio::test]
async fn results_are_arguments_of_other_tasks() {
    let server = with_methods();
    let client = client(&server);
    let first = soon(client.send(waiting(&server, "gate"))).await.unwrap();
    let second = TaskBuilder::new("echo_string").result_of(&first).wait_for_dependencies();
    let second = soon(client.send(second)).await.unwrap();
    let third = TaskBuilder::new("dependencies")
        .depends_on(&first)
        .depends_on_id(second.id().as_str())
        .wait_for_dependencies()
        .on_dependency_failure(OnDependencyFailure::Run);
    let third = soon(client.send(third)).await.unwrap();
    server.open_gate("gate");
    assert!(soon(second.get(PATIENCE)).await.unwrap().text().contains("waited"));
    let outcome = soon(third.get(PATIENCE)).await.unwrap();
    assert!(
        outcome.text().starts_with(&format!("{}=SUCCEEDED(waited)", first.id())),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_batch_is_sent_in_one_call() {
    let server = with_methods();
    let client = client(&server);
    let mut tasks: Vec<TaskBuilder> = (0..500).map(|number| add([number, 1])).collect();
    tasks[250] = TaskBuilder::new("odd");
    let results = soon(client.batch(tasks)).await;
    for (number, result) in (0_i32..).zip(results) {
        match result {
            Ok(task) => {
                let sum: i32 = soon(task.get(PATIENCE)).await.unwrap().json().unwrap();
                assert_eq!(sum, number + 1);
            }
            Err(error) => assert!(number == 250 && error.is(Code::MethodNotFound), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_chain_a_group_and_a_chord() {
    let server = with_methods();
    let client = client(&server);
    let links = [add([1, 2]), TaskBuilder::new("add").arg(3), TaskBuilder::new("add").arg(4)];
    let chain = soon(client.chain(links)).await.unwrap();
    let last: i32 = soon(chain[2].get(PATIENCE)).await.unwrap().json().unwrap();
    assert_eq!((chain.len(), last), (3, 10));

    let group = soon(client.group([add([1, 1]), add([2, 2])])).await.unwrap();
    let mut sums = Vec::new();
    for task in group {
        sums.push(soon(task.get(PATIENCE)).await.unwrap().json::<i32>().unwrap());
    }
    assert_eq!(sums, [2, 4]);

    let callback = TaskBuilder::new("sum_list");
    let chord = soon(client.chord([add([1, 1]), add([2, 2])], callback)).await.unwrap();
    let total: i32 = soon(chord.callback.get(PATIENCE)).await.unwrap().json().unwrap();
    assert_eq!((chord.tasks.len(), total), (2, 6));

    let refused = soon(client.chain([add([1, 2]), TaskBuilder::new("odd")])).await.unwrap_err();
    assert!(refused.is(Code::MethodNotFound), "{refused:?}");
}

#[tokio::test]
async fn a_unique_conflict_returns_a_handle_of_the_first_task() {
    let server = with_methods();
    let client = client(&server);
    let unique = |gate| waiting(&server, gate).unique("k");
    let first = soon(client.send(unique("gate"))).await.unwrap();
    let second = soon(client.send(unique("other"))).await.unwrap();
    assert_eq!((second.id(), second.joined()), (first.id(), true));
    let refused =
        waiting(&server, "gate").unique_for("k", Duration::from_secs(1), OnConflict::Refuse);
    assert!(soon(client.send(refused)).await.unwrap_err().is(Code::UniqueTaken));
    server.open_gate("gate");
    soon(second.get(PATIENCE)).await.unwrap();
}

#[tokio::test]
async fn a_watch_survives_a_lost_connection() {
    let server = with_methods();
    let proxy = Proxy::to(server.addr()).await;
    let client = TaskClient::connect(proxy.addr()).unwrap();
    let task = TaskBuilder::new("log_and_wait").arg(server.path("gate"));
    let task = soon(client.send(task)).await.unwrap();
    let mut watch = task.watch();
    let (mut words, mut states) = (Vec::new(), Vec::new());
    while let Some(update) = soon(watch.next()).await {
        match update.unwrap() {
            Update::Entered(entry) => states.push(entry.state),
            Update::Progress(progress) => {
                if progress.fraction == 0.25 {
                    proxy.cut();
                    server.open_gate("gate");
                }
                words.push(progress.message);
            }
            Update::Log(line) => words.push(line.text),
            Update::Outcome(ended) => words.push(ended.unwrap().into_text()),
        }
    }
    assert_eq!(states.last(), Some(&State::Succeeded));
    let logged = ["it begins", "it continues", "it is over"];
    let received: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| logged.contains(word)).collect();
    assert_eq!((received, words.last().unwrap().as_str()), (logged.to_vec(), "the end"));

    let lines = soon(task.logs()).await.unwrap();
    let received: Vec<_> = lines.iter().map(|line| (line.level, line.text.as_str())).collect();
    let levels = [LogLevel::Info, LogLevel::Warn, LogLevel::Error];
    assert_eq!(received, levels.into_iter().zip(logged).collect::<Vec<_>>());
}

#[tokio::test]
async fn children_are_listed() {
    let server = with_methods();
    let client = client(&server);
    let task = TaskBuilder::new("spawn_child").arg(server.path("gate"));
    let task = soon(client.send(task)).await.unwrap();
    server.open_gate("gate");
    let outcome = soon(task.get(PATIENCE)).await.unwrap();
    let child = soon(task.children().next()).await.unwrap().unwrap();
    assert_eq!(outcome.text(), format!("{} SUCCEEDED", child.task_id));
}

#[tokio::test]
async fn a_submission_whose_connection_breaks_joins_its_task() {
    let server = with_methods();
    let proxy = Proxy::to(server.addr()).await;
    let client = TaskClient::connect(proxy.addr()).unwrap();
    let task = TaskBuilder::new("write_and_wait").args([
        server.path("ledger"),
        "ran".into(),
        server.path("gate"),
    ]);
    let (result, ()) = soon(async {
        tokio::join!(client.submit(task), async {
            eventually("it runs", async || (!server.ledger("ledger").is_empty()).then_some(()))
                .await;
            proxy.cut();
            server.open_gate("gate");
        })
    })
    .await;
    assert_eq!(result.unwrap().text(), "ran");
    assert_eq!(server.ledger("ledger"), ["ran"], "once");
}

#[tokio::test]
async fn a_submission_is_repeated_to_a_server_that_does_not_have_the_task() {
    let server = with_methods();
    let proxy = Proxy::to(server.addr()).await;
    let client = TaskClient::connect(proxy.addr()).unwrap();
    let sent = soon(client.send(waiting(&server, "gate"))).await.unwrap();
    let task = TaskBuilder::new("write_and_wait").args([
        server.path("ledger"),
        "ran".into(),
        server.path("gate"),
    ]);
    let (result, after) = soon(async {
        tokio::join!(client.submit(task), async {
            eventually("it runs", async || (!server.ledger("ledger").is_empty()).then_some(()))
                .await;
            let after = with_methods();
            proxy.lead_to(after.addr());
            server.open_gate("gate");
            after
        })
    })
    .await;
    assert_eq!(result.unwrap().text(), "ran");
    assert_eq!(server.ledger("ledger"), ["ran", "ran"], "each server ran it");
    let outcome = soon(sent.get(PATIENCE)).await.unwrap_err();
    assert!(outcome.is(Code::TaskNotFound), "the new server has another store: {outcome:?}");
    drop(after);
}

#[tokio::test]
async fn a_wait_and_a_watch_survive_a_crash_of_the_server() {
    let kept = tempfile::tempdir().unwrap();
    let gate = kept.path().join("gate").to_str().unwrap().to_owned();
    let data = kept.path().join("data").to_str().unwrap().to_owned();
    let boot = || Setup::with_methods().flags(["--data-dir", &data]).start();
    let server = boot();
    let proxy = Proxy::to(server.addr()).await;
    let client = TaskClient::connect(proxy.addr()).unwrap();
    let task = soon(client.send(TaskBuilder::new("wait").arg(&*gate))).await.unwrap();
    let mut watch = task.watch();
    let mut states = Vec::new();
    let mut first = Some(server);
    let mut second = None;
    let (got, ()) = soon(async {
        tokio::join!(task.get(PATIENCE), async {
            while let Some(update) = watch.next().await {
                let Update::Entered(entry) = update.unwrap() else { continue };
                states.push(entry.state);
                if entry.state == State::Running
                    && let Some(first) = first.take()
                {
                    // Dropping the server kills it.
                    drop(first);
                    let after = second.insert(boot());
                    proxy.lead_to(after.addr());
                    fs::write(&gate, "").unwrap();
                }
            }
        })
    })
    .await;
    assert_eq!(got.unwrap().text(), "waited");
    // The task that ran at the kill is queued again.
    let expected = [State::Running, State::Queued, State::Running, State::Succeeded];
    assert!(states.ends_with(&expected), "{states:?}");
}

#[tokio::test]
async fn dropping_a_call_with_cancel_on_disconnect_cancels_its_task() {
    let server = with_methods();
    let client = client(&server);
    let task = TaskBuilder::new("never").arg(server.path("ledger")).cancel_on_disconnect();
    let call = tokio::spawn(async move { client.submit(task).await.map(drop) });
    let wait_for_line = async |line: &str| {
        eventually(line, async || {
            server.ledger("ledger").iter().any(|written| written == line).then_some(())
        })
        .await;
    };
    wait_for_line("started").await;
    call.abort();
    wait_for_line("dropped").await;

    let attended = add([1, 2]).cancel_on_disconnect();
    let refused = soon(self::client(&server).send(attended)).await.unwrap_err();
    assert!(refused.is(Code::InvalidArgument), "no caller waits: {refused:?}");
}

#[tokio::test]
async fn ended_tasks_are_listed_retried_resolved_and_purged() {
    let server = with_methods();
    let client = client(&server);
    let failing = |number| {
        TaskBuilder::new("fail_permanently").id(format!("f{number}")).tag("bad").priority(number)
    };
    for result in soon(client.batch((0..5).map(failing))).await {
        let outcome = soon(result.unwrap().get(PATIENCE)).await.unwrap_err();
        assert!(outcome.is(Code::HandlerFailed), "{outcome:?}");
    }
    let bad = || TaskFilter {
        states: vec![State::Failed],
        tag: Some("bad".into()),
        ..TaskFilter::default()
    };
    let listed = async || {
        let mut list = client.list(bad()).unwrap().page_size(2);
        let mut ids = Vec::new();
        while let Some(task) = soon(list.next()).await.unwrap() {
            ids.push(task.task_id);
        }
        ids
    };
    assert_eq!(listed().await, ["f4", "f3", "f2", "f1", "f0"]);

    let id = |text: &str| TaskId::parse(text, "").unwrap();
    let changed = soon(client.resolve_task(&id("f0"), 6, "reason")).await.unwrap();
    assert_eq!((changed.state, changed.retried_dependants), (State::Succeeded, 0));
    let f0 = client.result("f0").unwrap();
    assert_eq!(soon(f0.get(PATIENCE)).await.unwrap().text(), "6");
    assert!(soon(client.get_task(f0.id())).await.unwrap().resolved);

    soon(client.retry_task(&id("f1"), "once more")).await.unwrap();
    let f1 = client.result("f1").unwrap();
    assert!(soon(f1.get(PATIENCE)).await.unwrap_err().is(Code::HandlerFailed));
    assert_eq!(soon(client.get_task(f1.id())).await.unwrap().history.len(), 5);

    let purged = soon(client.purge(&[], Some(bad()))).await.unwrap();
    assert_eq!((purged.purged, purged.more), (4, false));
    assert!(listed().await.is_empty());
    assert!(soon(f1.state()).await.unwrap_err().is(Code::TaskNotFound));
}

#[tokio::test]
async fn queues_are_paused_limited_and_resumed() {
    let server = with_methods();
    let client = client(&server);
    let queue = QueueName::parse("mail", "").unwrap();
    assert!(soon(client.pause_queue(&queue)).await.unwrap().paused);
    let task = soon(client.send(add([1, 2]).queue("mail"))).await.unwrap();
    let queues = soon(client.queues()).await.unwrap();
    let mail = queues.iter().find(|queue| queue.name == "mail").unwrap();
    assert_eq!((mail.paused, mail.waiting), (true, 1));

    let limits = QueueLimits { weight: 3, concurrency: Some(2), ..QueueLimits::default() };
    let limited = soon(client.limit_queue(&queue, &limits)).await.unwrap().limits.unwrap();
    assert_eq!((limited.weight, limited.concurrency), (3, 2));

    let other = soon(client.send(add([1, 2]).queue("mail").tag("odd"))).await.unwrap();
    let matching = TaskFilter { tag: Some("odd".into()), ..TaskFilter::default() };
    let request = CancelRequest { matching: Some(matching), ..CancelRequest::default() };
    let cancelled = soon(client.cancel(request)).await.unwrap();
    assert_eq!(cancelled, [(other.id().clone(), CancelVerdict::Cancelled)]);

    assert!(!soon(client.resume_queue(&queue)).await.unwrap().paused);
    soon(task.get(PATIENCE)).await.unwrap();
}

#[tokio::test]
async fn methods_are_listed() {
    let server = with_methods();
    let client = client(&server);
    let typed = soon(client.methods("typed")).await.unwrap();
    let names: Vec<&str> = typed.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names, ["typed/describe@1.2.0", "typed/describe@3.0.0"]);
    assert!(soon(client.methods("")).await.unwrap().len() > 2);
}

#[tokio::test]
async fn an_unreachable_server_is_a_transport_error() {
    let mut server = with_methods();
    let client = TaskClient::builder().tries(2).connect(server.addr()).unwrap();
    soon(client.submit(add([1, 2]))).await.unwrap();
    server.terminate();
    assert!(server.ended().await.success());
    let outcome = soon(client.submit(add([1, 2]))).await.unwrap_err();
    assert!(matches!(outcome, ClientError::Transport(_)), "{outcome:?}");
}
