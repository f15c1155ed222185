//! The server's memory: idle, and per waiting task.

use std::thread;
use std::time::Duration;

use crate::Common;
use crate::process::{Memory, Process};
use crate::report::{self, Table};
use crate::request::Ids;
use crate::system::System;
use crate::waiting::{fill, pause, paused_task};

/// The time in which the server frees memory after a load and checkpoints its log.
const SETTLE: Duration = Duration::from_secs(7);
/// The bound of the store's page caches: the writer and the checkpointer with 16 MiB each, three readers
/// with 2 MiB each.
const PAGE_CACHES: u64 = (2 * 16 + 3 * 2) << 20;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many tasks wait at each look; memory for each of them is what grew since the first
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    waiting: Vec<u64>,
    /// Who generates the ids
    #[arg(long, value_enum, default_value = "given")]
    ids: Ids,
}

pub(crate) fn run(options: &Options, common: &Common) {
    report::print_machine(common);
    println!(
        "measured: memory {SETTLE:?} after the last call; the store's page caches take at most {:.0} MiB \
         of it when they are full",
        mebibytes(PAGE_CACHES),
    );
    let table = Table::begin(
        2,
        &["process  ", "waiting  ", "PSS MiB", "anonymous MiB", "bytes a task", "since    "],
    );
    let print = |name: &str, waiting: u64, memory: Memory, grown: Option<(u64, Memory)>| {
        let mut row = vec![
            name.to_owned(),
            waiting.to_string(),
            format!("{:.1}", mebibytes(memory.proportional)),
            format!("{:.1}", mebibytes(memory.anonymous)),
        ];
        if let Some((since, before)) = grown {
            let bytes = memory.anonymous as f64 - before.anonymous as f64;
            row.push(format!("{:.1}", bytes / (waiting - since) as f64));
            row.push(since.to_string());
        }
        table.row(&row);
    };

    let echo = Process::start(System::Echo, common, &[]);
    print("echo", 0, settled(&echo), None);
    drop(echo);

    let data = tempfile::tempdir_in(&common.dir).expect("room in the folder");
    let server = Process::start_on(data.path(), common, &[]);
    let idle = settled(&server);
    print("idle", 0, idle, None);
    pause(&server);
    let mut looks: Vec<(u64, Memory)> = Vec::new();
    for &waiting in &options.waiting {
        let there = looks.last().map_or(0, |&(there, _)| there);
        assert!(waiting > there, "--waiting {:?}: expected growing numbers", options.waiting);
        fill(&server, paused_task(), options.ids, waiting - there);
        let memory = settled(&server);
        for &before in &looks {
            print("filled", waiting, memory, Some(before));
        }
        if looks.is_empty() {
            print("filled", waiting, memory, None);
        }
        looks.push((waiting, memory));
    }
    let waiting = looks.last().map_or(0, |&(waiting, _)| waiting);
    drop(server);
    let again = Process::start_on(data.path(), common, &[]);
    print("restarted", waiting, settled(&again), Some((0, idle)));
}

fn settled(process: &Process) -> Memory {
    thread::sleep(SETTLE);
    process.memory()
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
