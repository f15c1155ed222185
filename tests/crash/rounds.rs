//! Load, and an end at a random moment, again and again; then everything has to add up.
//!
//! `CRASH_ROUNDS` says how many, `CRASH_SEED` which; both are printed. A failing test keeps its
//! folder, with the ledger in it.

use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use task_scheduler::models::ArgValue;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::check::assert_sound;
use crate::client::named;
use crate::disk::{Disk, Loss, Syncs, Writes};
use crate::ledger::{Death, Ends, Entry};
use crate::load::Caller;
use crate::server::{Place, RESCUE_MS, Server};
use crate::waiting::eventually;

const CALLERS: u64 = 4;
/// Chance decides when a round ends, so this is not to be waited for but to be hit.
const ROUND_MS: std::ops::Range<u64> = 50..400;
/// Longer than the timeout, the grace and the patience with stuck bodies together.
const STANDSTILL: Duration = Duration::from_millis(800);
const FLAGS: [&str; 6] =
    ["--cancel-grace", "50ms", "--stuck-after", "200ms", "--drain-timeout", "150ms"];
const WITNESS: &str = "witness";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_ends_once_however_the_process_ends() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect(name));
    let seed = number("CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    let rounds = number("CRASH_ROUNDS").unwrap_or(20);
    println!("CRASH_SEED={seed} CRASH_ROUNDS={rounds}");
    let mut story = Story::new(seed);
    for round in 0..rounds {
        story.round(round).await;
    }
    story.come_to_rest().await;
}

/// What is found here is not the doing of any end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_nobody_disturbs_adds_up() {
    let mut story = Story::new(fastrand::u64(..));
    let server = story.place.boot(&FLAGS);
    let stop = CancellationToken::new();
    let calls = story.load(&server, &stop).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.cancel();
    for call in calls {
        story.callers.push(call.await.unwrap());
    }
    story.settle(server).await;
}

/// How a round ends.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Kill,
    /// Killed where it would have synced, and the power is lost with it.
    Power,
    /// Stands still for longer than its timeouts, goes on, and is killed.
    Standstill,
    Drain,
}

struct Story {
    rng: Rng,
    place: Place,
    disk: Disk,
    callers: Vec<Caller>,
    slowest_rescue_ms: u64,
    loss: Loss,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let place = Place::new();
        let callers = (0..CALLERS)
            .map(|n| Caller::new(format!("c{n}"), rng.u64(..), place.ledger.clone()))
            .collect();
        let disk = Disk::new(&place);
        Self { rng, place, disk, callers, slowest_rescue_ms: 0, loss: Loss::default() }
    }

    async fn round(&mut self, round: u64) {
        let fate = match self.rng.u32(0..10) {
            0..4 => Fate::Kill,
            4..7 => Fate::Power,
            7..9 => Fate::Standstill,
            _ => Fate::Drain,
        };
        let within = Duration::from_millis(self.rng.u64(ROUND_MS));
        let before = self.place.ledger.length();
        // Under the plain disk, too, only what a later sync covered is safe from a loss of power.
        let watched = matches!(fate, Fate::Power) || self.rng.bool();
        if !watched {
            self.disk.forget();
        }
        self.disk.set(Writes::Work, Syncs::Work);
        let server = self.place.boot_on(watched.then_some(&self.disk), &FLAGS);
        println!("round {round}: {fate:?} after {within:?}");
        if round == 0 {
            self.ask_for_the_witness(&server).await;
        }
        let stop = CancellationToken::new();
        let calls = self.load(&server, &stop).await;
        self.see_the_witness_start(before).await;
        tokio::time::sleep(within).await;
        self.end(server, fate).await;
        stop.cancel();
        for call in calls {
            self.callers.push(call.await.unwrap());
        }
    }

    /// Lets every caller call, until it is told to stop or nobody answers.
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

    async fn end(&mut self, mut server: Server, fate: Fate) {
        match fate {
            Fate::Kill => self.place.kill(server),
            Fate::Power => {
                self.disk.set(Writes::Work, Syncs::Kill);
                server.ended().await;
                self.place.buried(&mut server, Death::PowerLost);
                let loss = self.disk.lose_power(&mut self.rng);
                println!("  {loss:?}");
                self.loss.writes += loss.writes;
                self.loss.kept += loss.kept;
                self.loss.lost += loss.lost;
            }
            Fate::Standstill => {
                server.signal(Signal::STOP);
                tokio::time::sleep(STANDSTILL).await;
                let second = self.place.try_boot(None, &FLAGS);
                assert!(second.is_err(), "two servers on one folder, one of them asleep");
                server.signal(Signal::CONT);
                tokio::time::sleep(Duration::from_millis(self.rng.u64(ROUND_MS))).await;
                self.place.kill(server);
            }
            Fate::Drain => self.place.drain(server).await,
        }
    }

    async fn ask_for_the_witness(&self, server: &Server) {
        let gate = self.place.gate("gate");
        let witness = named(WITNESS, "witness", [ArgValue::from(gate)]);
        let id = WITNESS.to_owned();
        self.place.ledger.write(&Entry::Asked {
            id: id.clone(),
            ends: Ends::Well,
            retries: 3,
            due: 0,
        });
        assert_eq!(server.client().await.enqueue(vec![witness]).await, Ok(vec![Ok(())]));
        self.place.ledger.write(&Entry::Accepted { id });
    }

    /// It runs at every end, and has to run again soon after.
    async fn see_the_witness_start(&mut self, before: u64) {
        let ledger = &self.place.ledger;
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

    /// Nothing is in the way any more: everything ends, and is judged.
    async fn come_to_rest(self) {
        let server = self.place.boot(&FLAGS);
        self.settle(server).await;
    }

    async fn settle(mut self, server: Server) {
        self.place.open_gate("gate");
        let client = server.client().await;
        for caller in &mut self.callers {
            while caller.ask_again(&client).await.is_err() {}
        }
        client.at_rest().await;
        let standings = client.standings().await;
        self.place.drain(server).await;
        let entries = self.place.ledger.read();
        let rescues: u64 = standings.values().map(|standing| u64::from(standing.rescues)).sum();
        let starts = entries.iter().filter(|entry| matches!(entry, Entry::Start { .. })).count();
        println!(
            "{} tasks, {starts} starts, {rescues} rescues, the slowest {} ms after the boot; {:?}",
            standings.len(),
            self.slowest_rescue_ms,
            self.loss
        );
        assert_sound(&entries, &standings);
    }
}
