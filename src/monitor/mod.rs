//! How the system gets on: what it counts, how long things take, and whether all is well.
//!
//! The [`Counts`] observe every event; everything else here is put together when somebody asks,
//! from what they counted, from the engine and from the store.

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
use crate::error::Error;
use crate::store::Properties;

/// How long the store has to answer before it is said that it does not.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// Tells how a system gets on. Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    counts: Arc<Counts>,
    engine: Engine,
    store: Properties,
}

impl Monitor {
    /// That of an engine whose events `counts` observe, and whose durable tasks this store keeps.
    pub fn new(counts: Arc<Counts>, engine: Engine, store: Properties) -> Self {
        Self { counts, engine, store }
    }

    /// How much waits, runs and ends, and how long it takes.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        let depths = self.engine.queues().await?;
        let now = now();
        let snapshot = self.counts.snapshot(now.steady);
        Ok(statistics::combine(snapshot, depths, self.engine.workers(), now.wall))
    }

    /// Whether all is well, judged also by how these services stand.
    pub async fn health(&self, services: Vec<Service>) -> Health {
        let store_error = match tokio::time::timeout(STORE_PATIENCE, self.engine.queues()).await {
            Ok(answered) => answered.err().map(|error| error.to_string()),
            Err(_) => Some(format!("it was asked {} s ago", STORE_PATIENCE.as_secs())),
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
