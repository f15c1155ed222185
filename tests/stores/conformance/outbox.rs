//! The outbox: events for webhooks, and how they become delivery tasks.

use std::sync::Arc;

use task_scheduler::models::{Event, Fact, NodeFact, OutboxEntry, State, Task, TaskFact, Webhook};
use task_scheduler::store::{Applied, Change, ChangeResult, ClaimRequest};

use super::defined::*;
use super::given::*;

on_every_store!(
    matching_events_are_written_to_the_outbox_in_the_commit_of_their_change,
    nothing_is_written_to_the_outbox_without_webhooks,
    each_webhook_gets_the_events_that_match,
    a_refused_change_writes_nothing_to_the_outbox,
    a_repeated_commit_writes_nothing_more_to_the_outbox,
    events_of_system_tasks_are_not_written_to_the_outbox,
    a_disabled_webhook_gets_no_more_events,
    claims_and_boots_write_to_the_outbox_too,
    the_outbox_is_read_in_order_from_a_position,
    a_delivered_entry_becomes_a_task_and_leaves_the_outbox,
    an_entry_that_was_delivered_before_only_leaves_the_outbox,
    an_unknown_outbox_entry_is_not_delivered,
    a_refused_delivery_stays_in_the_outbox,
    sequence_numbers_are_never_used_twice,
    outbox_entries_survive_the_process,
);

fn posted(position: u64, webhook: &str, event: &Event) -> OutboxEntry {
    OutboxEntry {
        position,
        webhook: called(webhook),
        event: event.name().to_owned(),
        at: event.at,
        payload: serde_json::to_string(&event.payload()).expect("it is JSON"),
    }
}

fn accepted(given: &Given, task: Task) -> Event {
    let fact = Fact::Task(Arc::new(task), TaskFact::Accepted(State::Queued));
    Event { at: given.now(), fact }
}

fn delivery(id: &str) -> Task {
    Task { method: "system/webhook".into(), ..task(id) }
}

async fn places(given: &Given) -> Vec<u64> {
    given.outbox().await.into_iter().map(|posted| posted.position).collect()
}

async fn matching_events_are_written_to_the_outbox_in_the_commit_of_their_change(given: Given) {
    given.watch(webhook("a", "task.*")).await;
    let applied = given.tell(Change::Insert(given.insert(task("t")))).await;
    assert_eq!(given.outbox().await, [posted(1, "a", &applied.events[0])]);
    assert_eq!(given.outbox().await[0].event, "task.accepted");
    let pause = Change::PauseQueue { queue: queue("default"), paused: true };
    assert_eq!(given.tell(pause).await.events.len(), 1);
    assert_eq!(given.outbox().await.len(), 1, "it is about a queue");
}

async fn nothing_is_written_to_the_outbox_without_webhooks(given: Given) {
    given.succeed(task("t")).await;
    given.watch(webhook("a", "node.*")).await;
    given.succeed(task("u")).await;
    assert_eq!(given.outbox().await, []);
}

async fn each_webhook_gets_the_events_that_match(given: Given) {
    given.watch(webhook("b", "task.accepted")).await;
    given.watch(webhook("a", "task.*")).await;
    given.watch(webhook("c", "task.completed")).await;
    let insert = given.insert(task("t"));
    let (sequence, fence) = (insert.sequence, given.fence());
    let insert = task_scheduler::store::Insert { claim: Some(fence), ..insert };
    let changes: Arc<[Change]> = Arc::new([Change::Insert(insert), complete(sequence, fence)]);
    let applied = given.commit_all(changes).await.applied;
    let [accepted, started] = &applied[0].events[..] else { panic!("{applied:?}") };
    let completed = &applied[1].events[0];
    let expected = [
        posted(1, "a", accepted),
        posted(2, "b", accepted),
        posted(3, "a", started),
        posted(4, "a", completed),
        posted(5, "c", completed),
    ];
    assert_eq!(given.outbox().await, expected);
}

async fn a_refused_change_writes_nothing_to_the_outbox(given: Given) {
    let (sequence, fence) = given.run(task("t")).await;
    given.watch(webhook("a", "*")).await;
    let stale = given.fence();
    given.commit(complete(sequence, stale)).await;
    given.commit(Change::Insert(given.insert(waits("u", &["nobody"])))).await;
    given.commit(Change::Insert(given.insert(task("t")))).await;
    given.define("s", task_scheduler::models::Overlap::Skip).await;
    let mut firing = given.firing("s", vec![(given.now(), given.insert(run_of("s", "r")))]).await;
    firing.revision += 1;
    given.commit(Change::Fire(firing)).await;
    let events: Vec<String> = given.outbox().await.into_iter().map(|it| it.event).collect();
    assert_eq!(events, ["schedule.created"]);
    given.commit(complete(sequence, fence)).await;
    assert_eq!(given.outbox().await.len(), 2);
}

async fn a_repeated_commit_writes_nothing_more_to_the_outbox(given: Given) {
    given.watch(webhook("a", "*")).await;
    let changes: Arc<[Change]> = Arc::new([Change::Insert(given.insert(task("t")))]);
    given.commit_all(changes.clone()).await;
    given.commit_all(changes).await;
    assert_eq!(places(&given).await, [1]);
}

async fn events_of_system_tasks_are_not_written_to_the_outbox(given: Given) {
    given.watch(webhook("a", "*")).await;
    let (sequence, fence) = given.run(delivery("d")).await;
    given.commit(complete(sequence, fence)).await;
    assert_eq!(given.outbox().await, []);
}

async fn a_disabled_webhook_gets_no_more_events(given: Given) {
    given.watch(webhook("a", "*")).await;
    given.enter(task("t")).await;
    let before = given.outbox().await;
    given.watch(Webhook { enabled: false, ..webhook("a", "*") }).await;
    given.enter(task("u")).await;
    assert_eq!((before.len(), given.outbox().await), (1, before));
}

async fn claims_and_boots_write_to_the_outbox_too(given: Given) {
    let sequence = given.enter(task("t")).await;
    given.watch(webhook("a", "*")).await;
    let claims = given.claim_all(vec![ClaimRequest { sequence, fence: given.fence() }]).await;
    assert_eq!(given.outbox().await, [posted(1, "a", &claims.events[0])]);
    given.wait(SECOND);
    let opened = given.open().await;
    assert_eq!(opened.events.len(), 2, "it was put back, and the process had crashed");
    let expected = [
        posted(1, "a", &claims.events[0]),
        posted(2, "a", &opened.events[0]),
        posted(3, "a", &opened.events[1]),
    ];
    assert_eq!(given.outbox().await, expected);
    let draining = Event { at: given.now(), fact: Fact::Node(NodeFact::Draining) };
    given.commit(Change::Announce(draining.clone())).await;
    assert_eq!(given.outbox().await[3], posted(4, "a", &draining));
}

async fn the_outbox_is_read_in_order_from_a_position(given: Given) {
    given.watch(webhook("a", "*")).await;
    given.enter_all((0..5).map(|at| task(&format!("t{at}")))).await;
    let read = async |after, limit| {
        let page = given.store.outbox(after, limit).await.expect("it reads");
        page.into_iter().map(|posted| posted.position).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 9).await, [1, 2, 3, 4, 5]);
    assert_eq!(read(0, 2).await, [1, 2]);
    assert_eq!(read(2, 2).await, [3, 4]);
    assert_eq!(read(5, 2).await, [0_u64; 0]);
    assert_eq!(read(u64::MAX, 2).await, [0_u64; 0]);
}

async fn a_delivered_entry_becomes_a_task_and_leaves_the_outbox(given: Given) {
    given.watch(webhook("a", "*")).await;
    given.enter(task("t")).await;
    let insert = given.insert(delivery("d"));
    let sequence = insert.sequence;
    let applied = given.tell(Change::Deliver { position: 1, delivery: insert }).await;
    let mut expected = Applied {
        result: ChangeResult::Inserted(State::Queued),
        ready: vec![ready(sequence)],
        events: vec![accepted(&given, delivery("d"))],
        ..Applied::default()
    };
    expected.ready[0].method = "system/webhook".into();
    assert_eq!(applied, expected);
    assert_eq!((given.outbox().await, given.state("d").await), (vec![], State::Queued));
}

async fn an_entry_that_was_delivered_before_only_leaves_the_outbox(given: Given) {
    given.watch(webhook("a", "*")).await;
    given.enter(task("t")).await;
    given.enter(delivery("d")).await;
    let deliver = Change::Deliver { position: 1, delivery: given.insert(delivery("d")) };
    let applied = given.tell(deliver).await;
    assert!(matches!(applied.result, ChangeResult::IdConflict(_)), "{applied:?}");
    assert_eq!((applied.events, given.outbox().await), (vec![], vec![]));
}

async fn an_unknown_outbox_entry_is_not_delivered(given: Given) {
    given.watch(webhook("a", "*")).await;
    given.enter(task("t")).await;
    for position in [0, 2, u64::MAX] {
        let deliver = Change::Deliver { position, delivery: given.insert(delivery("d")) };
        assert_eq!(given.commit(deliver).await.result, ChangeResult::NotFound);
    }
    let deliver = |id| Change::Deliver { position: 1, delivery: given.insert(delivery(id)) };
    given.commit(deliver("d1")).await;
    assert_eq!(given.commit(deliver("d2")).await.result, ChangeResult::NotFound);
    assert_eq!((given.known("d").await, given.known("d2").await), (None, None));
}

async fn a_refused_delivery_stays_in_the_outbox(given: Given) {
    given.watch(webhook("a", "*")).await;
    given.enter(task("t")).await;
    let unmet = given.insert(waits("d", &["nobody"]));
    let applied = given.commit(Change::Deliver { position: 1, delivery: unmet }).await;
    assert!(matches!(applied.result, ChangeResult::Unmet { .. }), "{applied:?}");
    assert_eq!(places(&given).await, [1]);
}

async fn sequence_numbers_are_never_used_twice(mut given: Given) {
    given.watch(webhook("a", "*")).await;
    given.enter_all([task("t"), task("u")]).await;
    for position in [1, 2] {
        let insert = given.insert(delivery(&format!("d{position}")));
        given.commit(Change::Deliver { position, delivery: insert }).await;
    }
    given.commit(Change::Stop).await;
    assert_eq!(places(&given).await, [3], "it stopped");
    given.commit(Change::DeleteWebhook { name: called("a") }).await;
    if given.store.properties().durable {
        given.restart().await;
    }
    given.watch(webhook("a", "*")).await;
    given.enter(task("v")).await;
    assert_eq!(places(&given).await, [4]);
}

async fn outbox_entries_survive_the_process(mut given: Given) {
    given.watch(webhook("a", "task.*")).await;
    given.enter(task("t")).await;
    let before = given.outbox().await;
    let durable = given.store.properties().durable;
    given.restart().await;
    let expected = if durable { before } else { Vec::new() };
    assert_eq!(given.outbox().await, expected);
}
