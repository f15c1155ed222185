//! Progress and log lines.

use task_scheduler::models::{LogLevel, LogLine, MAX_LOG_LINE_BYTES, MAX_LOG_LINES};
use task_scheduler::tasks::{BadProgress, MAX_PROGRESS_MESSAGE_BYTES, Progress};
use task_scheduler::testing::{ManualClock, TestTask};
use task_scheduler::{TaskContext, TaskError, sync_task};

#[sync_task(inline)]
fn talk(ctx: TaskContext) -> Result<(), TaskError> {
    ctx.log_debug("waking up");
    ctx.update_progress(0.0, "starting")?;
    ctx.log_info("at work");
    ctx.progress(0.5, "half")?;
    ctx.log_warn("a bump");
    ctx.log_error("broken");
    ctx.update_progress(1.0, "")?;
    Ok(())
}

#[test]
fn the_output_of_an_inline_handler_is_recorded_in_order() {
    let clock = ManualClock::new();
    let outcome = TestTask::new("talk").attempt(3).clock(&clock).run_blocking();
    let line = |number, level, text: &str| {
        let (at, text) = (clock.now().wall, text.to_owned());
        LogLine { number, at, level, attempt: 3, text }
    };
    assert_eq!(
        outcome.recorded.logs,
        [
            line(1, LogLevel::Debug, "waking up"),
            line(2, LogLevel::Info, "at work"),
            line(3, LogLevel::Warn, "a bump"),
            line(4, LogLevel::Error, "broken"),
        ]
    );
    let progress = |fraction, message: &str| Progress { fraction, message: message.into() };
    assert_eq!(
        outcome.recorded.progress,
        [progress(0.0, "starting"), progress(0.5, "half"), progress(1.0, "")]
    );
}

#[test]
fn a_log_is_bounded_in_lines_and_in_bytes_of_each_line() {
    let ctx = TestTask::new("talk").context();
    ctx.log_info("€".repeat(MAX_LOG_LINE_BYTES));
    for number in 2..MAX_LOG_LINES + 10 {
        ctx.log_info(number.to_string());
    }
    let logs = ctx.recorded().logs;
    assert_eq!(logs.len() as u32, MAX_LOG_LINES);
    // Cut at a character boundary.
    assert_eq!(logs[0].text.len(), MAX_LOG_LINE_BYTES / 3 * 3);
    let (last, others) = logs.split_last().unwrap();
    assert_eq!(others.last().unwrap().text, (MAX_LOG_LINES - 1).to_string());
    assert_eq!(last.text, "the log is full: later lines of this task are dropped");
}

#[test]
fn invalid_progress_is_refused_and_long_messages_are_cut() {
    let ctx = TestTask::new("talk").context();
    for odd in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let refused = ctx.update_progress(odd, "odd").map_err(|BadProgress(odd)| odd.to_bits());
        assert_eq!(refused, Err(odd.to_bits()));
    }
    assert_eq!(ctx.recorded().progress, []);
    ctx.update_progress(0.5, "é".repeat(MAX_PROGRESS_MESSAGE_BYTES)).unwrap();
    assert_eq!(ctx.current_progress().message, "é".repeat(MAX_PROGRESS_MESSAGE_BYTES / 2));
}
