//! Load and a crash at a random moment, repeatedly; then the ledger must be sound.
//!
//! `CRASH_ROUNDS` sets the number of rounds, `CRASH_SEED` the random choices; the test prints both.
//! A failing test keeps its folder with the ledger.

use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use task_scheduler::models::ArgValue;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::check::assert_sound;
use crate::client::named;
use crate::disk::{Disk, Loss, Syncs, Writes};
use crate::ledger::{Entry, Expected, ProcessExit};
use crate::load::Caller;
use crate::server::{Fixture, RESCUE_MS, Server};
use crate::waiting::eventually;

const CALLERS: u64 = 4;
/// Chance decides when a round ends, so this is a sleep and no wait for an event.
const ROUND_MS: std::ops::Range<u64> = 50..400;
/// Longer than the timeout, the cancel grace and the time for stuck handlers together.
const STANDSTILL: Duration = Duration::from_millis(800);
const FLAGS: [&str; 6] =
    ["--cancel-grace", "50ms", "--stuck-after", "200ms", "--drain-timeout", "150ms"];
const WITNESS: &str = "witness";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_tasks_end_exactly_once_however_the_process_ends() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect(name));
    let seed = number("CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    let rounds = number("CRASH_ROUNDS").unwrap_or(20);
    println!("CRASH_SEED={seed} CRASH_ROUNDS={rounds}");
    let mut test = CrashTest::new(seed);
    for round in 0..rounds {
        test.round(round).await;
    }
    test.boot_and_finish().await;
}

/// Whatever this test finds does not come from a crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undisturbed_load_keeps_every_rule() {
    let mut test = CrashTest::new(fastrand::u64(..));
    let server = test.fixture.boot(&FLAGS);
    let stop = CancellationToken::new();
    let calls = test.load(&server, &stop).await;
    // A fixed time: it sets the amount of load.
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.cancel();
    for call in calls {
        test.callers.push(call.await.unwrap());
    }
    test.finish(server).await;
}

/// How a round ends.
#[derive(Clone, Copy, Debug)]
enum Interruption {
    Kill,
    /// Kill at the next sync, then a loss of power.
    Power,
    /// Suspend beyond all timeouts, resume, then kill.
    Standstill,
    Drain,
}

struct CrashTest {
    rng: Rng,
    fixture: Fixture,
    disk: Disk,
    callers: Vec<Caller>,
    slowest_rescue_ms: u64,
    loss: Loss,
}

impl CrashTest {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let fixture = Fixture::new();
        let callers = (0..CALLERS)
            .map(|n| Caller::new(format!("c{n}"), rng.u64(..), fixture.ledger.clone()))
            .collect();
        let disk = Disk::new(&fixture);
        Self { rng, fixture, disk, callers, slowest_rescue_ms: 0, loss: Loss::default() }
    }

    async fn round(&mut self, round: u64) {
        let interruption = match self.rng.u32(0..10) {
            0..4 => Interruption::Kill,
            4..7 => Interruption::Power,
            7..9 => Interruption::Standstill,
            _ => Interruption::Drain,
        };
        let within = Duration::from_millis(self.rng.u64(ROUND_MS));
        let before = self.fixture.ledger.length();
        // On a plain disk, too, a loss of power keeps only writes that a later sync covered.
        let watched = matches!(interruption, Interruption::Power) || self.rng.bool();
        if !watched {
            self.disk.mark_synced();
        }
        self.disk.set(Writes::Work, Syncs::Work);
        let server = self.fixture.boot_on(watched.then_some(&self.disk), &FLAGS);
        println!("round {round}: {interruption:?} after {within:?}");
        if round == 0 {
            self.enqueue_witness(&server).await;
        }
        let stop = CancellationToken::new();
        let calls = self.load(&server, &stop).await;
        self.wait_for_witness(before).await;
        tokio::time::sleep(within).await;
        self.end(server, interruption).await;
        stop.cancel();
        for call in calls {
            self.callers.push(call.await.unwrap());
        }
    }

    /// Runs all callers until `stop`, or until the server no longer answers.
    async fn load(&mut self, server: &Server, stop: &CancellationToken) -> Vec<JoinHandle<Caller>> {
        let mut calls = Vec::new();
        for mut caller in self.callers.drain(..) {
            let (client, stop) = (server.client().await, stop.clone());
            calls.push(tokio::spawn(async move {
                caller.call(&client, &stop).await;
                caller
            }));
        }
        calls
    }

    async fn end(&mut self, mut server: Server, interruption: Interruption) {
        match interruption {
            Interruption::Kill => self.fixture.kill(server),
            Interruption::Power => {
                self.disk.set(Writes::Work, Syncs::Kill);
                server.exited().await;
                self.fixture.record_exit(&mut server, ProcessExit::PowerLost);
                let loss = self.disk.lose_power(&mut self.rng);
                println!("  {loss:?}");
                self.loss.writes += loss.writes;
                self.loss.kept += loss.kept;
                self.loss.lost += loss.lost;
            }
            Interruption::Standstill => {
                server.signal(Signal::STOP);
                tokio::time::sleep(STANDSTILL).await;
                let second = self.fixture.try_boot(None, &FLAGS);
                assert!(second.is_err(), "a second server started while the first is suspended");
                server.signal(Signal::CONT);
                tokio::time::sleep(Duration::from_millis(self.rng.u64(ROUND_MS))).await;
                self.fixture.kill(server);
            }
            Interruption::Drain => self.fixture.drain(server).await,
        }
    }

    async fn enqueue_witness(&self, server: &Server) {
        let gate = self.fixture.gate("gate");
        let witness = named(WITNESS, "witness", [ArgValue::from(gate)]);
        let id = WITNESS.to_owned();
        self.fixture.ledger.write(&Entry::Requested {
            id: id.clone(),
            expected: Expected::Succeeded,
            retries: 3,
            due: 0,
        });
        assert_eq!(server.client().await.enqueue(vec![witness]).await, Ok(vec![Ok(())]));
        self.fixture.ledger.write(&Entry::Accepted { id });
    }

    /// The witness runs at every crash, and must start again soon after.
    async fn wait_for_witness(&mut self, before: u64) {
        let ledger = &self.fixture.ledger;
        let started = eventually("the witness starts", async || {
            let entries = ledger.since(before);
            let booted = entries.iter().rev().find_map(|entry| match entry {
                Entry::Booted { at } => Some(*at),
                _ => None,
            });
            let started = entries.iter().find_map(|entry| match entry {
                Entry::Start { id, at, .. } if id == WITNESS => Some(*at),
                _ => None,
            });
            Some(started?.saturating_sub(booted?))
        })
        .await;
        assert!(started < RESCUE_MS, "the witness started {started} ms after the boot");
        self.slowest_rescue_ms = self.slowest_rescue_ms.max(started);
    }

    /// Starts the server once more, and lets every task end.
    async fn boot_and_finish(self) {
        let server = self.fixture.boot(&FLAGS);
        self.finish(server).await;
    }

    async fn finish(mut self, server: Server) {
        self.fixture.open_gate("gate");
        let client = server.client().await;
        for caller in &mut self.callers {
            while caller.repeat_unanswered(&client).await.is_err() {}
        }
        client.wait_until_idle().await;
        let statuses = client.statuses().await;
        self.fixture.drain(server).await;
        let entries = self.fixture.ledger.read();
        let rescues: u64 = statuses.values().map(|status| u64::from(status.rescues)).sum();
        let starts = entries.iter().filter(|entry| matches!(entry, Entry::Start { .. })).count();
        println!(
            "{} tasks, {starts} starts, {rescues} rescues, the slowest {} ms after the boot; {:?}",
            statuses.len(),
            self.slowest_rescue_ms,
            self.loss
        );
        assert_sound(&entries, &statuses);
    }
}
