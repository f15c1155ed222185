//! Which services there are beside the engine's. Each is one line here, and one in ARCHITECTURE.md.
//!
//! Within a group they begin in this order, and stop in the opposite one.

use std::sync::Arc;

use super::Group;
use crate::engine::Engine;
use crate::events::Announcer;
use crate::orchestrator::SchedulerError;

/// Those that watch: they stop when nothing happens any more.
pub(super) fn watchers(
    _group: &Group,
    _engine: &Engine,
    _announcer: &Arc<Announcer>,
) -> Result<(), SchedulerError> {
    Ok(())
}

/// Those that make tasks: they stop before tasks are refused.
pub(super) fn makers(_group: &Group, _engine: &Engine) -> Result<(), SchedulerError> {
    Ok(())
}
