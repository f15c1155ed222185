//! ListEvents and StreamEvents.

use std::time::Instant;

use prost_types::value::Kind;
use task_scheduler::pb;
use task_scheduler::pb::stream_events_response::Update;
use tonic::{Code, Status, Streaming};

use crate::client::{Client, NOTHING, Refused, in_queue, named, with};
use crate::server::{Setup, stock, with_methods};
use crate::waiting::{PATIENCE, eventually, soon};
use crate::wire::Connection;

const STREAM: &str = "/taskscheduler.TaskScheduler/StreamEvents";

async fn stream(
    client: &Client,
    filter: pb::EventFilter,
    cursor: &str,
) -> Result<Streaming<pb::StreamEventsResponse>, Status> {
    let request = pb::StreamEventsRequest { filter: Some(filter), cursor: cursor.into() };
    soon(client.rpc().stream_events(request)).await.map(tonic::Response::into_inner)
}

fn names<const N: usize>(names: [&str; N]) -> pb::EventFilter {
    pb::EventFilter { names: names.map(String::from).into(), ..Default::default() }
}

async fn next(events: &mut Streaming<pb::StreamEventsResponse>) -> pb::StreamEventsResponse {
    soon(events.message()).await.unwrap().expect("the stream continues")
}

/// The event's name and task.
fn summary(answer: &pb::StreamEventsResponse) -> String {
    match answer.update.as_ref().expect("the answer has an update") {
        Update::Event(event) => format!("{} {}", event.name, event.task_id),
        Update::Missed(missed) => format!("missed {}: {}", missed.count, missed.reason),
    }
}

fn text<'a>(event: &'a pb::Event, name: &str) -> &'a str {
    let payload = event.payload.as_ref().expect("the event has a payload");
    match payload.fields.get(name).and_then(|value| value.kind.as_ref()) {
        Some(Kind::StringValue(text)) => text,
        other => panic!("{name} is {other:?}"),
    }
}

#[tokio::test]
async fn the_event_catalogue_is_listed_in_whole_or_by_category() {
    let server = stock();
    let client = server.client().await;
    let list = async |category: &str| {
        let request = pb::ListEventsRequest { category: category.into() };
        soon(client.rpc().list_events(request)).await.map(|answer| answer.into_inner().events)
    };
    let all = list("").await.unwrap();
    let completed = all.iter().find(|info| info.name == "task.completed").expect("it is listed");
    assert_eq!((&*completed.category, &*completed.description), ("task", "A task succeeded"));
    assert!(completed.fields.iter().any(|field| field.name == "result" && field.r#type == "text"));
    assert!(completed.example_payload.as_ref().unwrap().fields.contains_key("total_duration"));
    let queues: Vec<_> = list("queue").await.unwrap().into_iter().map(|info| info.name).collect();
    assert_eq!(queues, ["queue.limits_changed", "queue.paused", "queue.resumed"]);
    let refused = Refused::from(list("queues").await.unwrap_err());
    assert_eq!((refused.code, &*refused.fields), (Code::InvalidArgument, &["category".into()][..]));
}

#[tokio::test]
async fn a_stream_sends_events_that_match_its_filter() {
    let server = stock();
    let client = server.client().await;
    let mut all = stream(&client, names(["task.completed", "task.failed"]), "").await.unwrap();
    let by_queue = pb::EventFilter { queue: "mail".into(), ..names(["task.*"]) };
    let mut by_queue = stream(&client, by_queue, "").await.unwrap();
    let by_tag = pb::EventFilter { tag: "vip".into(), ..names(["task.completed"]) };
    let mut by_tag = stream(&client, by_tag, "").await.unwrap();
    let by_task = pb::EventFilter { task_id: "c".into(), ..Default::default() };
    let mut by_task = stream(&client, by_task, "").await.unwrap();
    let by_category = pb::EventFilter { categories: vec!["queue".into()], ..Default::default() };
    let mut by_category = stream(&client, by_category, "").await.unwrap();

    client.run(named("a", "add", [1, 2])).await;
    client
        .run(with(in_queue("mail", named("b", "add", [3, 4])), |o| o.tags = vec!["vip".into()]))
        .await;
    client.fail(named("c", "remove", [1])).await;
    client.pause("mail").await;

    for expected in ["task.completed a", "task.completed b", "task.failed c"] {
        assert_eq!(summary(&next(&mut all).await), expected);
    }
    for expected in ["task.accepted b", "task.started b", "task.completed b"] {
        assert_eq!(summary(&next(&mut by_queue).await), expected);
    }
    assert_eq!(summary(&next(&mut by_tag).await), "task.completed b");
    for expected in ["task.accepted c", "task.started c", "task.failed c"] {
        assert_eq!(summary(&next(&mut by_task).await), expected);
    }
    let Some(Update::Event(paused)) = next(&mut by_category).await.update else {
        panic!("an event")
    };
    assert_eq!(
        (&*paused.name, &*paused.category, &*paused.queue),
        ("queue.paused", "queue", "mail")
    );
    assert_eq!(text(&paused, "queue"), "mail");
}

#[tokio::test]
async fn a_stream_resumes_after_its_cursor() {
    let server = stock();
    let client = server.client().await;
    let filter = || names(["task.completed"]);
    let mut events = stream(&client, filter(), "").await.unwrap();
    client.run(named("a", "ping", NOTHING)).await;
    let first = next(&mut events).await;
    drop(events);
    client.run(named("b", "ping", NOTHING)).await;
    client.run(named("c", "ping", NOTHING)).await;
    let mut events = stream(&client, filter(), &first.cursor).await.unwrap();
    assert_eq!(summary(&next(&mut events).await), "task.completed b");
    assert_eq!(summary(&next(&mut events).await), "task.completed c");
    client.run(named("d", "ping", NOTHING)).await;
    assert_eq!(summary(&next(&mut events).await), "task.completed d");

    // Another server, after a restart.
    let other = stock();
    let client = other.client().await;
    let mut events = stream(&client, filter(), &first.cursor).await.unwrap();
    assert_eq!(
        summary(&next(&mut events).await),
        "missed 0: the cursor is from before the server's last start"
    );
    client.run(named("e", "ping", NOTHING)).await;
    assert_eq!(summary(&next(&mut events).await), "task.completed e");
}

#[tokio::test]
async fn a_refusal_names_the_invalid_field_of_a_filter() {
    let server = stock();
    let client = server.client().await;
    let refused = async |filter: pb::EventFilter, cursor: &str| {
        Refused::from(stream(&client, filter, cursor).await.unwrap_err())
    };
    assert_eq!(
        refused(names(["task.*", "task.complete"]), "").await,
        Refused::invalid(
            "filter.names[1]",
            "no event is called \"task.complete\"; did you mean task.completed?"
        )
    );
    let bad = pb::EventFilter { categories: vec!["tasks".into()], ..Default::default() };
    assert_eq!(refused(bad, "").await.fields, ["filter.categories[0]"]);
    let bad = pb::EventFilter { queue: "a/b".into(), ..Default::default() };
    assert_eq!(refused(bad, "").await.fields, ["filter.queue"]);
    for cursor in ["x", "AAAA"] {
        assert_eq!(refused(names(["*"]), cursor).await.fields, ["cursor"]);
    }
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline() {
    let server = stock();
    let connection = Connection::open(server.addr()).await;
    let request = pb::StreamEventsRequest::default();
    let status = connection.call(STREAM, &[("grpc-timeout", "200m")], &request).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(Refused::from(status).reason, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_draining_server_ends_its_streams() {
    let mut server = stock();
    let client = server.client().await;
    let mut events = stream(&client, names(["node.*"]), "").await.unwrap();
    let start = Instant::now();
    server.terminate();
    let mut seen = Vec::new();
    let refused = loop {
        match soon(events.message()).await {
            Ok(answer) => seen.push(summary(&answer.expect("the stream ends with an error"))),
            Err(status) => break Refused::from(status),
        }
    };
    assert_eq!(seen.first().map(String::as_str), Some("node.draining "), "{seen:?}");
    assert_eq!((refused.code, &*refused.reason), (Code::Unavailable, "DRAINING"));
    assert!(server.ended().await.success());
    assert!(start.elapsed() < PATIENCE / 2, "the stream delayed the exit");
}

#[tokio::test]
async fn closed_streams_leave_nothing_behind() {
    const STREAMS: usize = 500;
    let server = Setup::stock().flags(["--max-streams", "16"]).start();
    let client = server.client().await;
    for _ in 0..STREAMS {
        drop(stream(&client, names(["*"]), "").await.unwrap());
    }
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn an_in_process_subscriber_is_called_and_listed() {
    let server = with_methods();
    let client = server.client().await;
    let ledger = server.path("ledger");
    client.run(named("a", "announce", [&*ledger, "first"])).await;
    client.run(named("b", "announce", [&*ledger, ""])).await;
    client.run(named("c", "announce", [&*ledger, "second"])).await;
    let listed = async || {
        let answer = soon(client.rpc().list_subscribers(pb::ListSubscribersRequest {})).await;
        let all = answer.unwrap().into_inner().subscribers;
        all.into_iter().find(|one| one.name == "notes").expect("it is listed")
    };
    let notes = eventually("every event was handled", async || {
        let notes = listed().await;
        (notes.handled + notes.failed == 3).then_some(notes)
    })
    .await;
    assert_eq!(server.ledger("ledger"), ["first", "second"]);
    assert_eq!((notes.handled, notes.failed, notes.missed), (2, 1, 0));
    assert_eq!(notes.last_error, "it panicked: nothing to note");
    assert_eq!(
        (notes.kind(), &*notes.events),
        (pb::subscriber::Kind::Rust, &["custom.note".into()][..])
    );
    assert!(notes.declared_at.contains("test_server/main.rs:"), "{}", notes.declared_at);
}
