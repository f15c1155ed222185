//! Runs the real binary to its exit, in its own folder.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Long enough for a busy machine; a binary that serves instead of exiting fails the test.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary, in an empty folder with an empty environment.
pub(crate) struct Binary {
    dir: TempDir,
    variables: Vec<(&'static str, &'static str)>,
}

/// The exit code and the output.
#[derive(Debug)]
pub(crate) struct ProcessOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Binary {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// Adds a file to its folder.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    /// Adds an environment variable.
    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs it to its exit.
    pub(crate) fn run(&self, flags: &[&str]) -> ProcessOutput {
        let mut child = Command::new(env!("CARGO_BIN_EXE_task-scheduler"))
            .args(flags)
            .env_clear()
            .envs(self.variables.iter().copied())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("still running with {flags:?}: {:?}", child.wait_with_output().unwrap());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().unwrap();
        ProcessOutput {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Asserts the exit code, exactly this text on stderr, and nothing on stdout.
#[track_caller]
pub(crate) fn assert_refused(ran: &ProcessOutput, code: i32, stderr: &str) {
    assert_eq!((ran.code, &*ran.stderr, &*ran.stdout), (Some(code), stderr, ""));
}
