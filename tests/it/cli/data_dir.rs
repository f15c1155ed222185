//! The data directory of a server, and the errors if it cannot be used.

use std::ops::Range;

use task_scheduler::pb::TaskState;
use tonic::Code;

use super::{STORE_FILE, assert_filled, assert_one_line, directory, fill, serve};
use crate::binary::{Binary, ProcessOutput};
use crate::client::{an_hour, named, task, with};
use crate::server::Setup;

/// Starts a server that exits at once with an error.
fn refuse(binary: &Binary, flags: &[&str]) -> ProcessOutput {
    binary.run(&[&["--addr", "127.0.0.1:0", "--log-dir", "none"], flags].concat())
}

/// An empty folder for such servers.
fn quiet() -> Binary {
    Binary::new().env("RUST_LOG", "error")
}

/// The offset of the user version in the header of an SQLite file.
const USER_VERSION: Range<usize> = 60..64;

#[tokio::test]
async fn acknowledged_tasks_survive_a_restart() {
    let binary = Binary::new();
    let data = directory(&binary, "deep/down");
    let mut server = serve(&data);
    assert!(server.log().contains(&format!("tasks are stored in SQLite dir={data}")));
    let client = server.client().await;
    assert_eq!(client.run(named("sum", "add", [1, 2, 3])).await, "6");
    let later = with(named("later", "add", [1, 2]), |o| o.delay = an_hour());
    client.enqueue(later).await.unwrap();
    server.terminate();
    assert!(server.ended().await.success());

    assert_filled(&data).await;
    let server = serve(&data);
    let later = server.client().await.task("later").await.unwrap();
    assert_eq!(later.state(), TaskState::Pending);
}

#[tokio::test]
async fn the_default_data_directory_is_in_the_working_directory() {
    let server = Setup::stock().start();
    assert_eq!(server.client().await.run(task("add", [1, 2])).await, "3");
    assert!(std::fs::read_dir(server.path("data")).unwrap().next().is_some());
}

#[tokio::test]
async fn the_memory_store_logs_that_nothing_survives_and_leaves_no_files() {
    let binary = Binary::new();
    let data = directory(&binary, "data");
    let flags = ["--store", "memory", "--data-dir", &data];
    let mut server = Setup::stock().flags(flags).start();
    let expected = "tasks are stored in memory and end with this process";
    assert!(server.log().contains(expected), "{}", server.log());
    assert_eq!(server.client().await.run(named("sum", "add", [1, 2, 3])).await, "6");
    server.terminate();
    assert!(server.ended().await.success());
    assert!(!binary.path().join("data").exists());

    let server = Setup::stock().flags(flags).start();
    let missing = server.client().await.result("sum").await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[test]
fn a_directory_that_cannot_be_created_is_one_line_that_names_it() {
    let binary = quiet().file("taken", "");
    let refused = |flags: &[&str], dir: &str| assert_one_line(&refuse(&binary, flags), 78, &[dir]);
    refused(&["--data-dir", "taken"], "taken");
    refused(&["--store", "sqlite:taken/below"], "taken/below");
    refused(&["--data-dir", "/proc/self/fdinfo"], "/proc/self/fdinfo");
}

#[tokio::test]
async fn a_second_server_on_one_directory_exits_and_the_first_keeps_serving() {
    let binary = quiet();
    let data = directory(&binary, "data");
    let first = serve(&data);
    let second = refuse(&binary, &["--data-dir", "data"]);
    assert_one_line(&second, 1, &["data is in use by process"]);
    assert_eq!(first.client().await.run(task("add", [1, 2])).await, "3");
    // The lock ends with its process, however that exits.
    drop(first);
    serve(&data);
}

#[tokio::test]
async fn a_foreign_file_or_a_later_version_is_left_unchanged() {
    let binary = quiet();
    fill(&binary, "data").await;
    let file = binary.path().join("data").join(STORE_FILE);
    let sound = std::fs::read(&file).unwrap();
    let refused = |bytes: &[u8], parts: &[&str]| {
        std::fs::write(&file, bytes).unwrap();
        let ran = refuse(&binary, &["--data-dir", "data"]);
        assert_one_line(&ran, 78, parts);
        assert!(std::fs::read(&file).unwrap() == bytes, "the file was changed");
    };
    refused(b"these are the accounts of 2019, and no store\n", &["data"]);
    let mut later = sound.clone();
    later[USER_VERSION].copy_from_slice(&9_999_u32.to_be_bytes());
    refused(&later, &["data", "9999"]);
    std::fs::write(&file, &sound).unwrap();
    assert_filled(&directory(&binary, "data")).await;
}
