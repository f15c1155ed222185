//! Says now and then how much waits and runs.

use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Engine, QueueState};
use crate::error::{Code, Error};
use crate::models::{Fact, ServerFact};
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};

/// How often the daemon's says so.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// Announces `observability.sampled`.
pub struct Sampler {
    engine: Engine,
    every: Duration,
}

impl Sampler {
    /// One that looks at this engine, each time after such a pause.
    pub fn new(engine: Engine, every: Duration) -> Self {
        Self { engine, every }
    }

    async fn say(&self) -> Result<(), Error> {
        let depths = self.engine.queues().await?;
        self.engine.announce(Fact::Server(sample(&depths))).await?;
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
        match self.say().await {
            Ok(()) => Ok(()),
            // Nothing is announced any more, which is no failure.
            Err(error) if error.code == Code::Draining => std::future::pending().await,
            Err(error) => Err(SchedulerError::TaskExecution(error.to_string())),
        }
    }
}

fn sample(depths: &[QueueState]) -> ServerFact {
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
    async fn each_turn_announces_what_the_store_holds() {
        let heard: Arc<Mutex<Vec<Fact>>> = Arc::default();
        let hearing = heard.clone();
        let samples = move |event: &Event| {
            if let Fact::Server(_) = event.fact {
                assert_catalogued(event);
                hearing.lock().push(event.fact.clone());
            }
        };
        let announcer = Arc::new(Announcer::default().observer(Arc::new(samples)));
        let cache = Arc::new(ResultsCache::new(NonZeroUsize::MIN, 1_000));
        let (options, store) = (Options::default(), Arc::new(MemoryStore::default()));
        let registry = TaskRegistry::default();
        let idle = make_handler("idle", |_, _, _| Ok(ArgValue::Null));
        registry.register_handler(idle).expect("a good handler");
        let engine = Engine::start(options, Arc::new(registry), cache, store, announcer).await;
        let engine = engine.expect("it starts");
        let later = Request::of("idle").with(|asked| {
            asked.start = Some(StartTime::After(Duration::from_secs(3600)));
        });
        engine.enqueue(later).await.expect("it is accepted");
        let mut sampler = Sampler::new(engine.clone(), Duration::ZERO);
        for _ in 0..2 {
            sampler.execute().await.expect("the store answers");
        }
        let one = ServerFact::Sampled { queued: 0, running: 0, delayed: 1, failed: 0 };
        assert_eq!(*heard.lock(), vec![Fact::Server(one); 2]);
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
        let said = sample(&[depth(1, 2, 3, 4), depth(10, 20, 30, 40)]);
        let expected = ServerFact::Sampled { queued: 11, running: 22, delayed: 33, failed: 44 };
        assert_eq!(said, expected);
    }
}
