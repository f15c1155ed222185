use std::sync::Arc;
use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{ArgValue, State, Update, WatchCursor};
use tokio::sync::Notify;

use crate::harness::*;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_yields_states_log_lines_progress_and_the_outcome() {
    let system = start().await;
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    system
        .register_handler(async_handler("tests/steps", move |ctx, _| {
            let gate = gate.clone();
            async move {
                for step in 1..=2 {
                    gate.notified().await;
                    ctx.log_info(format!("step {step}"));
                    ctx.update_progress(f64::from(step) / 2.0, "on").expect("a valid fraction");
                }
                gate.notified().await;
                Ok(ArgValue::Null)
            }
        }))
        .expect("a valid handler");
    system.tasks().enqueue(named("steps", "tests/steps", &[])).await.expect("it is accepted");
    let mut watch =
        system.tasks().watch(&id("steps"), WatchCursor::default()).await.expect("it is known");
    let mut seen = Vec::new();
    let mut middle = WatchCursor::default();
    let mut steps = 0;
    loop {
        let next = tokio::time::timeout(LONG, watch.next()).await.expect("something happens");
        let Some(update) = next else { break };
        let (cursor, update) = update.expect("it reads");
        match &update {
            Update::Entered(entry) if entry.state == State::Running => go.notify_one(),
            Update::Log(_) if steps < 2 => {
                steps += 1;
                middle = cursor;
                go.notify_one();
            }
            _ => {}
        }
        seen.push(match update {
            Update::Entered(entry) => entry.state.to_string(),
            Update::Progress(fraction, message) => format!("{fraction} {message}"),
            Update::Log(line) => line.text,
            Update::Outcome(outcome) => format!("ended {}", outcome.state()),
        });
    }
    for (word, times) in [("QUEUED", 0..=1), ("RUNNING", 1..=1), ("SUCCEEDED", 1..=1)] {
        let count = seen.iter().filter(|it| *it == word).count();
        assert!(times.contains(&count), "{word}: {seen:?}");
    }
    for word in ["step 1", "step 2", "1 on"] {
        assert_eq!(seen.iter().filter(|it| *it == word).count(), 1, "{word}: {seen:?}");
    }
    assert_eq!(seen.last().map(String::as_str), Some("ended SUCCEEDED"));

    // A watch with a cursor resumes after it.
    let mut watch = system.tasks().watch(&id("steps"), middle).await.expect("it is kept");
    let mut rest = Vec::new();
    while let Some(update) = watch.next().await {
        rest.push(update.expect("it reads").1);
    }
    assert!(rest.iter().all(|it| !matches!(it, Update::Log(line) if line.text == "step 1")));
    assert!(matches!(rest.last(), Some(Update::Outcome(_))), "{rest:?}");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_task_cannot_be_watched() {
    let system = start().await;
    let refused = system.tasks().watch(&id("unknown"), WatchCursor::default()).await.map(drop);
    assert_eq!(refused.expect_err("unknown").code, Code::TaskNotFound);
    let refused = system.tasks().wait(&id("unknown"), LONG).await.expect_err("unknown");
    assert_eq!(refused.code, Code::TaskNotFound);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_returns_at_the_end_or_at_its_timeout() {
    let system = start().await;
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    system
        .register_handler(async_handler("tests/gated", move |_, _| {
            let gate = gate.clone();
            async move {
                gate.notified().await;
                Ok(ArgValue::Int32(1))
            }
        }))
        .expect("a valid handler");
    for request in [named("d", "tests/gated", &[]), ephemeral(named("e", "tests/gated", &[]))] {
        let task = request.id.clone().expect("named");
        system.tasks().enqueue(request).await.expect("it is accepted");
        let soon = Duration::from_millis(20);
        assert_eq!(system.tasks().wait(&task, soon).await, Ok(None));
        let waits = system.tasks().wait(&task, LONG);
        go.notify_one();
        let ended = waits.await.expect("it is known").expect("it ends");
        assert_eq!(ended.outcome.result(), Some(&ArgValue::Int32(1)));
    }
    system.stop();
}
