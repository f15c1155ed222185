//! A system on a memory store, with methods made for one test.

use std::sync::Arc;
use std::time::Duration;

use task_scheduler::cache::ResultsCache;
use task_scheduler::engine::{Defaults, Options};
use task_scheduler::models::{ArgValue, Durability, Outcome, Request, State, TaskId, TaskOptions};
use task_scheduler::store::{MemoryStore, Store};
use task_scheduler::system::TaskSystem;
use task_scheduler::tasks::{TaskRegistry, collected};

pub(crate) fn options() -> Options {
    Options {
        async_tasks: 64,
        sync_threads: 4,
        queue_length: 1_000,
        cancel_grace: Duration::from_millis(50),
        stuck_after: Duration::from_millis(100),
        defaults: Defaults { timeout: Duration::from_secs(60), retries: 3 },
        ..Options::default()
    }
}

pub(crate) async fn start() -> TaskSystem {
    start_with(options()).await
}

pub(crate) async fn start_with(options: Options) -> TaskSystem {
    start_on(options, Arc::new(MemoryStore::default())).await
}

pub(crate) async fn start_on(options: Options, store: Arc<dyn Store>) -> TaskSystem {
    let registry = TaskRegistry::from_registrations(collected()).expect("built-in tasks");
    let cache = ResultsCache::new(std::num::NonZero::new(10_000).expect("not zero"), 64 << 20);
    TaskSystem::start(options, Arc::new(registry), Arc::new(cache), store).await.expect("it starts")
}

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::parse(text, "task_id").expect("a valid id")
}

pub(crate) fn request(method: &str, args: &[i32]) -> Request {
    Request {
        method: method.to_owned(),
        args: args.iter().copied().map(ArgValue::Int32).collect(),
        ..Request::default()
    }
}

pub(crate) fn named(task: &str, method: &str, args: &[i32]) -> Request {
    Request { id: Some(id(task)), ..request(method, args) }
}

pub(crate) fn with(request: Request, set: impl FnOnce(&mut TaskOptions)) -> Request {
    let mut options = TaskOptions::default();
    set(&mut options);
    Request { options: Some(Box::new(options)), ..request }
}

pub(crate) fn ephemeral(request: Request) -> Request {
    with(request, |options| options.durability = Some(Durability::Ephemeral))
}

pub(crate) use task_scheduler::tasks::make_async_handler as async_handler;

/// The outcome of a task; waits for it at most 20 s.
pub(crate) async fn outcome(system: &TaskSystem, task: &str) -> Outcome {
    let ended = system.tasks().wait(&id(task), Duration::from_secs(20)).await.expect("it is known");
    ended.unwrap_or_else(|| panic!("{task} does not end")).outcome.clone()
}

pub(crate) async fn state(system: &TaskSystem, task: &str) -> State {
    outcome(system, task).await.state()
}
