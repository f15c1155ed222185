//! Tasks in a library of their own, for any server that links it.

use task_scheduler::async_task;
use task_scheduler::tasks::{TaskContext, TaskError};

/// Halves an even number; on an odd one it fails for good, since a retry would find it odd again.
#[async_task(namespace = "arithmetic", version = "1.0.0", retries = 3, timeout = "10s")]
async fn halve(ctx: TaskContext, number: i64) -> Result<i64, TaskError> {
    if number % 2 != 0 {
        let attempt = ctx.attempt();
        return Err(TaskError::permanent(format!("{number} is odd (attempt {attempt})")));
    }
    Ok(number / 2)
}
