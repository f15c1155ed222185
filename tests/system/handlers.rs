use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use task_scheduler::error::Code;
use task_scheduler::models::{ArgValue, Outcome, Request, State, Task};
use task_scheduler::tasks::{
    Child, Decision, HandlerResult, TaskContext, TaskError, TaskHandler, make_handler,
};
use tokio::sync::mpsc;

use crate::harness::*;

type Decide = fn(Vec<ArgValue>) -> Decision;

/// Fails as often as `failures` says, decides by `decide`, and reports the calls of its hooks.
struct Probe {
    failures: AtomicU32,
    decide: Decide,
    seen: Mutex<Vec<Vec<ArgValue>>>,
    hooks: mpsc::UnboundedSender<String>,
}

impl Probe {
    fn new(failures: u32, decide: Decide) -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
        let (hooks, calls) = mpsc::unbounded_channel();
        let failures = AtomicU32::new(failures);
        (Arc::new(Self { failures, decide, seen: Mutex::default(), hooks }), calls)
    }

    fn report(&self, what: String) {
        self.hooks.send(what).expect("the test listens");
    }
}

#[async_trait]
impl TaskHandler for Probe {
    fn name(&self) -> String {
        "tests/probe@1.2.0".to_owned()
    }

    async fn execute(&self, _: &Task, ctx: &TaskContext, args: Vec<ArgValue>) -> HandlerResult {
        self.seen.lock().push(args);
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.fetch_sub(1, Ordering::Relaxed);
            return Err(TaskError::retry_after("not yet", Duration::ZERO));
        }
        let children = ctx.dependencies().iter().filter_map(|(_, outcome)| outcome.result());
        Ok(ArgValue::Array(children.cloned().collect()))
    }

    fn decide(&self, _: &Task, _: &TaskContext, args: Vec<ArgValue>) -> Decision {
        (self.decide)(args)
    }

    async fn on_retry(&self, _: &Task, attempt: u32, error: &TaskError) {
        self.report(format!("retry after {attempt}: {error}"));
    }

    async fn on_failure(&self, task: &Task, outcome: &Outcome) {
        self.report(format!("{} failed after {}", task.id, outcome.attempts));
    }

    async fn on_success(&self, task: &Task, outcome: &Outcome) {
        self.report(format!("{} succeeded after {}", task.id, outcome.attempts));
    }
}

fn probe(id: &str, retries: u32) -> Request {
    with(named(id, "tests/probe", &[7]), |options| options.retries = Some(retries))
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_called_for_each_retry_and_the_outcome() {
    let system = start().await;
    let (handler, mut calls) = Probe::new(2, Decision::Run);
    system.register_handler(handler).expect("a valid handler");
    let ended = system.tasks().submit(probe("a", 2)).await.expect("it runs");
    assert_eq!((ended.outcome.state(), ended.outcome.attempts), (State::Succeeded, 3));
    // Hooks run concurrently, so their order is not fixed.
    let mut reports = Vec::new();
    for _ in 0..3 {
        reports.push(calls.recv().await.expect("hooks are called"));
    }
    reports.sort();
    assert_eq!(
        reports,
        ["a succeeded after 3", "retry after 1: not yet", "retry after 2: not yet"]
    );
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failure_hook_is_called_after_the_last_attempt() {
    let system = start().await;
    let (handler, mut calls) = Probe::new(9, Decision::Run);
    system.register_handler(handler).expect("a valid handler");
    let ended = system.tasks().submit(probe("b", 0)).await.expect("it runs");
    assert_eq!(ended.outcome.failure().map(|failure| failure.code), Some(Code::HandlerFailed));
    assert_eq!(calls.recv().await.as_deref(), Some("b failed after 1"));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_decides_to_skip_never_runs() {
    let system = start().await;
    let (handler, _heard) = Probe::new(0, |_| Decision::Skip);
    system.register_handler(handler.clone()).expect("a valid handler");
    let ended = system.tasks().submit(probe("c", 0)).await.expect("it is decided");
    assert_eq!((ended.outcome.state(), ended.outcome.result()), (State::Succeeded, None));
    assert!(handler.seen.lock().is_empty());
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decision_of_the_first_claim_applies_to_later_attempts() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let system = start().await;
    let (handler, _heard) = Probe::new(1, |_| {
        let times = ASKED.fetch_add(1, Ordering::Relaxed);
        Decision::Run(vec![ArgValue::UInt32(times)])
    });
    system.register_handler(handler.clone()).expect("a valid handler");
    system.tasks().submit(probe("d", 1)).await.expect("it runs");
    assert_eq!(*handler.seen.lock(), vec![vec![ArgValue::UInt32(0)]; 2]);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expanded_task_runs_after_its_children_with_their_results() {
    let system = start().await;
    let (handler, _heard) = Probe::new(0, |_| {
        let child = |ordinal: i32| Child {
            name: ordinal.to_string(),
            method: "add".to_owned(),
            args: vec![ArgValue::Int32(ordinal), ArgValue::Int32(100)],
        };
        Decision::Expand((0..3).map(child).collect())
    });
    system.register_handler(handler).expect("a valid handler");
    let ended = system.tasks().submit(probe("e", 0)).await.expect("it runs");
    let results: Vec<ArgValue> = (100..103).map(ArgValue::Int32).collect();
    assert_eq!(ended.outcome.result(), Some(&ArgValue::Array(results)));
    assert_eq!(ended.outcome.attempts, 1);
    let child = system.tasks().find(&id("e/2")).await.expect("children are tasks like any other");
    assert_eq!(child.state, State::Succeeded);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_can_be_a_handler() {
    let system = start().await;
    let shout = make_handler("tests/shout", |_, _, args| {
        Ok(args.iter().map(ToString::to_string).collect::<String>().to_uppercase().into())
    });
    system.register_handler(shout.clone()).expect("a valid handler");
    let request = Request {
        method: "tests/shout".to_owned(),
        args: vec!["quiet".to_owned().into()],
        ..Request::default()
    };
    let ended = system.tasks().submit(request).await.expect("it runs");
    assert_eq!(ended.outcome.result(), Some(&ArgValue::String("QUIET".into())));
    let taken = system.register_handler(shout).expect_err("the name is taken");
    assert!(taken.message.contains("tests/shout"), "{taken}");
    system.stop();
}
