//! A seeded simulation: the core and the memory store under a manual clock, with injected faults.
//! Order, time, chance and faults come from the seed alone.
//!
//! `SIMULATION_SEEDS` sets how many seeds run, `SIMULATION_SEED` runs a single one, and
//! `SIMULATION_TRACE` prints what happens.
//!
//! The simulation keeps the guarantees of the performers around the core: writes reach the store in
//! their order, a handler that is signalled before its start learns it when it starts, and a commit
//! whose answer was lost is retried until the answer is known. Everything else is late and in any
//! order.

mod cancels;
mod checks;
mod crashes;
mod events;
mod handlers;
mod host_calls;
mod ledger;
mod limits;
mod operators;
mod requests;
mod stores;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use world::World;

/// They take a few seconds.
const SEEDS: u64 = 1_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_task_ends_once_and_every_waiter_is_answered() {
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| World::new(seed).run())) {
            eprintln!("the simulation failed; repeat it with SIMULATION_SEED={seed}");
            resume_unwind(panic);
        }
    }
}
