//! The printed report: the machine, the settings, and tables of medians.

use std::fs;
use std::time::Duration;

use crate::Common;
use crate::drive::Measured;

/// Prints the header of every load.
pub(crate) fn print_machine(common: &Common) {
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
        "servers:  {} serving thread(s), the client on the same cores with up to as many; mimalloc \
         throughout; files in {}",
        common.threads,
        common.dir.display(),
    );
}

/// A table, printed line by line as the figures come.
pub(crate) struct Table {
    /// The width of each column.
    widths: Vec<usize>,
    /// The number of columns with names, which come first.
    names: usize,
}

/// The minimum width of a column.
const NARROWEST: usize = 8;

impl Table {
    /// Prints the head. The first `names` columns hold names, the others figures. A name as wide as
    /// its column is to become ends with spaces.
    pub(crate) fn begin(names: usize, columns: &[&str]) -> Self {
        let widths = columns.iter().map(|column| column.chars().count().max(NARROWEST)).collect();
        let table = Self { widths, names };
        println!();
        table.print(columns);
        table
    }

    pub(crate) fn row(&self, cells: &[String]) {
        self.print(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn print(&self, cells: &[&str]) {
        let padded: Vec<String> = cells
            .iter()
            .zip(&self.widths)
            .enumerate()
            .map(|(index, (cell, &width))| match index < self.names {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            })
            .collect();
        println!("{}", padded.join("  ").trim_end());
    }
}

/// The figures of one measurement.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) calls_per_second: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    pub(crate) cpu_micros_per_call: f64,
    /// How many cores the server kept busy. Where this is below the number of its threads, the client
    /// or the round trip was the limit.
    pub(crate) busy: f64,
}

impl From<&Measured> for Figures {
    fn from(measured: &Measured) -> Self {
        let calls = measured.latencies.len();
        Self {
            calls_per_second: calls as f64 / measured.elapsed.as_secs_f64(),
            p50_micros: micros(quantile(&measured.latencies, 0.5)),
            p99_micros: micros(quantile(&measured.latencies, 0.99)),
            cpu_micros_per_call: micros(measured.server_cpu) / calls as f64,
            busy: measured.server_cpu.as_secs_f64() / measured.elapsed.as_secs_f64(),
        }
    }
}

/// The compared systems: for each round, one measurement of each.
pub(crate) struct Rounds(Vec<Vec<Figures>>);

/// One of the figures.
pub(crate) type Figure = fn(&Figures) -> f64;

impl Rounds {
    /// Measures each of `count` systems in turn, for that number of rounds.
    pub(crate) fn of(rounds: u32, count: usize, measure: impl Fn(usize) -> Measured) -> Self {
        let round = || (0..count).map(|index| Figures::from(&measure(index))).collect();
        Self((0..rounds).map(|_| round()).collect())
    }

    /// The median of a figure of the thing `index`.
    pub(crate) fn median(&self, index: usize, figure: Figure) -> f64 {
        median(self.0.iter().map(|round| figure(&round[index])))
    }

    /// The median of the ratios. Each round is compared with the baseline beside it: a disturbance
    /// hits both.
    pub(crate) fn ratio(&self, index: usize, baseline: usize, figure: Figure) -> f64 {
        median(self.0.iter().map(|round| figure(&round[index]) / figure(&round[baseline])))
    }

    /// The columns that [`cells`](Self::cells) fills.
    pub(crate) const COLUMNS: [&str; 8] =
        ["calls/s", "p50 µs", "p99 µs", "CPU µs", "cores", "beside   ", "calls ÷", "CPU ÷"];

    /// The figures of the thing `index`, and how they compare with those of the baseline.
    pub(crate) fn cells(&self, index: usize, baseline: Option<(usize, String)>) -> Vec<String> {
        let of = |figure: Figure| self.median(index, figure);
        let mut cells = vec![
            format!("{:.0}", of(|f| f.calls_per_second)),
            format!("{:.0}", of(|f| f.p50_micros)),
            format!("{:.0}", of(|f| f.p99_micros)),
            format!("{:.1}", of(|f| f.cpu_micros_per_call)),
            format!("{:.2}", of(|f| f.busy)),
        ];
        if let Some((baseline, name)) = baseline {
            let ratio = |figure: Figure| format!("{:.2}", self.ratio(index, baseline, figure));
            cells.push(name);
            cells.extend([ratio(|f| f.calls_per_second), ratio(|f| f.cpu_micros_per_call)]);
        }
        cells
    }
}

/// The quantile of sorted durations.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The middle one; of an even number, the lower of the two.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
