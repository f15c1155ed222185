//! What the disk takes for one small write that is to stay: the least that one durable call can take.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// As much as a page of the store.
const WRITE_BYTES: usize = 4 << 10;
/// Writes of each kind.
const WRITES: usize = 400;
/// They stop after so long, however few they were.
const LONGEST: Duration = Duration::from_secs(4);

/// Medians of a write and its fdatasync.
#[derive(Clone, Copy)]
pub(crate) struct Disk {
    /// The file grows.
    pub(crate) appending: Duration,
    /// The file has its size.
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

/// Writes from where the file is.
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
