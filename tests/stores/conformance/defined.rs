//! Schedules and webhooks for tests.

use std::sync::Arc;

use task_scheduler::clock::Timestamp;
use task_scheduler::models::{
    CatchUp, EventFilter, Labels, Name, NamePattern, OutboxEntry, Overlap, RUN_INITIATOR, Rule,
    Schedule, ScheduleStatus, Secret, Task, Webhook,
};
use task_scheduler::store::{Applied, Change, ChangeResult, Firing, Insert};

use super::given::*;

pub(crate) fn called(name: &str) -> Name {
    Name::parse(name, "name").expect("a good name")
}

/// A schedule that runs every minute.
pub(crate) fn schedule(name: &str, overlap: Overlap) -> Arc<Schedule> {
    Arc::new(Schedule {
        name: called(name),
        description: "counts".into(),
        rule: Rule::Every { interval: 60 * SECOND, anchor: Timestamp::EPOCH },
        task: Arc::new(run_of(name, "template")),
        overlap,
        catch_up: CatchUp::All(3),
        jitter: SECOND / 2,
    })
}

/// A task that is a run of a schedule.
pub(crate) fn run_of(schedule: &str, id: &str) -> Task {
    let initiator = format!("{RUN_INITIATOR}{schedule}");
    let labels = Labels { initiator, ..Labels::default() };
    task_with(id, |options| options.labels = Some(labels.into()))
}

pub(crate) fn set(schedule: &Arc<Schedule>, enabled: bool, next: Option<Timestamp>) -> Change {
    Change::SetSchedule { schedule: schedule.clone(), enabled, next }
}

/// A webhook for every event whose name matches.
pub(crate) fn webhook(name: &str, pattern: &str) -> Webhook {
    Webhook {
        name: called(name),
        description: "a friend".into(),
        url: "http://localhost:1/hook".into(),
        filter: EventFilter { names: vec![NamePattern::parse(pattern)], ..EventFilter::default() },
        secret: Secret::new("sixteen bytes and more"),
        timeout: 5 * SECOND,
        retries: 7,
        enabled: true,
        updated_at: Timestamp::EPOCH.plus(SECOND),
    }
}

impl Given {
    /// Creates a schedule that is due now.
    pub(crate) async fn define(&self, name: &str, overlap: Overlap) {
        let applied = self.commit(set(&schedule(name, overlap), true, Some(self.now()))).await;
        assert_eq!(applied.result, ChangeResult::Done);
    }

    pub(crate) async fn status(&self, name: &str) -> ScheduleStatus {
        let found = self.store.schedule(&called(name)).await.expect("it reads");
        found.unwrap_or_else(|| panic!("there is no schedule {name}"))
    }

    /// The firing of due runs, as the schedule service decides it; the next time is a minute later.
    pub(crate) async fn firing(&self, name: &str, runs: Vec<(Timestamp, Insert)>) -> Firing {
        let status = self.status(name).await;
        let due = status.next.expect("it is enabled");
        let next = Some(due.plus(60 * SECOND));
        Firing { name: called(name), revision: status.revision, due, runs, missed: None, next }
    }

    /// Fires runs with these ids, each planned for now.
    pub(crate) async fn fire(&self, name: &str, ids: &[&str]) -> Applied {
        let insert = |id: &&str| (self.now(), self.insert(run_of(name, id)));
        let firing = self.firing(name, ids.iter().map(insert).collect()).await;
        self.tell(Change::Fire(firing)).await
    }

    pub(crate) async fn watch(&self, webhook: Webhook) {
        let applied = self.commit(Change::SetWebhook(Arc::new(webhook))).await;
        assert_eq!(applied.result, ChangeResult::Done);
    }

    pub(crate) async fn outbox(&self) -> Vec<OutboxEntry> {
        self.store.outbox(0, 1_000_000).await.expect("it reads")
    }
}
