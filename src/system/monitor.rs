//! How the system gets on.

use super::TaskSystem;
use crate::error::Error;
use crate::models::{Explanation, TaskId};
pub use crate::monitor::{
    Health, MethodStatistics, Percentiles, QueueStatistics, Rates, Service, Statistics, Totals,
};

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
        self.monitor.health(self.services()).await
    }
}
