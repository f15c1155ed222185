//! An engine and the test kit prepare an attempt alike: the same failure, the same message.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::super::{Defaults, Engine, Options};
use crate::cache::ResultsCache;
use crate::models::{ArgValue, Ending, Failure, Request, Task, TaskId};
use crate::store::MemoryStore;
use crate::tasks::testing::{TestEnding, TestTask};
use crate::tasks::{
    Child, Decision, HandlerResult, MAX_RESULT_BYTES, TaskContext, TaskError, TaskHandler,
    TaskRegistry, collected,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Does what its name says.
struct Odd(&'static str);

#[async_trait]
impl TaskHandler for Odd {
    fn name(&self) -> String {
        self.0.to_owned()
    }

    async fn execute(&self, _: &Task, _: &TaskContext, args: Vec<ArgValue>) -> HandlerResult {
        match self.0 {
            "panic_in_execute" => panic!("over the edge"),
            "fail" => Err(TaskError::permanent("no")),
            "return_too_much" => Ok("x".repeat(MAX_RESULT_BYTES + 1).into()),
            "return_too_deep" => Ok(nested(200)),
            _ => Ok(args.into_iter().next().unwrap_or_default()),
        }
    }

    fn decide(&self, _: &Task, _: &TaskContext, args: Vec<ArgValue>) -> Decision {
        match self.0 {
            "panic_in_decide" => panic!("undecided"),
            "skip" => Decision::Skip,
            "expand" => Decision::Expand(vec![Child {
                name: "1".into(),
                method: "skip".into(),
                args: Vec::new(),
            }]),
            "expand_into_nothing" => Decision::Expand(Vec::new()),
            _ => Decision::Run(args),
        }
    }
}

const NAMES: [&str; 9] = [
    "echo",
    "panic_in_execute",
    "fail",
    "return_too_much",
    "return_too_deep",
    "panic_in_decide",
    "skip",
    "expand",
    "expand_into_nothing",
];

fn nested(levels: usize) -> ArgValue {
    (0..levels).fold(1.into(), |value, _| ArgValue::Array(vec![value]))
}

async fn start() -> Engine {
    let registry = TaskRegistry::from_registrations(collected()).unwrap();
    for name in NAMES {
        registry.register_handler(Arc::new(Odd(name))).unwrap();
    }
    let defaults = Defaults { timeout: PATIENCE, retries: 0 };
    let options = Options { defaults, ..Options::default() };
    let cache = Arc::new(ResultsCache::new(NonZeroUsize::MIN, 64 << 20));
    let store = Arc::new(MemoryStore::default());
    let registry = Arc::new(registry);
    Engine::start(options, registry, cache, store, Arc::default()).await.unwrap()
}

fn test_task(method: &str) -> TestTask {
    match NAMES.iter().find(|name| **name == method) {
        Some(name) => TestTask::of_handler(Arc::new(Odd(name))),
        None => TestTask::new(method),
    }
}

/// How the attempt ended, as both the engine and the test kit can tell.
#[derive(Debug, PartialEq)]
enum End {
    Succeeded(ArgValue),
    Skipped,
    Failed(String),
}

fn failed(failure: Failure) -> End {
    End::Failed(format!("{}: {}", failure.code, failure.message))
}

async fn in_engine(engine: &Engine, request: Request) -> End {
    match engine.submit(request).await.unwrap().outcome.ending.clone() {
        Ending::Succeeded(result) => End::Succeeded((*result).clone()),
        Ending::Skipped => End::Skipped,
        Ending::Failed(failure) => failed(failure),
        other => panic!("{other:?}"),
    }
}

async fn in_test_kit(test: TestTask) -> End {
    match test.run().await.ending {
        TestEnding::Succeeded(result) => End::Succeeded(result),
        TestEnding::Skipped => End::Skipped,
        TestEnding::Broken(failure) => failed(failure),
        TestEnding::Failed(error) => End::Failed(format!("HANDLER_FAILED: {error}")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_and_the_test_kit_end_an_attempt_alike() {
    let engine = start().await;
    for method in NAMES.iter().filter(|name| **name != "expand") {
        let request = Request { method: (*method).into(), ..Request::default() };
        let end = in_engine(&engine, request).await;
        assert_eq!(in_test_kit(test_task(method)).await, end, "{method}");
    }
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_and_the_test_kit_refuse_the_same_results_as_arguments() {
    let engine = start().await;
    let big = || ArgValue::from("x".repeat(MAX_RESULT_BYTES / 2));
    let rows: Vec<(&str, ArgValue, usize, &str)> = vec![
        ("echo", 7.into(), 1, "Succeeded"),
        ("fibonacci", "seven".into(), 1, "INVALID_ARGUMENT: args[0]"),
        ("echo", big(), 9, "INVALID_ARGUMENT: the results that are used as arguments"),
        ("echo", nested(50), 1, "INVALID_ARGUMENT: with results in their places"),
    ];
    for (number, (method, result, references, expected)) in rows.into_iter().enumerate() {
        let dependency = TaskId::parse(&format!("dependency-{number}"), "id").unwrap();
        let given = Request {
            id: Some(dependency.clone()),
            args: vec![result.clone()],
            ..Request::of("echo")
        };
        engine.submit(given).await.unwrap();
        let args = vec![wrapped(ArgValue::ResultOf(dependency.clone())); references];
        let deps = vec![dependency.clone()];
        let args =
            if method == "fibonacci" { vec![ArgValue::ResultOf(dependency.clone())] } else { args };
        let mut test = test_task(method).dependency(dependency.as_str(), result);
        for arg in &args {
            test = test.arg(arg.clone());
        }
        let end = in_engine(&engine, Request { args, deps, ..Request::of(method) }).await;
        assert!(format!("{end:?}").contains(expected), "{method}: {end:?}");
        assert_eq!(in_test_kit(test).await, end, "{method}");
    }
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_and_the_test_kit_refuse_a_dependency_without_a_result() {
    let engine = start().await;
    let dependency = TaskId::parse("skipped", "id").unwrap();
    engine.submit(Request { id: Some(dependency.clone()), ..Request::of("skip") }).await.unwrap();
    let args = vec![ArgValue::ResultOf(dependency.clone())];
    let deps = vec![dependency.clone()];
    let end = in_engine(&engine, Request { args, deps, ..Request::of("echo") }).await;
    assert_eq!(
        end,
        End::Failed("DEPENDENCY_FAILED: skipped has no result to use as an argument".into())
    );
    let test = test_task("echo")
        .dependency_ended("skipped", Ending::Skipped)
        .arg(ArgValue::ResultOf(dependency));
    assert_eq!(in_test_kit(test).await, end);
    engine.stop();
}

/// Within more arrays, so that a result that is not too deep by itself is too deep as an argument.
fn wrapped(value: ArgValue) -> ArgValue {
    (0..20).fold(value, |value, _| ArgValue::Array(vec![value]))
}
