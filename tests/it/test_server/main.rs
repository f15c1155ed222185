//! A server whose bodies do what the tests of the real binary need a body to do.
//!
//! An example, because Cargo builds those whenever it builds the tests. Everything but the methods
//! is the stock binary's. Files that a test names in the arguments are its way to see and to steer
//! a body from outside: a body writes lines to a ledger and waits for a gate to be made.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use task_scheduler::events::Announced;
use task_scheduler::tasks::{MAX_RESULT_BYTES, Rest, Subtask, TaskContext, TaskError};
use task_scheduler::{ArgValue, async_task, subscriber, sync_task};

/// How often a body looks at its gate.
const LOOK_EVERY: Duration = Duration::from_millis(2);

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
        tokio::time::sleep(LOOK_EVERY).await;
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
    let said = std::collections::BTreeMap::from([("ledger", ledger), ("line", line)]);
    Ok(ctx.emit("custom.note", &said).await?)
}

/// Writes what is announced to the ledger.
#[subscriber(events("custom.note"), name = "notes")]
async fn note_down(event: &Announced) -> Result<(), TaskError> {
    let said = |name| event.data(name).and_then(|value| value.as_str()).unwrap_or_default();
    assert!(!said("line").is_empty(), "nothing to note");
    note(said("ledger"), said("line"))
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

/// The same on a thread of its own; gives up at once when it is told to stop.
#[sync_task]
fn wait_obediently(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    while !Path::new(&gate).exists() {
        if ctx.is_cancelled() {
            return Err(TaskError::new("told to stop"));
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok("waited".into())
}

/// The same, whatever it is told.
#[sync_task]
fn wait_stubbornly(gate: String) -> String {
    while !Path::new(&gate).exists() {
        thread::sleep(LOOK_EVERY);
    }
    "waited".into()
}

/// Keeps its async thread until the gate is there, as no async body should.
#[async_task]
async fn hog_the_runtime(gate: String) -> String {
    while !Path::new(&gate).exists() {
        thread::sleep(LOOK_EVERY);
    }
    "waited".into()
}

/// Never returns; says in the ledger when it is dropped.
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

/// Returns a text as soon as it is told to stop.
#[async_task]
async fn until_told(ctx: TaskContext) -> String {
    ctx.cancelled().await;
    "stopped as told".into()
}

/// Fails this many times, then answers with the number of the attempt.
#[async_task]
async fn fail(ctx: TaskContext, times: u32) -> Result<u32, TaskError> {
    if ctx.attempt() <= times {
        return Err(TaskError::new(format!("attempt {} failed", ctx.attempt())));
    }
    Ok(ctx.attempt())
}

/// Fails until the file is there.
#[sync_task]
fn need(ctx: TaskContext, file: String) -> Result<String, TaskError> {
    if Path::new(&file).exists() {
        return Ok("found".into());
    }
    Err(TaskError::new(format!("attempt {} did not find it", ctx.attempt())))
}

/// Writes its name and attempt to the ledger, and fails the first time.
#[sync_task]
fn stumble(ctx: TaskContext, ledger: String, name: String) -> Result<(), TaskError> {
    note(&ledger, &format!("{name} {}", ctx.attempt()))?;
    if ctx.attempt() == 1 {
        return Err(TaskError::new("stumbled"));
    }
    Ok(())
}

/// Fails for good.
#[sync_task]
fn fail_permanently() -> Result<(), TaskError> {
    Err(TaskError::permanent("it cannot work"))
}

/// Ends cancelled by its own wish.
#[sync_task]
fn give_in() -> Result<(), TaskError> {
    Err(TaskError::cancel("nobody needs it"))
}

/// Snoozes once: until the ledger, which it writes to each time, has two lines.
#[sync_task]
fn snooze_once(ctx: TaskContext, ledger: String) -> Result<u32, TaskError> {
    note(&ledger, &format!("attempt {}", ctx.attempt()))?;
    if std::fs::read_to_string(&ledger)?.lines().count() < 2 {
        return Err(TaskError::snooze(Duration::from_millis(1)));
    }
    Ok(ctx.attempt())
}

/// Panics on a thread of its own.
#[sync_task]
fn panic_sync(message: String) -> String {
    panic!("{message}")
}

/// Panics on the thread that serves.
#[sync_task(inline)]
fn panic_inline(message: String) -> String {
    panic!("{message}")
}

/// Panics before it first waits for anything, or after.
#[async_task]
async fn panic_async(message: String, late: bool) -> String {
    if late {
        tokio::task::yield_now().await;
    }
    panic!("{message}")
}

/// Panics with something that is no text.
#[sync_task]
fn panic_with_a_number() {
    std::panic::panic_any(7);
}

/// Panics with a text that goes on for this many bytes.
#[sync_task]
fn panic_at_length(bytes: u32) {
    panic!("{}", "long ".repeat(bytes as usize / 5));
}

/// A text of this many bytes.
#[sync_task]
fn text(bytes: u32) -> String {
    "x".repeat(bytes as usize)
}

/// Says how far it is, then waits for the gate.
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

/// Says how far it is with numbers that mean nothing, and answers with what it was told.
#[sync_task]
fn bad_progress(ctx: TaskContext) -> Result<String, TaskError> {
    ctx.progress(0.5, "half")?;
    let odd = [f64::NAN, f64::INFINITY, -0.1, 1.1];
    let told = odd
        .map(|odd| ctx.progress(odd, "odd").map_or_else(|bad| bad.to_string(), |()| String::new()));
    let left = ctx.current_progress();
    Ok(format!("{}; still {} {}", told.join("; "), left.fraction, left.message))
}

/// Tells of itself, waits for the gate, and tells some more.
#[async_task]
async fn narrate(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    ctx.log_info("it begins");
    ctx.progress(0.25, "a quarter")?;
    open(&gate).await;
    ctx.log_warn("it goes on");
    ctx.log_error("it is over");
    ctx.progress(0.75, "three quarters")?;
    Ok("the end".into())
}

/// Leaves a checkpoint and a log line, then waits for the gate.
#[async_task]
async fn remember(ctx: TaskContext, gate: String) -> Result<(), TaskError> {
    ctx.save_checkpoint(&"so far").await?;
    ctx.log_info("saved");
    open(&gate).await;
    Ok(())
}

/// Has a child that waits for the gate, and waits for it.
#[async_task]
async fn have_a_child(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    let child = ctx.spawn_subtask(Subtask::new("wait").name("child").arg(gate)).await?;
    let outcome = child.join().await?;
    Ok(format!("{} {}", child.id(), outcome.state()))
}

/// As large a result as there can be, whatever it is called with.
#[sync_task]
fn swell(Rest(_): Rest<ArgValue>) -> String {
    "x".repeat(MAX_RESULT_BYTES)
}

/// A list of texts, joined with dashes.
#[sync_task(inline)]
fn dashes(texts: Vec<String>) -> String {
    texts.join("-")
}

/// What became of its dependencies: `a=SUCCEEDED(6) b=FAILED`.
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

/// The same, two majors later.
#[sync_task(namespace = "typed", version = "3.0.0", name = "describe")]
fn describe_3(number: i64) -> String {
    format!("3.0.0 {number}")
}

/// A method whose tasks go to a queue of their own, twice at most, within a second.
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
