//! A server whose bodies write down that they run, in a ledger outside the server.
//!
//! An example, because Cargo builds those whenever it builds the tests. Everything but the methods
//! is the stock binary's. What a body comes to is the fence of its claim, so that a second ending of
//! one task would be another outcome. The environment names the ledger; `tests/crash/ledger` says
//! what its lines mean.

#[path = "../ledger/line.rs"]
mod line;

use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use task_scheduler::tasks::{Subtask, TaskContext, TaskError};
use task_scheduler::{async_task, sync_task};

use line::{Pen, wall_ms};

/// How often a body looks at its gate.
const LOOK_EVERY: Duration = Duration::from_millis(2);

static LEDGER: LazyLock<Pen> = LazyLock::new(|| {
    let path = std::env::var_os("CRASH_LEDGER").expect("CRASH_LEDGER names the ledger");
    Pen::open(Path::new(&path)).expect("the ledger can be written")
});

fn main() -> ExitCode {
    task_scheduler::main()
}

/// A body that has written down its start.
struct Run {
    ctx: TaskContext,
    /// What it found saved.
    found: u64,
}

impl Run {
    fn begin(ctx: TaskContext) -> Result<Self, TaskError> {
        let found = ctx.load_checkpoint()?.unwrap_or(0);
        let run = Self { ctx, found };
        run.note("start", &format!("{} {} {found}", run.ctx.attempt(), run.fence_and(wall_ms())))?;
        Ok(run)
    }

    /// A line about this claim; `rest` follows the id.
    fn note(&self, word: &str, rest: &str) -> Result<(), TaskError> {
        Ok(LEDGER.write(&format!("{word} {} {rest}", self.ctx.task_id()))?)
    }

    fn fence_and(&self, rest: impl std::fmt::Display) -> String {
        format!("{} {rest}", self.ctx.fence())
    }

    fn end(&self, how: &str, wait: Duration) -> Result<(), TaskError> {
        let rest = format!("{how} {} {}", wall_ms(), wait.as_millis());
        self.note("end", &self.fence_and(rest))
    }

    fn well(self) -> Result<String, TaskError> {
        self.end("well", Duration::ZERO)?;
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

    /// What its host refuses is a failure like any other.
    fn refused(&self, why: impl std::fmt::Display) -> TaskError {
        self.ctx.log_warn(why.to_string());
        self.failed(Duration::ZERO)
    }

    async fn save(&self, value: u64) -> Result<(), TaskError> {
        self.note("saving", &self.fence_and(value))?;
        self.ctx.save_checkpoint(&value).await.map_err(|why| self.refused(why))?;
        self.note("saved", &self.fence_and(value))
    }

    fn save_blocking(&self, value: u64) -> Result<(), TaskError> {
        self.note("saving", &self.fence_and(value))?;
        self.ctx.save_checkpoint_blocking(&value).map_err(|why| self.refused(why))?;
        self.note("saved", &self.fence_and(value))
    }
}

async fn open(gate: &str) {
    while !Path::new(gate).exists() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[async_task]
async fn quick(ctx: TaskContext) -> Result<String, TaskError> {
    Run::begin(ctx)?.well()
}

#[sync_task]
fn quick_sync(ctx: TaskContext) -> Result<String, TaskError> {
    Run::begin(ctx)?.well()
}

#[sync_task(inline)]
fn quick_inline(ctx: TaskContext) -> Result<String, TaskError> {
    Run::begin(ctx)?.well()
}

/// Takes so long.
#[async_task]
async fn work(ctx: TaskContext, ms: u64) -> Result<String, TaskError> {
    let run = Run::begin(ctx)?;
    tokio::time::sleep(Duration::from_millis(ms)).await;
    run.well()
}

/// Fails in its first attempts, and wants so long before the next.
#[async_task]
async fn fail(ctx: TaskContext, times: u32, wait_ms: u64) -> Result<String, TaskError> {
    let run = Run::begin(ctx)?;
    if run.ctx.attempt() <= times {
        return Err(run.failed(Duration::from_millis(wait_ms)));
    }
    run.well()
}

/// Asks for time once, and remembers by its checkpoint that it did.
#[async_task]
async fn snooze_once(ctx: TaskContext, wait_ms: u64) -> Result<String, TaskError> {
    let run = Run::begin(ctx)?;
    if run.found > 0 {
        return run.well();
    }
    run.save(1).await?;
    let wait = Duration::from_millis(wait_ms);
    run.end("snoozed", wait)?;
    Err(TaskError::snooze(wait))
}

/// Works in steps, and goes on after the last one that was saved.
#[async_task]
async fn steps(ctx: TaskContext, count: u64, ms: u64) -> Result<String, TaskError> {
    let run = Run::begin(ctx)?;
    for step in run.found + 1..=count {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        run.save(step).await?;
    }
    run.well()
}

/// The same on a thread of its own, whatever it is told.
#[sync_task]
fn stubborn_steps(ctx: TaskContext, count: u64, ms: u64) -> Result<String, TaskError> {
    let run = Run::begin(ctx)?;
    for step in run.found + 1..=count {
        thread::sleep(Duration::from_millis(ms));
        run.save_blocking(step)?;
    }
    run.well()
}

/// Has children, and waits for them.
#[async_task]
async fn parent(ctx: TaskContext, count: u32) -> Result<String, TaskError> {
    let run = Run::begin(ctx)?;
    let mut children = Vec::new();
    for number in 1..=count {
        let child = run.fence_and(format!("{}/{number}", run.ctx.task_id()));
        run.note("spawning", &child)?;
        let subtask = Subtask::new("work").arg(u64::from(number)).name(number.to_string());
        children.push(run.ctx.spawn_subtask(subtask).await.map_err(|why| run.refused(why))?);
        run.note("spawned", &child)?;
    }
    let outcomes = run.ctx.join_all(&children).await.map_err(|why| run.refused(why))?;
    if outcomes.iter().any(|outcome| outcome.result().is_none()) {
        return Err(run.failed(Duration::ZERO));
    }
    run.well()
}

/// Counts its starts, and waits for the gate.
#[async_task]
async fn witness(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    let run = Run::begin(ctx)?;
    run.save(run.found + 1).await?;
    open(&gate).await;
    run.well()
}

/// Waits for the gate.
#[async_task]
async fn wait(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    let run = Run::begin(ctx)?;
    open(&gate).await;
    run.well()
}

/// Waits for the gate, then takes the process with it.
#[async_task]
async fn abort(ctx: TaskContext, gate: String) -> Result<String, TaskError> {
    let _run = Run::begin(ctx)?;
    open(&gate).await;
    std::process::abort()
}
