//! The load of single calls: keeps a number of SubmitTask calls in flight and records the latency of each.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use task_scheduler::pb;
use task_scheduler::pb::task_response::Status;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::Client;
use crate::request::{Ids, Submits};

/// The number of calls in flight, and of connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) in_flight: usize,
    pub(crate) connections: usize,
}

impl Shape {
    /// One caller that waits for each answer.
    pub(crate) const ONE: Self = Self { in_flight: 1, connections: 1 };
    /// The load of most figures.
    pub(crate) const USUAL: Self = Self { in_flight: 64, connections: 4 };
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}x{}", self.in_flight, self.connections))
    }
}

/// The warm-up before each measurement; its calls are not counted.
pub(crate) const WARM_UP: Duration = Duration::from_millis(300);

/// The longest wait for the last answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// One measurement to make.
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) shape: Shape,
    /// The client's threads; at most one per connection is used.
    pub(crate) threads: usize,
    /// The request; its result is 6.
    pub(crate) request: pb::TaskRequest,
    pub(crate) ids: Ids,
    pub(crate) time: Duration,
    /// Returns the CPU time that the server has used so far.
    pub(crate) server_cpu: &'a dyn Fn() -> Duration,
}

/// The result of one measurement.
pub(crate) struct Measured {
    /// The latencies, the shortest first.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
    pub(crate) server_cpu: Duration,
}

/// The phase of the load; callers check it after every call.
struct Phase(AtomicU8);

impl Phase {
    const WARM_UP: u8 = 0;
    const MEASURE: u8 = 1;
    const STOP: u8 = 2;

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }
}

/// Runs the load and measures it. Panics when a call fails: figures of a failing server are worthless.
pub(crate) fn measure(load: Load<'_>) -> Measured {
    let phase = Arc::new(Phase(AtomicU8::new(Phase::WARM_UP)));
    let threads = load.threads.min(load.shape.connections);
    let callers: Vec<_> = (0..threads)
        .map(|thread| {
            // Connection c belongs to thread c mod threads, and call i to connection i mod connections.
            let calls: Vec<usize> = (0..load.shape.connections)
                .filter(|connection| connection % threads == thread)
                .map(|connection| share(load.shape.in_flight, load.shape.connections, connection))
                .collect();
            let (address, request, ids) = (load.address, load.request.clone(), load.ids);
            let phase = phase.clone();
            let submits = move || Submits::new(request.clone(), ids);
            let within = WARM_UP + load.time + PATIENCE;
            thread::spawn(move || call_until_stopped(address, &calls, submits, &phase, within))
        })
        .collect();

    thread::sleep(WARM_UP);
    let (cpu_before, started) = ((load.server_cpu)(), Instant::now());
    phase.set(Phase::MEASURE);
    thread::sleep(load.time);
    phase.set(Phase::STOP);
    let (server_cpu, elapsed) = ((load.server_cpu)() - cpu_before, started.elapsed());

    let mut latencies: Vec<Duration> =
        callers.into_iter().flat_map(|caller| caller.join().expect("calls succeed")).collect();
    assert!(!latencies.is_empty(), "no call was answered within {:?}", load.time);
    latencies.sort_unstable();
    Measured { latencies, elapsed, server_cpu }
}

/// The share of part `index` when `whole` things are divided into `parts`.
fn share(whole: usize, parts: usize, index: usize) -> usize {
    whole / parts + usize::from(index < whole % parts)
}

/// One thread of the client: a connection for each entry of `calls`, with that number of calls in flight.
fn call_until_stopped(
    address: SocketAddr,
    calls: &[usize],
    submits: impl Fn() -> Submits,
    phase: &Arc<Phase>,
    within: Duration,
) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has room for a runtime");
    runtime.block_on(async {
        let mut callers = JoinSet::new();
        for &in_flight in calls {
            let client = Client::connect(address).await;
            for _ in 0..in_flight {
                callers.spawn(call_one_by_one(client.clone(), submits(), phase.clone()));
            }
        }
        timeout(within, callers.join_all()).await.expect("a server that answers").concat()
    })
}

/// Returns the latency of each call that ended in time.
async fn call_one_by_one(
    mut client: Client,
    mut submits: Submits,
    phase: Arc<Phase>,
) -> Vec<Duration> {
    let mut latencies = Vec::new();
    loop {
        let started = Instant::now();
        let answer: pb::TaskResponse = client.call(&submits.next()).await;
        let took = started.elapsed();
        assert!(answer.status() == Status::Success && answer.result == "6", "{answer:?}");
        match phase.get() {
            Phase::WARM_UP => {}
            Phase::MEASURE => latencies.push(took),
            _ => return latencies,
        }
    }
}
