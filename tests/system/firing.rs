//! Schedules, webhooks and announcements as the engine's verbs have them, on a store in memory.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use task_scheduler::cache::ResultsCache;
use task_scheduler::clock::{Timestamp, now};
use task_scheduler::engine::{Engine, Firing};
use task_scheduler::error::Code;
use task_scheduler::models::{
    CatchUp, Durability, EventFilter, Fact, Name, NamePattern, OnConflict, Overlap, QueueFact,
    QueueName, Request, Rule, Schedule, ScheduleStatus, Secret, StartTime, Task, TaskId,
    TaskOptions, Unique, Webhook,
};
use task_scheduler::store::{MemoryStore, Store};
use task_scheduler::tasks::{TaskRegistry, collected};

use crate::faulty::Faulty;
use crate::harness::*;
use crate::recorder::Recorder;

async fn start_engine() -> (Engine, Recorder) {
    start_engine_on(Arc::new(MemoryStore::default())).await
}

async fn start_engine_on(store: Arc<dyn Store>) -> (Engine, Recorder) {
    let recorder = Recorder::default();
    let registry = TaskRegistry::from_registrations(collected()).expect("built-in tasks");
    let cache = ResultsCache::new(NonZero::new(1_000).expect("not zero"), 1 << 20);
    let (registry, cache) = (Arc::new(registry), Arc::new(cache));
    let engine = Engine::start(options(), registry, cache, store, recorder.announcer());
    (engine.await.expect("it starts"), recorder)
}

fn name(text: &str) -> Name {
    Name::parse(text, "name").expect("a good name")
}

fn schedule(engine: &Engine, overlap: Overlap) -> Arc<Schedule> {
    Arc::new(Schedule {
        name: name("hourly"),
        description: String::new(),
        rule: Rule::Every { interval: Duration::from_secs(3600), anchor: Timestamp::EPOCH },
        task: engine.template(request("add", &[1, 2])).expect("a good template"),
        overlap,
        catch_up: CatchUp::Last,
        jitter: Duration::ZERO,
    })
}

/// A run of a schedule.
fn run(status: &ScheduleStatus, run_id: &str) -> Arc<Task> {
    let mut task = Task::clone(&status.schedule.task);
    task.id = id(run_id);
    task.options.labels.get_or_insert_default().initiator =
        format!("schedule/{}", status.schedule.name);
    Arc::new(task)
}

/// Runs of a schedule, for one occurrence each.
fn firing(status: &ScheduleStatus, runs: &[&str], next: Timestamp) -> Firing {
    let due = status.next.expect("it is due");
    let times = (0..).map(|seconds| due.plus(Duration::from_secs(seconds)));
    let runs = times.zip(runs).map(|(at, it)| (at, run(status, it))).collect();
    Firing { status: status.clone(), runs, missed: None, next: Some(next) }
}

async fn waiting(engine: &Engine) -> u64 {
    engine.queues().await.expect("they are known").iter().map(|it| it.waiting()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_schedule_is_a_task_and_its_schedule_goes_on() {
    let (engine, recorder) = start_engine().await;
    let due = now().wall;
    let later = due.plus(Duration::from_secs(3600));
    let status = engine.set_schedule(schedule(&engine, Overlap::Skip), true, Some(due)).await;
    let status = status.expect("it is stored");
    assert_eq!((status.enabled, status.next), (true, Some(due)));
    let found = engine.due_schedules(due, 10).await.expect("it is read");
    assert_eq!(found.due, std::slice::from_ref(&status));

    let fired = engine.fire(vec![firing(&status, &["run-1"], later)]).await;
    assert_eq!(fired.expect("it is stored"), [Some(1)]);
    let ended = engine.wait(&id("run-1"), Duration::from_secs(20)).await.expect("it is known");
    assert_eq!(ended.expect("it ends").outcome.result().map(ToString::to_string), Some("3".into()));
    let executed = ["task.accepted", "schedule.executed", "task.started", "task.completed"];
    assert_eq!(recorder.about("run-1"), executed);

    // What was decided for the time before does not count any more.
    let stale = engine.fire(vec![firing(&status, &["run-2"], later)]).await;
    assert_eq!(stale.expect("it is answered"), [None]);
    assert_eq!(recorder.about("run-2"), [""; 0]);
    let standing = engine.schedule(&name("hourly")).await.expect("it is known");
    assert_eq!((standing.next, standing.counts.executed), (Some(later), 1));
    assert_eq!(waiting(&engine).await, 0, "what did not come in is not counted");
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_left_out_are_not_counted_as_waiting() {
    let (engine, recorder) = start_engine().await;
    engine.pause(&QueueName::default(), true).await.expect("it is stored");
    let due = now().wall;
    let status = engine.set_schedule(schedule(&engine, Overlap::Skip), true, Some(due)).await;
    let status = status.expect("it is stored");
    // The second finds that the first has not ended.
    let fired = engine.fire(vec![firing(&status, &["a", "b"], due)]).await;
    assert_eq!(fired.expect("it is stored"), [Some(1)]);
    assert_eq!(waiting(&engine).await, 1);
    assert_eq!(recorder.about("b"), [""; 0]);

    let due = due.plus(Duration::from_secs(3600));
    let status = engine.set_schedule(schedule(&engine, Overlap::Replace), true, Some(due)).await;
    let status = status.expect("it is stored");
    let fired = engine.fire(vec![firing(&status, &["c", "d"], due)]).await;
    assert_eq!(fired.expect("it is stored"), [Some(2)]);
    assert_eq!(waiting(&engine).await, 1, "each takes the place of the one before it");
    assert_eq!(recorder.about("a").last().map(String::as_str), Some("task.cancelled"));
    engine.pause(&QueueName::default(), false).await.expect("it is stored");
    let ended = engine.wait(&id("d"), Duration::from_secs(20)).await.expect("it is known");
    assert!(ended.expect("it ends").outcome.result().is_some());
    assert_eq!(waiting(&engine).await, 0);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_schedules_is_woken_by_what_changes_them() {
    let (engine, _) = start_engine().await;
    let due = now().wall;
    let status = engine.set_schedule(schedule(&engine, Overlap::Allow), true, Some(due)).await;
    let status = status.expect("it is stored");
    engine.schedules_changed().await;
    engine.fire(vec![firing(&status, &["a"], due)]).await.expect("it is stored");
    engine.schedules_changed().await;
    let disabled = engine.enable_schedule(&name("hourly"), false, None).await.expect("it is known");
    assert_eq!((disabled.enabled, disabled.next), (false, None));
    engine.schedules_changed().await;
    let by_hand = engine.trigger_schedule(&name("hourly"), run(&status, "by-hand")).await;
    assert_eq!(by_hand.expect("it is let in"), id("by-hand"));
    engine.delete_schedule(&name("hourly")).await.expect("it is known");
    engine.schedules_changed().await;
    let missing = [
        engine.delete_schedule(&name("hourly")).await.expect_err("it is gone"),
        engine.schedule(&name("hourly")).await.expect_err("it is gone"),
        engine.enable_schedule(&name("hourly"), true, None).await.expect_err("it is gone"),
        engine.trigger_schedule(&name("hourly"), run(&status, "x")).await.expect_err("it is gone"),
    ];
    for missing in missing {
        assert_eq!(missing.message, "no schedule hourly is known");
        assert_eq!(missing.code, Code::ScheduleNotFound);
    }
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drains_fires_nothing() {
    let (engine, recorder) = start_engine().await;
    let due = now().wall;
    let status = engine.set_schedule(schedule(&engine, Overlap::Skip), true, Some(due)).await;
    let status = status.expect("it is stored");
    engine.refuse();
    let refused = engine.fire(vec![firing(&status, &["a"], due)]).await.expect_err("it drains");
    assert_eq!(refused.code, Code::Draining);
    let refused = engine.trigger_schedule(&name("hourly"), run(&status, "b")).await;
    assert_eq!(refused.expect_err("it drains").code, Code::Draining);
    let refused = engine.deliver(vec![(1, named("c", "add", &[1]))]).await;
    assert_eq!(refused.expect_err("it drains").code, Code::Draining);
    assert!(engine.drain(Duration::from_secs(10)).await);
    assert_eq!(recorder.about("a"), [""; 0]);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_cannot_have_is_refused_when_its_schedule_is_defined() {
    let (engine, _) = start_engine().await;
    let check = |request: Request, expected: &str| {
        let refused = engine.template(request).expect_err("refused");
        assert_eq!((refused.code, refused.message.as_str()), (Code::InvalidArgument, expected));
    };
    let asking = |set: fn(&mut TaskOptions)| with(request("add", &[1]), set);
    check(named("t", "add", &[1]), "task_id: expected none: each run is given its own");
    check(
        Request { deps: vec![id("other")], ..request("add", &[1]) },
        "deps: expected none: such a task waits for nobody",
    );
    check(
        asking(|it| it.start = Some(StartTime::After(Duration::ZERO))),
        "options.delay: expected none: the schedule says when",
    );
    check(
        asking(|it| it.start = Some(StartTime::At(Timestamp::EPOCH))),
        "options.run_at: expected none: the schedule says when",
    );
    check(
        asking(|it| it.expiry = Some(StartTime::At(Timestamp::EPOCH))),
        "options.expires_at: one time for all runs; expected options.ttl, which is counted for each",
    );
    check(
        asking(|it| it.durability = Some(Durability::Ephemeral)),
        "options.durability: EPHEMERAL; such a task is stored before anybody knows of it: expected \
         DURABLE",
    );
    let unique = |it: &mut TaskOptions| {
        let unique = Unique { key: "k".into(), window: None, on_conflict: OnConflict::default() };
        it.keys.unique = Some(unique);
    };
    check(
        asking(unique),
        "options.unique: expected none: whether runs overlap is for the schedule to say",
    );
    let unknown = engine.template(request("no/such", &[])).expect_err("refused");
    assert_eq!(unknown.code, Code::MethodNotFound);

    let ttl = Duration::from_secs(90);
    let lasting = with(request("add", &[1]), |it| it.expiry = Some(StartTime::After(ttl)));
    let template = engine.template(lasting).expect("a good template");
    let expires_at = template.options.expires_at.expect("it expires");
    assert_eq!(expires_at.since(template.submitted_at), ttl);
    assert_eq!(template.options.durability, Durability::Durable);
    engine.stop();
}

fn webhook(pattern: &str) -> Arc<Webhook> {
    let filter = EventFilter { names: vec![NamePattern::parse(pattern)], ..EventFilter::default() };
    Arc::new(Webhook {
        name: name("audit"),
        description: String::new(),
        url: "http://127.0.0.1:1/".to_owned(),
        filter,
        secret: Secret::new("0123456789abcdef"),
        timeout: Duration::from_secs(1),
        retries: 0,
        enabled: true,
        updated_at: now().wall,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_aside_for_a_webhook_becomes_a_task_once() {
    let (engine, recorder) = start_engine().await;
    engine.set_webhook(webhook("queue.*")).await.expect("it is stored");
    let said = Fact::Queue(QueueName::default(), QueueFact::Paused);
    engine.announce(said.clone()).await.expect("it is stored");
    assert_eq!(recorder.events().last().map(|event| event.fact.clone()), Some(said));
    engine.posted().await;
    let posted = engine.outbox(0, 10).await.expect("it is read");
    assert_eq!((posted.len(), posted[0].event.as_str()), (1, "queue.paused"));

    let delivery = (posted[0].position, named("delivery", "add", &[1]));
    engine.deliver(vec![delivery.clone()]).await.expect("it is stored");
    assert_eq!(engine.outbox(0, 10).await.expect("it is read"), []);
    engine.deliver(vec![delivery]).await.expect("there is nothing to do");
    let ended = engine.wait(&id("delivery"), Duration::from_secs(20)).await.expect("it is known");
    assert!(ended.expect("it ends").outcome.result().is_some());
    assert_eq!(recorder.about("delivery"), ["task.accepted", "task.started", "task.completed"]);
    assert_eq!(waiting(&engine).await, 0);

    let position = 7;
    let fleeting = ephemeral(named("fleeting", "add", &[1]));
    let refused = engine.deliver(vec![(position, fleeting)]).await.expect_err("it must last");
    assert_eq!(refused.violations[0].field, "options.durability");

    engine.delete_webhook(&name("audit")).await.expect("it is known");
    let refused = engine.delete_webhook(&name("audit")).await.expect_err("it is gone");
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (Code::WebhookNotFound, "no webhook audit is known")
    );
    assert_eq!(engine.webhooks().await.expect("they are read"), []);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_the_store_does_not_take_is_refused_and_stays_put_aside() {
    let (engine, _) = start_engine().await;
    engine.set_webhook(webhook("queue.*")).await.expect("it is stored");
    engine.pause(&QueueName::default(), true).await.expect("it is stored");
    let posted = engine.outbox(0, 10).await.expect("it is read");
    let unique = |task: &str| {
        with(named(task, "add", &[1]), |it| {
            it.keys.unique =
                Some(Unique { key: "k".into(), window: None, on_conflict: OnConflict::default() });
        })
    };
    engine.enqueue(unique("first")).await.expect("it is let in");
    let delivery = (posted[0].position, unique("delivery"));
    let refused = engine.deliver(vec![delivery]).await.expect_err("the key is another's");
    assert_eq!(refused.code, Code::Internal);
    assert_eq!(engine.outbox(0, 10).await.expect("it is read"), posted);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_claim_whose_answer_was_lost_put_aside_for_a_webhook_is_told_of() {
    let store = Arc::new(Faulty::default());
    let (engine, _) = start_engine_on(store.clone()).await;
    let queue = QueueName::default();
    engine.set_webhook(webhook("task.started")).await.expect("it is stored");
    // It is claimed, and not started beside its insert.
    engine.pause(&queue, true).await.expect("it is stored");
    engine.enqueue(named("a", "add", &[1])).await.expect("it is let in");
    store.lost_claims.store(1, Ordering::SeqCst);
    engine.pause(&queue, false).await.expect("it is stored");
    let told = tokio::time::timeout(Duration::from_secs(20), engine.posted()).await;
    told.expect("somebody is told that there is something");
    let posted = engine.outbox(0, 10).await.expect("it is read");
    assert_eq!((posted.len(), posted[0].event.as_str()), (1, "task.started"));
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_run_s_id_is_answered_with_its_outcome() {
    let (engine, _) = start_engine().await;
    let due = now().wall;
    engine.pause(&QueueName::default(), true).await.expect("it is stored");
    let status = engine.set_schedule(schedule(&engine, Overlap::Allow), true, Some(due)).await;
    let status = status.expect("it is stored");
    engine.fire(vec![firing(&status, &["run"], due)]).await.expect("it is stored");
    let same = named("run", "add", &[1, 2]);
    let joins = tokio::spawn({
        let (engine, same) = (engine.clone(), same.clone());
        async move { engine.submit(same).await }
    });
    // And a fleeting task that waits for it.
    let mut waits = ephemeral(request("add", &[1]));
    waits.deps.push(TaskId::clone(&id("run")));
    waits.options.get_or_insert_default().wait_for_dependencies = true;
    let waits = engine.enqueue(waits).await.expect("it is let in");
    engine.pause(&QueueName::default(), false).await.expect("it is stored");
    let ended = joins.await.expect("it does not panic").expect("it runs");
    assert_eq!(ended.task.id, id("run"));
    let ended = engine.wait(&waits.id, Duration::from_secs(20)).await.expect("it is known");
    assert!(ended.expect("it ends").outcome.result().is_some());
    engine.stop();
}
