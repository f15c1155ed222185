//! Single calls with random ids from the client, while the server keeps a million tasks.

use std::sync::Arc;
use std::time::Duration;

use crate::Common;
use crate::drive::{self, Load, Shape};
use crate::process::Process;
use crate::report::{self, Rounds, Table};
use crate::request::{Ids, durable_add};
use crate::stream::{self, Ending, PATIENCE, Progress, Stream};
use crate::system::System;

/// Tasks per call while the store is filled.
const BATCH: usize = 1_000;
/// The most tasks that wait at any time while the store is filled.
const UNFINISHED: u64 = 50_000;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Measurements of each system
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Tasks in the store before the measurements begin
    #[arg(long, default_value_t = 1_000_000)]
    kept: u64,
}

pub(crate) fn run(options: &Options, common: &Common) {
    report::print_machine(common);
    println!(
        "measured: SubmitTask(add, Int32 1, 2, 3), {}; {} finished tasks with random ids kept before \
         them in a server that all rounds use; medians of {} rounds of {} s, each after {:?} of warm-up",
        Shape::USUAL,
        options.kept,
        options.rounds,
        options.seconds,
        drive::WARM_UP,
    );
    let log = Process::start(System::Log, common, &[]);
    // Nothing is pruned, so the measured tasks are added to the stored ones.
    let server = Process::start(System::Durable, common, &["--retention-count", "1000000000"]);
    let kept = Stream {
        address: server.address(),
        request: durable_add(),
        ids: Ids::Random,
        size: BATCH,
        count: options.kept,
        within: PATIENCE,
        ending: Ending::Ends { unfinished: UNFINISHED },
    };
    stream::run(&kept, &Arc::new(Progress::default()));

    let systems = [
        ("log", &log, Ids::Given),
        ("given", &server, Ids::Given),
        ("random", &server, Ids::Random),
    ];
    let rounds = Rounds::of(options.rounds, systems.len(), |index| {
        let (_, process, ids) = systems[index];
        drive::measure(Load {
            address: process.address(),
            shape: Shape::USUAL,
            threads: common.threads,
            request: durable_add(),
            ids,
            time: Duration::from_secs_f64(options.seconds),
            server_cpu: &|| process.cpu_time(),
        })
    });
    let table = Table::begin(1, &[&["ids      "][..], &Rounds::COLUMNS].concat());
    for (index, (name, ..)) in systems.iter().enumerate() {
        let baseline = (index > 0).then(|| (0, "log".to_owned()));
        table.row(&[vec![(*name).to_owned()], rounds.cells(index, baseline)].concat());
    }
}
