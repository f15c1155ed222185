//! The latency of one small durable write: the minimum for one durable call.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// The page size of the store.
const WRITE_BYTES: usize = 4 << 10;
/// The number of writes of each kind.
const WRITES: usize = 400;
/// The time after which the measurement stops, even with fewer writes.
const LONGEST: Duration = Duration::from_secs(4);

/// Medians of a write and its fdatasync.
#[derive(Clone, Copy)]
pub(crate) struct Disk {
    /// Writes that extend the file.
    pub(crate) appending: Duration,
    /// Writes in place, to a file of fixed size.
    pub(crate) overwriting: Duration,
}

impl Disk {
    /// Measures the disk that `folder` is on.
    pub(crate) fn measure(folder: &Path) -> Self {
        let mut file = tempfile::tempfile_in(folder).expect("a file in the folder");
        let appending = median(&mut file);
        file.seek(SeekFrom::Start(0)).expect("a file with a beginning");
        Self { appending, overwriting: median(&mut file) }
    }
}

/// Writes from the file's current position.
fn median(file: &mut File) -> Duration {
    let page = [7; WRITE_BYTES];
    let begun = Instant::now();
    let mut times: Vec<Duration> = (0..WRITES)
        .take_while(|_| begun.elapsed() < LONGEST)
        .map(|_| {
            let started = Instant::now();
            file.write_all(&page).expect("room on the disk");
            file.sync_data().expect("a sound disk");
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
