//! Long runs of random changes, repeated commits and process ends, compared with the memory store
//! as the reference. `STORE_SEED` sets another seed.

use std::time::Duration;

use task_scheduler::clock::Timestamp;
use task_scheduler::models::{Fact, NodeFact, TaskFilter};
use task_scheduler::store::{Change, MemoryStore, NOTIFY_SLICE, OpenOptions, OpenReport, Store};

use super::chance::{self, Chance, Step};
use super::given::*;

on_every_store!(
    a_first_random_run_equals_the_reference,
    a_second_random_run_equals_the_reference,
    a_third_random_run_equals_the_reference,
    a_fourth_random_run_equals_the_reference,
);

const STEPS: usize = 400;
/// More rounds than a run has steps.
const ROUNDS: usize = 1_000;

async fn a_first_random_run_equals_the_reference(given: Given) {
    live(given, 1).await;
}

async fn a_second_random_run_equals_the_reference(given: Given) {
    live(given, 2).await;
}

async fn a_third_random_run_equals_the_reference(given: Given) {
    live(given, 3).await;
}

async fn a_fourth_random_run_equals_the_reference(given: Given) {
    live(given, 4).await;
}

struct Life {
    given: Given,
    reference: MemoryStore,
    chance: Chance,
}

async fn live(given: Given, seed: u64) {
    let seed = std::env::var("STORE_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(seed);
    println!("again with STORE_SEED={seed}");
    let reference = MemoryStore::default();
    let boot = OpenOptions {
        now: given.now(),
        quarantine_after: QUARANTINE_AFTER,
        notify_slice: NOTIFY_SLICE,
    };
    let opened = reference.open(boot).await.expect("it opens");
    let mut chance = Chance::new(seed);
    chance.opened(opened.epoch);
    let mut life = Life { given, reference, chance };
    for at in 0..STEPS {
        let step = life.chance.next();
        life.given.wait(life.chance.now.since(life.given.now()));
        life.make(step).await;
        if at % 40 == 0 {
            life.compare().await;
        }
    }
    life.come_to_an_end().await;
    life.compare().await;
}

/// A store need not store the time of the last write at once.
fn but_for_the_last_sign_of_life(opened: &OpenReport) -> OpenReport {
    let mut opened = opened.clone();
    for event in &mut opened.events {
        if let Fact::Node(NodeFact::Crashed { last_alive, .. }) = &mut event.fact {
            *last_alive = Timestamp::EPOCH;
        }
    }
    opened
}

impl Life {
    async fn make(&mut self, step: Step) {
        let now = self.chance.now;
        match step {
            Step::Commit(changes) => {
                let commit = self.given.commit_all(changes.clone()).await;
                let right = self.reference.commit(changes.clone(), now).await.expect("it commits");
                assert_eq!(commit, right, "{changes:#?}");
                assert_eq!(self.given.commit_all(changes).await, right, "told once more");
                for applied in &commit.applied {
                    self.chance.applied(applied);
                }
            }
            Step::Claim(wanted) => {
                let claims = self.given.claim_all(wanted.clone()).await;
                let right = self.reference.claim(wanted.clone(), now).await.expect("it claims");
                assert_eq!(claims, right, "{wanted:?}");
                self.chance.claimed(&claims);
            }
            Step::Open { quarantine_after } => {
                let durable = self.given.store.properties().durable;
                let opened = match durable {
                    true => self.given.restart_with(quarantine_after).await,
                    false => self.given.open_with(quarantine_after).await,
                };
                let boot = OpenOptions { now, quarantine_after, notify_slice: NOTIFY_SLICE };
                let right = self.reference.open(boot).await.expect("it opens");
                assert_eq!(
                    but_for_the_last_sign_of_life(&opened),
                    but_for_the_last_sign_of_life(&right)
                );
                self.chance.opened(opened.epoch);
            }
        }
    }

    /// Compares all reads.
    async fn compare(&self) {
        let (store, reference) = (&self.given.store, &self.reference);
        let ids = chance::every_id();
        let right = reference.find(&ids).await.expect("it reads");
        for (found, right) in store.find(&ids).await.expect("it reads").into_iter().zip(right) {
            assert_eq!(found, right);
        }
        let all = TaskFilter::default();
        let page = store.list(&all, None, 1_000).await.expect("it reads");
        assert_eq!(page, reference.list(&all, None, 1_000).await.expect("it reads"));
        let schedules = store.schedules(None, 9).await.expect("it reads");
        assert_eq!(schedules, reference.schedules(None, 9).await.expect("it reads"));
        let due = store.due_schedules(self.chance.now, 9).await.expect("it reads");
        let right = reference.due_schedules(self.chance.now, 9).await.expect("it reads");
        assert_eq!(due, right);
        let webhooks = store.webhooks().await.expect("it reads");
        assert_eq!(webhooks, reference.webhooks().await.expect("it reads"));
        let outbox = store.outbox(0, 10_000).await.expect("it reads");
        assert_eq!(outbox, reference.outbox(0, 10_000).await.expect("it reads"));
        let queues = store.queues().await.expect("it reads");
        assert_eq!(queues, reference.queues().await.expect("it reads"));
        for queue in chance::queues() {
            let window = store.window(&queue, None, 1_000).await.expect("it reads");
            assert_eq!(window, reference.window(&queue, None, 1_000).await.expect("it reads"));
            for key in chance::keys() {
                let holders = store.holders(&queue, key, 1_000).await.expect("it reads");
                let right = reference.holders(&queue, key, 1_000).await.expect("it reads");
                assert_eq!(holders, right);
            }
        }
        for id in &ids {
            let log = store.logs(id, 1, 1_000).await.expect("it reads");
            assert_eq!(log, reference.logs(id, 1, 1_000).await.expect("it reads"));
        }
    }

    /// Claims and completes everything, as time goes by, until no task is left.
    async fn come_to_an_end(&mut self) {
        let changes = self.chance.lift();
        self.make(Step::Commit(changes.into())).await;
        for _ in 0..ROUNDS {
            for queue in chance::queues() {
                let ready = self.reference.window(&queue, None, 1_000).await.expect("it reads");
                let requests = self.chance.requests(&ready);
                self.make(Step::Claim(requests)).await;
            }
            let mut changes = self.chance.ends();
            changes.push(Change::Promote { limit: 100 });
            changes.push(Change::NotifyDependants { limit: NOTIFY_SLICE });
            self.make(Step::Commit(changes.into())).await;
            self.chance.now = self.chance.now.plus(Duration::from_secs(1));
            self.given.wait(SECOND);
            let states = TaskFilter::UNFINISHED.into();
            let unfinished = TaskFilter { states, ..TaskFilter::default() };
            let left = self.reference.list(&unfinished, None, 1).await.expect("it reads");
            if left.tasks.is_empty() {
                return;
            }
        }
        panic!("something waits for ever");
    }
}
