//! ListTasks: filters, and paging.

use std::time::{Duration, SystemTime};

use task_scheduler::pb;
use task_scheduler::pb::TaskState;

use crate::client::{Client, NOTHING, Refused, in_queue, later, named, with};
use crate::server::{stock, with_methods};
use crate::waiting::eventually;

/// More pages than any listing here has.
const MANY_PAGES: usize = 100;

fn ids(tasks: &[pb::Task]) -> Vec<&str> {
    tasks.iter().map(|task| task.task_id.as_str()).collect()
}

/// Reads all pages.
async fn all(client: &Client, request: pb::ListTasksRequest) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut page_token = request.page_token.clone();
    loop {
        let answer = client.list(pb::ListTasksRequest { page_token, ..request.clone() }).await;
        let answer = answer.unwrap();
        pages.push(answer.tasks.into_iter().map(|task| task.task_id).collect());
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
        assert!(pages.len() < MANY_PAGES, "the listing does not end: {pages:?}");
    }
}

async fn listed(client: &Client, request: pb::ListTasksRequest) -> Vec<String> {
    all(client, request).await.concat()
}

/// Asserts a refusal of the page token.
#[track_caller]
fn assert_forged(refused: Refused) {
    assert_eq!(
        (&*refused.reason, &*refused.fields),
        ("INVALID_ARGUMENT", &["page_token".into()][..])
    );
}

#[tokio::test]
async fn tasks_are_listed_newest_first_in_pages() {
    let server = stock();
    let client = server.client().await;
    for n in 0..7 {
        client.enqueue(later(named(&format!("t{n}"), "ping", NOTHING))).await.unwrap();
    }
    let request = pb::ListTasksRequest { page_size: 3, ..Default::default() };
    let pages = all(&client, request).await;
    assert!(pages.iter().all(|page| page.len() <= 3), "{pages:?}");
    assert_eq!(pages.concat(), ["t6", "t5", "t4", "t3", "t2", "t1", "t0"]);
    let answer = client.list(pb::ListTasksRequest::default()).await.unwrap();
    assert_eq!(ids(&answer.tasks), ["t6", "t5", "t4", "t3", "t2", "t1", "t0"]);
    assert_eq!(answer.next_page_token, "");
}

#[tokio::test]
async fn tasks_created_or_deleted_between_pages_disturb_no_page() {
    let server = stock();
    let client = server.client().await;
    for n in 0..6 {
        client.enqueue(later(named(&format!("t{n}"), "ping", NOTHING))).await.unwrap();
    }
    let request = pb::ListTasksRequest { page_size: 2, ..Default::default() };
    let first = client.list(request.clone()).await.unwrap();
    assert_eq!(ids(&first.tasks), ["t5", "t4"]);
    client.enqueue(later(named("new", "ping", NOTHING))).await.unwrap();
    let deleted = ["t4", "t3"].map(String::from);
    client
        .cancel(pb::CancelTasksRequest { task_ids: deleted.clone().into(), ..Default::default() })
        .await
        .unwrap();
    let purged = pb::PurgeTasksRequest { task_ids: deleted.into(), ..Default::default() };
    assert_eq!(client.purge(purged).await.unwrap().purged, 2);
    // The token's page starts before a task that no longer exists.
    let request =
        pb::ListTasksRequest { page_token: first.next_page_token, page_size: 9, ..request };
    assert_eq!(listed(&client, request).await, ["t2", "t1", "t0"]);
}

#[tokio::test]
async fn every_filter_narrows_the_listing() {
    let server = with_methods();
    let client = server.client().await;
    let tagged = |request, tag: &str| with(request, |o| o.tags = vec!["some".into(), tag.into()]);
    client.run(tagged(named("a", "add", [1]), "red")).await;
    client
        .enqueue(in_queue("mail", later(tagged(named("b", "ping", NOTHING), "red"))))
        .await
        .unwrap();
    client.fail(tagged(named("c", "fail_permanently", NOTHING), "blue")).await;
    client.enqueue(named("d", "spawn_child", [server.path("gate")])).await.unwrap();
    client.once("d/child", TaskState::Running).await;
    let check = async |change: &dyn Fn(&mut pb::ListTasksRequest), expected: &[&str]| {
        let mut request = pb::ListTasksRequest::default();
        change(&mut request);
        assert_eq!(listed(&client, request.clone()).await, expected, "{request:?}");
    };
    check(&|_| (), &["d/child", "d", "c", "b", "a"]).await;
    check(&|r| r.states = vec![TaskState::Succeeded.into()], &["a"]).await;
    check(&|r| r.states = vec![TaskState::Pending.into(), TaskState::Failed.into()], &["c", "b"])
        .await;
    check(&|r| r.queue = "mail".into(), &["b"]).await;
    check(&|r| r.queue = "nowhere".into(), &[]).await;
    check(&|r| r.method = "add".into(), &["a"]).await;
    check(&|r| r.tag = "red".into(), &["b", "a"]).await;
    check(&|r| (r.tag, r.method) = ("red".into(), "ping".into()), &["b"]).await;
    check(&|r| (r.tag, r.method) = ("blue".into(), "ping".into()), &[]).await;
    check(&|r| r.parent_id = "d".into(), &["d/child"]).await;
    let b = client.task("b").await.unwrap().submitted_at;
    check(&|r| r.submitted_after = b, &["d/child", "d", "c"]).await;
    check(&|r| r.submitted_before = b, &["a"]).await;
    let soon = Some((SystemTime::now() + Duration::from_secs(3_600)).into());
    check(&|r| r.submitted_after = soon, &[]).await;
    server.open_gate("gate");
    assert_eq!(client.once("d", TaskState::Succeeded).await.result, "d/child SUCCEEDED");
}

#[tokio::test]
async fn a_listed_task_has_no_arguments_no_result_and_no_history() {
    let server = stock();
    let client = server.client().await;
    client.run(named("one", "add", [1, 2])).await;
    let whole = client.task("one").await.unwrap();
    let listed = client.list(pb::ListTasksRequest::default()).await.unwrap().tasks;
    let expected = pb::Task { args: vec![], result: String::new(), history: vec![], ..whole };
    assert_eq!(listed, [expected]);
}

#[tokio::test]
async fn a_parent_a_checkpoint_and_a_log_are_listed() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(named("parent", "spawn_child", [server.path("gate")])).await.unwrap();
    let child = client.once("parent/child", TaskState::Running).await;
    assert_eq!(child.parent_id, "parent");
    client.enqueue(named("saved", "save_and_wait", [server.path("gate")])).await.unwrap();
    let saved = eventually("its log line is stored", async || {
        client.task("saved").await.ok().filter(|task| task.log_lines > 0)
    })
    .await;
    assert_eq!((saved.log_lines, saved.checkpoint_bytes), (1, "\"so far\"".len() as u64));
    server.open_gate("gate");
    client.once("saved", TaskState::Succeeded).await;
    client.once("parent", TaskState::Succeeded).await;
}

#[tokio::test]
async fn a_page_token_survives_a_restart_and_fits_only_its_filter() {
    let (server, other) = (stock(), stock());
    let client = server.client().await;
    for n in 0..3 {
        client
            .enqueue(later(in_queue("mail", named(&format!("t{n}"), "ping", NOTHING))))
            .await
            .unwrap();
    }
    let request = pb::ListTasksRequest { page_size: 1, queue: "mail".into(), ..Default::default() };
    let token = client.list(request.clone()).await.unwrap().next_page_token;
    let next = pb::ListTasksRequest { page_token: token, ..request };
    let answer = other.client().await.list(next.clone()).await.unwrap();
    assert_eq!(answer.tasks, []);
    for question in [
        pb::ListTasksRequest { queue: "post".into(), ..next.clone() },
        pb::ListTasksRequest { queue: String::new(), ..next.clone() },
        pb::ListTasksRequest { states: vec![TaskState::Pending.into()], ..next.clone() },
        pb::ListTasksRequest { submitted_after: Some(Default::default()), ..next.clone() },
    ] {
        assert_forged(client.list(question).await.unwrap_err().into());
    }
    assert_eq!(ids(&client.list(next).await.unwrap().tasks), ["t1"]);
}

#[tokio::test]
async fn a_forged_token_is_refused() {
    let server = stock();
    let client = server.client().await;
    for n in 0..3 {
        client.enqueue(later(named(&format!("t{n}"), "ping", NOTHING))).await.unwrap();
    }
    let request = pb::ListTasksRequest { page_size: 1, ..Default::default() };
    let token = client.list(request.clone()).await.unwrap().next_page_token;
    let mut forged: Vec<String> = (1..token.len()).map(|end| token[..end].to_owned()).collect();
    forged.extend((0..token.len()).map(|at| {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &token[..at], &token[at + 1..])
    }));
    forged.extend(["1", "0", "t1", " ", "\0", "é", "AAAAAAAAAAAAAAAAAAAAAAAA"].map(String::from));
    forged.push("A".repeat(1 << 20));
    for page_token in forged {
        let request = pb::ListTasksRequest { page_token, ..request.clone() };
        assert_forged(client.list(request).await.unwrap_err().into());
    }
    let request = pb::ListTasksRequest { page_token: token, ..request };
    assert_eq!(ids(&client.list(request).await.unwrap().tasks), ["t1"]);
}

#[tokio::test]
async fn an_invalid_filter_is_refused() {
    let server = stock();
    let client = server.client().await;
    let check = async |request: pb::ListTasksRequest, field: &str, why: &str| {
        let refused = Refused::from(client.list(request).await.unwrap_err());
        assert_eq!(refused, Refused::invalid(field, why));
    };
    let none = pb::ListTasksRequest::default;
    check(
        pb::ListTasksRequest { page_size: 1_001, ..none() },
        "page_size",
        "1001 tasks; at most 1000 are accepted",
    )
    .await;
    check(
        pb::ListTasksRequest { states: vec![0], ..none() },
        "states[0]",
        "0 has no meaning; expected PENDING (1) to EXPIRED (8)",
    )
    .await;
    check(
        pb::ListTasksRequest { parent_id: "\t".into(), ..none() },
        "parent_id",
        r"contains the control character '\t'; printable text is accepted",
    )
    .await;
}

#[tokio::test]
async fn a_page_above_the_message_size_is_split() {
    const TASKS: usize = 600;
    let server = with_methods();
    let client = server.client().await;
    // Each fails with a message of the most that is stored: 8 KiB.
    let tasks = (0..TASKS).map(|n| {
        let request = named(&format!("t{n}"), "panic_at_length", [20_000_u32]);
        with(request, |o| o.retry = crate::client::retries(0))
    });
    client.enqueue_many(tasks.collect()).await.unwrap();
    for n in 0..TASKS {
        client.once(&format!("t{n}"), TaskState::Failed).await;
    }
    let request = pb::ListTasksRequest { page_size: 1_000, ..Default::default() };
    let pages = all(&client, request).await;
    let expected: Vec<String> = (0..TASKS).rev().map(|n| format!("t{n}")).collect();
    assert_eq!(pages.concat(), expected);
    assert!(pages[0].len() < TASKS, "everything fitted into one page");
}
