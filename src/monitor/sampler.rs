//! Says now and then how much waits and runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::now;
use crate::engine::{Engine, QueueDepth};
use crate::events::Announcer;
use crate::models::{Event, Fact, Observed};
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};

/// How often it says so.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// Announces `observability.sampled`.
pub struct Sampler {
    engine: Engine,
    announcer: Arc<Announcer>,
}

impl Sampler {
    /// One that looks at `engine` and tells `announcer`.
    pub fn new(engine: Engine, announcer: Arc<Announcer>) -> Self {
        Self { engine, announcer }
    }
}

impl Executable for Sampler {
    fn name(&self) -> &str {
        "sampler"
    }
}

#[async_trait]
impl BackgroundTask for Sampler {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        tokio::time::sleep(SAMPLE_EVERY).await;
        let depths = self.engine.depths().await;
        let depths = depths.map_err(|error| SchedulerError::TaskExecution(error.to_string()))?;
        let fact = Fact::Observed(sample(&depths));
        self.announcer.announce(Event { at: now().wall, fact });
        Ok(())
    }
}

fn sample(depths: &[QueueDepth]) -> Observed {
    let sum = |count: fn(&QueueDepth) -> u64| depths.iter().map(count).sum();
    Observed::Sampled {
        waiting: sum(|depth| depth.queued),
        running: sum(|depth| depth.running),
        delayed: sum(|depth| depth.delayed),
        failed: sum(|depth| depth.failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::QueueName;

    #[test]
    fn a_sample_is_the_sum_of_all_queues() {
        let depth = |queued, running, delayed, failed| QueueDepth {
            queued,
            running,
            delayed,
            failed,
            ..QueueDepth::of(QueueName::default())
        };
        let said = sample(&[depth(1, 2, 3, 4), depth(10, 20, 30, 40)]);
        let expected = Observed::Sampled { waiting: 11, running: 22, delayed: 33, failed: 44 };
        assert_eq!(said, expected);
    }
}
