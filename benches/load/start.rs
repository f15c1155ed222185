//! The time from the start of a server with a large store to its first answer.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use task_scheduler::pb;
use task_scheduler::pb::task_response::Status;

use crate::Common;
use crate::client::{Call, Client};
use crate::drive::{self, Load, Shape};
use crate::process::Process;
use crate::report::{self, Table, median};
use crate::request::{Ids, durable_add, random_id};
use crate::stream::{self, Ending, PATIENCE, Progress, Stream};
use crate::waiting::{fill, pause, paused_task};

/// Tasks per call while the store is filled.
const BATCH: usize = 1_000;
/// The most unfinished tasks while the store is filled.
const UNFINISHED: u64 = 50_000;
/// The file that says that a directory is whole: it holds the id of a task that ended.
const WHOLE: &str = "whole";
/// A retention that prunes nothing, however old the directory is.
const FLAGS: [&str; 4] = ["--retention", "3650d", "--retention-count", "1000000000"];
/// The duration of the measurement after the first answer.
const FULL_SPEED: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Starts of each server
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Tasks that have ended and are kept
    #[arg(long, default_value_t = 1_000_000)]
    finished: u64,
    /// Tasks that wait
    #[arg(long, default_value_t = 1_000_000)]
    waiting: u64,
}

/// The times of one start.
struct Started {
    /// From the start of the process to the line that says where it listens.
    listening: Duration,
    /// To the answer of a GetResult.
    answered: Duration,
}

pub(crate) fn run(options: &Options, common: &Common) {
    report::print_machine(common);
    println!(
        "measured: exec until GetResult is answered, medians of {} starts, each after a kill -9, files \
         in the page cache; SubmitTask {} for {FULL_SPEED:?}, {:?} after one more start",
        options.rounds,
        Shape::USUAL,
        drive::WARM_UP,
    );
    let [few, much] = [[0, 0], [options.finished, options.waiting]]
        .map(|[finished, waiting]| kept(finished, waiting, common));
    let rounds: Vec<[Started; 2]> =
        (0..options.rounds).map(|_| [&few, &much].map(|data| start(data, common))).collect();
    let speeds = [&few, &much].map(|data| full_speed(data, common));
    let table = Table::begin(
        2,
        &[
            "finished",
            "waiting",
            "listens ms",
            "first answer ms",
            "longest ms",
            "calls/s",
            "answer ÷",
        ],
    );
    let names = [[0, 0], [options.finished, options.waiting]];
    for (index, names) in names.into_iter().enumerate() {
        let of =
            |figure: fn(&Started) -> f64| median(rounds.iter().map(|round| figure(&round[index])));
        let longest = rounds.iter().map(|round| millis(round[index].answered)).fold(0.0, f64::max);
        let mut row = names.map(|number| number.to_string()).to_vec();
        row.extend([
            format!("{:.1}", of(|started| millis(started.listening))),
            format!("{:.1}", of(|started| millis(started.answered))),
            format!("{longest:.1}"),
            format!("{:.0}", speeds[index]),
        ]);
        if index > 0 {
            let ratios =
                rounds.iter().map(|[few, much]| millis(much.answered) / millis(few.answered));
            row.push(format!("{:.2}", median(ratios)));
        }
        table.row(&row);
    }
}

/// The directory that holds so many tasks, and one that ended: made when it is not there, and left for the next time.
fn kept(finished: u64, waiting: u64, common: &Common) -> PathBuf {
    let data = common.dir.join(format!("load-start-{finished}-{waiting}"));
    if data.join(WHOLE).exists() {
        return data;
    }
    if data.exists() {
        fs::remove_dir_all(&data).expect("what was begun can be taken away");
    }
    fs::create_dir_all(&data).expect("a folder can be made");
    let server = Process::start_on(&data, common, &FLAGS);
    let id = random_id();
    let first = pb::TaskRequest { task_id: id.clone(), ..durable_add() };
    let answer: pb::TaskResponse = ask_once(server.address(), &Call::new("SubmitTask", &first));
    assert_eq!(answer.status(), Status::Success);
    let ending = Ending::Ends { unfinished: UNFINISHED };
    let stream = Stream {
        address: server.address(),
        request: durable_add(),
        ids: Ids::Random,
        size: BATCH,
        count: finished,
        within: PATIENCE,
        ending,
    };
    stream::run(&stream, &Arc::new(Progress::default()));
    pause(&server);
    fill(&server, paused_task(), Ids::Random, waiting);
    drop(server);
    fs::write(data.join(WHOLE), id).expect("room on the disk");
    data
}

fn start(data: &Path, common: &Common) -> Started {
    let id = fs::read_to_string(data.join(WHOLE)).expect("a whole directory");
    let begun = Instant::now();
    let server = Process::start_on(data, common, &FLAGS);
    let listening = begun.elapsed();
    let request = pb::ResultRequest { task_id: id, ..Default::default() };
    let answer: pb::ResultResponse = ask_once(server.address(), &Call::new("GetResult", &request));
    let answered = begun.elapsed();
    assert!(answer.status() == Status::Success && answer.result == "6", "{answer:?}");
    Started { listening, answered }
}

/// Calls a second, SubmitTask, right after one more start. What they leave behind is kept.
fn full_speed(data: &Path, common: &Common) -> f64 {
    let server = Process::start_on(data, common, &FLAGS);
    let measured = drive::measure(Load {
        address: server.address(),
        shape: Shape::USUAL,
        threads: common.threads,
        request: durable_add(),
        ids: Ids::Given,
        time: FULL_SPEED,
        server_cpu: &|| server.cpu_time(),
    });
    measured.latencies.len() as f64 / measured.elapsed.as_secs_f64()
}

fn ask_once<A: prost::Message + Default>(address: SocketAddr, call: &Call) -> A {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has room for a runtime");
    runtime.block_on(async { Client::connect(address).await.call(call).await })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
