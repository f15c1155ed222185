//! Monitoring: statistics and health of the system.
//!
//! [`Counts`] counts every event. Statistics and health are computed on request from these counters, the
//! engine and the store.

mod counts;
mod health;
mod methods;
mod rates;
mod sampler;
mod statistics;
mod timing;

pub use counts::{Counts, Totals};
pub use health::{Health, HealthSignals, Service};
pub use methods::{MAX_METHODS, MethodStatistics};
pub use rates::Rates;
pub use sampler::{SAMPLE_EVERY, Sampler};
pub use statistics::{MAX_QUEUES, OTHERS, QueueStatistics, Statistics};
pub use timing::Percentiles;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::now;
use crate::engine::Engine;
use crate::engine::Properties;
use crate::error::Error;

/// How long a health check waits for the store to answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Computes the statistics and the health of a system. Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    counts: Arc<Counts>,
    engine: Engine,
    store: Properties,
}

impl Monitor {
    /// A monitor of this engine. `counts` must observe the engine's events; `store` describes the store of
    /// durable tasks.
    pub fn new(counts: Arc<Counts>, engine: Engine, store: Properties) -> Self {
        Self { counts, engine, store }
    }

    /// The queues' depths, the throughput, and the latencies of each method.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        let depths = self.engine.queues().await?;
        let now = now();
        let snapshot = self.counts.snapshot(now.steady);
        Ok(statistics::combine(snapshot, depths, self.engine.workers(), now.wall))
    }

    /// The health of the system, including that of these services. Waits at most 2 seconds for the store.
    pub async fn health(&self, services: Vec<Service>) -> Health {
        let store_error = match tokio::time::timeout(STORE_TIMEOUT, self.engine.queues()).await {
            Ok(answered) => answered.err().map(|error| error.to_string()),
            Err(_) => Some(format!("no answer within {} s", STORE_TIMEOUT.as_secs())),
        };
        Health::judge(HealthSignals {
            pauses: self.engine.pauses(),
            stuck: self.engine.workers().stuck,
            store: self.store,
            store_error,
            services,
        })
    }
}
