//! The services beside the engine's. Each has one line here and one in ARCHITECTURE.md.
//!
//! Within a group they start in this order and stop in the opposite order.

use super::Group;
use crate::engine::Engine;
use crate::monitor::{SAMPLE_EVERY, Sampler};
use crate::orchestrator::SchedulerError;
use crate::schedules::{Ticker, TickerOptions};
use crate::system::subscribers::Subscriptions;
use crate::webhooks::Webhooks;

/// Services that observe. They stop after the last event.
pub(super) fn watchers(
    group: &Group,
    engine: &Engine,
    subscriptions: Subscriptions,
) -> Result<(), SchedulerError> {
    group.register_background_task(Sampler::new(engine.clone(), SAMPLE_EVERY))?;
    for subscriber in subscriptions.services(engine) {
        group.register_background_task(subscriber)?;
    }
    Ok(())
}

/// Services that create tasks. They stop before the engine refuses tasks.
pub(super) fn producers(
    group: &Group,
    engine: &Engine,
    webhooks: &Webhooks,
) -> Result<(), SchedulerError> {
    group.register_background_task(Ticker::new(engine.clone(), TickerOptions::default()))?;
    group.register_background_task(webhooks.courier())?;
    Ok(())
}
