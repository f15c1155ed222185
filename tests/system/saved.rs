use std::time::Duration;

use task_scheduler::models::{ArgValue, LogLevel, Request};
use task_scheduler::tasks::TaskError;

use crate::harness::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_next_attempt_loads_the_saved_checkpoint() {
    let system = start().await;
    system
        .register_handler(async_handler("tests/pages", |ctx, _| async move {
            let page: i32 = ctx.load_checkpoint().expect("it is a number").unwrap_or(0);
            ctx.save_checkpoint(&(page + 1)).await.expect("it is stored");
            if page < 2 {
                return Err(TaskError::retry_after("interrupted", Duration::ZERO));
            }
            Ok(page.into())
        }))
        .expect("a valid handler");
    for request in [named("durable", "tests/pages", &[]), ephemeral_named("ephemeral")] {
        let request = with_retries(request, 5);
        let ended = system.tasks().submit(request).await.expect("it runs");
        assert_eq!(
            (ended.outcome.attempts, ended.outcome.result()),
            (3, Some(&ArgValue::Int32(2)))
        );
    }
    system.stop();
}

fn ephemeral_named(task: &str) -> Request {
    ephemeral(named(task, "tests/pages", &[]))
}

fn with_retries(request: Request, retries: u32) -> Request {
    let mut request = request;
    request.options.get_or_insert_default().retries = Some(retries);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_and_log_lines_are_stored_with_the_task() {
    let system = start().await;
    system
        .register_handler(async_handler("tests/talker", |ctx, _| async move {
            ctx.log_info(format!("attempt {}", ctx.attempt()));
            ctx.update_progress(0.5, "half way").expect("a valid fraction");
            if ctx.attempt() == 1 {
                ctx.log_warn("broke");
                return Err(TaskError::retry_after("once more", Duration::ZERO));
            }
            Ok(ArgValue::Null)
        }))
        .expect("a valid handler");
    let request = with_retries(named("talker", "tests/talker", &[]), 1);
    system.tasks().submit(request).await.expect("it runs");
    let lines = system.tasks().logs(&id("talker"), 0, 10).await.expect("it reads");
    let lines: Vec<_> =
        lines.into_iter().map(|line| (line.number, line.attempt, line.level, line.text)).collect();
    let expected = [
        (1, 1, LogLevel::Info, "attempt 1".to_owned()),
        (2, 1, LogLevel::Warn, "broke".to_owned()),
        (3, 2, LogLevel::Info, "attempt 2".to_owned()),
    ];
    assert_eq!(lines, expected);
    let kept = system.tasks().find(&id("talker")).await.expect("it is kept");
    assert_eq!((kept.progress, kept.log_lines), ((0.5, "half way".to_owned()), 3));
    system.stop();
}
