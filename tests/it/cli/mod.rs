//! The store's files: the data directory, and the commands that maintain it.

mod backup;
mod data_dir;
mod generate;
mod verify;

use std::path::Path;

use crate::binary::{Binary, ProcessOutput};
use crate::client::task;
use crate::server::{Server, Setup};

/// The file with the tasks, in a data directory.
const STORE_FILE: &str = "tasks.db";

/// The absolute path of the directory `name` in the folder of `binary`, for servers in other
/// folders.
fn directory(binary: &Binary, name: &str) -> String {
    binary.path().join(name).to_str().expect("temporary folders have plain names").into()
}

/// A server with this data directory.
fn serve(data_dir: &str) -> Server {
    Setup::stock().flags(["--data-dir", data_dir]).start()
}

/// Leaves a store with one ended task, `sum`, in the directory `name`.
async fn fill(binary: &Binary, name: &str) {
    let mut server = serve(&directory(binary, name));
    let mut request = task("add", [1, 2, 3]);
    request.task_id = "sum".into();
    assert_eq!(server.client().await.run(request).await, "6");
    server.terminate();
    assert!(server.ended().await.success());
}

/// Asserts that a server finds there what [`fill`] has left.
async fn assert_filled(data_dir: &str) {
    let server = serve(data_dir);
    let answer = server.client().await.result("sum").await.unwrap();
    assert_eq!(answer.result, "6");
}

/// The files of a directory, with their bytes; empty if there is none. Leaves out the lock, which
/// holds the id of the last process.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("LOCK"))
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Asserts the exit code, nothing on stdout, and one line on stderr with all the parts.
#[track_caller]
fn assert_one_line(ran: &ProcessOutput, code: i32, parts: &[&str]) {
    assert_eq!((ran.code, &*ran.stdout), (Some(code), ""), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert!(ran.stderr.starts_with("task-scheduler: "), "{ran:?}");
    for part in parts {
        assert!(ran.stderr.contains(part), "no {part:?} in {}", ran.stderr);
    }
}
