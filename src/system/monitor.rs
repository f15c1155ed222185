//! How the system gets on.

use super::{ServiceStatus, TaskSystem};
use crate::error::Error;
use crate::models::{Explanation, TaskId};
pub use crate::monitor::{
    Health, MethodStatistics, Percentiles, QueueStatistics, Rates, Service, Statistics, Totals,
};
use crate::orchestrator::ServiceState;

impl TaskSystem {
    /// How much waits, runs and ends, and how long it takes.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        self.monitor.statistics().await
    }

    /// Why a task is not running now, and when it will, as far as is known.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn explain(&self, id: &TaskId) -> Result<Explanation, Error> {
        self.engine.explain(id).await
    }

    /// Whether all is well, and if not, why.
    pub async fn health(&self) -> Health {
        let services = self.services().into_iter().map(|service| {
            let ServiceStatus { name, status, failures, last_error } = service;
            Service { name, state: ServiceState { status, failures, last_error } }
        });
        self.monitor.health(services.collect()).await
    }
}
