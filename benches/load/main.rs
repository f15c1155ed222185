//! A load generator: the server beside a bare echo of the same messages, in one run.
//!
//! `cargo bench --bench load` calls `add(1, 2, 3)` over loopback on each system in turn, several
//! rounds each, and prints medians and the ratios to the echo. Only the ratios mean something on
//! another machine. `cargo bench --bench load -- --help` has the settings.

mod client;
mod drive;
mod echo;
mod report;
mod system;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;

use drive::{Measured, Shape};
use system::{Running, System};

// What the server allocates with, so that the echo and the client do not lose by their allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls made before each measurement, and not counted.
const WARM_UP: Duration = Duration::from_millis(300);

const SHAPES: [Shape; 5] = [
    Shape { in_flight: 1, connections: 1 },
    Shape { in_flight: 64, connections: 1 },
    Shape { in_flight: 64, connections: 4 },
    Shape { in_flight: 256, connections: 1 },
    Shape { in_flight: 256, connections: 4 },
];

/// Measures SubmitTask beside a bare tonic echo.
#[derive(clap::Parser)]
struct Options {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Measurements of each system and shape
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only this shape (IN_FLIGHTxCONNECTIONS, such as 64x4) or system (echo, ephemeral, durable);
    /// may be repeated
    #[arg(long)]
    only: Vec<String>,
    /// Threads that serve RPCs, in the echo and in the server; as many threads call them
    #[arg(long, default_value_t = default_threads())]
    threads: usize,
    /// Serve the echo instead, on a port that is printed
    #[arg(long, hide = true)]
    serve_echo: bool,
    /// What Cargo hands to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What the server takes unless told: half the cores, at least 1, at most 8.
fn default_threads() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).clamp(1, 8)
}

fn main() {
    let options = Options::parse();
    if options.serve_echo {
        echo::serve(options.threads);
    }
    let (systems, shapes) = chosen(&options.only);
    report::print_settings(&options);
    for shape in shapes {
        let mut rounds: Vec<Vec<Measured>> = Vec::new();
        for _ in 0..options.rounds {
            rounds.push(systems.iter().map(|&system| measure(system, shape, &options)).collect());
        }
        report::print_shape(shape, &systems, &rounds);
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
/// what an earlier one left in memory.
fn measure(system: System, shape: Shape, options: &Options) -> Measured {
    let server = Running::start(system, options.threads);
    let address: SocketAddr = server.address();
    drive::measure(drive::Load {
        address,
        shape,
        threads: options.threads.min(shape.connections),
        request: system.request(),
        warm_up: WARM_UP,
        time: Duration::from_secs_f64(options.seconds),
        server_cpu: &|| server.cpu_time(),
    })
}
