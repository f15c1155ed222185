//! A running server: the real binary on a free port, in its own folder; killed when dropped.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::Client;
use crate::waiting::eventually;

/// The configuration of a server.
pub(crate) struct Setup {
    binary: PathBuf,
    dir: TempDir,
    flags: Vec<String>,
}

/// Starts the stock binary.
pub(crate) fn stock() -> Server {
    Setup::stock().start()
}

/// Starts the binary that has the methods of `test_server`.
pub(crate) fn with_methods() -> Server {
    Setup::with_methods().start()
}

impl Setup {
    /// The stock binary.
    pub(crate) fn stock() -> Self {
        Self::of(PathBuf::from(env!("CARGO_BIN_EXE_task-scheduler")))
    }

    /// The binary that has the methods of `test_server`.
    pub(crate) fn with_methods() -> Self {
        let beside = Path::new(env!("CARGO_BIN_EXE_task-scheduler"));
        let binary = beside.with_file_name("examples").join("test_server");
        assert!(
            binary.exists(),
            "{} is missing: `cargo test` and `cargo nextest run` build it with the tests; \
             with --test it, build it with `cargo build --example test_server`",
            binary.display()
        );
        Self::of(binary)
    }

    fn of(binary: PathBuf) -> Self {
        let flags = ["--addr", "127.0.0.1:0", "--log-dir", "none"].map(String::from).into();
        Self { binary, dir: tempfile::tempdir().unwrap(), flags }
    }

    /// Adds flags: `["--retries", "0"]`.
    pub(crate) fn flags<const N: usize>(mut self, flags: [&str; N]) -> Self {
        self.flags.extend(flags.map(String::from));
        self
    }

    /// Adds a configuration file.
    pub(crate) fn config(self, text: &str) -> Self {
        fs::write(self.dir.path().join("ts.toml"), text).unwrap();
        self.flags(["--config", "ts.toml"])
    }

    /// Starts the server; returns when it listens.
    pub(crate) fn start(self) -> Server {
        let command = Command::new(&self.binary);
        self.start_by(command)
    }

    /// Starts the server with at most `limit` open files; returns when it listens.
    pub(crate) fn start_with_open_files(self, limit: u32) -> Server {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")]).arg(&self.binary);
        self.start_by(command)
    }

    fn start_by(self, mut command: Command) -> Server {
        let Self { dir, flags, .. } = self;
        let stderr = dir.path().join("stderr");
        let mut process = command
            .args(flags)
            .env_clear()
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let addr = line.strip_prefix("listening on ").and_then(|rest| rest.trim_end().parse().ok());
        let mut server =
            Server { process, stdout, addr: SocketAddr::from(([0, 0, 0, 0], 0)), dir, stderr };
        server.addr = addr.unwrap_or_else(|| panic!("expected the address, got {line:?}"));
        server
    }
}

/// A server. Dropping it kills it, and prints its log if the test fails.
pub(crate) struct Server {
    process: Child,
    stdout: BufReader<std::process::ChildStdout>,
    addr: SocketAddr,
    dir: TempDir,
    stderr: PathBuf,
}

impl Server {
    /// The address that it listens on.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A client with its own connection.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.addr).await
    }

    /// A path in its folder, as an argument for a handler.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("temporary folders have plain names").into()
    }

    /// Creates the file that handlers wait for.
    pub(crate) fn open_gate(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    /// The lines that handlers wrote to a ledger.
    pub(crate) fn ledger(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Whether it has exited.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// Waits for its exit; asserts that stdout holds only the address.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let process = &mut self.process;
        let status = eventually("the server ends", async || process.try_wait().unwrap()).await;
        let mut more = String::new();
        self.stdout.read_to_string(&mut more).unwrap();
        assert_eq!(more, "", "stdout is for the address alone");
        status
    }

    /// Its CPU time so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let after_name = stat.rsplit(") ").next().expect("the name is in brackets");
        let ticks: u64 =
            after_name.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(10 * ticks)
    }

    /// How often its threads have blocked so far: each wake-up of an idle thread adds one.
    pub(crate) fn wake_ups(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let of_thread = |dir: PathBuf| {
            // A thread may end meanwhile.
            let status = fs::read_to_string(dir.join("status")).unwrap_or_default();
            let line = status.lines().find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
            line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
        };
        threads.map(|thread| of_thread(thread.unwrap().path())).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}---", self.log());
        }
    }
}
