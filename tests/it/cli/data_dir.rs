//! Where a server keeps its tasks, and what it says when it cannot.

use std::ops::Range;

use task_scheduler::pb::TaskState;
use tonic::Code;

use super::{STORE_FILE, assert_filled, assert_one_line, directory, fill, serve};
use crate::binary::{Binary, ProcessOutput};
use crate::client::{an_hour, named, task, with};
use crate::server::Setup;

/// Starts a server that ends at once, and says nothing but why.
fn refuse(binary: &Binary, flags: &[&str]) -> ProcessOutput {
    binary.run(&[&["--addr", "127.0.0.1:0", "--log-dir", "none"], flags].concat())
}

/// In whose folder such servers start.
fn quiet() -> Binary {
    Binary::new().env("RUST_LOG", "error")
}

/// Where the header of an SQLite file has the version of what is in it.
const USER_VERSION: Range<usize> = 60..64;

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let binary = Binary::new();
    let data = directory(&binary, "deep/down");
    let mut server = serve(&data);
    assert!(server.log().contains(&format!("tasks are kept in SQLite dir={data}")));
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
async fn a_server_that_is_told_nothing_keeps_tasks_where_it_was_started() {
    let server = Setup::stock().start();
    assert_eq!(server.client().await.run(task("add", [1, 2])).await, "3");
    assert!(std::fs::read_dir(server.path("data")).unwrap().next().is_some());
}

#[tokio::test]
async fn the_memory_store_says_that_nothing_survives_and_leaves_nothing() {
    let binary = Binary::new();
    let data = directory(&binary, "data");
    let flags = ["--store", "memory", "--data-dir", &data];
    let mut server = Setup::stock().flags(flags).start();
    let said = "tasks are kept in memory: nothing survives this process";
    assert!(server.log().contains(said), "{}", server.log());
    assert_eq!(server.client().await.run(named("sum", "add", [1, 2, 3])).await, "6");
    server.terminate();
    assert!(server.ended().await.success());
    assert!(!binary.path().join("data").exists());

    let server = Setup::stock().flags(flags).start();
    let gone = server.client().await.result("sum").await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[test]
fn a_directory_that_cannot_be_made_is_one_line_that_names_it() {
    let binary = quiet().file("taken", "");
    let refused = |flags: &[&str], dir: &str| assert_one_line(&refuse(&binary, flags), 78, &[dir]);
    refused(&["--data-dir", "taken"], "taken");
    refused(&["--store", "sqlite:taken/below"], "taken/below");
    refused(&["--data-dir", "/proc/self/fdinfo"], "/proc/self/fdinfo");
}

#[tokio::test]
async fn a_second_server_on_one_directory_ends_and_names_it_and_the_first_goes_on() {
    let binary = quiet();
    let data = directory(&binary, "data");
    let first = serve(&data);
    let second = refuse(&binary, &["--data-dir", "data"]);
    assert_one_line(&second, 1, &["data is in use by process"]);
    assert_eq!(first.client().await.run(task("add", [1, 2])).await, "3");
    // A lock outlives no server, however it ended.
    drop(first);
    serve(&data);
}

#[tokio::test]
async fn a_file_of_somebody_else_or_of_a_later_version_is_left_as_it_is() {
    let binary = quiet();
    fill(&binary, "data").await;
    let file = binary.path().join("data").join(STORE_FILE);
    let sound = std::fs::read(&file).unwrap();
    let refused = |bytes: &[u8], parts: &[&str]| {
        std::fs::write(&file, bytes).unwrap();
        let ran = refuse(&binary, &["--data-dir", "data"]);
        assert_one_line(&ran, 78, parts);
        assert!(std::fs::read(&file).unwrap() == bytes, "it was written to");
    };
    refused(b"these are the accounts of 2019, and no store\n", &["data"]);
    let mut later = sound.clone();
    later[USER_VERSION].copy_from_slice(&9_999_u32.to_be_bytes());
    refused(&later, &["data", "9999"]);
    std::fs::write(&file, &sound).unwrap();
    assert_filled(&directory(&binary, "data")).await;
}
