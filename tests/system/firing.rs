//! The engine's operations for schedules, webhooks and events, on a memory store.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use task_scheduler::cache::ResultsCache;
use task_scheduler::clock::{Timestamp, now};
use task_scheduler::engine::{Engine, PlannedFiring};
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
    Name::parse(text, "name").expect("a valid name")
}

fn schedule(engine: &Engine, overlap: Overlap) -> Arc<Schedule> {
    Arc::new(Schedule {
        name: name("hourly"),
        description: String::new(),
        rule: Rule::Every { interval: Duration::from_secs(3600), anchor: Timestamp::EPOCH },
        task: engine.template(request("add", &[1, 2])).expect("a valid template"),
        overlap,
        catch_up: CatchUp::Last,
        jitter: Duration::ZERO,
    })
}

/// A task for a run of a schedule.
fn run(status: &ScheduleStatus, run_id: &str) -> Arc<Task> {
    let mut task = Task::clone(&status.schedule.task);
    task.id = id(run_id);
    task.options.labels.get_or_insert_default().initiator =
        format!("schedule/{}", status.schedule.name);
    Arc::new(task)
}

/// A firing of a schedule with these runs.
fn firing(status: &ScheduleStatus, runs: &[&str], next: Timestamp) -> PlannedFiring {
    let due = status.next.expect("it is due");
    let times = (0..).map(|seconds| due.plus(Duration::from_secs(seconds)));
    let runs = times.zip(runs).map(|(at, it)| (at, run(status, it))).collect();
    PlannedFiring { status: status.clone(), runs, missed: None, next: Some(next) }
}

async fn waiting(engine: &Engine) -> u64 {
    engine.queues().await.expect("they are known").iter().map(|it| it.waiting()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_schedule_is_a_task_and_its_schedule_continues() {
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

    // A plan for the previous next time is stale.
    let stale = engine.fire(vec![firing(&status, &["run-2"], later)]).await;
    assert_eq!(stale.expect("it is answered"), [None]);
    assert_eq!(recorder.about("run-2"), [""; 0]);
    let standing = engine.schedule(&name("hourly")).await.expect("it is known");
    assert_eq!((standing.next, standing.counts.executed), (Some(later), 1));
    assert_eq!(waiting(&engine).await, 0, "a refused run is not counted");
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn skipped_runs_are_not_counted_as_waiting() {
    let (engine, recorder) = start_engine().await;
    engine.pause(&QueueName::default()).await.expect("it is stored");
    let due = now().wall;
    let status = engine.set_schedule(schedule(&engine, Overlap::Skip), true, Some(due)).await;
    let status = status.expect("it is stored");
    // The first run has not ended, so the second is skipped.
    let fired = engine.fire(vec![firing(&status, &["a", "b"], due)]).await;
    assert_eq!(fired.expect("it is stored"), [Some(1)]);
    assert_eq!(waiting(&engine).await, 1);
    assert_eq!(recorder.about("b"), [""; 0]);

    let due = due.plus(Duration::from_secs(3600));
    let status = engine.set_schedule(schedule(&engine, Overlap::Replace), true, Some(due)).await;
    let status = status.expect("it is stored");
    let fired = engine.fire(vec![firing(&status, &["c", "d"], due)]).await;
    assert_eq!(fired.expect("it is stored"), [Some(2)]);
    assert_eq!(waiting(&engine).await, 1, "each run replaces the previous one");
    assert_eq!(recorder.about("a").last().map(String::as_str), Some("task.cancelled"));
    engine.resume(&QueueName::default()).await.expect("it is stored");
    let ended = engine.wait(&id("d"), Duration::from_secs(20)).await.expect("it is known");
    assert!(ended.expect("it ends").outcome.result().is_some());
    assert_eq!(waiting(&engine).await, 0);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_schedule_wakes_the_ticker() {
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
    let manual = engine.trigger_schedule(&name("hourly"), run(&status, "manual")).await;
    assert_eq!(manual.expect("it is accepted"), id("manual"));
    engine.delete_schedule(&name("hourly")).await.expect("it is known");
    engine.schedules_changed().await;
    let missing = [
        engine.delete_schedule(&name("hourly")).await.expect_err("it is deleted"),
        engine.schedule(&name("hourly")).await.expect_err("it is deleted"),
        engine.enable_schedule(&name("hourly"), true, None).await.expect_err("it is deleted"),
        engine
            .trigger_schedule(&name("hourly"), run(&status, "x"))
            .await
            .expect_err("it is deleted"),
    ];
    for missing in missing {
        assert_eq!(missing.message, "no schedule hourly is known");
        assert_eq!(missing.code, Code::ScheduleNotFound);
    }
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_fires_no_schedule() {
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
async fn a_schedule_definition_refuses_options_that_a_run_cannot_have() {
    let (engine, _) = start_engine().await;
    let check = |request: Request, expected: &str| {
        let refused = engine.template(request).expect_err("refused");
        assert_eq!((refused.code, refused.message.as_str()), (Code::InvalidArgument, expected));
    };
    let asking = |set: fn(&mut TaskOptions)| with(request("add", &[1]), set);
    check(named("t", "add", &[1]), "task_id: expected none: each run is given its own");
    check(
        Request { deps: vec![id("other")], ..request("add", &[1]) },
        "deps: expected none: such a task cannot have dependencies",
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
        "options.durability: EPHEMERAL; expected DURABLE: such a task must survive a \
         restart",
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
    let template = engine.template(lasting).expect("a valid template");
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
async fn an_outbox_entry_becomes_one_delivery_task() {
    let (engine, recorder) = start_engine().await;
    engine.set_webhook(webhook("queue.*")).await.expect("it is stored");
    let fact = Fact::Queue(QueueName::default(), QueueFact::Paused);
    engine.announce(fact.clone()).await.expect("it is stored");
    assert_eq!(recorder.events().last().map(|event| event.fact.clone()), Some(fact));
    engine.outbox_written().await;
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
    let short_lived = ephemeral(named("short_lived", "add", &[1]));
    let refused = engine.deliver(vec![(position, short_lived)]).await.expect_err("it must last");
    assert_eq!(refused.violations[0].field, "options.durability");

    engine.delete_webhook(&name("audit")).await.expect("it is known");
    let refused = engine.delete_webhook(&name("audit")).await.expect_err("it is deleted");
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (Code::WebhookNotFound, "no webhook audit is known")
    );
    assert_eq!(engine.webhooks().await.expect("they are read"), []);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_delivery_stays_in_the_outbox() {
    let (engine, _) = start_engine().await;
    engine.set_webhook(webhook("queue.*")).await.expect("it is stored");
    engine.pause(&QueueName::default()).await.expect("it is stored");
    let posted = engine.outbox(0, 10).await.expect("it is read");
    let unique = |task: &str| {
        with(named(task, "add", &[1]), |it| {
            it.keys.unique =
                Some(Unique { key: "k".into(), window: None, on_conflict: OnConflict::default() });
        })
    };
    engine.enqueue(unique("first")).await.expect("it is accepted");
    let delivery = (posted[0].position, unique("delivery"));
    let refused = engine.deliver(vec![delivery]).await.expect_err("the key is another's");
    assert_eq!(refused.code, Code::Internal);
    assert_eq!(engine.outbox(0, 10).await.expect("it is read"), posted);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_entry_of_a_claim_whose_answer_is_lost_is_announced() {
    let store = Arc::new(Faulty::default());
    let (engine, _) = start_engine_on(store.clone()).await;
    let queue = QueueName::default();
    engine.set_webhook(webhook("task.started")).await.expect("it is stored");
    // With the queue paused, the task is claimed later instead of at its insert.
    engine.pause(&queue).await.expect("it is stored");
    engine.enqueue(named("a", "add", &[1])).await.expect("it is accepted");
    store.lost_claims.store(1, Ordering::SeqCst);
    engine.resume(&queue).await.expect("it is stored");
    let written = tokio::time::timeout(Duration::from_secs(20), engine.outbox_written()).await;
    written.expect("the outbox entry is announced");
    let posted = engine.outbox(0, 10).await.expect("it is read");
    assert_eq!((posted.len(), posted[0].event.as_str()), (1, "task.started"));
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_the_id_of_a_run_returns_its_outcome() {
    let (engine, _) = start_engine().await;
    let due = now().wall;
    engine.pause(&QueueName::default()).await.expect("it is stored");
    let status = engine.set_schedule(schedule(&engine, Overlap::Allow), true, Some(due)).await;
    let status = status.expect("it is stored");
    engine.fire(vec![firing(&status, &["run"], due)]).await.expect("it is stored");
    let same = named("run", "add", &[1, 2]);
    let joins = tokio::spawn({
        let (engine, same) = (engine.clone(), same.clone());
        async move { engine.submit(same).await }
    });
    // And an ephemeral task that depends on the run.
    let mut waits = ephemeral(request("add", &[1]));
    waits.deps.push(TaskId::clone(&id("run")));
    waits.options.get_or_insert_default().wait_for_dependencies = true;
    let waits = engine.enqueue(waits).await.expect("it is accepted");
    engine.resume(&QueueName::default()).await.expect("it is stored");
    let ended = joins.await.expect("it does not panic").expect("it runs");
    assert_eq!(ended.task.id, id("run"));
    let ended = engine.wait(&waits.id, Duration::from_secs(20)).await.expect("it is known");
    assert!(ended.expect("it ends").outcome.result().is_some());
    engine.stop();
}
