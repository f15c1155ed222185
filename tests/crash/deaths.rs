//! What was running when the process died: it runs again, unless it is why the process dies.

use task_scheduler::models::{ArgValue, State};

use crate::asking::{Asking, task};
use crate::ledger::{Ends, Entry, Told};
use crate::server::{Place, RESCUE_MS};

fn ids(amount: usize) -> Vec<String> {
    (0..amount).map(|n| format!("innocent-{n}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ran_at_a_kill_runs_again_within_a_second_of_the_restart() {
    let place = Place::new();
    let ids = ids(20);
    let server = place.boot(&[]);
    let asking = Asking::of(&place, &server).await;
    for id in &ids {
        let wait = task(id, "wait", [place.gate("gate").into()]);
        asking.enqueue(wait, Ends::Well).await.unwrap();
    }
    place.started(&ids, 1).await;
    place.kill(server);
    let server = place.boot(&[]);
    let booted = place.ledger.read().iter().rev().find_map(|entry| match entry {
        Entry::Booted { at } => Some(*at),
        _ => None,
    });
    let latest = place.started(&ids, 2).await.into_iter().max().expect("there are some");
    let took = latest.saturating_sub(booted.expect("it has booted"));
    println!("the last of {} started again {took} ms after the boot", ids.len());
    assert!(took < RESCUE_MS, "it took {took} ms");
    place.open_gate("gate");
    let asking = Asking::of(&place, &server).await;
    asking.settle().await;
    for standing in asking.client().standings().await.values() {
        assert_eq!((standing.attempts, standing.rescues), (1, 1), "a rescue is no attempt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_takes_the_process_with_it_is_quarantined_and_its_neighbours_end_well() {
    let place = Place::new();
    let innocent = ids(5);
    let server = place.boot(&[]);
    let asking = Asking::of(&place, &server).await;
    for id in &innocent {
        let wait = task(id, "wait", [place.gate("peace").into()]);
        asking.enqueue(wait, Ends::Well).await.unwrap();
    }
    let abort = task("guilty", "abort", [ArgValue::from(place.gate("blow"))]);
    asking.enqueue(abort.clone(), Ends::Quarantined).await.unwrap();
    let all: Vec<String> = innocent.iter().cloned().chain(["guilty".into()]).collect();

    // Two deaths at which all of them run.
    place.started(&all, 1).await;
    place.open_gate("blow");
    place.gone(server).await;
    place.close_gate("blow");
    let server = place.boot(&[]);
    place.started(&all, 2).await;
    place.open_gate("blow");
    place.gone(server).await;
    place.close_gate("blow");

    // Each of them is a suspect, so they run one at a time, and what is none runs beside them.
    let server = place.boot(&[]);
    let asking = Asking::of(&place, &server).await;
    place.started(&innocent[..1], 3).await;
    let beside = asking.submit(task("beside", "quick", [])).await.unwrap();
    assert_eq!(beside.state, State::Succeeded);
    let third = place.ledger.read().iter().filter(|entry| is_start(entry)).count();
    assert_eq!(third, 2 * all.len() + 2, "one suspect, and the one beside it");
    place.open_gate("peace");
    for id in &innocent {
        assert_eq!(asking.client().outcome(id).await.state, State::Succeeded);
    }
    place.started(&all[5..], 3).await;
    place.open_gate("blow");
    place.gone(server).await;

    let server = place.boot(&[]);
    let asking = Asking::of(&place, &server).await;
    asking.settle().await;
    let told = asking.result("guilty").await.unwrap().expect("it has ended");
    assert_eq!((told.state, told.code()), (State::Failed, Some("QUARANTINED")), "{told}");
    assert_eq!(submitted_again(&asking, abort).await, told, "SubmitTask says the same");
    let standings = asking.client().standings().await;
    assert_eq!(standings["guilty"].attempts, 0, "no attempt of its has ended");
    for id in &innocent {
        assert_eq!((standings[id].attempts, standings[id].rescues), (1, 2), "{id}");
    }
}

async fn submitted_again(asking: &Asking<'_>, request: task_scheduler::pb::TaskRequest) -> Told {
    asking.client().submit(request).await.unwrap().expect("it has ended")
}

fn is_start(entry: &Entry) -> bool {
    matches!(entry, Entry::Start { .. })
}
