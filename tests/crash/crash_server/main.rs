//! A server whose handlers record their starts, writes and results in a ledger outside the server.
//!
//! It is an example, because Cargo builds examples with the tests. Except for its methods it is the
//! stock binary. Each handler returns the fence of its claim, so that a second completion of one
//! task would have another outcome. CRASH_LEDGER names the file; `tests/crash/ledger` explains its
//! lines.

#[path = "../ledger/line.rs"]
mod line;

use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use task_scheduler::tasks::{Subtask, TaskContext, TaskError};
use task_scheduler::{async_task, sync_task};

use line::{LineWriter, wall_ms};

/// Time between two checks of a gate.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

static LEDGER: LazyLock<LineWriter> = LazyLock::new(|| {
    let path = std::env::var_os("CRASH_LEDGER").expect("CRASH_LEDGER names the ledger");
    LineWriter::open(Path::new(&path)).expect("the ledger can be written")
});

fn main() -> ExitCode {
    task_scheduler::main()
}

/// One attempt; its start is in the ledger.
struct Attempt {
    ctx: TaskContext,
    /// The checkpoint that it loaded.
    found: u64,
}

impl Attempt {
    fn start(ctx: TaskContext) -> Result<Self, TaskError> {
        let found = ctx.load_checkpoint()?.unwrap_or(0);
        let attempt = Self { ctx, found };
        attempt.record(
            "start",
            &format!("{} {} {found}", attempt.ctx.attempt(), attempt.fence_and(wall_ms())),
        )?;
        Ok(attempt)
    }

    /// Writes a line about this claim; `rest` follows the id.
    fn record(&self, word: &str, rest: &str) -> Result<(), TaskError> {
        Ok(LEDGER.write(&format!("{word} {} {rest}", self.ctx.task_id()))?)
    }

    fn fence_and(&self, rest: impl std::fmt::Display) -> String {
        format!("{} {rest}", self.ctx.fence())
    }

    fn end(&self, how: &str, wait: Duration) -> Result<(), TaskError> {
        let rest = format!("{how} {} {}", wall_ms(), wait.as_millis());
        self.record("end", &self.fence_and(rest))
    }

    fn succeed(self) -> Result<String, TaskError> {
        self.end("succeeded", Duration::ZERO)?;
        Ok(self.ctx.fence().to_string())
    }

    fn failed(&self, wait: Duration) -> TaskError {
        let message = self.ctx.fence().to_string();
        match self.end("failed", wait) {
            Ok(()) if wait.is_zero() => TaskError::new(message),
            Ok(()) => TaskError::retry_after(message, wait),
            Err(unwritten) => unwritten,
        }
    }

    /// Reports a refused host call as a failure of the handler.
    fn host_error(&self, why: impl std::fmt::Display) -> TaskError {
        self.ctx.log_warn(why.to_string());
        self.failed(Duration::ZERO)
    }

    async fn save(&self, value: u64) -> Result<(), TaskError> {
        self.record("saving", &self.fence_and(value))?;
        self.ctx.save_checkpoint(&value).await.map_err(|why| self.host_error(why))?;
        self.record("saved", &self.fence_and(value))
    }

    fn save_blocking(&self, value: u64) -> Result<(), TaskError> {
        self.record("saving", &self.fence_and(value))?;
        self.ctx.save_checkpoint_blocking(&value).map_err(|why| self.host_error(why))?;
        self.record("saved", &self.fence_and(value))
    }
}

async fn wait_for_gate(gate: &str) {
    while !Path::new(gate).exists() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[async_task]
async fn quick(ctx: TaskContext) -> Result<String, TaskError> {
    Attempt::start(ctx)?.succeed()
}

#[sync_task]
fn quick_sync(ctx: TaskContext) -> Result<String, TaskError> {
    Attempt::start(ctx)?.succeed()
}

#[sync_task(inline)]
fn quick_inline(ctx: TaskContext) -> Result<String, TaskError> {
    Attempt::start(ctx)?.succeed()
}

/// Sleeps for `ms`.
#[async_task]
async fn work(ctx: TaskContext, ms: u64) -> Result<String, TaskError> {
    let attempt = Attempt::start(ctx)?;
    tokio::time::sleep(Duration::from_millis(ms)).await;
    attempt.succeed()
}

/// Fails in its first `times` attempts, each with a retry after `wait_ms`.
#[async_task]
async fn fail(ctx: TaskContext, times: u32, wait_ms: u64) -> Result<String, TaskError> {
    let attempt = Attempt::start(ctx)?;
    if attempt.ctx.attempt() <= times {
        return Err(attempt.failed(Duration::from_millis(wait_ms)));
    }
    attempt.succeed()
}

/// Snoozes once; a checkpoint records that it did.
#[async_task]
async fn snooze_once(ctx: TaskContext, wait_ms: u64) -> Result<String, TaskError> {
    let attempt = Attempt::start(ctx)?;
    if attempt.found > 0 {
        return attempt.succeed();
    }
    attempt.save(1).await?;
    let wait = Duration::from_millis(wait_ms);
    attempt.end("snoozed", wait)?;
    Err(TaskError::snooze(wait))
}

/// Works in steps, and resumes after the last saved one.
#[async_task]
async fn steps(ctx: TaskContext, count: u64, ms: u64) -> Result<String, TaskError> {
    let attempt = Attempt::start(ctx)?;
    for step in attempt.found + 1..=count {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        attempt.save(step).await?;
    }
    attempt.succeed()
}

/// Works in steps on a blocking thread, and ignores cancellation.
#[sync_task]
fn stubborn_steps(ctx: TaskContext, count: u64, ms: u64) -> Result<String, TaskError> {
    let attempt = Attempt::start(ctx)?;
    for step in attempt.found + 1..=count {
        thread::sleep(Duration::from_millis(ms));
        attempt.save_blocking(step)?;
    }
    attempt.succeed()
}

/// Spawns children, and joins them.
#[async_task]
async fn parent(ctx: TaskContext, count: u32) -> Result<String, TaskError> {
    let attempt = Attempt::start(ctx)?;
    let mut children = Vec::new();
    for number in 1..=count {
        let child = attempt.fence_and(format!("{}/{number}", attempt.ctx.task_id()));
        attempt.record("spawning", &child)?;
        let subtask = Subtask::new("work").arg(u64::from(number)).name(number.to_string());
        children
            .push(attempt.ctx.spawn_subtask(subtask).await.map_err(|why| attempt.host_error(why))?);
        attempt.record("spawned", &child)?;
    }
    let outcomes = attempt.ctx.join_all(&children).await.map_err(|why| attempt.host_error(why))?;
    if outcomes.iter().any(|outcome| outcome.result().is_none()) {
        return Err(attempt.failed(Duration::ZERO));
    }
    attempt.succeed()
}

/// Counts its starts, then waits for the gate.
#[async_task]
async fn witness(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    let attempt = Attempt::start(ctx)?;
    attempt.save(attempt.found + 1).await?;
    wait_for_gate(&gate).await;
    attempt.succeed()
}

/// Waits for the gate.
#[async_task]
async fn wait(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    let attempt = Attempt::start(ctx)?;
    wait_for_gate(&gate).await;
    attempt.succeed()
}

/// Waits for the gate, then aborts the process.
#[async_task]
async fn abort(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    let _run = Attempt::start(ctx)?;
    wait_for_gate(&gate).await;
    std::process::abort()
}
