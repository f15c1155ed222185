//! Tasks that ran at a crash: they run again, except the one that causes the crashes.

use task_scheduler::models::{ArgValue, State};

use crate::ledger::{Entry, Expected, Outcome};
use crate::requests::{Requests, task};
use crate::server::{Fixture, RESCUE_MS};

fn ids(amount: usize) -> Vec<String> {
    (0..amount).map(|n| format!("innocent-{n}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_ran_at_a_kill_run_again_within_a_second_of_the_restart() {
    let fixture = Fixture::new();
    let ids = ids(20);
    let server = fixture.boot(&[]);
    let requests = Requests::of(&fixture, &server).await;
    for id in &ids {
        let wait = task(id, "wait", [fixture.gate("gate").into()]);
        requests.enqueue(wait, Expected::Succeeded).await.unwrap();
    }
    fixture.started(&ids, 1).await;
    fixture.kill(server);
    let server = fixture.boot(&[]);
    let booted = fixture.ledger.read().iter().rev().find_map(|entry| match entry {
        Entry::Booted { at } => Some(*at),
        _ => None,
    });
    let latest = fixture.started(&ids, 2).await.into_iter().max().expect("there are some");
    let took = latest.saturating_sub(booted.expect("it has booted"));
    println!("the last of {} started again {took} ms after the boot", ids.len());
    assert!(took < RESCUE_MS, "it took {took} ms");
    fixture.open_gate("gate");
    let requests = Requests::of(&fixture, &server).await;
    requests.finish().await;
    for status in requests.client().statuses().await.values() {
        assert_eq!((status.attempts, status.rescues), (1, 1), "a rescue is no attempt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_crashes_the_process_is_quarantined_and_the_tasks_beside_it_succeed() {
    let fixture = Fixture::new();
    let innocent = ids(5);
    let server = fixture.boot(&[]);
    let requests = Requests::of(&fixture, &server).await;
    for id in &innocent {
        let wait = task(id, "wait", [fixture.gate("peace").into()]);
        requests.enqueue(wait, Expected::Succeeded).await.unwrap();
    }
    let abort = task("guilty", "abort", [ArgValue::from(fixture.gate("blow"))]);
    requests.enqueue(abort.clone(), Expected::Quarantined).await.unwrap();
    let all: Vec<String> = innocent.iter().cloned().chain(["guilty".into()]).collect();

    // Two crashes while all of them run.
    fixture.started(&all, 1).await;
    fixture.open_gate("blow");
    fixture.wait_for_crash(server).await;
    fixture.close_gate("blow");
    let server = fixture.boot(&[]);
    fixture.started(&all, 2).await;
    fixture.open_gate("blow");
    fixture.wait_for_crash(server).await;
    fixture.close_gate("blow");

    // All of them are now suspects and run one at a time; a task that is no suspect runs beside
    // them.
    let server = fixture.boot(&[]);
    let requests = Requests::of(&fixture, &server).await;
    fixture.started(&innocent[..1], 3).await;
    let beside = requests.submit(task("beside", "quick", [])).await.unwrap();
    assert_eq!(beside.state, State::Succeeded);
    let third = fixture.ledger.read().iter().filter(|entry| is_start(entry)).count();
    assert_eq!(third, 2 * all.len() + 2, "one suspect, and the one beside it");
    fixture.open_gate("peace");
    for id in &innocent {
        assert_eq!(requests.client().outcome(id).await.state, State::Succeeded);
    }
    fixture.started(&all[5..], 3).await;
    fixture.open_gate("blow");
    fixture.wait_for_crash(server).await;

    let server = fixture.boot(&[]);
    let requests = Requests::of(&fixture, &server).await;
    requests.finish().await;
    let outcome = requests.result("guilty").await.unwrap().expect("it has ended");
    assert_eq!((outcome.state, outcome.code()), (State::Failed, Some("QUARANTINED")), "{outcome}");
    assert_eq!(submitted_again(&requests, abort).await, outcome, "SubmitTask agrees");
    let statuses = requests.client().statuses().await;
    assert_eq!(statuses["guilty"].attempts, 0, "none of its attempts ended");
    for id in &innocent {
        assert_eq!((statuses[id].attempts, statuses[id].rescues), (1, 2), "{id}");
    }
}

async fn submitted_again(
    requests: &Requests<'_>,
    request: task_scheduler::pb::TaskRequest,
) -> Outcome {
    requests.client().submit(request).await.unwrap().expect("it has ended")
}

fn is_start(entry: &Entry) -> bool {
    matches!(entry, Entry::Start { .. })
}
