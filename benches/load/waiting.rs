//! The effect of a backlog's length on the latency of tasks that pass it.

use std::sync::Arc;
use std::time::Duration;

use task_scheduler::pb;

use crate::Common;
use crate::client::{Call, Client};
use crate::drive::{self, Load, Measured, Shape};
use crate::process::Process;
use crate::report::{self, Figure, Rounds, Table};
use crate::request::{Ids, durable_add};
use crate::stream::{self, Ending, PATIENCE, Progress, Stream};
use crate::system::System;

/// Tasks per call while the backlog is filled.
const BATCH: usize = 1_000;
/// The queue whose tasks wait because it is paused.
const PAUSED: &str = "paused";
/// The queue whose tasks wait for each other, because they carry the same key. Each takes a second.
const KEYED: &str = "keyed";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Measurements of each backlog, queue and shape
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The short backlog, in tasks
    #[arg(long, default_value_t = 10_000)]
    few: u64,
    /// The long backlog
    #[arg(long, default_value_t = 1_000_000)]
    many: u64,
}

/// The kind of backlog, and the calls that pass it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passing {
    /// Another queue is paused.
    AnotherQueue,
    /// The others in the queue wait for their key; what passes has none and a higher priority.
    SameQueue,
}

impl Passing {
    fn name(self) -> &'static str {
        match self {
            Self::AnotherQueue => "another queue",
            Self::SameQueue => "same queue",
        }
    }

    /// The measured request.
    fn request(self) -> pb::TaskRequest {
        let mut request = durable_add();
        if self == Self::SameQueue {
            let options = request.options.get_or_insert_default();
            options.queue = KEYED.to_owned();
            options.priority = Some(1);
        }
        request
    }

    /// The request of the backlog's tasks.
    fn backlog(self) -> pb::TaskRequest {
        match self {
            Self::AnotherQueue => paused_task(),
            Self::SameQueue => {
                let mut request = durable_add();
                request.method = "long_running_task".to_owned();
                let options = request.options.get_or_insert_default();
                options.queue = KEYED.to_owned();
                options.concurrency_key = "one at a time".to_owned();
                request
            }
        }
    }
}

/// A task that waits after [`pause`].
pub(crate) fn paused_task() -> pb::TaskRequest {
    let mut request = durable_add();
    request.options.get_or_insert_default().queue = PAUSED.to_owned();
    request
}

/// Pauses the queue of [`paused_task`].
pub(crate) fn pause(server: &Process) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has room for a runtime");
    runtime.block_on(async {
        let mut client = Client::connect(server.address()).await;
        let request = pb::PauseQueueRequest { queue: PAUSED.to_owned() };
        let _: pb::PauseQueueResponse = client.call(&Call::new("PauseQueue", &request)).await;
    });
}

/// Fills the backlog with `count` tasks from `request`.
pub(crate) fn fill(server: &Process, request: pb::TaskRequest, ids: Ids, count: u64) {
    let address = server.address();
    let (within, ending) = (PATIENCE, Ending::Waits);
    let stream = Stream { address, request, ids, size: BATCH, count, within, ending };
    stream::run(&stream, &Arc::new(Progress::default()));
}

pub(crate) fn run(options: &Options, common: &Common) {
    report::print_machine(common);
    println!(
        "measured: SubmitTask(add, Int32 1, 2, 3) while {} and {} tasks wait; medians of {} rounds of \
         {} s, each after {:?} of warm-up",
        options.few,
        options.many,
        options.rounds,
        options.seconds,
        drive::WARM_UP,
    );
    let columns = ["waits in      ", "waiting", "in flight"];
    let figures =
        ["calls/s", "p50 µs", "p99 µs", "CPU µs", "cores", "beside   ", "calls ÷", "p99 ÷"];
    let table = Table::begin(3, &[&columns[..], &figures].concat());
    for passing in [Passing::AnotherQueue, Passing::SameQueue] {
        let servers = [options.few, options.many].map(|count| {
            let server = Process::start(System::Durable, common, &[]);
            pause(&server);
            fill(&server, passing.backlog(), Ids::Given, count);
            server
        });
        for shape in [Shape::ONE, Shape::USUAL] {
            let rounds = Rounds::of(options.rounds, servers.len(), |index| {
                measure(&servers[index], passing, shape, options, common)
            });
            for (index, count) in [options.few, options.many].into_iter().enumerate() {
                let names = vec![passing.name().to_owned(), count.to_string(), shape.to_string()];
                let mut cells = [names, rounds.cells(index, None)].concat();
                if index > 0 {
                    let ratio = |figure: Figure| format!("{:.2}", rounds.ratio(index, 0, figure));
                    cells.push(options.few.to_string());
                    cells.extend([ratio(|f| f.calls_per_second), ratio(|f| f.p99_micros)]);
                }
                table.row(&cells);
            }
        }
    }
}

fn measure(
    server: &Process,
    passing: Passing,
    shape: Shape,
    options: &Options,
    common: &Common,
) -> Measured {
    drive::measure(Load {
        address: server.address(),
        shape,
        threads: common.threads,
        request: passing.request(),
        ids: Ids::Given,
        time: Duration::from_secs_f64(options.seconds),
        server_cpu: &|| server.cpu_time(),
    })
}
