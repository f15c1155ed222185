//! The endings of attempts in the test kit.

use std::sync::Arc;

use async_trait::async_trait;
use task_scheduler::error::Code;
use task_scheduler::models::{Durability, Ending, Failure, Task, TaskId};
use task_scheduler::tasks::{
    Child, Decision, HandlerResult, MAX_RESULT_BYTES, TaskHandler, make_handler,
};
use task_scheduler::testing::{TestEnding, TestTask};
use task_scheduler::{ArgValue, TaskContext, TaskError, async_task, sync_task};

#[sync_task(inline)]
fn half(number: u8) -> Result<u8, TaskError> {
    if number.is_multiple_of(2) { Ok(number / 2) } else { Err(TaskError::permanent("odd")) }
}

#[test]
fn an_outcome_has_the_result_or_the_error_of_the_handler() {
    let run = |number: i32| TestTask::new("half").arg(number).run_blocking();
    assert_eq!(run(8).result(), &4_u32.into());
    assert_eq!(run(7).error(), &TaskError::permanent("odd"));
}

#[test]
#[should_panic(expected = r#"the task did not succeed: Failed("odd" (then Fail))"#)]
fn asking_for_the_result_of_a_failed_attempt_panics_with_its_ending() {
    TestTask::new("half").arg(7).run_blocking().result();
}

#[test]
fn arguments_are_refused_with_the_message_of_the_server() {
    let TestEnding::Refused(error) = TestTask::new("half").arg("six").run_blocking().ending else {
        panic!("text is no number")
    };
    assert_eq!(
        (error.code, error.violations[0].field.as_str()),
        (Code::InvalidArgument, "args[0]")
    );
    assert_eq!(
        error.message,
        "args[0]: expected an integer from 0 to 255, got text (parameter `number`)"
    );
}

#[test]
#[should_panic(expected = "Method not found: halve; did you mean half?")]
fn an_unknown_method_panics() {
    drop(TestTask::new("halve"));
}

#[async_task]
async fn falls_over(late: bool) {
    if late {
        tokio::task::yield_now().await;
    }
    panic!("over the edge");
}

#[sync_task]
fn falls_over_on_a_thread() {
    panic!("{}", "over the edge");
}

#[tokio::test]
async fn panics_are_caught() {
    let failure =
        Failure { code: Code::Panicked, message: "the handler panicked: over the edge".into() };
    let tests = [
        TestTask::new("falls_over").arg(false),
        TestTask::new("falls_over").arg(true),
        TestTask::new("falls_over_on_a_thread"),
    ];
    for test in tests {
        assert_eq!(test.run().await.ending, TestEnding::Broken(failure.clone()));
    }
}

#[sync_task]
fn repeats(text: String, times: usize) -> String {
    text.repeat(times)
}

#[test]
fn a_result_that_is_too_large_is_refused() {
    let repeat = TestTask::new("repeats").arg("x").arg(MAX_RESULT_BYTES + 1).run_blocking();
    let message = format!(
        "the result has {} bytes; at most {} are kept",
        (4 << 20) - 65_535,
        (4 << 20) - 65_536
    );
    let failure = Failure { code: Code::ResultTooLarge, message };
    assert_eq!(repeat.ending, TestEnding::Broken(failure));
}

#[async_task]
async fn gather(ctx: TaskContext, given: Vec<ArgValue>) -> Result<String, TaskError> {
    let known =
        ctx.dependencies().iter().map(|(id, outcome)| format!("{id} {:?}", outcome.state()));
    let known: Vec<String> = known.collect();
    Ok(format!("{given:?}; {}; {:?}", known.join(", "), ctx.dependency_result("b")))
}

#[tokio::test]
async fn a_handler_reads_the_outcomes_of_its_dependencies() {
    let result_of = ArgValue::ResultOf(TaskId::parse("b", "id").unwrap());
    let outcome = TestTask::new("gather")
        .dependency_ended("a", Ending::Skipped)
        .dependency("b", 5)
        .arg(result_of)
        .arg(1)
        .run()
        .await;
    let expected = "[Int32(5), Int32(1)]; a Succeeded, b Succeeded; Some(Int32(5))";
    assert_eq!(outcome.result(), &expected.into());
}

#[tokio::test]
async fn a_missing_result_cannot_be_an_argument() {
    let result_of = ArgValue::ResultOf(TaskId::parse("a", "id").unwrap());
    let outcome =
        TestTask::new("gather").dependency_ended("a", Ending::Expired).arg(result_of).run().await;
    let message = "a has no result to use as an argument".to_owned();
    let failure = Failure { code: Code::DependencyFailed, message };
    assert_eq!(outcome.ending, TestEnding::Broken(failure));
}

/// Decides by its first argument.
struct Decider;

#[async_trait]
impl TaskHandler for Decider {
    fn name(&self) -> String {
        "tests/decider@1.2.3".into()
    }

    async fn execute(&self, task: &Task, ctx: &TaskContext, args: Vec<ArgValue>) -> HandlerResult {
        Ok(format!("{} {args:?} {}", task.method, ctx.dependencies().len()).into())
    }

    fn decide(&self, _: &Task, _: &TaskContext, args: Vec<ArgValue>) -> Decision {
        match args.first() {
            Some(ArgValue::String(word)) if word == "skip" => Decision::Skip,
            Some(ArgValue::String(word)) if word == "expand" => Decision::Expand(vec![child()]),
            Some(ArgValue::String(word)) if word == "panic" => panic!("undecided"),
            Some(ArgValue::String(word)) => Decision::Run(vec![word.to_uppercase().into()]),
            _ => Decision::Expand(vec![]),
        }
    }
}

fn child() -> Child {
    Child { name: "first".into(), method: "half".into(), args: vec![4.into()] }
}

#[tokio::test]
async fn a_handler_decides_before_it_executes() {
    let decided =
        async |arg: ArgValue| TestTask::of_handler(Arc::new(Decider)).arg(arg).run().await.ending;
    let ran = |args: &str| TestEnding::Succeeded(format!("tests/decider@1.2.3 {args} 0").into());
    assert_eq!(decided("run".into()).await, ran(r#"[String("RUN")]"#));
    assert_eq!(decided(ArgValue::Null).await, ran("[Null]"));
    assert_eq!(decided("skip".into()).await, TestEnding::Skipped);
    assert_eq!(decided("expand".into()).await, TestEnding::Expanded(vec![child()]));
    let panicked = decided("panic".into()).await;
    assert!(matches!(panicked, TestEnding::Broken(failure) if failure.code == Code::Panicked));
}

#[tokio::test]
async fn a_handler_does_not_decide_again_after_an_expansion() {
    let expanded = TestTask::of_handler(Arc::new(Decider)).arg("expand").expanded("first", 2);
    let expected = r#"tests/decider@1.2.3 [String("expand")] 1"#;
    assert_eq!(expanded.run().await.result(), &expected.into());
}

#[async_task(queue = "slow", priority = 4, retries = 9, timeout = "7s", durability = "ephemeral")]
async fn particular() {}

#[test]
fn a_task_has_the_defaults_of_its_method_and_the_options_of_the_test() {
    let ctx = TestTask::new("particular").task(|task| task.id("t-7").parent("p")).context();
    let task = ctx.task();
    let options = &task.options;
    assert_eq!((task.id.as_str(), task.parent.as_ref().map(TaskId::as_str)), ("t-7", Some("p")));
    assert_eq!((options.queue.as_str(), options.priority), ("slow", 4));
    assert_eq!((options.retry.retries, options.timeout.as_secs()), (9, 7));
    assert_eq!(options.durability, Durability::Ephemeral);
}

#[test]
fn a_test_frees_everything_at_its_end() {
    let ctx = TestTask::new("particular").context();
    ctx.log_info("here");
    let task = Arc::downgrade(ctx.task());
    drop(ctx);
    assert!(task.upgrade().is_none(), "a context holds its host, and the host a context");
}

#[test]
fn a_closure_runs_like_any_handler() {
    let double = make_handler("double", |_, ctx, args| {
        ctx.log_info(format!("attempt {}", ctx.attempt()));
        let number = i64::try_from(args.into_iter().next().unwrap_or_default())?;
        Ok((2 * number).into())
    });
    let outcome = TestTask::of_handler(double).arg(21_i64).attempt(2).run_blocking();
    assert_eq!(outcome.result(), &42_i64.into());
    assert_eq!(outcome.recorded.lines(), ["attempt 2"]);
}
