//! The log macros for handlers, used from another crate.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use task_scheduler::ArgValue;
use task_scheduler::models::Labels;
use task_scheduler::tasks::make_handler;
use task_scheduler::testing::{TestContext, TestTask};
use task_scheduler::{task_debug, task_error, task_info, task_trace, task_warn};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `handler` logs, as objects without their time.
fn logged(handler: impl FnOnce()) -> Vec<Value> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .without_time()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, handler);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn context(correlation_id: &str) -> TestContext {
    let labels = Labels { correlation_id: correlation_id.into(), ..Labels::default() };
    TestTask::of_handler(make_handler("add", |_, _, _| Ok(ArgValue::Null)))
        .attempt(2)
        .task(|task| task.id("t-1").with(|options| options.labels = Some(Box::new(labels))))
        .context()
}

#[test]
fn a_log_line_has_the_fields_of_its_task_and_its_own() {
    let amount = 12;
    let ctx = &context("c-9");
    let lines = logged(|| {
        task_info!(ctx, "charged {amount}", order = 5_i64, by = %"eve", amount,);
    });
    assert_eq!(
        lines,
        [json!({
            "level": "INFO", "target": "it::task_log", "message": "charged 12",
            "task_id": "t-1", "correlation_id": "c-9", "attempt": 2,
            "order": 5, "by": "eve", "amount": 12
        })]
    );
}

#[test]
fn a_task_without_correlation_id_has_no_such_field() {
    let ctx = context("");
    let lines = logged(|| task_error!(ctx, "lost"));
    let target = "it::task_log";
    let expected = json!({
        "level": "ERROR", "target": target, "message": "lost", "task_id": "t-1", "attempt": 2
    });
    assert_eq!(lines, [expected]);
}

#[test]
fn there_is_a_macro_for_each_level() {
    let ctx = context("");
    let lines = logged(|| {
        task_trace!(ctx, "a", n = 1);
        task_debug!(ctx, "b", n = 2);
        task_info!(ctx, "c",);
        task_warn!(ctx, "d", n = 4);
        task_error!(ctx, "e", n = 5);
    });
    let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]);
}
