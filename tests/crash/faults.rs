//! Disks that are full, cannot be written, or do not keep what they are told to; and a process that
//! sleeps through its timeouts.

use std::time::Duration;

use rustix::process::Signal;
use task_scheduler::models::{ArgValue, State};
use task_scheduler::pb;

use crate::asking::{Asking, delayed, task};
use crate::client::Not;
use crate::disk::{Disk, Syncs, Writes};
use crate::ledger::{Death, Ends, Entry};
use crate::server::Place;
use crate::waiting::eventually;

/// Longer than any of these tests.
const LATER: Duration = Duration::from_secs(3_600);
const UNAVAILABLE: &str = "STORE_UNAVAILABLE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_is_new_and_keeps_what_is_old_until_there_is_room() {
    no_writes(Writes::Full).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_turns_read_only_is_like_a_full_one() {
    no_writes(Writes::ReadOnly).await;
}

async fn no_writes(writes: Writes) {
    let place = Place::new();
    let disk = Disk::new(&place);
    let server = place.boot_on(Some(&disk), &[]);
    let asking = Asking::of(&place, &server).await;
    let before = asking.submit(task("before", "quick", [])).await.unwrap();
    let wait = task("runs", "wait", [place.gate("gate").into()]);
    asking.enqueue(wait, Ends::Well).await.unwrap();
    place.started(&["runs".into()], 1).await;

    disk.set(writes, Syncs::Work);
    let new = asking.enqueue(delayed(task("new", "quick", []), LATER), Ends::Well).await;
    assert_eq!(new, Err(Not::Refused(UNAVAILABLE.into())));
    // Its body may have run before the commit failed, so that nothing is known of its outcome.
    let run = asking.submit(task("run", "quick", [])).await;
    assert!(run.is_err(), "nothing can be kept, and it was answered {run:?}");
    assert_eq!(asking.result("before").await, Ok(Some(before)));
    place.open_gate("gate");
    eventually("its body has ended", async || {
        let ended = |entry: &Entry| matches!(entry, Entry::End { id, .. } if id == "runs");
        place.ledger.read().iter().any(ended).then_some(())
    })
    .await;
    assert_eq!(asking.result("runs").await, Ok(None), "an outcome that is not kept");

    disk.set(Writes::Work, Syncs::Work);
    assert_eq!(asking.client().outcome("runs").await.state, State::Succeeded);
    eventually("there is room again", async || {
        asking.submit(task("after", "quick", [])).await.ok()
    })
    .await;
    asking.settle().await;
    place.kill(server);
    let server = place.boot(&[]);
    Asking::of(&place, &server).await.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_does_not_start_on_a_disk_that_it_cannot_write() {
    let place = Place::new();
    let disk = Disk::new(&place);
    let server = place.boot(&[]);
    let asking = Asking::of(&place, &server).await;
    asking.submit(task("before", "quick", [])).await.unwrap();
    place.kill(server);
    let faults =
        [(Writes::Full, Syncs::Work), (Writes::ReadOnly, Syncs::Work), (Writes::Work, Syncs::Fail)];
    for (writes, syncs) in faults {
        disk.set(writes, syncs);
        let Err(status) = place.try_boot(Some(&disk), &[]) else {
            panic!("it started with {writes:?} {syncs:?}")
        };
        assert!(status.code().is_some_and(|code| code != 0), "{writes:?} {syncs:?}: {status}");
        let log = place.log();
        let said = log.lines().last().expect("it says why");
        assert!(said.starts_with("task-scheduler: "), "{writes:?} {syncs:?}: {said}");
    }
    let server = place.boot(&[]);
    Asking::of(&place, &server).await.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_ends_the_process_and_acknowledges_nothing() {
    let place = Place::new();
    let disk = Disk::new(&place);
    let mut server = place.boot_on(Some(&disk), &[]);
    let asking = Asking::of(&place, &server).await;
    for n in 0..20 {
        asking.submit(task(&format!("before-{n}"), "quick", [])).await.unwrap();
        let kept = delayed(task(&format!("kept-{n}"), "quick", []), Duration::from_secs(3));
        asking.enqueue(kept, Ends::Well).await.unwrap();
    }
    disk.set(Writes::Work, Syncs::Fail);
    let submitted = asking.submit(task("submitted", "quick", []));
    let enqueued = asking.enqueue(delayed(task("enqueued", "quick", []), LATER), Ends::Well);
    let (submitted, enqueued) = tokio::join!(submitted, enqueued);
    assert!(submitted.is_err(), "{submitted:?}");
    assert!(enqueued.is_err(), "{enqueued:?}");
    let status = server.ended().await;
    assert!(!status.success(), "it ends by itself, and says so: {status}");
    place.buried(&mut server, Death::PowerLost);
    // The kernel forgets what it could not write.
    let loss = disk.lose_power(&mut fastrand::Rng::new());
    assert!(loss.writes > 0, "there was something to sync");

    disk.set(Writes::Work, Syncs::Work);
    let server = place.boot(&[]);
    let asking = Asking::of(&place, &server).await;
    let cancel = ["enqueued".to_owned()];
    place.ledger.write(&Entry::Cancelling { id: cancel[0].clone() });
    asking.client().cancel(cancel.into()).await.unwrap();
    asking.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_sleeps_through_its_timeout_can_save_nothing_more() {
    let timeout = Duration::from_millis(300);
    let place = Place::new();
    let server = place.boot(&["--cancel-grace", "50ms", "--stuck-after", "200ms"]);
    let asking = Asking::of(&place, &server).await;
    let mut late = task("late", "stubborn_steps", [1_000_000_u64, 5].map(ArgValue::from));
    let options: &mut pb::TaskOptions = late.options.get_or_insert_default();
    options.timeout = Some(timeout.try_into().expect("a short time"));
    asking.enqueue(late, Ends::WellOrTimedOut).await.unwrap();
    let has = |what: &'static str| {
        let ledger = &place.ledger;
        eventually(what, async move || {
            ledger.read().iter().any(|entry| entry.to_string().starts_with(what)).then_some(())
        })
    };
    has("saved late").await;
    server.signal(Signal::STOP);
    // Nothing to wait for: that time passes is what this is about.
    tokio::time::sleep(4 * timeout).await;
    server.signal(Signal::CONT);
    let told = asking.client().outcome("late").await;
    assert!(matches!(told.code(), Some("TIMED_OUT" | "STUCK")), "{told}");
    place.ledger.write(&Entry::Told { id: "late".into(), told });
    // Its next step is refused, and it gives up. The ledger shows if one was not.
    has("end late").await;
    asking.settle().await;
}
