//! A library of tasks, for any server that links it.

use task_scheduler::async_task;
use task_scheduler::tasks::{TaskContext, TaskError};

/// Halves an even number. Fails without a retry on an odd one, because a retry would fail, too.
#[async_task(namespace = "arithmetic", version = "1.0.0", retries = 3, timeout = "10s")]
async fn halve(ctx: TaskContext, number: i64) -> Result<i64, TaskError> {
    if number % 2 != 0 {
        let attempt = ctx.attempt();
        return Err(TaskError::permanent(format!("{number} is odd (attempt {attempt})")));
    }
    Ok(number / 2)
}

#[cfg(test)]
mod tests {
    use task_scheduler::TaskError;
    use task_scheduler::testing::TestTask;

    #[test]
    fn even_numbers_are_halved_and_odd_ones_fail_without_a_retry() {
        let halve = |number: i64| TestTask::new("arithmetic/halve").arg(number).run_blocking();
        assert_eq!(halve(8).result(), &4_i64.into());
        assert_eq!(halve(7).error(), &TaskError::permanent("7 is odd (attempt 1)"));
    }
}
