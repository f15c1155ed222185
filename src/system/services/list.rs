//! Which services there are beside the engine's. Each is one line here, and one in ARCHITECTURE.md.
//!
//! Within a group they begin in this order, and stop in the opposite one.

use super::Group;
use crate::engine::Engine;
use crate::monitor::{SAMPLE_EVERY, Sampler};
use crate::orchestrator::SchedulerError;
use crate::schedules::Ticker;
use crate::system::subscribers::Listening;
use crate::webhooks::Webhooks;

/// Those that watch: they stop when nothing happens any more.
pub(super) fn watchers(
    group: &Group,
    engine: &Engine,
    listening: Listening,
) -> Result<(), SchedulerError> {
    group.register_background_task(Sampler::new(engine.clone(), SAMPLE_EVERY))?;
    for subscriber in listening.services(engine) {
        group.register_background_task(subscriber)?;
    }
    Ok(())
}

/// Those that make tasks: they stop before tasks are refused.
pub(super) fn makers(
    group: &Group,
    engine: &Engine,
    webhooks: &Webhooks,
) -> Result<(), SchedulerError> {
    group.register_background_task(Ticker::new(engine.clone()))?;
    group.register_background_task(webhooks.courier())?;
    Ok(())
}
