//! A system's process: start, resource usage, end.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::Common;
use crate::system::System;

/// A server process; dropping it ends it.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    /// Its data directory.
    data: PathBuf,
    /// Its working directory, for its other files.
    _folder: tempfile::TempDir,
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// Proportional set size: resident memory, with shared pages divided among their processes.
    pub(crate) proportional: u64,
    /// Anonymous memory, stacks included.
    pub(crate) anonymous: u64,
}

impl Process {
    /// Starts a system with further flags, with an empty store, and waits until it prints its
    /// address.
    pub(crate) fn start(system: System, common: &Common, flags: &[&str]) -> Self {
        Self::begin(system, common, None, flags)
    }

    /// Starts the server on the store in `data`.
    pub(crate) fn start_on(data: &Path, common: &Common, flags: &[&str]) -> Self {
        Self::begin(System::Durable, common, Some(data), flags)
    }

    fn begin(system: System, common: &Common, data: Option<&Path>, flags: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("load-")
            .tempdir_in(&common.dir)
            .unwrap_or_else(|error| panic!("no folder in {}: {error}", common.dir.display()));
        let stderr = folder.path().join("stderr");
        let mut command = system.command(common.threads);
        if let Some(data) = data {
            command.arg("--data-dir").arg(data);
        }
        let mut child = command
            .args(flags)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).expect("a file in an empty folder"))
            .spawn()
            .unwrap_or_else(|error| panic!("{system} does not start: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a readable pipe");
        let address = line.trim_end().strip_prefix("listening on ").map(str::parse);
        let Some(Ok(address)) = address else {
            let said = fs::read_to_string(&stderr).unwrap_or_default();
            panic!("{system} said {line:?} instead of where it listens\n{said}");
        };
        let data = data.map_or_else(|| folder.path().join("data"), Path::to_owned);
        Self { child, address, data, _folder: folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time that its living threads have used, to the nanosecond. All systems keep the threads
    /// that serve until they end.
    pub(crate) fn cpu_time(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.child.id());
        let threads = fs::read_dir(&tasks).unwrap_or_else(|error| panic!("{tasks}: {error}"));
        threads
            .flatten()
            // A thread can end between the listing and the look.
            .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
            .map(|stat| {
                let nanos = stat.split(' ').next().and_then(|first| first.parse().ok());
                Duration::from_nanos(nanos.expect("schedstat starts with the time on CPU"))
            })
            .sum()
    }

    pub(crate) fn memory(&self) -> Memory {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("every kernel");
            let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
            kibibytes << 10
        };
        Memory { proportional: bytes("Pss:"), anonymous: bytes("Anonymous:") }
    }

    /// The sizes of its database and of the log beside it, in bytes.
    pub(crate) fn files(&self) -> (u64, u64) {
        let size = |name| fs::metadata(self.data.join(name)).map_or(0, |file| file.len());
        (size("tasks.db"), size("tasks.db-wal"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The child is not waited for yet, so its process id is not reused.
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }
}
