//! What is printed.

use std::fs;
use std::time::Duration;

use crate::drive::{Measured, Shape};
use crate::system::System;
use crate::{Options, WARM_UP};

/// The figures of one measurement.
#[derive(Clone, Copy)]
struct Figures {
    calls_per_second: f64,
    p50_micros: f64,
    p99_micros: f64,
    cpu_micros_per_call: f64,
    /// How many cores the server kept busy. Where this is below the number of its threads, the client
    /// or the round trip was the limit.
    busy: f64,
}

impl Figures {
    fn of(measured: &Measured) -> Self {
        let calls = measured.latencies.len();
        let quantile = |share: f64| {
            let index = ((calls as f64 * share) as usize).min(calls - 1);
            micros(measured.latencies[index])
        };
        Self {
            calls_per_second: calls as f64 / measured.elapsed.as_secs_f64(),
            p50_micros: quantile(0.5),
            p99_micros: quantile(0.99),
            cpu_micros_per_call: micros(measured.server_cpu) / calls as f64,
            busy: measured.server_cpu.as_secs_f64() / measured.elapsed.as_secs_f64(),
        }
    }
}

/// The machine, the settings, and the table's head.
pub(crate) fn print_settings(options: &Options) {
    let line = |file: &str, start: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        line.map_or("?".to_owned(), |rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "machine:  {}, {cores} cores, {} memory, Linux {}",
        line("/proc/cpuinfo", "model name"),
        line("/proc/meminfo", "MemTotal"),
        line("/proc/sys/kernel/osrelease", ""),
    );
    println!(
        "settings: {} serving thread(s), up to as many in the client, on the same cores; medians of {} \
         rounds of {} s, each after {WARM_UP:?} of warm-up and in a new process; mimalloc throughout",
        options.threads, options.rounds, options.seconds,
    );
    println!("call:     SubmitTask(add, Int32 1, 2, 3), memory store");
    println!();
    println!(
        "{:<9} {:<10} {:>9} {:>9} {:>9} {:>9} {:>6} {:>8} {:>7}",
        "in flight", "system", "calls/s", "p50 µs", "p99 µs", "CPU µs", "cores", "÷ echo", "CPU ÷"
    );
}

/// One block of the table: every system under one shape. `rounds` holds, for each round, one
/// measurement a system.
pub(crate) fn print_shape(shape: Shape, systems: &[System], rounds: &[Vec<Measured>]) {
    let rounds: Vec<Vec<Figures>> =
        rounds.iter().map(|round| round.iter().map(Figures::of).collect()).collect();
    let echo = systems.iter().position(|&system| system == System::Echo);
    for (index, system) in systems.iter().enumerate() {
        let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(|r| figure(&r[index])));
        // Each round is compared with the echo beside it: a disturbance hits both.
        let ratio = |figure: fn(&Figures) -> f64| match echo {
            Some(echo) if echo != index => {
                let ratios = rounds.iter().map(|r| figure(&r[index]) / figure(&r[echo]));
                format!("{:.2}", median(ratios))
            }
            _ => String::new(),
        };
        println!(
            "{:<9} {system:<10} {:>9.0} {:>9.0} {:>9.0} {:>9.1} {:>6.2} {:>8} {:>7}",
            shape.to_string(),
            of(|f| f.calls_per_second),
            of(|f| f.p50_micros),
            of(|f| f.p99_micros),
            of(|f| f.cpu_micros_per_call),
            of(|f| f.busy),
            ratio(|f| f.calls_per_second),
            ratio(|f| f.cpu_micros_per_call),
        );
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The middle one; of an even number, the lower of the two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
