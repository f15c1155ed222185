//! Single calls: SubmitTask of the server beside the echo and the log.

use std::cell::RefCell;
use std::time::Duration;

use crate::Common;
use crate::disk::Disk;
use crate::drive::{self, Load, Measured, Shape};
use crate::process::Process;
use crate::report::{self, Rounds, Table, median, micros};
use crate::request::Ids;
use crate::system::System;

const SHAPES: [Shape; 5] = [
    Shape::ONE,
    Shape { in_flight: 64, connections: 1 },
    Shape::USUAL,
    Shape { in_flight: 256, connections: 1 },
    Shape { in_flight: 256, connections: 4 },
];

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Measurements of each system and shape
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only this shape (IN_FLIGHTxCONNECTIONS, such as 64x4) or system (echo, ephemeral, log,
    /// durable); may be repeated
    #[arg(long)]
    only: Vec<String>,
}

pub(crate) fn run(options: &Options, common: &Common) {
    let (systems, shapes) = chosen(&options.only);
    report::print_machine(common);
    println!(
        "measured: SubmitTask(add, Int32 1, 2, 3); medians of {} rounds of {} s, each after {:?} of \
         warm-up and in a new process",
        options.rounds,
        options.seconds,
        drive::WARM_UP,
    );
    let table = Table::begin(2, &[&["in flight", "system   "][..], &Rounds::COLUMNS].concat());
    for shape in shapes {
        let disk = RefCell::new(Vec::new());
        let rounds = Rounds::of(options.rounds, systems.len(), |index| {
            if shape == Shape::ONE && systems[index] == System::Durable {
                disk.borrow_mut().push(Disk::measure(&common.dir));
            }
            measure(systems[index], shape, options, common)
        });
        for (index, system) in systems.iter().enumerate() {
            let baseline = system.baseline().and_then(|baseline| {
                let place = systems.iter().position(|&system| system == baseline)?;
                Some((place, baseline.to_string()))
            });
            let names = vec![shape.to_string(), system.to_string()];
            table.row(&[names, rounds.cells(index, baseline)].concat());
        }
        print_disk(&table, shape, &disk.into_inner());
    }
}

/// The rows for the disk alone: the minimum for a single durable call.
fn print_disk(table: &Table, shape: Shape, disk: &[Disk]) {
    if disk.is_empty() {
        return;
    }
    let p50 = |of: fn(&Disk) -> Duration| median(disk.iter().map(|disk| micros(of(disk))));
    for (name, p50) in [("one fsync", p50(|d| d.appending)), ("in place", p50(|d| d.overwriting))] {
        table.row(&[shape.to_string(), name.to_owned(), String::new(), format!("{p50:.0}")]);
    }
}

/// The systems and shapes that `--only` names; all of a kind when it names none of it.
fn chosen(only: &[String]) -> (Vec<System>, Vec<Shape>) {
    let systems: Vec<System> =
        System::ALL.into_iter().filter(|system| only.contains(&system.to_string())).collect();
    let shapes: Vec<Shape> =
        SHAPES.into_iter().filter(|shape| only.contains(&shape.to_string())).collect();
    if systems.len() + shapes.len() < only.len() {
        let systems = System::ALL.map(|system| system.to_string()).join(", ");
        let shapes = SHAPES.map(|shape| shape.to_string()).join(", ");
        eprintln!("--only {only:?}: expected different ones of {systems}, {shapes}");
        std::process::exit(2);
    }
    let systems = if systems.is_empty() { System::ALL.to_vec() } else { systems };
    let shapes = if shapes.is_empty() { SHAPES.to_vec() } else { shapes };
    (systems, shapes)
}

/// One measurement of one system. The process is a new one each time, so that no round inherits
/// memory from an earlier one.
fn measure(system: System, shape: Shape, options: &Options, common: &Common) -> Measured {
    let server = Process::start(system, common, &[]);
    drive::measure(Load {
        address: server.address(),
        shape,
        threads: common.threads,
        request: system.request(),
        ids: Ids::Given,
        time: Duration::from_secs_f64(options.seconds),
        server_cpu: &|| server.cpu_time(),
    })
}
