//! Schedules: definitions, runs, listings, overlap policies, refusals.

use std::collections::BTreeSet;

use task_scheduler::pb;
use task_scheduler::pb::TaskState;
use tonic::{Code, Response};

use crate::client::{Answer, Client, NOTHING, Refused, an_hour, ms, task, with};
use crate::server::{Server, with_methods};
use crate::waiting::{eventually, soon};

/// A client for schedules.
pub(crate) struct Schedules(Client);

impl Schedules {
    pub(crate) async fn of(server: &Server) -> Self {
        Self(server.client().await)
    }

    async fn put(&self, schedule: pb::Schedule) -> Answer<pb::PutScheduleResponse> {
        let request = pb::PutScheduleRequest { schedule: Some(schedule) };
        soon(self.0.rpc().put_schedule(request)).await.map(Response::into_inner)
    }

    async fn get(&self, name: &str) -> Answer<pb::GetScheduleResponse> {
        let request = pb::GetScheduleRequest { name: name.into() };
        soon(self.0.rpc().get_schedule(request)).await.map(Response::into_inner)
    }

    /// The status of a schedule that exists.
    pub(crate) async fn status(&self, name: &str) -> pb::ScheduleStatus {
        self.get(name).await.unwrap().schedule.expect("the answer has a schedule")
    }

    async fn list(&self, page_size: u32, token: &str) -> pb::ListSchedulesResponse {
        let request = pb::ListSchedulesRequest { page_size, page_token: token.into() };
        soon(self.0.rpc().list_schedules(request)).await.unwrap().into_inner()
    }

    async fn enable(&self, name: &str) -> Answer<Option<pb::ScheduleStatus>> {
        let request = pb::EnableScheduleRequest { name: name.into() };
        Ok(soon(self.0.rpc().enable_schedule(request)).await?.into_inner().schedule)
    }

    async fn disable(&self, name: &str) -> Answer<Option<pb::ScheduleStatus>> {
        let request = pb::DisableScheduleRequest { name: name.into() };
        Ok(soon(self.0.rpc().disable_schedule(request)).await?.into_inner().schedule)
    }

    async fn trigger(&self, name: &str) -> Answer<String> {
        let request = pb::TriggerScheduleRequest { name: name.into() };
        Ok(soon(self.0.rpc().trigger_schedule(request)).await?.into_inner().task_id)
    }

    async fn delete(&self, name: &str) -> Answer<()> {
        let request = pb::DeleteScheduleRequest { name: name.into() };
        soon(self.0.rpc().delete_schedule(request)).await.map(drop)
    }

    async fn preview(
        &self,
        schedule: Option<pb::Schedule>,
        after: Option<i64>,
        count: u32,
    ) -> Answer<Vec<i64>> {
        let after = after.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 });
        let request = pb::PreviewScheduleRequest { schedule, after, count };
        let answer = soon(self.0.rpc().preview_schedule(request)).await?.into_inner();
        Ok(answer.next_times.iter().map(|time| time.seconds).collect())
    }

    /// Waits until the schedule's status satisfies `so`.
    async fn once(
        &self,
        name: &str,
        what: &str,
        so: impl Fn(&pb::ScheduleStatus) -> bool,
    ) -> pb::ScheduleStatus {
        eventually(&format!("{name} {what}"), async || {
            let status = self.status(name).await;
            so(&status).then_some(status)
        })
        .await
    }
}

/// A schedule that runs every second.
fn every_second(name: &str, task: pb::TaskRequest) -> pb::Schedule {
    pb::Schedule {
        name: name.into(),
        rule: Some(pb::schedule::Rule::Interval(pb::IntervalRule {
            every: ms(1_000),
            anchor: None,
        })),
        task: Some(task),
        ..Default::default()
    }
}

/// A schedule that does not run during a test.
fn yearly(name: &str) -> pb::Schedule {
    pb::Schedule {
        rule: cron("0 0 29 2 *", "Europe/Berlin"),
        ..every_second(name, task("ping", NOTHING))
    }
}

fn cron(expression: &str, time_zone: &str) -> Option<pb::schedule::Rule> {
    let (expression, time_zone) = (expression.into(), time_zone.into());
    Some(pb::schedule::Rule::Cron(pb::CronRule { expression, time_zone }))
}

#[tokio::test]
async fn a_schedule_runs_at_its_times_and_keeps_its_runs() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    let write = task("write", [server.path("ledger"), "ran".into()]);
    let put = schedules.put(every_second("beat", write)).await.unwrap();
    let seconds: Vec<i64> = put.next_times.iter().map(|time| time.seconds).collect();
    assert_eq!(seconds.len(), 5);
    assert!(seconds.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seconds:?}");

    let ended = |status: &pb::ScheduleStatus| status.runs.iter().all(|run| run.ended_at.is_some());
    let status = schedules
        .once("beat", "has run twice", |status| status.executed >= 2 && ended(status))
        .await;
    assert!(server.ledger("ledger").len() >= 2);
    assert_eq!(status.runs.len() as u64, status.executed);
    let mut expected = seconds[0];
    for run in status.runs.iter().rev() {
        let occurrence = run.occurrence.unwrap();
        assert_eq!(occurrence, prost_types::Timestamp { seconds: expected, nanos: 0 });
        assert_eq!(run.ended(), TaskState::Succeeded);
        assert!(!run.manual && run.accepted_at.unwrap().seconds >= expected);
        assert_eq!(run.task_id, format!("schedule/beat/{occurrence}"));
        expected += 1;
    }
    assert_eq!(status.last_run_at, status.runs[0].occurrence);
    assert!(status.next_run_at.unwrap().seconds >= expected);
    assert_eq!((status.failed, status.skipped), (0, 0));

    let ran = schedules.0.task(&status.runs[0].task_id).await.unwrap();
    assert_eq!(ran.initiator, "schedule/beat");
    assert_eq!(ran.reason, format!("the occurrence at {}", status.runs[0].occurrence.unwrap()));
}

#[tokio::test]
async fn a_returned_definition_can_be_put_again_unchanged() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    let work = with(task("add", [1, 2]), |o| {
        o.queue = "night".into();
        (o.priority, o.ttl, o.timeout) = (Some(-4), an_hour(), ms(1_500));
        o.retry = crate::client::retries(2);
        o.tags = vec!["a".into()];
        (o.source_system, o.correlation_id) = ("shop".into(), "c-1".into());
        o.concurrency_key = "one".into();
    });
    let defined = pb::Schedule {
        description: "what it is for".into(),
        overlap: pb::OverlapPolicy::Allow.into(),
        catch_up: pb::CatchUpPolicy::All.into(),
        max_catch_up: 12,
        jitter: ms(250),
        disabled: true,
        ..every_second("night", work)
    };
    let put = schedules.put(defined.clone()).await.unwrap();
    assert_eq!(put.next_times, [], "the schedule is disabled");
    let returned = put.schedule.unwrap().schedule.unwrap();
    let (mut sent, mut got) = (defined.clone(), returned.clone());
    // The server fills in the anchor and the default retries.
    (sent.rule, got.rule) = (None, None);
    let retry = got.task.as_mut().unwrap().options.as_mut().unwrap();
    retry.retry = crate::client::retries(2);
    (retry.durability, retry.on_dependency_failure) = (0, 0);
    assert_eq!(got, sent);
    let Some(pb::schedule::Rule::Interval(interval)) = &returned.rule else {
        panic!("{returned:?}")
    };
    assert!(interval.anchor.is_some() && interval.every == ms(1_000));

    let again = schedules.put(returned.clone()).await.unwrap().schedule.unwrap();
    assert_eq!(again.schedule, Some(returned.clone()));
    // Without an anchor, the schedule keeps its own.
    let again = schedules.put(defined).await.unwrap().schedule.unwrap();
    assert_eq!(again.schedule.unwrap().rule, returned.rule);
}

#[tokio::test]
async fn a_new_definition_replaces_the_old_one_and_keeps_its_history() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    schedules.put(every_second("s", task("ping", NOTHING))).await.unwrap();
    let before = schedules.once("s", "has run", |status| status.executed >= 1).await;
    let after = schedules.put(yearly("s")).await.unwrap().schedule.unwrap();
    assert_eq!(after.created_at, before.created_at);
    assert!(after.executed >= before.executed);
    let ids = |status: &pb::ScheduleStatus| -> BTreeSet<String> {
        status.runs.iter().map(|run| run.task_id.clone()).collect()
    };
    assert!(ids(&after).is_superset(&ids(&before)), "{after:?}");
    assert_eq!(after.schedule.unwrap().rule, yearly("s").rule);
    assert!(after.next_run_at.unwrap().seconds % 86_400 == 82_800, "midnight in Berlin");
}

#[tokio::test]
async fn a_disabled_schedule_runs_only_manually() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    schedules.put(yearly("s")).await.unwrap();
    let status = schedules.disable("s").await.unwrap().unwrap();
    assert_eq!((status.next_run_at, status.schedule.unwrap().disabled), (None, true));
    assert!(schedules.get("s").await.unwrap().next_times.is_empty());

    let run = schedules.trigger("s").await.unwrap();
    assert!(run.starts_with("schedule/s/manual/"), "{run}");
    schedules.0.once(&run, TaskState::Succeeded).await;
    let ended = |status: &pb::ScheduleStatus| status.runs[0].ended() == TaskState::Succeeded;
    let status = schedules.once("s", "knows how its run ended", ended).await;
    assert!(status.runs[0].manual && status.runs[0].task_id == run);
    assert_ne!(schedules.trigger("s").await.unwrap(), run);

    let status = schedules.enable("s").await.unwrap().unwrap();
    assert!(status.next_run_at.is_some() && !status.schedule.clone().unwrap().disabled);
    assert_eq!(schedules.enable("s").await.unwrap().unwrap().next_run_at, status.next_run_at);
}

#[tokio::test]
async fn tasks_of_a_deleted_schedule_continue() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    let wait = task("wait", [server.path("gate")]);
    schedules.put(every_second("s", wait)).await.unwrap();
    let run = schedules.once("s", "runs", |status| status.executed == 1).await.runs.remove(0);
    schedules.0.once(&run.task_id, TaskState::Running).await;
    schedules.delete("s").await.unwrap();
    let unknown = Refused::new(Code::NotFound, "SCHEDULE_NOT_FOUND", "no schedule s is known");
    assert_eq!(Refused::from(schedules.get("s").await.unwrap_err()), unknown);
    assert_eq!(Refused::from(schedules.delete("s").await.unwrap_err()), unknown);
    assert_eq!(Refused::from(schedules.trigger("s").await.unwrap_err()), unknown);
    assert_eq!(Refused::from(schedules.enable("s").await.unwrap_err()), unknown);
    assert_eq!(Refused::from(schedules.disable("s").await.unwrap_err()), unknown);
    server.open_gate("gate");
    schedules.0.once(&run.task_id, TaskState::Succeeded).await;
    // The name is free, and a new schedule starts without history.
    let anew = schedules.put(yearly("s")).await.unwrap().schedule.unwrap();
    assert_eq!((anew.executed, anew.runs.len()), (0, 0));
}

#[tokio::test]
async fn schedules_are_listed_by_name_in_pages() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    for name in ["d", "b", "a", "e", "c"] {
        schedules.put(yearly(name)).await.unwrap();
    }
    let (mut names, mut token) = (Vec::new(), String::new());
    for expected in [2, 2, 1] {
        let page = schedules.list(2, &token).await;
        assert_eq!(page.schedules.len(), expected);
        names.extend(page.schedules.iter().map(|s| s.schedule.as_ref().unwrap().name.clone()));
        token = page.next_page_token;
    }
    assert_eq!((names.concat(), &*token), ("abcde".into(), ""));
    let whole = schedules.list(5, "").await;
    assert_eq!((whole.schedules.len(), &*whole.next_page_token), (5, ""));
    let request = pb::ListSchedulesRequest { page_size: 0, page_token: "forged".into() };
    let refused = schedules.0.rpc().list_schedules(request).await.unwrap_err();
    assert_eq!(Refused::from(refused).fields, ["page_token"]);
}

#[tokio::test]
async fn overlapping_runs_are_skipped_allowed_or_replace_the_previous_one() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    let put = async |name: &str, overlap: pb::OverlapPolicy| {
        let wait = task("wait_until_cancelled", [server.path(name)]);
        let schedule = pb::Schedule { overlap: overlap.into(), ..every_second(name, wait) };
        schedules.put(schedule).await.unwrap();
    };
    put("skip", pb::OverlapPolicy::Unspecified).await;
    put("allow", pb::OverlapPolicy::Allow).await;
    put("replace", pb::OverlapPolicy::Replace).await;

    let skipping = schedules.once("skip", "has left out two", |status| status.skipped >= 2).await;
    assert_eq!((skipping.executed, skipping.runs.len()), (1, 1));
    server.open_gate("skip");
    schedules.once("skip", "has run twice", |status| status.executed >= 2).await;

    let allowed = schedules.once("allow", "has run twice", |status| status.executed >= 2).await;
    for run in &allowed.runs {
        schedules.0.once(&run.task_id, TaskState::Running).await;
    }
    assert_eq!(allowed.skipped, 0);

    let replaced = schedules
        .once("replace", "has been replaced", |status| {
            status.runs.iter().any(|run| run.ended() == TaskState::Cancelled)
        })
        .await;
    assert!(replaced.executed >= 2 && replaced.skipped == 0);
    let going_on = replaced.runs.iter().filter(|run| run.ended_at.is_none()).count();
    assert!(going_on <= 2, "{replaced:?}");
}

#[tokio::test]
async fn failed_runs_are_counted_and_do_not_stop_the_schedule() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    schedules.put(every_second("s", task("fail_permanently", NOTHING))).await.unwrap();
    let status = schedules.once("s", "has failed twice", |status| status.failed >= 2).await;
    assert!(status.executed >= 2);
    let failed = status.runs.iter().filter(|run| run.ended() == TaskState::Failed).count();
    assert!(failed >= 2, "{status:?}");
}

#[tokio::test]
async fn jitter_moves_the_start_and_not_the_occurrence() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    let spread = pb::Schedule { jitter: an_hour(), ..every_second("s", task("ping", NOTHING)) };
    let overlapping = pb::Schedule { overlap: pb::OverlapPolicy::Allow.into(), ..spread };
    schedules.put(overlapping).await.unwrap();
    let status = schedules.once("s", "has three runs", |status| status.executed >= 3).await;
    let mut waits = BTreeSet::new();
    for run in &status.runs {
        let task = schedules.0.task(&run.task_id).await.unwrap();
        let start = task.run_at.expect("an hour is long").seconds;
        let wait = start - run.occurrence.unwrap().seconds;
        assert!((0..=3_600).contains(&wait), "{wait} s");
        waits.insert(wait);
    }
    assert!(waits.len() > 1, "{waits:?}");
}

#[tokio::test]
async fn a_preview_stores_nothing_and_shows_daylight_saving_gaps() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    let nightly = pb::Schedule { rule: cron("30 2 * * *", "Europe/Berlin"), ..yearly("s") };
    // Clocks go forward at 2027-03-28T01:00:00Z: there is no 02:30.
    let times = schedules.preview(Some(nightly.clone()), Some(1_806_100_000), 3).await.unwrap();
    assert_eq!(times, [1_806_111_000, 1_806_195_600, 1_806_280_200]);
    assert_eq!(schedules.preview(Some(nightly.clone()), None, 0).await.unwrap().len(), 5);
    assert_eq!(schedules.preview(Some(nightly.clone()), None, 100).await.unwrap().len(), 100);
    let refused = schedules.preview(Some(nightly), None, 101).await.unwrap_err();
    assert_eq!(
        Refused::from(refused),
        Refused::invalid("count", "101 times; at most 100 are accepted")
    );
    assert_eq!(schedules.list(0, "").await, pb::ListSchedulesResponse::default());
}

#[tokio::test]
async fn a_refusal_names_the_invalid_field_of_a_definition() {
    let server = with_methods();
    let schedules = Schedules::of(&server).await;
    let check = async |change: &dyn Fn(&mut pb::Schedule), field: &str, why: &str| {
        let mut schedule = yearly("s");
        change(&mut schedule);
        let put = schedules.put(schedule.clone()).await.unwrap_err();
        assert_eq!(Refused::from(put), Refused::invalid(field, why));
        let previewed = schedules.preview(Some(schedule), None, 0).await.unwrap_err();
        assert_eq!(Refused::from(previewed), Refused::invalid(field, why));
    };
    let name = "\"a b\" is no name; expected 1 to 80 letters, digits, `_`, `-` or `.`";
    check(&|s| s.name = "a b".into(), "schedule.name", name).await;
    check(&|s| s.rule = None, "schedule.rule", "not set; expected `cron` or `interval`").await;
    check(&|s| s.task = None, "schedule.task", "not set; expected a task").await;
    check(
        &|s| s.rule = cron("0 0 31 2 *", ""),
        "schedule.cron.expression",
        "\"0 0 31 2 *\" has no future occurrence; expected a rule that runs some day",
    )
    .await;
    check(
        &|s| s.rule = cron("* * *", ""),
        "schedule.cron.expression",
        "\"* * *\": 3 fields; expected minute, hour, day of month, month and day of week, optionally second before them",
    )
    .await;
    check(
        &|s| s.rule = cron("@daily", "Europe/Berln"),
        "schedule.cron.time_zone",
        "unknown time zone \"Europe/Berln\"; did you mean Europe/Berlin?",
    )
    .await;
    let interval =
        |every| Some(pb::schedule::Rule::Interval(pb::IntervalRule { every, anchor: None }));
    check(
        &|s| s.rule = interval(ms(0)),
        "schedule.interval.every",
        "0ns; expected 1 s to 366 days",
    )
    .await;
    check(
        &|s| s.rule = interval(ms(367 * 86_400_000)),
        "schedule.interval.every",
        "31708800s; expected 1 s to 366 days",
    )
    .await;
    check(
        &|s| s.description = "x".repeat(1_025),
        "schedule.description",
        "1025 bytes long; at most 1024 are accepted",
    )
    .await;
    check(
        &|s| {
            s.overlap = pb::OverlapPolicy::Allow.into();
            (s.catch_up, s.max_catch_up) = (pb::CatchUpPolicy::All.into(), 1_001);
        },
        "schedule.max_catch_up",
        "1001; expected 1 to 1000",
    )
    .await;
    check(
        &|s| s.catch_up = pb::CatchUpPolicy::All.into(),
        "schedule.catch_up",
        "all needs `overlap: allow`: missed runs start at once, and `skip` drops all but the \
         first",
    )
    .await;
    check(
        &|s| s.overlap = 9,
        "schedule.overlap",
        "9 has no meaning; expected ALLOW (1), SKIP (2) or REPLACE (3)",
    )
    .await;
    check(
        &|s| s.jitter = ms(367 * 86_400_000),
        "schedule.jitter",
        "31708800s; at most 366 days are accepted",
    )
    .await;

    // Options that a run cannot have; the messages are those of SubmitTask.
    let refused = async |change: &dyn Fn(&mut pb::TaskRequest)| {
        let mut schedule = yearly("s");
        change(schedule.task.as_mut().unwrap());
        Refused::from(schedules.put(schedule).await.unwrap_err())
    };
    type Change = fn(&mut pb::TaskRequest);
    fn of(task: &mut pb::TaskRequest) -> &mut pb::TaskOptions {
        task.options.get_or_insert_default()
    }
    let rows: [(Change, &str); 7] = [
        (|t| t.task_id = "mine".into(), "task_id"),
        (|t| t.deps = vec!["other".into()], "deps"),
        (|t| of(t).delay = ms(5), "options.delay"),
        (
            |t| of(t).unique = Some(pb::Unique { key: "k".into(), ..Default::default() }),
            "options.unique",
        ),
        (|t| of(t).durability = pb::Durability::Ephemeral.into(), "options.durability"),
        (|t| of(t).timeout = ms(0), "options.timeout"),
        (|t| of(t).queue = "a b".into(), "options.queue"),
    ];
    for (change, field) in rows {
        let refused = refused(&change).await;
        assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
        assert_eq!(refused.fields, [format!("schedule.task.{field}")], "{refused:?}");
    }
    let unknown = refused(&|task| task.method = "nope".into()).await;
    assert_eq!((unknown.code, &*unknown.reason), (Code::NotFound, "METHOD_NOT_FOUND"));
    assert_eq!(schedules.list(0, "").await, pb::ListSchedulesResponse::default());
}
