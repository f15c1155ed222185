//! What runs for as long as a system does, beside the engine.

use std::convert::Infallible;
use std::sync::Arc;

use crate::error::{Code, Error};
use crate::orchestrator::{EventBus, Scheduler, SchedulerError};
use crate::webhooks::Webhooks;

/// The services of a system. They hear of nothing over channels.
pub(super) type Services = Arc<Scheduler<Infallible>>;

/// Starts them.
///
/// # Errors
/// `INTERNAL` when one cannot begin.
pub(super) async fn start(webhooks: &Webhooks) -> Result<Services, Error> {
    let services = Arc::new(Scheduler::new(EventBus::default()));
    let start = async {
        services.register_background_task(webhooks.courier())?;
        services.start().await
    };
    start.await.map_err(|error: SchedulerError| Error::new(Code::Internal, error.to_string()))?;
    Ok(services)
}
