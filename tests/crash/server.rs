//! The real binary with the methods of `crash_server`, and the ways to end it.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use task_scheduler::store::sqlite::verify;
use tempfile::TempDir;

use crate::client::Client;
use crate::disk::Disk;
use crate::ledger::{Entry, Ledger, ProcessExit, wall_ms};
use crate::waiting::eventually;

/// How long a server may take to listen or to fail, on a busy machine.
const BOOT_TIMEOUT: Duration = Duration::from_secs(20);

/// Tasks that ran at a kill run again within this time after the boot.
pub(crate) const RESCUE_MS: u64 = 1_000;

/// The folder of one test: data, ledger, log, gates. A failing test keeps it.
pub(crate) struct Fixture {
    dir: Option<TempDir>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        let ledger = Arc::new(Ledger::create(dir.path().join("ledger")));
        Self { dir: Some(dir), ledger }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.as_ref().expect("it is there until it is dropped").path().join(name)
    }

    /// The path of a gate as an argument for a handler.
    pub(crate) fn gate(&self, name: &str) -> String {
        self.path(name).to_str().expect("temporary folders have plain names").into()
    }

    /// Creates the file that handlers wait for.
    pub(crate) fn open_gate(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    /// Removes the file.
    pub(crate) fn close_gate(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Starts the server; returns when it listens.
    pub(crate) fn boot(&self, flags: &[&str]) -> Server {
        self.boot_on(None, flags)
    }

    /// Starts the server on a disk that fails on request.
    pub(crate) fn boot_on(&self, disk: Option<&Disk>, flags: &[&str]) -> Server {
        match self.try_boot(disk, flags) {
            Ok(server) => server,
            Err(status) => panic!("the server did not start: {status}\n{}", self.log()),
        }
    }

    /// Starts the server, or returns its exit status.
    pub(crate) fn try_boot(
        &self,
        disk: Option<&Disk>,
        flags: &[&str],
    ) -> Result<Server, ExitStatus> {
        let log = OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = Command::new(binary());
        command
            .args(["--addr", "127.0.0.1:0", "--log-dir", "none", "--data-dir"])
            .arg(self.data())
            .args(flags)
            .env_clear()
            .env("CRASH_LEDGER", self.ledger.path())
            .env("RUST_LOG", "info,task_scheduler::tasks::registry=warn")
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        if let Some(disk) = disk {
            command.envs(disk.environment());
        }
        let mut process = command.spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        let line = first_line(stdout).recv_timeout(BOOT_TIMEOUT);
        let mut server = Server { process, addr: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let line = line.expect("the server listens, or ends, in time");
        if line.is_empty() {
            return Err(server.process.wait().unwrap());
        }
        let addr = line.strip_prefix("listening on ").and_then(|rest| rest.trim_end().parse().ok());
        server.addr = addr.unwrap_or_else(|| panic!("expected the address, got {line:?}"));
        self.ledger.write(&Entry::Booted { at: wall_ms() });
        Ok(server)
    }

    /// The log of all servers so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Kills the server.
    pub(crate) fn kill(&self, mut server: Server) {
        server.process.kill().unwrap();
        self.record_exit(&mut server, ProcessExit::Killed);
    }

    /// Waits for a server that something other than this fixture ends, and records its exit.
    pub(crate) fn record_exit(&self, server: &mut Server, how: ProcessExit) -> ExitStatus {
        let status = server.process.wait().unwrap();
        self.ledger.write(&Entry::Exited { how, at: wall_ms() });
        status
    }

    /// Waits for a server that crashes, and records it.
    pub(crate) async fn wait_for_crash(&self, mut server: Server) -> ExitStatus {
        server.exited().await;
        self.record_exit(&mut server, ProcessExit::Killed)
    }

    /// The last start of each of these tasks, once each has started `times` times.
    pub(crate) async fn started(&self, ids: &[String], times: usize) -> Vec<u64> {
        eventually(&format!("{ids:?} have started {times} times"), async || {
            let entries = self.ledger.read();
            ids.iter()
                .map(|one| {
                    let starts = entries.iter().filter_map(|entry| match entry {
                        Entry::Start { id, at, .. } if id == one => Some(*at),
                        _ => None,
                    });
                    starts.skip(times - 1).last()
                })
                .collect()
        })
        .await
    }

    /// Drains the server, waits until it has stopped, and verifies its store.
    pub(crate) async fn drain(&self, mut server: Server) {
        server.signal(Signal::TERM);
        let status = server.exited().await;
        assert_eq!(status.code(), Some(0), "a drain exits with 0");
        self.ledger.write(&Entry::Exited { how: ProcessExit::Drained, at: wall_ms() });
        let problems = verify(&self.data()).unwrap();
        assert!(problems.is_empty(), "the store contradicts itself: {problems:?}");
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if thread::panicking() {
            let dir = self.dir.take().expect("it is dropped once").keep();
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- the end of the log, last line first\n{}\n---", tail.join("\n"));
            eprintln!("everything is in {}", dir.display());
        }
    }
}

fn binary() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_task-scheduler"));
    let binary = beside.with_file_name("examples").join("crash_server");
    assert!(
        binary.exists(),
        "{} is missing: `cargo test` and `cargo nextest run` build it with the tests; \
         with --test crash, build it with `cargo build --example crash_server`",
        binary.display()
    );
    binary
}

/// Reads on a thread, which ends with the process that writes.
fn first_line(mut from: impl BufRead + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        // The caller may have timed out.
        drop(sender.send(line));
    });
    receiver
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    process: Child,
    addr: SocketAddr,
}

impl Server {
    /// A client with its own connection.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.addr).await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits for the server's end, and returns its exit status.
    pub(crate) async fn exited(&mut self) -> ExitStatus {
        let process = &mut self.process;
        eventually("the server ends", async || process.try_wait().unwrap()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
