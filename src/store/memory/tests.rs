//! Random changes: the tables stay consistent, two copies stay equal, and every task can end.
//! `STORE_SEEDS` sets how many seeds run, `STORE_SEED` runs one.

#[path = "../../../tests/stores/conformance/chance.rs"]
mod chance;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use chance::{Chance, Step};

use super::Tables;
use crate::models::TaskFilter;
use crate::store::{Change, OpenOptions};

/// All seeds together take a few seconds.
const SEEDS: u64 = 60;
const STEPS: usize = 400;
/// So small that a second slice is frequent.
const SLICE: usize = 2;
/// More rounds than a run has steps.
const ROUNDS: usize = 1_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn try_seeds(run: impl Fn(u64)) {
    let seeds = match number("STORE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STORE_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("repeat with STORE_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

/// Compares all that two tables hold.
fn assert_equal(one: &Tables, other: &Tables) {
    let all = TaskFilter::default();
    assert_eq!(one.list(&all, None, usize::MAX), other.list(&all, None, usize::MAX));
    assert_eq!(one.queues(), other.queues());
    for queue in chance::queues() {
        assert_eq!(one.window(&queue, None, usize::MAX), other.window(&queue, None, usize::MAX));
        for key in chance::keys() {
            assert_eq!(one.holding(&queue, key, 99), other.holding(&queue, key, 99));
        }
    }
    assert_eq!(one.schedules.page(None, 9), other.schedules.page(None, 9));
    assert_eq!(one.outbox.after(0, usize::MAX), other.outbox.after(0, usize::MAX));
    for id in chance::every_id() {
        assert_eq!(one.find(&id), other.find(&id));
        assert_eq!(one.log(&id, 0, usize::MAX), other.log(&id, 0, usize::MAX));
    }
}

/// Applies `STEPS` steps to two copies of the tables.
fn run(seed: u64, mut tables: Tables, mut copy: Tables) {
    let mut chance = Chance::new(seed);
    let boot = |now, quarantine_after| OpenOptions { now, quarantine_after, notify_slice: SLICE };
    let opened = tables.open(boot(chance.now, 2));
    assert_eq!(copy.open(boot(chance.now, 2)), opened);
    chance.opened(opened.epoch);
    for at in 0..STEPS {
        match chance.next() {
            Step::Commit(changes) => {
                for change in changes.iter() {
                    let applied = tables.apply(change, chance.now);
                    assert_eq!(copy.apply(change, chance.now), applied, "{change:?}");
                    check(&mut tables, change);
                    chance.applied(&applied);
                }
            }
            Step::Claim(wanted) => {
                let claims = tables.claim(&wanted, chance.now);
                assert_eq!(copy.claim(&wanted, chance.now), claims);
                check(&mut tables, &wanted);
                chance.claimed(&claims);
            }
            Step::Open { quarantine_after } => {
                let opened = tables.open(boot(chance.now, quarantine_after));
                assert_eq!(copy.open(boot(chance.now, quarantine_after)), opened);
                check(&mut tables, &opened);
                chance.opened(opened.epoch);
            }
        }
        if at % 40 == 0 {
            assert_equal(&tables, &copy);
        }
    }
    assert_equal(&tables, &copy);
    finish_everything(&mut tables, chance);
}

fn check(tables: &mut Tables, after: &impl std::fmt::Debug) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| tables.check())) {
        eprintln!("after {after:#?}");
        resume_unwind(panic);
    }
}

/// Claims and completes everything, as time goes by, until no task is left.
fn finish_everything(tables: &mut Tables, mut chance: Chance) {
    for change in chance.lift() {
        tables.apply(&change, chance.now);
    }
    for _ in 0..ROUNDS {
        for queue in chance::queues() {
            let requests = chance.requests(&tables.window(&queue, None, usize::MAX));
            let claims = tables.claim(&requests, chance.now);
            check(tables, &requests);
            chance.claimed(&claims);
        }
        let mut changes = chance.ends();
        changes.push(Change::Promote { limit: 100 });
        changes.push(Change::NotifyDependants { limit: SLICE });
        for change in changes {
            tables.apply(&change, chance.now);
            check(tables, &change);
        }
        chance.now = chance.now.plus(Duration::from_secs(1));
        let unfinished =
            TaskFilter { states: TaskFilter::UNFINISHED.into(), ..TaskFilter::default() };
        let left = tables.list(&unfinished, None, usize::MAX);
        if left.tasks.is_empty() && tables.due().is_none() {
            assert!(tables.nobody_waits());
            assert!(tables.keeps_ended || tables.is_empty(), "{tables:?}");
            return;
        }
    }
    panic!("a task waits for ever: {tables:#?}");
}

#[test]
fn random_changes_keep_the_tables_consistent_and_every_task_can_end() {
    try_seeds(|seed| run(seed, Tables::default(), Tables::default()));
}

#[test]
fn tables_for_unfinished_tasks_stay_consistent_and_end_empty() {
    let tables = || Tables::for_unfinished_tasks(SLICE);
    try_seeds(|seed| run(seed, tables(), tables()));
}
