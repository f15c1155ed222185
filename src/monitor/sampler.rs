//! The sampler: announces the number of tasks at intervals.

use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Engine, QueueState};
use crate::error::{Code, Error};
use crate::models::{Fact, ServerFact};
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};

/// The daemon's interval between samples.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// The service that announces `observability.sampled`.
pub struct Sampler {
    engine: Engine,
    every: Duration,
}

impl Sampler {
    /// A sampler of this engine that waits for `every` before each sample.
    pub fn new(engine: Engine, every: Duration) -> Self {
        Self { engine, every }
    }

    async fn announce_sample(&self) -> Result<(), Error> {
        let depths = self.engine.queues().await?;
        self.engine.announce(Fact::Server(sum_of(&depths))).await?;
        Ok(())
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
        tokio::time::sleep(self.every).await;
        match self.announce_sample().await {
            Ok(()) => Ok(()),
            // The engine is shutting down, which is no failure.
            Err(error) if error.code == Code::Draining => std::future::pending().await,
            Err(error) => Err(SchedulerError::TaskExecution(error.to_string())),
        }
    }
}

fn sum_of(depths: &[QueueState]) -> ServerFact {
    let sum = |count: fn(&QueueState) -> u64| depths.iter().map(count).sum();
    ServerFact::Sampled {
        queued: sum(|depth| depth.queued),
        running: sum(|depth| depth.running),
        delayed: sum(|depth| depth.delayed),
        failed: sum(|depth| depth.failed),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::cache::ResultsCache;
    use crate::engine::Options;
    use crate::events::Announcer;
    use crate::events::catalog::assert_catalogued;
    use crate::models::{ArgValue, Event, QueueName, Request, StartTime};
    use crate::store::MemoryStore;
    use crate::tasks::{TaskRegistry, make_handler};

    #[tokio::test(flavor = "multi_thread")]
    async fn each_run_announces_the_number_of_tasks_in_the_store() {
        let samples: Arc<Mutex<Vec<Fact>>> = Arc::default();
        let seen = samples.clone();
        let observer = move |event: &Event| {
            if let Fact::Server(_) = event.fact {
                assert_catalogued(event);
                seen.lock().push(event.fact.clone());
            }
        };
        let announcer = Arc::new(Announcer::default().observer(Arc::new(observer)));
        let cache = Arc::new(ResultsCache::new(NonZeroUsize::MIN, 1_000));
        let (options, store) = (Options::default(), Arc::new(MemoryStore::default()));
        let registry = TaskRegistry::default();
        let idle = make_handler("idle", |_, _, _| Ok(ArgValue::Null));
        registry.register_handler(idle).expect("a valid handler");
        let engine = Engine::start(options, Arc::new(registry), cache, store, announcer).await;
        let engine = engine.expect("it starts");
        let later = Request::of("idle").with(|options| {
            options.start = Some(StartTime::After(Duration::from_secs(3600)));
        });
        engine.enqueue(later).await.expect("it is accepted");
        let mut sampler = Sampler::new(engine.clone(), Duration::ZERO);
        for _ in 0..2 {
            sampler.execute().await.expect("the store answers");
        }
        let one = ServerFact::Sampled { queued: 0, running: 0, delayed: 1, failed: 0 };
        assert_eq!(*samples.lock(), vec![Fact::Server(one); 2]);
        engine.stop();
    }

    #[test]
    fn a_sample_is_the_sum_of_all_queues() {
        let depth = |queued, running, delayed, failed| QueueState {
            queued,
            running,
            delayed,
            failed,
            ..QueueState::empty(QueueName::default())
        };
        let sum = sum_of(&[depth(1, 2, 3, 4), depth(10, 20, 30, 40)]);
        let expected = ServerFact::Sampled { queued: 11, running: 22, delayed: 33, failed: 44 };
        assert_eq!(sum, expected);
    }
}
