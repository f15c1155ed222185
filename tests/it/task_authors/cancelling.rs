//! Cancelled handlers, and timeouts.

use std::time::{Duration, Instant};

use task_scheduler::testing::{ManualClock, TestTask};
use task_scheduler::{TaskContext, TaskError, async_task, sync_task};

const MINUTE: Duration = Duration::from_secs(60);

/// Logs a line in each round until it is cancelled.
#[sync_task]
fn goes_on(ctx: TaskContext, rounds: u32) -> Result<u32, TaskError> {
    for round in 0..rounds {
        if ctx.is_cancelled() {
            return Ok(round);
        }
        ctx.update_progress(f64::from(round) / f64::from(rounds), "going on")?;
    }
    Ok(rounds)
}

#[test]
fn a_sync_handler_is_cancelled_after_a_number_of_calls() {
    let check = |task: TestTask, rounds: u32| {
        assert_eq!(task.arg(5).run_blocking().result(), &rounds.into());
    };
    check(TestTask::new("goes_on"), 5);
    check(TestTask::new("goes_on").cancelled(), 0);
    check(TestTask::new("goes_on").cancelled_after_calls(3), 3);
    check(TestTask::new("goes_on").elapsed(300 * MINUTE), 0);
}

/// Yields until it is cancelled, and returns how often.
#[async_task]
async fn yields(ctx: TaskContext) -> u32 {
    let mut times = 0;
    while !ctx.is_cancelled() {
        times += 1;
        tokio::task::yield_now().await;
    }
    times
}

#[tokio::test]
async fn an_async_handler_is_cancelled_after_a_number_of_polls() {
    let outcome = TestTask::new("yields").cancelled_after_polls(4).run().await;
    assert_eq!(outcome.result(), &4_u32.into());
}

#[async_task(timeout = "1m")]
async fn waits_for_its_cancel(ctx: TaskContext) -> String {
    ctx.cancelled().await;
    format!("cancelled after {:?}", ctx.elapsed())
}

#[tokio::test]
async fn an_attempt_is_cancelled_at_its_timeout() {
    let clock = ManualClock::new();
    let run = TestTask::new("waits_for_its_cancel").clock(&clock).run();
    let time = async {
        for _ in 0..4 {
            clock.advance(MINUTE / 4);
            tokio::task::yield_now().await;
        }
    };
    let both = async { tokio::join!(run, time) };
    let (outcome, ()) = tokio::time::timeout(MINUTE, both).await.expect("it is cancelled");
    assert_eq!(outcome.result(), &"cancelled after 60s".into());
}

#[test]
fn the_time_is_that_of_the_host() {
    let clock = ManualClock::new();
    let ctx = TestTask::new("waits_for_its_cancel").clock(&clock).elapsed(MINUTE / 4).context();
    assert_eq!((ctx.elapsed(), ctx.remaining()), (MINUTE / 4, MINUTE * 3 / 4));
    clock.advance(MINUTE / 4);
    assert_eq!((ctx.elapsed(), ctx.remaining()), (MINUTE / 2, MINUTE / 2));
    let before = Instant::now();
    let deadline = ctx.deadline();
    assert!((before + MINUTE / 2..=Instant::now() + MINUTE / 2).contains(&deadline));
    clock.advance(MINUTE);
    assert_eq!(ctx.remaining(), Duration::ZERO);
}
