//! The measured systems.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fmt};

use task_scheduler::pb;

use crate::request;

/// The server: `TASK_SCHEDULER_BIN`, or what `cargo build --release` makes of these sources now.
static SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(binary) = env::var_os("TASK_SCHEDULER_BIN") {
        return binary.into();
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is a folder's folder");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--bin", "task-scheduler", "--target-dir"])
        .arg(target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .status();
    assert!(status.expect("cargo starts").success(), "the server is not built");
    target.join("release/task-scheduler")
});

/// One measured system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// A bare tonic echo.
    Echo,
    /// The server with ephemeral tasks.
    Ephemeral,
    /// An echo that syncs the request to the disk before it answers.
    Log,
    /// The server with durable tasks.
    Durable,
}

impl System {
    pub(crate) const ALL: [Self; 4] = [Self::Echo, Self::Ephemeral, Self::Log, Self::Durable];

    /// The baseline of the system.
    pub(crate) fn baseline(self) -> Option<Self> {
        match self {
            Self::Echo => None,
            Self::Ephemeral | Self::Log => Some(Self::Echo),
            Self::Durable => Some(Self::Log),
        }
    }

    /// `add(1, 2, 3)`.
    pub(crate) fn request(self) -> pb::TaskRequest {
        match self {
            Self::Echo | Self::Ephemeral => request::ephemeral_add(),
            Self::Log | Self::Durable => request::durable_add(),
        }
    }

    /// The command that starts it; its files go into its working directory.
    pub(crate) fn command(self, threads: usize) -> Command {
        let threads = threads.to_string();
        let mut command = match self {
            Self::Echo | Self::Log => {
                Command::new(env::current_exe().expect("a running program has a path"))
            }
            Self::Ephemeral | Self::Durable => Command::new(SERVER.as_path()),
        };
        match self {
            Self::Echo => command.args(["serve", "echo", "--threads", &threads]),
            Self::Log => command.args(["serve", "log", "--threads", &threads]),
            Self::Ephemeral | Self::Durable => {
                command.args(["--addr", "127.0.0.1:0", "--serve-threads", &threads])
            }
        };
        command
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Echo => "echo",
            Self::Ephemeral => "ephemeral",
            Self::Log => "log",
            Self::Durable => "durable",
        })
    }
}
