//! The cost of idle streams: SubmitTask with thousands of open StreamEvents whose filters match no event,
//! and with none, in turns.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use task_scheduler::pb;
use task_scheduler::pb::task_scheduler_client::TaskSchedulerClient;
use tokio::sync::oneshot;
use tonic::transport::Endpoint;

use crate::Common;
use crate::drive::{self, Load, Measured, Shape};
use crate::process::Process;
use crate::report::{self, Rounds, Table};
use crate::request::Ids;
use crate::system::System;

/// Streams on one connection: fewer than the server allows.
const ON_ONE_CONNECTION: usize = 1_000;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Measurements of each
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The number of streams
    #[arg(long, default_value_t = 10_000)]
    listeners: usize,
    /// The field that their filters name, each with another value
    #[arg(long, value_enum, default_value = "tag")]
    by: By,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum By {
    Task,
    Tag,
    Queue,
    Name,
}

pub(crate) fn run(options: &Options, common: &Common) {
    report::print_machine(common);
    println!(
        "measured: SubmitTask(add, Int32 1, 2, 3), {} in flight; medians of {} rounds of {} s",
        Shape::USUAL,
        options.rounds,
        options.seconds,
    );
    let table = Table::begin(2, &[&["system   ", "listeners"][..], &Rounds::COLUMNS].concat());
    for system in [System::Ephemeral, System::Durable] {
        let counts = [0, options.listeners];
        let rounds = Rounds::of(options.rounds, counts.len(), |index| {
            measure(system, counts[index], options, common)
        });
        for (index, count) in counts.iter().enumerate() {
            let baseline = (index > 0).then(|| (0, "none".to_owned()));
            let names = vec![system.to_string(), count.to_string()];
            table.row(&[names, rounds.cells(index, baseline)].concat());
        }
    }
}

fn measure(system: System, listeners: usize, options: &Options, common: &Common) -> Measured {
    let server = Process::start(system, common, &[]);
    let listening = Listening::begin(server.address(), listeners, options.by);
    let measured = drive::measure(Load {
        address: server.address(),
        shape: Shape::USUAL,
        threads: common.threads,
        request: system.request(),
        ids: Ids::Given,
        time: Duration::from_secs_f64(options.seconds),
        server_cpu: &|| server.cpu_time(),
    });
    listening.end();
    measured
}

/// The open streams, on a thread that sleeps while no event arrives.
struct Listening {
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Listening {
    /// Opens the streams and returns when all are open.
    fn begin(address: SocketAddr, count: usize, by: By) -> Self {
        let (ready, begun) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the system has room for a runtime");
            runtime.block_on(async {
                let mut streams = Vec::with_capacity(count);
                for first in (0..count).step_by(ON_ONE_CONNECTION) {
                    let endpoint = Endpoint::try_from(format!("http://{address}"));
                    let channel =
                        endpoint.expect("an address").connect().await.expect("it listens");
                    let mut client = TaskSchedulerClient::new(channel);
                    for number in first..count.min(first + ON_ONE_CONNECTION) {
                        let filter = Some(filter(by, number));
                        let request = pb::StreamEventsRequest { filter, ..Default::default() };
                        let stream = client.stream_events(request).await.expect("it is taken");
                        streams.push(stream.into_inner());
                    }
                }
                ready.send(()).expect("somebody waits for it");
                // A dropped sender also means stop.
                drop(stopped.await);
                drop(streams);
            });
        });
        begun.recv().expect("all of them listen");
        Self { thread, stop }
    }

    fn end(self) {
        drop(self.stop);
        self.thread.join().expect("they heard nothing");
    }
}

/// A filter that no event matches.
fn filter(by: By, number: usize) -> pb::EventFilter {
    let word = format!("nothing-{number}");
    match by {
        By::Task => pb::EventFilter { task_id: word, ..Default::default() },
        By::Tag => pb::EventFilter { tag: word, ..Default::default() },
        By::Queue => pb::EventFilter { queue: word, ..Default::default() },
        By::Name => pb::EventFilter { names: vec![format!("custom.{word}")], ..Default::default() },
    }
}
