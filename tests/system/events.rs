//! Every event of the catalogue is emitted here, and matches its entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use task_scheduler::clock::{Timestamp, now};
use task_scheduler::events::catalog::{self, assert_catalogued};
use task_scheduler::events::{
    Announced, Announcer, QUEUE_EVENTS, StreamItem, Subscriber, SubscriberError,
};
use task_scheduler::models::{
    ArgValue, CancelRequest, CatchUp, Event, EventFilter, Name, NamePattern, OnConflict, Overlap,
    QueueLimits, QueueName, Request, Rule, Schedule, StartTime, Task, Unique,
};
use task_scheduler::schedules::ScheduleRequest;
use task_scheduler::store::{Change, MemoryStore, Store};
use task_scheduler::system::{Builder, SubscriberKind, TaskSystem};
use task_scheduler::tasks::{Child, Decision, HandlerResult, TaskContext, TaskError, TaskHandler};
use task_scheduler::testing::TaskMaker;
use task_scheduler::webhooks::WebhookRequest;
use tokio::sync::Notify;

use crate::harness::*;

const LONG: Duration = Duration::from_secs(20);

/// Keeps every event, and wakes tests that wait for one.
#[derive(Default)]
struct EventLog {
    events: Mutex<Vec<Event>>,
    wake: Notify,
}

impl EventLog {
    /// A system whose events it keeps.
    fn builder(self: &Arc<Self>, store: Arc<dyn Store>) -> Builder {
        let log = self.clone();
        let record = move |event: &Event| {
            log.events.lock().push(event.clone());
            log.wake.notify_waiters();
        };
        let announcer = Announcer::default().observer(Arc::new(record));
        TaskSystem::on(store).options(options()).announcer(Arc::new(announcer))
    }

    /// Waits for an event with this name; about this task unless `task` is empty.
    async fn wait_for(&self, name: &str, task: &str) {
        let found = async {
            loop {
                let mut wake = std::pin::pin!(self.wake.notified());
                wake.as_mut().enable();
                let matches = |event: &Event| {
                    let about = event.task_id().map_or("", |id| id.as_str());
                    event.name() == name && (task.is_empty() || about == task)
                };
                if self.events.lock().iter().any(matches) {
                    return;
                }
                wake.await;
            }
        };
        let in_time = tokio::time::timeout(LONG, found).await;
        assert!(in_time.is_ok(), "no {name} {task}, but {:?}", self.names());
    }

    /// The catalogue's names of all events.
    fn names(&self) -> BTreeSet<&'static str> {
        let events = self.events.lock();
        events
            .iter()
            .filter_map(|event| catalog::find(event.name()))
            .map(|info| info.name)
            .collect()
    }

    /// The names of the events about a task.
    fn about(&self, task: &str) -> Vec<String> {
        let events = self.events.lock();
        let about =
            events.iter().filter(|event| event.task_id().is_some_and(|it| it.as_str() == task));
        about.map(|event| event.name().to_owned()).collect()
    }
}

/// Fails, snoozes, waits or announces according to its first argument.
fn instructed_handler() -> Arc<dyn TaskHandler> {
    async_handler("tests/instructed", |ctx, args| async move {
        let ArgValue::String(order) = &args[0] else {
            return Err(TaskError::permanent("no order"));
        };
        match &**order {
            "fail once" if ctx.attempt() == 1 => {
                Err(TaskError::retry_after("not yet", Duration::ZERO))
            }
            "snooze once" if ctx.load_checkpoint::<bool>()?.is_none() => {
                ctx.save_checkpoint(&true).await?;
                Err(TaskError::snooze(Duration::from_millis(1)))
            }
            "fail" => Err(TaskError::permanent("out of ink")),
            "wait" => {
                ctx.cancelled().await;
                Err(TaskError::cancel("cancelled"))
            }
            "announce" => {
                ctx.update_progress(0.5, "half")?;
                ctx.emit("custom.order_paid", &BTreeMap::from([("order", 7)])).await?;
                Ok(ArgValue::Null)
            }
            _ => Ok("done".into()),
        }
    })
}

/// Skips or expands its tasks.
struct Deciding;

#[async_trait]
impl TaskHandler for Deciding {
    fn name(&self) -> String {
        "tests/decide".into()
    }

    async fn execute(&self, _: &Task, _: &TaskContext, _: Vec<ArgValue>) -> HandlerResult {
        Ok(ArgValue::Null)
    }

    fn decide(&self, _: &Task, _: &TaskContext, args: Vec<ArgValue>) -> Decision {
        match args.is_empty() {
            true => Decision::Skip,
            false => Decision::Expand(vec![Child {
                name: "1".into(),
                method: "add".into(),
                args: vec![1.into()],
            }]),
        }
    }
}

fn instructed(task: &str, order: &str) -> Request {
    Request::of("tests/instructed").named(id(task)).arg(order)
}

/// Blocks in its first event until the gate opens.
struct Slow {
    gate: Arc<Notify>,
    calls: AtomicU64,
}

#[async_trait]
impl Subscriber for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn filter(&self) -> EventFilter {
        EventFilter { names: vec![NamePattern::parse("task.*")], ..EventFilter::default() }
    }

    async fn handle(&self, _: &Announced) -> Result<(), SubscriberError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            self.gate.notified().await;
        }
        Ok(())
    }
}

/// `tests/system/services.rs` tests failing services; the monitor's tests test samples.
const ELSEWHERE: [&str; 2] = ["observability.sampled", "observability.service_failed"];

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_the_catalogue_is_emitted_as_listed() {
    let log = Arc::new(EventLog::default());
    let store = Arc::new(MemoryStore::default());
    let system =
        log.builder(store.clone()).handler(instructed_handler()).handler(Arc::new(Deciding));
    let system = system.start().await.expect("it starts");

    emit_task_events(&system, &log).await;
    emit_admin_events(&system, &log).await;

    // The process crashes while the task runs, and the next one finds it.
    system.tasks().enqueue(instructed("rescued", "wait")).await.expect("it is accepted");
    log.wait_for("task.started", "rescued").await;
    system.stop();
    let gate = Arc::new(Notify::new());
    let slow = Arc::new(Slow { gate: gate.clone(), calls: AtomicU64::new(0) });
    overdue(&store).await;
    let system = log.builder(store).handler(instructed_handler()).subscriber(slow.clone());
    let system = system.start().await.expect("it starts");
    log.wait_for("node.crashed", "").await;
    log.wait_for("task.rescued", "rescued").await;
    for name in ["schedule.missed", "schedule.skipped", "schedule.failed"] {
        log.wait_for(name, "").await;
    }
    for _ in 0..=QUEUE_EVENTS {
        system.tasks().submit(ephemeral(request("add", &[1]))).await.expect("it is run");
    }
    gate.notify_one();
    log.wait_for("observability.lagged", "").await;
    system.drain(Duration::ZERO).await;
    log.wait_for("task.requeued", "rescued").await;
    log.wait_for("node.stopped", "").await;
    system.stop();

    log.events.lock().iter().for_each(assert_catalogued);
    let listed = catalog::all().iter().map(|info| info.name);
    let missing: Vec<_> =
        listed.filter(|name| !log.names().contains(name) && !ELSEWHERE.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "never emitted here");
}

async fn emit_task_events(system: &TaskSystem, log: &EventLog) {
    for (task, order, ends) in [
        ("done", "", "task.completed"),
        ("announces", "announce", "task.completed"),
        ("retried", "fail once", "task.completed"),
        ("snoozed", "snooze once", "task.completed"),
        ("failed", "fail", "task.failed"),
    ] {
        system.tasks().enqueue(instructed(task, order)).await.expect("it is accepted");
        log.wait_for(ends, task).await;
    }
    assert_eq!(log.about("done"), ["task.accepted", "task.started", "task.completed"]);
    assert_eq!(
        log.about("retried"),
        [
            "task.accepted",
            "task.started",
            "task.retrying",
            "task.queued",
            "task.started",
            "task.completed"
        ]
    );
    for (task, args, ends) in
        [("skipped", &[][..], "task.skipped"), ("split", &[1], "task.completed")]
    {
        system.tasks().enqueue(named(task, "tests/decide", args)).await.expect("it is accepted");
        log.wait_for(ends, task).await;
    }
    let soon = |task: &str, ms| {
        with(named(task, "add", &[1]), |it| {
            it.start = Some(StartTime::After(Duration::from_millis(ms)))
        })
    };
    let mut expires = soon("expired", 3_600_000);
    expires.options.as_mut().expect("it has options").expiry =
        Some(StartTime::After(Duration::from_millis(5)));
    system.tasks().enqueue(expires).await.expect("it is accepted");
    log.wait_for("task.expired", "expired").await;

    system.tasks().enqueue(instructed("cancelled", "wait")).await.expect("it is accepted");
    log.wait_for("task.started", "cancelled").await;
    let reason = "not wanted".to_owned();
    let cancel = CancelRequest { ids: vec![id("cancelled")], reason, ..CancelRequest::default() };
    system.tasks().cancel(cancel).await.expect("it is requested");
    log.wait_for("task.cancelled", "cancelled").await;

    let unique = |task: &str| {
        let mut request = soon(task, 3_600_000);
        let on_conflict = OnConflict::Replace;
        let unique = Unique { key: "one".into(), window: None, on_conflict };
        request.options.as_mut().expect("it has options").keys.unique = Some(unique);
        request.arg(2)
    };
    system.tasks().enqueue(unique("first")).await.expect("it is accepted");
    let second = unique("second").arg(3);
    assert!(system.tasks().enqueue(second).await.expect("it is known").replaced);
    log.wait_for("task.replaced", "first").await;
}

/// Schedules with runs that became due while no process ran.
async fn overdue(store: &MemoryStore) {
    let now = now().wall;
    let hour = Duration::from_secs(3_600);
    let micros = u64::try_from((hour * 9 / 2).as_micros()).expect("it is short");
    let due = Timestamp::from_micros(now.as_micros() - micros).expect("it is after 1970");
    let hourly = |called: &str, order: &str, catch_up: CatchUp| {
        let task =
            TaskMaker::new("template").method("tests/instructed").arg(order).submitted_at(now);
        let schedule = Schedule {
            name: name(called),
            description: String::new(),
            rule: Rule::Every { interval: hour, anchor: due },
            task: Arc::new(task.make()),
            overlap: Overlap::Skip,
            catch_up,
            jitter: Duration::ZERO,
        };
        Change::SetSchedule { schedule: Arc::new(schedule), enabled: true, next: Some(due) }
    };
    let changes = vec![
        hourly("misses", "", CatchUp::None),
        hourly("skips", "wait", CatchUp::All(3)),
        hourly("fails", "fail", CatchUp::Last),
    ];
    store.commit(changes.into(), now).await.expect("it is stored");
}

fn name(text: &str) -> Name {
    Name::parse(text, "name").expect("a valid name")
}

async fn emit_admin_events(system: &TaskSystem, log: &EventLog) {
    let hour = Duration::from_secs(3_600);
    let every = |hours| ScheduleRequest::every("nightly", hour * hours, request("add", &[1]));
    system.schedules().put(every(1)).await.expect("a valid schedule");
    system.schedules().put(every(2)).await.expect("another one");
    let nightly = name("nightly");
    system.schedules().trigger(&nightly).await.expect("it runs");
    system.schedules().disable(&nightly).await.expect("it runs no more");
    system.schedules().enable(&nightly).await.expect("it runs again");
    system.schedules().delete(&nightly).await.expect("it is deleted");
    for what in ["created", "updated", "executed", "disabled", "enabled", "deleted"] {
        log.wait_for(&format!("schedule.{what}"), "").await;
    }
    // No process listens on this port.
    let mut dead = WebhookRequest::new(name("dead"), "http://127.0.0.1:1/");
    dead.retries = Some(0);
    dead.filter.names = vec![NamePattern::parse("queue.paused")];
    system.webhooks().put(dead).await.expect("a valid webhook");
    system
        .tasks()
        .resolve(&id("failed"), "manual".into(), "by phone".into())
        .await
        .expect("it had failed");
    log.wait_for("task.resolved", "failed").await;
    system.tasks().retry(&id("failed"), "once more".into()).await.expect("it had ended");
    log.wait_for("task.retried", "failed").await;
    let queue = QueueName::parse("mail", "queue").expect("a valid name");
    system.tasks().pause(&queue).await.expect("it pauses");
    system.tasks().resume(&queue).await.expect("it is resumed");
    let limits = QueueLimits { concurrency: Some(2), ..QueueLimits::default() };
    system.tasks().limit(&queue, limits).await.expect("it is limited");
    for name in ["queue.paused", "queue.resumed", "queue.limits_changed"] {
        log.wait_for(name, "").await;
    }
    log.wait_for("observability.webhook_abandoned", "").await;
    let rows = system.subscribers().await.expect("they are known");
    let row = rows.iter().find(|row| row.name == "dead").expect("it is listed");
    assert_eq!((row.kind, &*row.events), (SubscriberKind::Webhook, &["queue.paused".into()][..]));
    assert_eq!(row.declared_at, "");
}

#[derive(Default)]
struct Failing {
    tasks: Mutex<Vec<String>>,
    wake: Notify,
}

#[async_trait]
impl Subscriber for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    fn filter(&self) -> EventFilter {
        EventFilter { names: vec![NamePattern::parse("task.completed")], ..EventFilter::default() }
    }

    async fn handle(&self, event: &Announced) -> Result<(), SubscriberError> {
        let task = event.text("task_id").unwrap_or_default().to_owned();
        let count = {
            let mut tasks = self.tasks.lock();
            tasks.push(task);
            tasks.len()
        };
        self.wake.notify_one();
        match count {
            1 => Err("not today".into()),
            2 => panic!("on purpose"),
            _ => Ok(()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_fails_or_panics_gets_all_later_events() {
    let failing = Arc::new(Failing::default());
    let system =
        TaskSystem::in_memory().subscriber(failing.clone()).start().await.expect("it starts");
    for task in ["a", "b", "c", "d"] {
        system.tasks().submit(named(task, "add", &[1])).await.expect("it runs");
    }
    // The drain delivers all events before it returns.
    assert!(system.drain(LONG).await);
    assert_eq!(*failing.tasks.lock(), ["a", "b", "c", "d"]);
    let rows = system.subscribers().await.expect("they are known");
    let row = rows.iter().find(|row| row.name == "failing").expect("it is listed");
    assert_eq!((row.handled, row.failed, row.missed), (2, 2, 0));
    assert_eq!(row.last_error, "it panicked: on purpose");
    assert!(row.declared_at.contains("tests/system/events.rs:"), "{}", row.declared_at);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_subscriber_fails_the_start() {
    struct Wrong;
    #[async_trait]
    impl Subscriber for Wrong {
        fn name(&self) -> &str {
            "wrong"
        }
        fn filter(&self) -> EventFilter {
            EventFilter {
                names: vec![NamePattern::parse("task.complete")],
                ..EventFilter::default()
            }
        }
        async fn handle(&self, _: &Announced) -> Result<(), SubscriberError> {
            Ok(())
        }
    }
    let refused = TaskSystem::in_memory().subscriber(Arc::new(Wrong)).start().await.map(drop);
    let message = refused.expect_err("there is no such event").message;
    assert!(message.contains("tests/system/events.rs:"), "{message}");
    assert!(message.contains("did you mean task.completed"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_get_events_until_the_system_stops() {
    let system = TaskSystem::in_memory().start().await.expect("it starts");
    let filter = EventFilter { names: vec![NamePattern::parse("*")], ..EventFilter::default() };
    let mut events = system.subscribe(filter, None).expect("a valid filter");
    system.tasks().submit(named("a", "add", &[1])).await.expect("it runs");
    assert!(system.shutdown(LONG).await);
    let mut names = Vec::new();
    while let Some((_, item)) = events.next().await {
        match item {
            StreamItem::Event(event) => names.push(event.name().to_owned()),
            StreamItem::Missed { .. } => panic!("{item:?}"),
        }
    }
    assert_eq!(names.last().map(String::as_str), Some("node.stopped"), "{names:?}");
    assert!(names.contains(&"task.completed".to_owned()), "{names:?}");
}
