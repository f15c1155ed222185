//! Live allocations: after any load, a server holds no more memory than before it.
//!
//! The first rounds let buffers and tables grow to their working size; then rounds of the same size
//! must leave next to nothing behind. Here retention deletes ended tasks at once, and the results
//! cache is small.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the reason")]

#[path = "it/client.rs"]
#[expect(dead_code, reason = "shared with `it`")]
mod client;
#[path = "it/waiting.rs"]
mod waiting;
#[path = "it/wire.rs"]
mod wire;

use std::alloc::{GlobalAlloc, Layout, System as Allocator};
use std::net::SocketAddr;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use prost_types::Any;
use task_scheduler::cache::ResultsCache;
use task_scheduler::clock::Timestamp;
use task_scheduler::engine::{Defaults, Options};
use task_scheduler::error::Code;
use task_scheduler::events::Observer as _;
use task_scheduler::models::{
    ArgValue, Ended, Ending, Event, Fact, Failure, Fence, Outcome, QueueName, State, TaskFact,
    TaskId,
};
use task_scheduler::monitor::{Counts, MAX_METHODS, MAX_QUEUES};
use task_scheduler::pb;
use task_scheduler::server::{self, Handle, Server};
use task_scheduler::store::{MemoryStore, Retention, RetentionLimit, Store as _};
use task_scheduler::system::TaskSystem;
use task_scheduler::tasks::{Rest, TaskContext, TaskError, TaskRegistry, collected};
use task_scheduler::testing::TaskMaker;
use task_scheduler::{async_task, sync_task};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use client::{Client, NOTHING, after, ms, named, retries, task, with};
use waiting::{eventually, soon};
use wire::{Connection, OPENING, SUBMIT};

/// Rounds before anything is measured.
const WARM_UP: usize = 2;
/// Measured rounds: what each task leaves behind adds up.
const ROUNDS: usize = 8;
/// Tasks of each kind in one round.
const TASKS: usize = 500;
/// Differences by timing: a table that grew once more, an idle thread. A measured round has about
/// five thousand tasks.
const SLACK_BYTES: isize = 1 << 20;
const SLACK_ALLOCATIONS: isize = 200;

/// How long memory may take to be freed once every connection is closed and every task deleted.
const WITHIN: Duration = Duration::from_secs(15);

/// Counts live allocations.
struct Counting;

static BYTES: AtomicIsize = AtomicIsize::new(0);
static ALLOCATIONS: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize, sign: isize) {
    BYTES.fetch_add(sign * bytes.cast_signed(), Ordering::Relaxed);
    ALLOCATIONS.fetch_add(sign, Ordering::Relaxed);
}

#[expect(
    unsafe_code,
    reason = "counting live allocations takes an allocator, which is an unsafe trait"
)]
// SAFETY: every call goes unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's contract is the same.
        unsafe { Allocator.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's contract is the same.
        unsafe { Allocator.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(new_size, 1);
        // SAFETY: the caller's contract is the same.
        unsafe { Allocator.realloc(block, layout, new_size) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Live {
    bytes: isize,
    allocations: isize,
}

fn live() -> Live {
    let (bytes, allocations) = (&BYTES, &ALLOCATIONS);
    Live { bytes: bytes.load(Ordering::Relaxed), allocations: allocations.load(Ordering::Relaxed) }
}

/// Lets stubborn handlers return.
static RELEASED: AtomicBool = AtomicBool::new(false);

/// Fails `times` times.
#[async_task]
async fn fail(ctx: TaskContext, times: u32) -> Result<(), TaskError> {
    if ctx.attempt() <= times { Err(TaskError::new("not yet")) } else { Ok(()) }
}

/// Never returns.
#[async_task]
async fn never(ctx: TaskContext, Rest(_held): Rest<String>) -> Result<(), TaskError> {
    ctx.progress(0.5, "half way forever")?;
    std::future::pending().await
}

/// Returns only after the test sets `RELEASED`.
#[sync_task]
fn stubborn() {
    while !RELEASED.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Panics without output on stderr.
#[sync_task]
fn panic_sync(message: String) {
    resume_unwind(Box::new(message))
}

/// Panics after its first await.
#[async_task]
async fn panic_async(message: String) {
    tokio::task::yield_now().await;
    resume_unwind(Box::new(message))
}

/// Returns a text of this many bytes.
#[sync_task]
fn text(bytes: u32) -> String {
    "x".repeat(bytes as usize)
}

/// A system and its server.
struct Fixture {
    store: Arc<MemoryStore>,
    system: TaskSystem,
    server: Handle,
}

impl Fixture {
    async fn open() -> Self {
        let options = Options {
            async_tasks: 64,
            sync_threads: 4,
            queue_length: 10_000,
            cancel_grace: Duration::from_millis(10),
            stuck_after: Duration::from_millis(50),
            retention: Retention {
                succeeded: RetentionLimit { max_age: Duration::ZERO, max_count: 1 },
                others: RetentionLimit { max_age: Duration::ZERO, max_count: 1 },
            },
            defaults: Defaults { timeout: Duration::from_secs(60), retries: 3 },
            ..Options::default()
        };
        let registry = TaskRegistry::from_registrations(collected()).unwrap();
        let cache = ResultsCache::new(NonZero::new(64).unwrap(), 1 << 20);
        let store = Arc::new(MemoryStore::default());
        let system = TaskSystem::start(options, Arc::new(registry), Arc::new(cache), store.clone())
            .await
            .unwrap();
        let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let options =
            server::Options { handshake_timeout: Duration::from_secs(2), ..Default::default() };
        let server = Server::start(listener, system.clone(), options).await.unwrap();
        Self { store, system, server }
    }

    fn addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// The live allocations once every connection is closed and the last tasks are deleted.
    async fn live_when_idle(&self, last: &[TaskId]) -> Live {
        eventually("every connection is closed", async || {
            (self.server.connections() == 0).then_some(())
        })
        .await;
        eventually("every task is deleted", async || {
            let found = self.store.find(last).await.unwrap();
            found.iter().all(Option::is_none).then_some(())
        })
        .await;
        live()
    }
}

/// Valid requests. Returns the ids of the last tasks that end.
async fn valid_requests(addr: SocketAddr, round: usize) -> Vec<TaskId> {
    let mut clients = JoinSet::new();
    for number in 0..4 {
        clients.spawn(async move {
            let client = Client::connect(addr).await;
            for n in 0..TASKS / 4 {
                let id = |kind: &str| format!("{round}-{number}-{n}-{kind}");
                let sum = named(&id("sum"), "add", [1, 2]);
                client.run(sum.clone()).await;
                client.run(sum).await;
                client.run(with(task("add", [1]), |o| o.durability = 2)).await;
                client.run(with(task("text", [100]), |o| o.tags = vec!["some".into()])).await;
                let parent = named(&id("parent"), "fail", [1]);
                client.enqueue(with(parent, |o| o.retry = retries(1))).await.unwrap();
                let wait = |request| with(request, |o| o.wait_for_dependencies = true);
                let parent = id("parent");
                client.run(wait(after([parent.as_str()], task("ping", NOTHING)))).await;
            }
        });
    }
    soon(clients.join_all()).await;
    let client = Client::connect(addr).await;
    let many = (0..TASKS)
        .map(|n| {
            let tags = vec![format!("tag-{round}-{}", n % 2)];
            with(task("text", [10]), |o| {
                (o.tags, o.delay) = (tags, ms(if n % 2 == 0 { 1 } else { 3_600_000 }));
            })
        })
        .collect();
    client.enqueue_many(many).await.unwrap();
    let tag = format!("tag-{round}-1");
    let cancelled = pb::CancelTasksRequest { tag, ..Default::default() };
    assert_eq!(client.cancel(cancelled).await.unwrap().len(), TASKS / 2);
    // The cache holds the same at the end of each round.
    for _ in 0..TASKS {
        client.run(task("ping", NOTHING)).await;
    }
    let [well, badly] = ["well", "badly"].map(|how| format!("{round}-{how}"));
    client.run(named(&well, "ping", NOTHING)).await;
    client.fail(named(&badly, "fail", [1])).await;
    [well, badly].map(|id| TaskId::parse(&id, "task_id").unwrap()).into()
}

/// Invalid requests and failing handlers. Returns the ids of tasks that may still run.
async fn invalid_requests(addr: SocketAddr, round: usize) -> Vec<TaskId> {
    let mut last = Vec::new();
    let client = Client::connect(addr).await;
    let deep = (0..200).fold(ArgValue::from(1), |inner, _| ArgValue::Array(vec![inner]));
    let odd = Any { type_url: "type.googleapis.com/shop.Order".into(), value: vec![0; 10_000] };
    let half = Any {
        type_url: "type.googleapis.com/google.protobuf.StringValue".into(),
        value: vec![0x0a, 0xff],
    };
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let refused = [
        task("no_such_method", NOTHING),
        task("", NOTHING),
        task("text", ["no number"]),
        task("process_collection", [deep]),
        pb::TaskRequest { args: vec![odd, half], ..task("add", NOTHING) },
        named("a\0b", "add", [1]),
        named(&"i".repeat(10_000), "add", [1]),
        pb::TaskRequest { deps: vec!["d".into(); 100_000], ..task("add", [1]) },
        after(["me"], named("me", "add", [1])),
        after(["nobody"], task("add", [1])),
        with(task("add", [1]), |o| o.timeout = negative),
        task("echo_string", ["x".repeat(5_000_000)]),
    ];
    for request in refused {
        client.submit(request).await.unwrap_err();
    }
    for n in 0..TASKS / 10 {
        client.submit(task("no_such_method", [n.to_string()])).await.unwrap_err();
        client.fail(with(task("panic_sync", ["oh"]), |o| o.retry = retries(1))).await;
        client.fail(with(task("panic_async", ["oh"]), |o| o.durability = 2)).await;
        client.fail(with(task("never", ["x".repeat(1_000)]), |o| o.timeout = ms(1))).await;
        let expired = with(task("ping", NOTHING), |o| (o.delay, o.ttl) = (ms(1_000), ms(1)));
        client.fail(expired).await;
    }
    client.fail(task("text", [5_000_000])).await;
    RELEASED.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        let request =
            with(task("stubborn", NOTHING), |o| (o.timeout, o.retry) = (ms(1), retries(1)));
        assert_eq!(client.fail(request).await.code, "STUCK");
    }
    RELEASED.store(true, Ordering::Relaxed);

    // Callers that disconnect, with and without a cancel of their task.
    for attended in [false, true] {
        for n in 0..TASKS / 10 {
            let id = format!("{round}-{attended}-{n}");
            let request = with(named(&id, "never", ["x"]), |o| {
                (o.cancel_on_disconnect, o.timeout) = (attended, ms(100));
            });
            let caller = client.clone();
            let calling = tokio::spawn(async move { caller.submit(request).await });
            client.once(&id, pb::TaskState::Running).await;
            calling.abort();
            last.push(TaskId::parse(&id, "task_id").unwrap());
        }
    }
    let connection = Connection::open(addr).await;
    for (n, timeout) in ["0n", "1n", "1m"].repeat(TASKS / 10).into_iter().enumerate() {
        let id = format!("{round}-deadline-{n}");
        let request = with(named(&id, "never", ["x"]), |o| o.timeout = ms(10));
        last.push(TaskId::parse(&id, "task_id").unwrap());
        let status = connection.call(SUBMIT, &[("grpc-timeout", timeout)], &request).await;
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }
    last
}

/// Peers that violate the protocol.
async fn protocol_violations(addr: SocketAddr) {
    let half_a_frame = [OPENING, b"\x00\x00\x64\x01\x04\x00\x00\x00\x01"].concat();
    let mut peers = Vec::new();
    for _ in 0..TASKS {
        for bytes in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &OPENING[..30], &half_a_frame] {
            let mut stream = soon(TcpStream::connect(addr)).await.unwrap();
            soon(stream.write_all(bytes)).await.unwrap();
            peers.push(stream);
        }
    }
    drop(peers);
    let mut flood = Connection::open(addr).await;
    let request = task("ping", NOTHING);
    let mut sent = 0;
    while flood.begin_and_reset(&request).await {
        sent += 1;
        assert!(sent < 100_000, "the server does not stop the flood");
    }
    assert!(flood.closed().await.is_err());
}

async fn one_round(addr: SocketAddr, round: usize) -> Vec<TaskId> {
    let mut last = invalid_requests(addr, round).await;
    protocol_violations(addr).await;
    last.extend(valid_requests(addr, round).await);
    last
}

/// Live allocations are counted for the whole process.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The events of a task with a retry, of the method and in the queue with this number.
fn task_events(number: usize) -> Vec<Event> {
    let task = TaskMaker::new("t").method(&format!("m{number}")).with(|options| {
        options.queue = QueueName::parse(&format!("q{number}"), "queue").unwrap();
    });
    let (task, at) = (Arc::new(task.make()), Timestamp::EPOCH);
    let failure = Failure { code: Code::HandlerFailed, message: "no".into() };
    let failure = Arc::new(failure);
    let ending = Ending::Succeeded(Arc::new(ArgValue::Null));
    let outcome = Outcome { ending, attempts: 2, started_at: Some(at), ended_at: at };
    let started = |attempt| TaskFact::Started { attempt, fence: Fence { epoch: 1, counter: 1 } };
    let facts = [
        TaskFact::Accepted(State::Queued),
        started(1),
        TaskFact::Retrying { attempt: 1, failure, due: at },
        started(2),
        TaskFact::Ended(Arc::new(Ended { task: task.clone(), outcome })),
    ];
    facts.map(|fact| Event { at, fact: Fact::Task(task.clone(), fact) }).into()
}

#[tokio::test]
async fn counting_tasks_takes_bounded_memory_and_then_none() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let tasks: Vec<Vec<Event>> = (0..5 * MAX_METHODS.max(MAX_QUEUES)).map(task_events).collect();
    let count_all =
        |counts: &Counts| tasks.iter().flatten().for_each(|event| counts.observe(event));
    let before = live();
    let counts = Counts::default();
    count_all(&counts);
    let full = live();
    // 10 KiB a method and 0.6 KiB a queue, for each counting thread; here it is one.
    let bytes = full.bytes - before.bytes;
    assert!(bytes < 12 << 20, "{bytes} bytes");
    for _ in 0..3 {
        count_all(&counts);
    }
    let after = live();
    assert_eq!((after.bytes, after.allocations), (full.bytes, full.allocations));
}

#[tokio::test]
async fn live_memory_returns_to_its_level_after_any_load() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let fixture = Fixture::open().await;
    let addr = fixture.addr();
    let mut last = Vec::new();
    for round in 0..WARM_UP {
        last = one_round(addr, round).await;
    }
    let before = fixture.live_when_idle(&last).await;
    for round in WARM_UP..WARM_UP + ROUNDS {
        last = one_round(addr, round).await;
    }
    let mut least = fixture.live_when_idle(&last).await;
    let returned = |now: &Live| {
        now.bytes <= before.bytes + SLACK_BYTES
            && now.allocations <= before.allocations + SLACK_ALLOCATIONS
    };
    let start = Instant::now();
    while !returned(&least) && start.elapsed() < WITHIN {
        tokio::time::sleep(Duration::from_millis(5)).await;
        least = live();
    }
    println!("{before:?} before, {least:?} after");
    assert!(returned(&least), "{before:?} before, {least:?} after");
    // The server still works.
    let client = Client::connect(addr).await;
    client.assert_served(addr).await;
    assert_eq!(fixture.system.tasks().stuck_handlers(), 0);
    drop(client);
    fixture.system.drain(Duration::from_secs(5)).await;
    assert_eq!(fixture.server.stop(Duration::from_secs(5)).await, 0);
    fixture.system.stop();
}
