//! A seeded simulation: the core and the memory store under a manual clock, with everything that
//! may go wrong going wrong. Order, time, chance and faults come from the seed alone.
//!
//! `SIMULATION_SEEDS` says how many seeds are tried, `SIMULATION_SEED` tries a single one and
//! `SIMULATION_TRACE` tells what happens.
//!
//! What the performers around the core promise is kept: writes reach the store in their order, a
//! body that is told to stop before it was started learns of it when it starts, and a commit whose
//! answer was lost is asked for again until it is known. Everything else comes late and in any order.

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

/// Together they take a few seconds.
const SEEDS: u64 = 1_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn whatever_happens_every_task_ends_once_and_everybody_is_told() {
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| World::new(seed).run())) {
            eprintln!("the simulation failed; again with SIMULATION_SEED={seed}");
            resume_unwind(panic);
        }
    }
}
