//! A server with the handlers that the tests of the real binary need.
//!
//! It is an example, because Cargo builds examples with the tests. Except for its methods it is the
//! stock binary. Tests observe and control a handler by files that they name in its arguments: the
//! handler writes lines to a ledger, and waits until a gate exists.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use task_scheduler::events::Announced;
use task_scheduler::tasks::{MAX_RESULT_BYTES, Rest, Subtask, TaskContext, TaskError};
use task_scheduler::{ArgValue, async_task, subscriber, sync_task};

/// Time between two checks of a gate.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    task_scheduler::main()
}

fn note(ledger: &str, line: &str) -> Result<(), TaskError> {
    let mut file = OpenOptions::new().create(true).append(true).open(ledger)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    Ok(())
}

async fn open(gate: &str) {
    while !Path::new(gate).exists() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Writes a line to the ledger.
#[sync_task]
fn write(ledger: String, line: String) -> Result<String, TaskError> {
    note(&ledger, &line)?;
    Ok(line)
}

/// Announces a line for the ledger.
#[async_task]
async fn announce(ctx: TaskContext, ledger: String, line: String) -> Result<(), TaskError> {
    let data = std::collections::BTreeMap::from([("ledger", ledger), ("line", line)]);
    Ok(ctx.emit("custom.note", &data).await?)
}

/// Writes an announced line to the ledger.
#[subscriber(events("custom.note"), name = "notes")]
async fn write_announced(event: &Announced) -> Result<(), TaskError> {
    let text = |name| event.data(name).and_then(|value| value.as_str()).unwrap_or_default();
    assert!(!text("line").is_empty(), "nothing to note");
    note(text("ledger"), text("line"))
}

/// Writes a line to the ledger, then waits for the gate.
#[async_task]
async fn write_and_wait(ledger: String, line: String, gate: String) -> Result<String, TaskError> {
    note(&ledger, &line)?;
    open(&gate).await;
    Ok(line)
}

/// Waits for the gate.
#[async_task]
async fn wait(gate: String) -> String {
    open(&gate).await;
    "waited".into()
}

/// Waits for the gate on a blocking thread; fails as soon as it is cancelled.
#[sync_task]
fn wait_until_cancelled(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    while !Path::new(&gate).exists() {
        if ctx.is_cancelled() {
            return Err(TaskError::new("cancelled"));
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok("waited".into())
}

/// Waits for the gate on a blocking thread, and ignores cancellation.
#[sync_task]
fn wait_ignoring_cancel(gate: String) -> String {
    while !Path::new(&gate).exists() {
        thread::sleep(POLL_INTERVAL);
    }
    "waited".into()
}

/// Blocks its async thread until the gate exists, as no async handler should.
#[async_task]
async fn block_the_runtime(gate: String) -> String {
    while !Path::new(&gate).exists() {
        thread::sleep(POLL_INTERVAL);
    }
    "waited".into()
}

/// Never returns; writes to the ledger when it is dropped.
#[async_task]
async fn never(ledger: String) -> Result<(), TaskError> {
    struct Dropped(String);
    impl Drop for Dropped {
        fn drop(&mut self) {
            drop(note(&self.0, "dropped"));
        }
    }
    let _dropped = Dropped(ledger.clone());
    note(&ledger, "started")?;
    std::future::pending().await
}

/// Returns as soon as it is cancelled.
#[async_task]
async fn until_cancelled(ctx: TaskContext) -> String {
    ctx.cancelled().await;
    "stopped".into()
}

/// Fails `times` times, then returns the number of the attempt.
#[async_task]
async fn fail(ctx: TaskContext, times: u32) -> Result<u32, TaskError> {
    if ctx.attempt() <= times {
        return Err(TaskError::new(format!("attempt {} failed", ctx.attempt())));
    }
    Ok(ctx.attempt())
}

/// Fails until the file exists.
#[sync_task]
fn need(ctx: TaskContext, file: String) -> Result<String, TaskError> {
    if Path::new(&file).exists() {
        return Ok("found".into());
    }
    Err(TaskError::new(format!("attempt {} did not find it", ctx.attempt())))
}

/// Writes its name and attempt to the ledger, and fails in its first attempt.
#[sync_task]
fn fail_once(ctx: TaskContext, ledger: String, name: String) -> Result<(), TaskError> {
    note(&ledger, &format!("{name} {}", ctx.attempt()))?;
    if ctx.attempt() == 1 {
        return Err(TaskError::new("stumbled"));
    }
    Ok(())
}

/// Fails without retries.
#[sync_task]
fn fail_permanently() -> Result<(), TaskError> {
    Err(TaskError::permanent("it cannot work"))
}

/// Ends its own task as cancelled.
#[sync_task]
fn cancel_itself() -> Result<(), TaskError> {
    Err(TaskError::cancel("no longer needed"))
}

/// Snoozes until the ledger, which it writes to in each run, has two lines.
#[sync_task]
fn snooze_once(ctx: TaskContext, ledger: String) -> Result<u32, TaskError> {
    note(&ledger, &format!("attempt {}", ctx.attempt()))?;
    if std::fs::read_to_string(&ledger)?.lines().count() < 2 {
        return Err(TaskError::snooze(Duration::from_millis(1)));
    }
    Ok(ctx.attempt())
}

/// Panics on a blocking thread.
#[sync_task]
fn panic_sync(message: String) -> String {
    panic!("{message}")
}

/// Panics on an async thread.
#[sync_task(inline)]
fn panic_inline(message: String) -> String {
    panic!("{message}")
}

/// Panics before or after its first await.
#[async_task]
async fn panic_async(message: String, late: bool) -> String {
    if late {
        tokio::task::yield_now().await;
    }
    panic!("{message}")
}

/// Panics with a value that is no text.
#[sync_task]
fn panic_with_a_number() {
    std::panic::panic_any(7);
}

/// Panics with a text of this many bytes.
#[sync_task]
fn panic_at_length(bytes: u32) {
    panic!("{}", "long ".repeat(bytes as usize / 5));
}

/// Returns a text of this many bytes.
#[sync_task]
fn text(bytes: u32) -> String {
    "x".repeat(bytes as usize)
}

/// Reports progress, then waits for the gate.
#[async_task]
async fn progress(
    ctx: TaskContext,
    fraction: f64,
    message: String,
    gate: String,
) -> Result<(), TaskError> {
    ctx.progress(fraction, message)?;
    open(&gate).await;
    Ok(())
}

/// Reports invalid progress, and returns the errors.
#[sync_task]
fn bad_progress(ctx: TaskContext) -> Result<String, TaskError> {
    ctx.progress(0.5, "half")?;
    let odd = [f64::NAN, f64::INFINITY, -0.1, 1.1];
    let errors = odd
        .map(|odd| ctx.progress(odd, "odd").map_or_else(|bad| bad.to_string(), |()| String::new()));
    let left = ctx.current_progress();
    Ok(format!("{}; still {} {}", errors.join("; "), left.fraction, left.message))
}

/// Logs and reports progress, waits for the gate, then does so again.
#[async_task]
async fn log_and_wait(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    ctx.log_info("it begins");
    ctx.progress(0.25, "a quarter")?;
    open(&gate).await;
    ctx.log_warn("it continues");
    ctx.log_error("it is over");
    ctx.progress(0.75, "three quarters")?;
    Ok("the end".into())
}

/// Saves a checkpoint and a log line, then waits for the gate.
#[async_task]
async fn save_and_wait(ctx: TaskContext, gate: String) -> Result<(), TaskError> {
    ctx.save_checkpoint(&"so far").await?;
    ctx.log_info("saved");
    open(&gate).await;
    Ok(())
}

/// Spawns a child that waits for the gate, and joins it.
#[async_task]
async fn spawn_child(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    let child = ctx.spawn_subtask(Subtask::new("wait").name("child").arg(gate)).await?;
    let outcome = child.join().await?;
    Ok(format!("{} {}", child.id(), outcome.state()))
}

/// Returns the largest possible result, whatever its arguments.
#[sync_task]
fn multiply_argument(Rest(_): Rest<ArgValue>) -> String {
    "x".repeat(MAX_RESULT_BYTES)
}

/// Joins texts with dashes.
#[sync_task(inline)]
fn dashes(texts: Vec<String>) -> String {
    texts.join("-")
}

/// Returns the outcomes of its dependencies: `a=SUCCEEDED(6) b=FAILED`.
#[async_task]
async fn dependencies(ctx: TaskContext) -> String {
    let described = ctx.dependencies().iter().map(|(id, outcome)| {
        let result = outcome.result().map(|result| format!("({result})")).unwrap_or_default();
        format!("{id}={}{result}", outcome.state())
    });
    described.collect::<Vec<_>>().join(" ")
}

/// Its typed arguments, as text.
#[sync_task(namespace = "typed", version = "1.2.0")]
fn describe(number: i64, word: String, Rest(flags): Rest<bool>) -> String {
    format!("1.2.0 {number} {word} {flags:?}")
}

/// The same method, two major versions later.
#[sync_task(namespace = "typed", version = "3.0.0", name = "describe")]
fn describe_3(number: i64) -> String {
    format!("3.0.0 {number}")
}

/// A method whose tasks go to their own queue, at most two of them within a second.
#[async_task(
    queue = "narrow",
    retries = 1,
    backoff = "1ms",
    timeout = "1s",
    durability = "ephemeral"
)]
async fn narrow(ctx: TaskContext) -> Result<(), TaskError> {
    Err(TaskError::new(format!("attempt {} of {:?}", ctx.attempt(), ctx.task().options.timeout)))
}
