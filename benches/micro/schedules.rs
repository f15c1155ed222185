//! The cost of schedules: the start with a hundred thousand of them, the lateness of a thousand that are
//! due in one second, and the decision about one.
//!
//! `cargo bench -p micro -- schedules` prints a line for each; no wire, the store on a disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use task_scheduler::TaskSystem;
use task_scheduler::clock::{self, Timestamp};
use task_scheduler::error::Code;
use task_scheduler::models::{Overlap, Request};
use task_scheduler::schedules::{Cron, ScheduleRequest};
use task_scheduler::tasks::{TaskHandler, make_async_handler};

const MANY: usize = 100_000;
const DUE: usize = 1_000;
/// The duration of the measurement, in seconds.
const SECONDS: u64 = 20;
/// The number of concurrent definitions.
const SIDE_BY_SIDE: usize = 256;

/// Prints its own figures.
pub(crate) fn schedules() {
    // `cargo test --benches` only checks that it runs.
    let (many, seconds) =
        if std::env::args().any(|arg| arg == "--bench") { (MANY, SECONDS) } else { (100, 2) };
    decide();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("the system has room for a runtime").block_on(async {
        start(many).await;
        lateness("at one moment", Duration::ZERO, seconds).await;
        lateness("one a millisecond", Duration::from_millis(1), seconds).await;
    });
}

/// The time that one next occurrence takes.
fn decide() {
    for rule in ["30 2 * * *", "*/10 * * * * *", "0 0 29 2 *"] {
        let begun = Instant::now();
        let mut rounds = 0_u32;
        while begun.elapsed() < Duration::from_millis(100) {
            let cron = Cron::parse(rule, "Europe/Berlin").expect("a rule");
            std::hint::black_box(cron.next_after(clock::now().wall));
            rounds += 1;
        }
        println!("{rule:16} parsed and its next time found in {:?}", begun.elapsed() / rounds);
    }
}

/// So many schedules, none of them due, at a start.
async fn start(many: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    let system = open(dir.path(), Vec::new()).await;
    let begun = Instant::now();
    let rare = |n| ScheduleRequest::cron(format!("s{n:06}"), "0 0 29 2 *", Request::of("ping"));
    put(&system, (0..many).map(rare)).await;
    println!("{many} schedules defined in {:?}", begun.elapsed());
    system.shutdown(Duration::from_secs(10)).await;
    drop(system);
    let (system, opened) = open_again(dir.path()).await;
    // One that is due at once shows that the ticker is at work.
    put(&system, [ScheduleRequest::every("beat", Duration::from_secs(1), Request::of("ping"))])
        .await;
    let beat = task_scheduler::models::Name::parse("beat", "name").expect("a name");
    let due =
        system.schedules().get(&beat).await.expect("it is there").next.expect("it is enabled");
    while system.schedules().get(&beat).await.expect("it is there").runs.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let late = clock::now().wall.since(due);
    println!("{many} schedules: started in {opened:?}; the first run {late:?} after its time");
    system.shutdown(Duration::from_secs(10)).await;
}

/// A thousand schedules that are due in every second, so far apart.
async fn lateness(how: &str, apart: Duration, seconds: u64) {
    let dir = tempfile::tempdir().expect("a folder");
    let late = Arc::new(Mutex::new(Histogram::<u64>::new(3).expect("three digits")));
    let runs = Arc::new(AtomicU64::new(0));
    let (of_body, counted) = (late.clone(), runs.clone());
    let note = make_async_handler("bench/late", move |ctx, _| {
        let now = clock::now().wall;
        let occurrence = ctx.task_id().as_str().rsplit('/').next().map(time).expect("a time");
        let micros = now.as_micros().saturating_sub(occurrence.as_micros());
        of_body.lock().record(micros).expect("any number is accepted");
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(true.into()) }
    });
    let system = open(dir.path(), vec![note]).await;
    let each = |n: usize| {
        let every = Duration::from_secs(1);
        let first = Timestamp::EPOCH.plus(apart * u32::try_from(n).expect("few"));
        ScheduleRequest::every_from(format!("s{n:04}"), first, every, Request::of("bench/late"))
            .overlap(Overlap::Allow)
    };
    put(&system, (0..DUE).map(each)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // What was due while they were being defined is not counted.
    late.lock().reset();
    runs.store(0, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let late = late.lock().clone();
    let at = |quantile| Duration::from_micros(late.value_at_quantile(quantile));
    println!(
        "{DUE} due in each second, {how}, {} runs in {seconds} s: late p50 {:?}, p99 {:?}, max {:?}",
        runs.load(Ordering::Relaxed),
        at(0.5),
        at(0.99),
        at(1.0),
    );
    system.shutdown(Duration::from_secs(10)).await;
}

async fn open(dir: &Path, handlers: Vec<Arc<dyn TaskHandler>>) -> TaskSystem {
    let builder = handlers.into_iter().fold(TaskSystem::in_directory(dir), |b, h| b.handler(h));
    builder.start().await.expect("it starts")
}

/// Opens the directory after the previous system released it, and returns the time of the start.
async fn open_again(dir: &Path) -> (TaskSystem, Duration) {
    loop {
        let begun = Instant::now();
        match TaskSystem::in_directory(dir).start().await {
            Ok(system) => return (system, begun.elapsed()),
            Err(error) => assert_eq!(error.code, Code::StoreUnavailable, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn put(system: &TaskSystem, requests: impl IntoIterator<Item = ScheduleRequest>) {
    let mut requests = requests.into_iter();
    loop {
        let mut under_way = tokio::task::JoinSet::new();
        for request in requests.by_ref().take(SIDE_BY_SIDE) {
            let system = system.clone();
            under_way.spawn(async move { system.schedules().put(request).await });
        }
        if under_way.is_empty() {
            return;
        }
        for put in under_way.join_all().await {
            put.expect("it is sound");
        }
    }
}

fn time(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().expect("a run's id ends in a time");
    let micros = u64::try_from(instant.as_microsecond()).expect("after 1970");
    Timestamp::from_micros(micros).expect("before 10000")
}
