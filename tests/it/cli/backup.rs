//! `backup` and `restore`: a round trip, and refusals.

use task_scheduler::pb;

use super::{assert_filled, assert_one_line, contents, directory, fill, serve};
use crate::binary::{Binary, ProcessOutput};
use crate::client::task;

#[track_caller]
fn assert_output(ran: &ProcessOutput, stdout: &str) {
    assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (Some(0), stdout, ""));
}

#[tokio::test]
async fn a_backup_of_a_running_server_restores_every_acknowledged_task() {
    let binary = Binary::new();
    let server = serve(&directory(&binary, "data"));
    let client = server.client().await;
    let before: Vec<String> = (0..500).map(|n| format!("before-{n}")).collect();
    let request = |id: &String| pb::TaskRequest { task_id: id.clone(), ..task("add", [1, 2]) };
    client.enqueue_many(before.iter().map(request).collect()).await.unwrap();
    for id in &before {
        client.once(id, pb::TaskState::Succeeded).await;
    }

    // A client submits tasks during the backup.
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let others = client.clone();
    let traffic = tokio::spawn(async move {
        let mut answered = 0_u32;
        while stopped.try_recv().is_err() {
            assert_eq!(others.run(task("add", [4, 5])).await, "9");
            answered += 1;
        }
        answered
    });
    let binary = tokio::task::spawn_blocking(|| {
        let ran = binary.run(&["backup", "copy.db", "--data-dir", "data"]);
        assert_output(&ran, "copy.db holds all of data\n");
        binary
    });
    let binary = binary.await.unwrap();
    stop.send(()).unwrap();
    assert!(traffic.await.unwrap() > 0, "no task was accepted during the backup");

    assert_output(&binary.run(&["verify", "copy.db"]), "copy.db is sound\n");
    let ran = binary.run(&["restore", "copy.db", "--data-dir", "again"]);
    assert_output(&ran, "again holds all of copy.db\n");
    let restored = serve(&directory(&binary, "again"));
    let client = restored.client().await;
    for id in &before {
        assert_eq!(client.result(id).await.unwrap().result, "3", "{id}");
    }
    // The original and the copy are independent.
    assert_eq!(client.run(task("add", [1, 1])).await, "2");
    assert_eq!(server.client().await.run(task("add", [1, 1])).await, "2");
}

#[tokio::test]
async fn a_backup_overwrites_no_file() {
    let binary = Binary::new().file("taken", "mine");
    fill(&binary, "data").await;
    assert_one_line(&binary.run(&["backup", "taken"]), 78, &["taken"]);
    assert_eq!(std::fs::read(binary.path().join("taken")).unwrap(), b"mine");
    assert_one_line(&binary.run(&["backup", "no/such/folder"]), 78, &["no/such/folder"]);
}

#[test]
fn a_backup_without_a_store_fails_and_leaves_no_file() {
    let binary = Binary::new();
    assert_one_line(&binary.run(&["backup", "copy.db"]), 78, &["./data"]);
    assert_eq!(contents(binary.path()), []);
    assert!(!binary.path().join("data").exists());
}

#[tokio::test]
async fn a_restore_overwrites_no_store_and_runs_beside_no_server() {
    let binary = Binary::new();
    fill(&binary, "data").await;
    fill(&binary, "other").await;
    assert_eq!(binary.run(&["backup", "copy.db", "--data-dir", "other"]).code, Some(0));
    let before = contents(&binary.path().join("data"));
    let ran = binary.run(&["restore", "copy.db"]);
    assert_one_line(&ran, 78, &["./data"]);
    assert!(contents(&binary.path().join("data")) == before, "the store was changed");
    let server = serve(&directory(&binary, "data"));
    let ran = binary.run(&["restore", "copy.db"]);
    assert_eq!((ran.code != Some(0), &*ran.stdout), (true, ""), "{ran:?}");
    drop(server);
    assert_filled(&directory(&binary, "data")).await;
}

#[tokio::test]
async fn an_invalid_backup_is_not_restored() {
    let binary = Binary::new().file("letter", "Dear Sir or Madam, this is no store of any kind.");
    fill(&binary, "data").await;
    assert_one_line(&binary.run(&["restore", "letter", "--data-dir", "new"]), 78, &["letter"]);
    assert_one_line(&binary.run(&["restore", "nowhere", "--data-dir", "new"]), 78, &["nowhere"]);
    assert_eq!(contents(&binary.path().join("new")), []);
    // A truncated backup.
    assert_eq!(binary.run(&["backup", "copy.db"]).code, Some(0));
    let copy = binary.path().join("copy.db");
    let whole = std::fs::read(&copy).unwrap();
    std::fs::write(&copy, &whole[..whole.len() / 2]).unwrap();
    assert_one_line(&binary.run(&["restore", "copy.db", "--data-dir", "new"]), 78, &["copy.db"]);
    // A sound backup is restored.
    std::fs::write(&copy, &whole).unwrap();
    assert_eq!(binary.run(&["restore", "copy.db", "--data-dir", "new"]).code, Some(0));
    assert_filled(&directory(&binary, "new")).await;
}
