//! Disks that are full, cannot be written or cannot sync; and a process that is suspended beyond
//! its timeouts.

use std::time::Duration;

use rustix::process::Signal;
use task_scheduler::models::{ArgValue, State};
use task_scheduler::pb;

use crate::client::CallError;
use crate::disk::{Disk, Syncs, Writes};
use crate::ledger::{Entry, Expected, ProcessExit};
use crate::requests::{Requests, delayed, task};
use crate::server::Fixture;
use crate::waiting::eventually;

/// Longer than any test here.
const LATER: Duration = Duration::from_secs(3_600);
const UNAVAILABLE: &str = "STORE_UNAVAILABLE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_new_tasks_and_keeps_old_ones_until_there_is_room() {
    check_failing_writes(Writes::Full).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_disk_behaves_like_a_full_one() {
    check_failing_writes(Writes::ReadOnly).await;
}

async fn check_failing_writes(writes: Writes) {
    let fixture = Fixture::new();
    let disk = Disk::new(&fixture);
    let server = fixture.boot_on(Some(&disk), &[]);
    let requests = Requests::of(&fixture, &server).await;
    let before = requests.submit(task("before", "quick", [])).await.unwrap();
    let wait = task("runs", "wait", [fixture.gate("gate").into()]);
    requests.enqueue(wait, Expected::Succeeded).await.unwrap();
    fixture.started(&["runs".into()], 1).await;

    disk.set(writes, Syncs::Work);
    let new = requests.enqueue(delayed(task("new", "quick", []), LATER), Expected::Succeeded).await;
    assert_eq!(new, Err(CallError::Refused(UNAVAILABLE.into())));
    // The handler may have run before the commit failed, so the outcome is unknown.
    let run = requests.submit(task("run", "quick", [])).await;
    assert!(run.is_err(), "nothing can be stored, but the answer was {run:?}");
    assert_eq!(requests.result("before").await, Ok(Some(before)));
    fixture.open_gate("gate");
    eventually("its handler has ended", async || {
        let ended = |entry: &Entry| matches!(entry, Entry::End { id, .. } if id == "runs");
        fixture.ledger.read().iter().any(ended).then_some(())
    })
    .await;
    assert_eq!(requests.result("runs").await, Ok(None), "an outcome that is not stored");

    disk.set(Writes::Work, Syncs::Work);
    assert_eq!(requests.client().outcome("runs").await.state, State::Succeeded);
    eventually("there is room again", async || {
        requests.submit(task("after", "quick", [])).await.ok()
    })
    .await;
    requests.finish().await;
    fixture.kill(server);
    let server = fixture.boot(&[]);
    Requests::of(&fixture, &server).await.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_does_not_start_on_a_disk_that_it_cannot_write() {
    let fixture = Fixture::new();
    let disk = Disk::new(&fixture);
    let server = fixture.boot(&[]);
    let requests = Requests::of(&fixture, &server).await;
    requests.submit(task("before", "quick", [])).await.unwrap();
    fixture.kill(server);
    let faults =
        [(Writes::Full, Syncs::Work), (Writes::ReadOnly, Syncs::Work), (Writes::Work, Syncs::Fail)];
    for (writes, syncs) in faults {
        disk.set(writes, syncs);
        let Err(status) = fixture.try_boot(Some(&disk), &[]) else {
            panic!("it started with {writes:?} {syncs:?}")
        };
        assert!(status.code().is_some_and(|code| code != 0), "{writes:?} {syncs:?}: {status}");
        let log = fixture.log();
        let reason = log.lines().last().expect("a failed start logs its reason");
        assert!(reason.starts_with("task-scheduler: "), "{writes:?} {syncs:?}: {reason}");
    }
    let server = fixture.boot(&[]);
    Requests::of(&fixture, &server).await.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_ends_the_process_and_acknowledges_nothing() {
    let fixture = Fixture::new();
    let disk = Disk::new(&fixture);
    let mut server = fixture.boot_on(Some(&disk), &[]);
    let requests = Requests::of(&fixture, &server).await;
    for n in 0..20 {
        requests.submit(task(&format!("before-{n}"), "quick", [])).await.unwrap();
        let kept = delayed(task(&format!("kept-{n}"), "quick", []), Duration::from_secs(3));
        requests.enqueue(kept, Expected::Succeeded).await.unwrap();
    }
    disk.set(Writes::Work, Syncs::Fail);
    let submitted = requests.submit(task("submitted", "quick", []));
    let enqueued =
        requests.enqueue(delayed(task("enqueued", "quick", []), LATER), Expected::Succeeded);
    let (submitted, enqueued) = tokio::join!(submitted, enqueued);
    assert!(submitted.is_err(), "{submitted:?}");
    assert!(enqueued.is_err(), "{enqueued:?}");
    let status = server.exited().await;
    assert!(!status.success(), "the process ends with an error: {status}");
    fixture.record_exit(&mut server, ProcessExit::PowerLost);
    // The kernel drops pages that it could not write.
    let loss = disk.lose_power(&mut fastrand::Rng::new());
    assert!(loss.writes > 0, "there were unsynced writes");

    disk.set(Writes::Work, Syncs::Work);
    let server = fixture.boot(&[]);
    let requests = Requests::of(&fixture, &server).await;
    let cancel = ["enqueued".to_owned()];
    fixture.ledger.write(&Entry::Cancelling { id: cancel[0].clone() });
    requests.client().cancel(cancel.into()).await.unwrap();
    requests.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_is_suspended_beyond_its_timeout_cannot_save_a_checkpoint() {
    let timeout = Duration::from_millis(300);
    let fixture = Fixture::new();
    let server = fixture.boot(&["--cancel-grace", "50ms", "--stuck-after", "200ms"]);
    let requests = Requests::of(&fixture, &server).await;
    let mut late = task("late", "stubborn_steps", [1_000_000_u64, 5].map(ArgValue::from));
    let options: &mut pb::TaskOptions = late.options.get_or_insert_default();
    options.timeout = Some(timeout.try_into().expect("a short time"));
    requests.enqueue(late, Expected::SucceededOrTimedOut).await.unwrap();
    let has = |what: &'static str| {
        let ledger = &fixture.ledger;
        eventually(what, async move || {
            ledger.read().iter().any(|entry| entry.to_string().starts_with(what)).then_some(())
        })
    };
    has("saved late").await;
    server.signal(Signal::STOP);
    // A fixed time: the test needs the timeout to pass while the process is stopped.
    tokio::time::sleep(4 * timeout).await;
    server.signal(Signal::CONT);
    let outcome = requests.client().outcome("late").await;
    assert!(matches!(outcome.code(), Some("TIMED_OUT" | "STUCK")), "{outcome}");
    fixture.ledger.write(&Entry::Outcome { id: "late".into(), outcome });
    // The next checkpoint is refused, and the handler fails. If one was accepted, the ledger shows
    // it.
    has("end late").await;
    requests.finish().await;
}
