//! How schedules stand.

use std::time::Duration;

use prost::Message as _;
use prost_types::Any;

use crate::clock::Timestamp;
use crate::models::{
    CatchUp, Labels, Options, Overlap, Rule, Schedule, ScheduleRun, ScheduleStatus, Task,
};
use crate::pb;
use crate::server::api::encode::{stamp, state};
use crate::server::api::page_token;

/// What stands around one schedule in a page: the field's number and the length.
const FIELD_HEAD_BYTES: usize = 8;
/// Room for the token of the next page.
const MAX_TOKEN_ROOM: usize = 256;

/// One schedule, with its runs.
pub(in crate::server::api) fn schedule(status: &ScheduleStatus) -> pb::ScheduleStatus {
    pb::ScheduleStatus { runs: status.runs.iter().rev().map(run).collect(), ..summary(status) }
}

/// To ListSchedules: as many as fit in so many bytes, at least one if there is one. `more` says that
/// others come after them.
pub(in crate::server::api) fn schedules(
    statuses: &[ScheduleStatus],
    more: bool,
    max_bytes: usize,
) -> pb::ListSchedulesResponse {
    let mut room = max_bytes.saturating_sub(MAX_TOKEN_ROOM);
    let mut schedules: Vec<pb::ScheduleStatus> = Vec::with_capacity(statuses.len());
    for status in statuses {
        let told = summary(status);
        let bytes = told.encoded_len() + FIELD_HEAD_BYTES;
        if bytes > room && !schedules.is_empty() {
            break;
        }
        room = room.saturating_sub(bytes);
        schedules.push(told);
    }
    let last = schedules.len().checked_sub(1).and_then(|last| statuses.get(last));
    let next = last.filter(|_| more || schedules.len() < statuses.len());
    let next = next.map(|status| page_token::write_name(&status.schedule.name));
    pb::ListSchedulesResponse { schedules, next_page_token: next.unwrap_or_default() }
}

/// Times at which a schedule runs.
pub(in crate::server::api) fn times(times: Vec<Timestamp>) -> Vec<prost_types::Timestamp> {
    times.into_iter().map(stamp).collect()
}

/// All but the runs.
fn summary(status: &ScheduleStatus) -> pb::ScheduleStatus {
    let counts = status.counts;
    pb::ScheduleStatus {
        schedule: Some(definition(&status.schedule, status.enabled)),
        next_run_at: status.next.map(stamp),
        last_run_at: status.runs.last().map(|run| stamp(run.occurrence)),
        created_at: Some(stamp(status.created_at)),
        updated_at: Some(stamp(status.updated_at)),
        runs: Vec::new(),
        executed: counts.executed,
        failed: counts.failed,
        skipped: counts.skipped,
        missed: counts.missed,
    }
}

fn run(run: &ScheduleRun) -> pb::ScheduleRun {
    let (ended, ended_at) = run.ended.unzip();
    pb::ScheduleRun {
        occurrence: Some(stamp(run.occurrence)),
        accepted_at: Some(stamp(run.accepted_at)),
        task_id: run.task.as_str().into(),
        manual: run.manual,
        ended: ended.map_or(pb::TaskState::Unspecified, state) as i32,
        ended_at: ended_at.map(stamp),
    }
}

/// As PutSchedule takes it: put again, it changes nothing.
fn definition(schedule: &Schedule, enabled: bool) -> pb::Schedule {
    let (catch_up, max_catch_up) = match schedule.catch_up {
        CatchUp::None => (pb::CatchUpPolicy::None, 0),
        CatchUp::Last => (pb::CatchUpPolicy::Last, 0),
        CatchUp::All(most) => (pb::CatchUpPolicy::All, most),
    };
    let overlap = match schedule.overlap {
        Overlap::Allow => pb::OverlapPolicy::Allow,
        Overlap::Skip => pb::OverlapPolicy::Skip,
        Overlap::Replace => pb::OverlapPolicy::Replace,
    };
    pb::Schedule {
        name: schedule.name.as_str().into(),
        description: schedule.description.clone(),
        rule: Some(rule(&schedule.rule)),
        task: Some(task(&schedule.task)),
        overlap: overlap as i32,
        catch_up: catch_up as i32,
        max_catch_up,
        jitter: (!schedule.jitter.is_zero()).then(|| span(schedule.jitter)),
        disabled: !enabled,
    }
}

fn rule(rule: &Rule) -> pb::schedule::Rule {
    match rule {
        Rule::Cron { expression, time_zone } => pb::schedule::Rule::Cron(pb::CronRule {
            expression: expression.clone(),
            time_zone: time_zone.clone(),
        }),
        Rule::Every { interval, anchor } => pb::schedule::Rule::Interval(pb::IntervalRule {
            every: Some(span(*interval)),
            anchor: Some(stamp(*anchor)),
        }),
    }
}

fn task(task: &Task) -> pb::TaskRequest {
    let Options { queue, priority, timeout, retry, labels, .. } = &task.options;
    let Labels { tags, source_system, correlation_id, .. } =
        labels.as_deref().cloned().unwrap_or_default();
    let retry = pb::RetryPolicy {
        retries: Some(retry.retries),
        base: Some(span(retry.base)),
        multiplier: Some(retry.multiplier),
        max: Some(span(retry.max)),
        jitter: Some(retry.jitter),
    };
    let options = pb::TaskOptions {
        queue: queue.as_str().into(),
        priority: Some(*priority),
        ttl: task.options.expires_at.map(|expires| span(expires.since(task.submitted_at))),
        timeout: Some(span(*timeout)),
        retry: Some(retry),
        tags,
        durability: pb::Durability::Durable as i32,
        source_system,
        correlation_id,
        concurrency_key: task.options.concurrency_key().unwrap_or_default().into(),
        ..Default::default()
    };
    pb::TaskRequest {
        method: task.method.as_ref().into(),
        args: task.args.iter().map(Any::from).collect(),
        options: Some(options),
        ..Default::default()
    }
}

fn span(length: Duration) -> prost_types::Duration {
    length.try_into().expect("what was accepted is far less than 10,000 years")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::models::{
        Digest, Durability, Name, QueueName, RetryPolicy, ScheduleCounts, State, TaskId,
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    fn status(name: &str) -> ScheduleStatus {
        let options = Options {
            queue: QueueName::default(),
            priority: 3,
            run_at: None,
            expires_at: Some(at(160)),
            timeout: Duration::from_secs(1),
            retry: RetryPolicy::with_retries(2),
            durability: Durability::Durable,
            wait_for_dependencies: false,
            on_dependency_failure: Default::default(),
            labels: None,
            keys: None,
        };
        let task = Task {
            id: TaskId::parse("template", "x").unwrap(),
            method: "add".into(),
            digest: Digest::of("add", &[], &[]),
            args: vec![1.into()],
            deps: Vec::new(),
            submitted_at: at(100),
            parent: None,
            options,
        };
        let run = |number: u64, ended| ScheduleRun {
            occurrence: at(number),
            accepted_at: at(number + 1),
            task: TaskId::parse(&number.to_string(), "x").unwrap(),
            manual: number == 2,
            ended,
        };
        ScheduleStatus {
            schedule: Arc::new(Schedule {
                name: Name::parse(name, "name").unwrap(),
                description: "why".into(),
                rule: Rule::Every { interval: Duration::from_secs(9), anchor: at(3) },
                task: Arc::new(task),
                overlap: Overlap::Replace,
                catch_up: CatchUp::All(7),
                jitter: Duration::from_millis(5),
            }),
            revision: 1,
            enabled: false,
            next: None,
            created_at: at(1),
            updated_at: at(2),
            runs: vec![run(1, Some((State::Failed, at(4)))), run(2, None)],
            counts: ScheduleCounts { executed: 1, failed: 2, skipped: 3, missed: 4 },
        }
    }

    #[test]
    fn runs_are_told_newest_first_and_only_of_one_schedule() {
        let told = schedule(&status("a"));
        let ids: Vec<(&str, bool, i32)> =
            told.runs.iter().map(|run| (&*run.task_id, run.manual, run.ended)).collect();
        assert_eq!(ids, [("2", true, 0), ("1", false, pb::TaskState::Failed as i32)]);
        assert_eq!(told.last_run_at, Some(stamp(at(2))));
        assert_eq!((told.executed, told.failed, told.skipped, told.missed), (1, 2, 3, 4));
        let listed = schedules(&[status("a")], false, 4 << 20).schedules.remove(0);
        assert_eq!(listed, pb::ScheduleStatus { runs: Vec::new(), ..told });
    }

    #[test]
    fn a_definition_that_is_told_can_be_put_as_it_is() {
        let told = schedule(&status("a")).schedule;
        let asked = crate::server::api::decode::schedule(told.clone()).unwrap();
        assert_eq!(asked.enabled, Some(false));
        assert_eq!((asked.overlap, asked.catch_up), (Overlap::Replace, CatchUp::All(7)));
        let options = told.unwrap().task.unwrap().options.unwrap();
        assert_eq!(options.ttl, Some(prost_types::Duration { seconds: 60, nanos: 0 }));
        assert_eq!(asked.task.options.unwrap().retries, Some(2));
    }

    #[test]
    fn a_page_goes_on_after_its_last_schedule_if_there_is_more() {
        let three = ["a", "b", "c"].map(status);
        let check =
            |statuses: &[ScheduleStatus], more, bytes, names: &[&str], next: Option<&str>| {
                let page = schedules(statuses, more, bytes);
                let told: Vec<&str> =
                    page.schedules.iter().map(|s| &*s.schedule.as_ref().unwrap().name).collect();
                assert_eq!(told, names);
                let token = &page.next_page_token;
                let after = (!token.is_empty()).then(|| page_token::read_name(token).unwrap());
                assert_eq!(after.as_ref().map(Name::as_str), next);
            };
        check(&three, false, 4 << 20, &["a", "b", "c"], None);
        check(&three, true, 4 << 20, &["a", "b", "c"], Some("c"));
        check(&three, false, 0, &["a"], Some("a"));
        check(&[], false, 0, &[], None);
    }
}
