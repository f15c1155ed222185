use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::timeout;

use super::*;
use crate::models::{CatchUp, Overlap, Request};
use crate::schedules::tests::engine;
use crate::schedules::{ScheduleRequest, Schedules};

/// More than the sleep of 1 s needs on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3_600);

/// A clock that is ahead of the machine's by a time that the test sets.
#[derive(Clone, Default)]
struct AheadClock(Arc<AtomicU64>);

impl AheadClock {
    fn set_forward(&self, by: Duration) {
        self.0.store(by.as_secs(), Ordering::Relaxed);
    }
}

fn ticker(engine: &Engine, options: Options) -> (Ticker, AheadClock) {
    let ahead = AheadClock::default();
    let clock = ahead.clone();
    let mut ticker = Ticker::new(engine.clone(), options);
    ticker.clock = Box::new(move || {
        clock::now().wall.plus(Duration::from_secs(clock.0.load(Ordering::Relaxed)))
    });
    (ticker, ahead)
}

async fn total_runs(schedules: &Schedules) -> u64 {
    let all = schedules.list(None, 100).await.unwrap();
    all.iter().map(|status| status.counts.executed).sum()
}

#[tokio::test]
async fn the_runs_of_one_turn_are_bounded() {
    let engine = engine().await;
    let schedules = Schedules::new(engine.clone());
    for name in ["a", "b", "c", "d"] {
        let request = ScheduleRequest::every(name, Duration::from_secs(1), Request::of("add"))
            .overlap(Overlap::Allow)
            .catch_up(CatchUp::All(3));
        schedules.put(request).await.unwrap();
    }
    let check = async |runs_per_turn, expected: &[u64], hours: u64| {
        let (mut ticker, clock) = ticker(&engine, Options { runs_per_turn, ..Options::default() });
        clock.set_forward(HOUR * u32::try_from(hours).unwrap());
        let mut runs = Vec::new();
        for _ in expected {
            let before = total_runs(&schedules).await;
            ticker.execute().await.unwrap();
            runs.push(total_runs(&schedules).await - before);
        }
        assert_eq!(runs, expected, "at most {runs_per_turn}");
    };
    check(6, &[6, 6], 1).await;
    check(8, &[6, 6], 2).await;
    // The first schedule alone exceeds the limit, and runs.
    check(2, &[3, 3, 3, 3], 3).await;
    engine.stop();
}

#[tokio::test]
async fn the_schedules_of_one_turn_are_bounded() {
    let engine = engine().await;
    let schedules = Schedules::new(engine.clone());
    for name in ["a", "b", "c"] {
        let request = ScheduleRequest::every(name, HOUR, Request::of("add"));
        schedules.put(request).await.unwrap();
    }
    let (mut ticker, clock) =
        ticker(&engine, Options { schedules_per_turn: 2, ..Options::default() });
    clock.set_forward(2 * HOUR);
    ticker.execute().await.unwrap();
    assert_eq!(total_runs(&schedules).await, 2);
    ticker.execute().await.unwrap();
    assert_eq!(total_runs(&schedules).await, 3);
    engine.stop();
}

#[tokio::test]
async fn a_clock_that_is_set_forward_is_noticed_within_a_second() {
    let engine = engine().await;
    let schedules = Schedules::new(engine.clone());
    schedules.put(ScheduleRequest::every("hourly", HOUR, Request::of("add"))).await.unwrap();
    let (mut ticker, clock) = ticker(&engine, Options::default());
    // Consumes the notification of the definition.
    ticker.execute().await.unwrap();

    // The first branch reads the clock before it waits, so the second one sets it during the sleep.
    let sleep = async { timeout(PATIENCE, ticker.execute()).await.expect("a short sleep") };
    let (slept, ()) = tokio::join!(biased; sleep, async { clock.set_forward(2 * HOUR) });
    slept.unwrap();
    assert_eq!(total_runs(&schedules).await, 0);
    ticker.execute().await.unwrap();
    assert_eq!(total_runs(&schedules).await, 1);
    engine.stop();
}
