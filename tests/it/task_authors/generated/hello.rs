//! The method `hello`.

use task_scheduler::{TaskContext, TaskError, async_task};

/// Says hello. `ListMethods` returns this text.
#[async_task(retries = 3, timeout = "1m")]
async fn hello(ctx: TaskContext, name: String) -> Result<String, TaskError> {
    if name.is_empty() {
        return Err(TaskError::permanent("the name is empty"));
    }
    ctx.log_info(format!("attempt {}: {name}", ctx.attempt()));
    Ok(format!("Hello, {name}!"))
}

#[cfg(test)]
mod tests {
    use task_scheduler::TaskError;
    use task_scheduler::testing::TestTask;

    #[test]
    fn it_says_hello_and_fails_without_a_name() {
        let run = |name: &str| TestTask::new("hello").arg(name).run_blocking();
        assert_eq!(run("Ada").result(), &"Hello, Ada!".into());
        assert_eq!(run("").error(), &TaskError::permanent("the name is empty"));
    }
}
