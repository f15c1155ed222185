//! Many tasks per call, from acceptance to completion, long enough to include checkpoints and pruning.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Common;
use crate::process::Process;
use crate::report::{self, Table, micros, quantile};
use crate::request::{Ids, durable_add};
use crate::stream::{self, Ending, PATIENCE, Progress, Stream};
use crate::system::System;

/// The warm-up before each measurement.
const WARM_UP: Duration = Duration::from_secs(1);
/// The longest measurement of the log, which keeps all that it receives.
const LONGEST_LOG: Duration = Duration::from_secs(10);
/// The interval between samples.
const SAMPLE: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds of each measurement, of the log at most 10
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Tasks per call
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    size: u32,
    /// How many tasks may be unfinished at any time
    #[arg(long, default_value_t = 20_000)]
    unfinished: u64,
    /// How many finished tasks the server keeps
    #[arg(long, default_value_t = 200_000)]
    retention_count: u64,
    /// Only these systems
    #[arg(long, value_enum)]
    only: Vec<Subject>,
}

/// One measured system.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// The log, which syncs the tasks to the disk and runs nothing
    Log,
    /// The server, which generates the ids
    Given,
    /// The server; the client's ids are random
    Random,
}

impl Subject {
    const ALL: [Self; 3] = [Self::Log, Self::Given, Self::Random];

    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Given => "given",
            Self::Random => "random",
        }
    }
}

/// The result of one measurement.
struct Found {
    tasks_per_second: f64,
    /// The lowest rate between two samples.
    slowest: f64,
    /// The latencies of the calls.
    p50: Duration,
    p99: Duration,
    cpu_per_task: Duration,
    busy: f64,
    /// The largest that the log beside the database was, in bytes.
    wal: u64,
    /// The database at the end, in bytes.
    database: u64,
}

pub(crate) fn run(options: &Options, common: &Common) {
    report::print_machine(common);
    println!(
        "measured: EnqueueTasks of {} add(Int32 1, 2, 3), accepted until ended; at most {} unfinished, \
         {} kept; {} s after {WARM_UP:?} of warm-up, each in a new process",
        options.size, options.unfinished, options.retention_count, options.seconds,
    );
    let table = Table::begin(
        1,
        &[
            "ids      ",
            "tasks/s",
            "slowest",
            "p50 ms",
            "p99 ms",
            "CPU µs",
            "cores",
            "WAL MiB",
            "file MiB",
            "tasks ÷",
            "CPU ÷",
        ],
    );
    let mut log: Option<Found> = None;
    for subject in Subject::ALL {
        if !options.only.is_empty() && !options.only.contains(&subject) {
            continue;
        }
        let found = measure(subject, options, common);
        let mut row = vec![
            subject.name().to_owned(),
            format!("{:.0}", found.tasks_per_second),
            format!("{:.0}", found.slowest),
            format!("{:.2}", found.p50.as_secs_f64() * 1e3),
            format!("{:.2}", found.p99.as_secs_f64() * 1e3),
            format!("{:.2}", micros(found.cpu_per_task)),
            format!("{:.2}", found.busy),
            format!("{:.1}", mebibytes(found.wal)),
            format!("{:.1}", mebibytes(found.database)),
        ];
        if let Some(log) = &log {
            let cpu = found.cpu_per_task.as_secs_f64() / log.cpu_per_task.as_secs_f64();
            row.push(format!("{:.2}", found.tasks_per_second / log.tasks_per_second));
            row.push(format!("{cpu:.2}"));
        }
        table.row(&row);
        if subject == Subject::Log {
            log = Some(found);
        }
    }
}

fn measure(subject: Subject, options: &Options, common: &Common) -> Found {
    let retention = options.retention_count.to_string();
    let (system, ids, ending, flags) = match subject {
        Subject::Log => (System::Log, Ids::Given, Ending::Answered, vec![]),
        Subject::Given | Subject::Random => {
            let ids = if subject == Subject::Given { Ids::Given } else { Ids::Random };
            let ending = Ending::Ends { unfinished: options.unfinished };
            (System::Durable, ids, ending, vec!["--retention-count", &retention])
        }
    };
    let time = Duration::from_secs_f64(options.seconds);
    let time = if system == System::Log { time.min(LONGEST_LOG) } else { time };
    let server = Process::start(system, common, &flags);
    let stream = Stream {
        address: server.address(),
        request: durable_add(),
        ids,
        size: options.size as usize,
        // The load is stopped.
        count: u64::MAX / 2,
        within: WARM_UP + time + PATIENCE,
        ending,
    };
    let progress = Arc::new(Progress::default());
    let sending = thread::spawn({
        let progress = progress.clone();
        move || stream::run(&stream, &progress)
    });
    thread::sleep(WARM_UP);
    let (begun, cpu, ended) = (Instant::now(), server.cpu_time(), progress.ended());
    let (mut samples, mut wal) = (vec![(begun, ended)], 0);
    while begun.elapsed() < time && !sending.is_finished() {
        thread::sleep(SAMPLE.min(time));
        samples.push((Instant::now(), progress.ended()));
        wal = wal.max(server.files().1);
    }
    let (elapsed, cpu) = (begun.elapsed(), server.cpu_time() - cpu);
    let tasks = progress.ended() - ended;
    progress.stop();
    let mut latencies = sending.join().expect("calls succeed");
    latencies.sort_unstable();
    assert!(tasks > 0, "nothing ended within {elapsed:?}");
    Found {
        tasks_per_second: tasks as f64 / elapsed.as_secs_f64(),
        slowest: slowest(&samples),
        p50: quantile(&latencies, 0.5),
        p99: quantile(&latencies, 0.99),
        cpu_per_task: cpu.div_f64(tasks as f64),
        busy: cpu.as_secs_f64() / elapsed.as_secs_f64(),
        wal,
        database: server.files().0,
    }
}

/// The lowest rate between two samples, in tasks a second.
fn slowest(samples: &[(Instant, u64)]) -> f64 {
    let rates = samples.windows(2).map(|pair| {
        let [(before, from), (after, to)] = pair else { unreachable!("windows of two") };
        (to - from) as f64 / (*after - *before).as_secs_f64()
    });
    rates.fold(f64::INFINITY, f64::min)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
