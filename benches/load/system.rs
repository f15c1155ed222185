//! The systems that are measured, each as a process of its own.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use prost::Message as _;
use task_scheduler::pb;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// A bare tonic echo.
    Echo,
    /// The server; its tasks live in memory.
    Ephemeral,
    /// The server; its tasks are stored before they are answered.
    Durable,
}

impl System {
    pub(crate) const ALL: [Self; 3] = [Self::Echo, Self::Ephemeral, Self::Durable];

    /// `add(1, 2, 3)`.
    pub(crate) fn request(self) -> pb::TaskRequest {
        let durability = match self {
            Self::Echo | Self::Ephemeral => pb::Durability::Ephemeral,
            Self::Durable => pb::Durability::Durable,
        };
        let options = pb::TaskOptions { durability: durability.into(), ..Default::default() };
        let args = [1, 2, 3].map(|number: i32| prost_types::Any {
            type_url: "type.googleapis.com/google.protobuf.Int32Value".to_owned(),
            value: number.encode_to_vec(),
        });
        pb::TaskRequest {
            method: "add".to_owned(),
            args: args.to_vec(),
            options: Some(options),
            ..Default::default()
        }
    }

    fn command(self, threads: usize) -> Command {
        match self {
            Self::Echo => {
                let this = std::env::current_exe().expect("a running program has a path");
                let mut command = Command::new(this);
                command.args(["--serve-echo", "--threads", &threads.to_string()]);
                command
            }
            Self::Ephemeral | Self::Durable => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_task-scheduler"));
                command.args(["--addr", "127.0.0.1:0", "--serve-threads", &threads.to_string()]);
                command
            }
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Echo => "echo",
            Self::Ephemeral => "ephemeral",
            Self::Durable => "durable",
        })
    }
}

/// A server process; dropping it ends it.
pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
    /// Its working directory, for what it writes.
    _folder: tempfile::TempDir,
}

impl Running {
    /// Starts a server and waits until it says where it listens.
    pub(crate) fn start(system: System, threads: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder in the temporary directory");
        let stderr: PathBuf = folder.path().join("stderr");
        let mut child = system
            .command(threads)
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
        Self { child, address, _folder: folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time that its living threads have used, to the nanosecond. Both systems keep the threads
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
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is a child that nobody has waited for, so its id is still its own.
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }
}
