//! Encodes schedules.

use prost_types::Any;

use crate::clock::Timestamp;
use crate::models::{Labels, Options, Rule, Schedule, ScheduleRun, ScheduleStatus, Task};
use crate::pb;
use crate::server::api::encode::fit;
use crate::server::api::page_token;
use crate::wire::{to_catch_up, to_duration};

/// One schedule, with its runs.
pub(in crate::server::api) fn schedule(status: &ScheduleStatus) -> pb::ScheduleStatus {
    pb::ScheduleStatus { runs: status.runs.iter().rev().map(run).collect(), ..summary(status) }
}

/// The answer to ListSchedules: the schedules that fit into `max_bytes` together; one fits in any
/// case. `more` says that others follow them.
pub(in crate::server::api) fn schedules(
    statuses: &[ScheduleStatus],
    more: bool,
    max_bytes: usize,
) -> pb::ListSchedulesResponse {
    let schedules = fit(statuses, max_bytes, summary);
    let last = schedules.len().checked_sub(1).and_then(|last| statuses.get(last));
    let next = last.filter(|_| more || schedules.len() < statuses.len());
    let next = next.map(|status| page_token::SCHEDULES.encode(&status.schedule.name));
    pb::ListSchedulesResponse { schedules, next_page_token: next.unwrap_or_default() }
}

/// Run times of a schedule.
pub(in crate::server::api) fn times(times: Vec<Timestamp>) -> Vec<prost_types::Timestamp> {
    times.into_iter().map(Into::into).collect()
}

/// A schedule without its runs.
fn summary(status: &ScheduleStatus) -> pb::ScheduleStatus {
    let counts = status.counts;
    pb::ScheduleStatus {
        schedule: Some(definition(&status.schedule, status.enabled)),
        next_run_at: status.next.map(Into::into),
        last_run_at: status.runs.last().map(|run| run.occurrence.into()),
        created_at: Some(status.created_at.into()),
        updated_at: Some(status.updated_at.into()),
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
        occurrence: Some(run.occurrence.into()),
        accepted_at: Some(run.accepted_at.into()),
        task_id: run.task.as_str().into(),
        manual: run.manual,
        ended: ended.map(pb::TaskState::from).unwrap_or_default() as i32,
        ended_at: ended_at.map(Into::into),
    }
}

/// The definition in the form of PutSchedule: putting it again changes nothing.
fn definition(schedule: &Schedule, enabled: bool) -> pb::Schedule {
    let (catch_up, max_catch_up) = to_catch_up(schedule.catch_up);
    pb::Schedule {
        name: schedule.name.as_str().into(),
        description: schedule.description.clone(),
        rule: Some(rule(&schedule.rule)),
        task: Some(task(&schedule.task)),
        overlap: pb::OverlapPolicy::from(schedule.overlap) as i32,
        catch_up: catch_up as i32,
        max_catch_up,
        jitter: (!schedule.jitter.is_zero()).then(|| to_duration(schedule.jitter)),
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
            every: Some(to_duration(*interval)),
            anchor: Some((*anchor).into()),
        }),
    }
}

fn task(task: &Task) -> pb::TaskRequest {
    let Options { queue, priority, timeout, retry, labels, .. } = &task.options;
    let Labels { tags, source_system, correlation_id, .. } =
        labels.as_deref().cloned().unwrap_or_default();
    let retry = pb::RetryPolicy {
        retries: Some(retry.retries),
        base: Some(to_duration(retry.base)),
        multiplier: Some(retry.multiplier),
        max: Some(to_duration(retry.max)),
        jitter: Some(retry.jitter),
    };
    let options = pb::TaskOptions {
        queue: queue.as_str().into(),
        priority: Some(*priority),
        ttl: task.options.expires_at.map(|expires| to_duration(expires.since(task.submitted_at))),
        timeout: Some(to_duration(*timeout)),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::models::{
        CatchUp, Digest, Durability, Name, Overlap, QueueName, RetryPolicy, ScheduleCounts, State,
        TaskId,
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
    fn runs_are_newest_first_and_left_out_of_listings() {
        let encoded = schedule(&status("a"));
        let ids: Vec<(&str, bool, i32)> =
            encoded.runs.iter().map(|run| (&*run.task_id, run.manual, run.ended)).collect();
        assert_eq!(ids, [("2", true, 0), ("1", false, pb::TaskState::Failed as i32)]);
        assert_eq!(encoded.last_run_at, Some(at(2).into()));
        assert_eq!(
            (encoded.executed, encoded.failed, encoded.skipped, encoded.missed),
            (1, 2, 3, 4)
        );
        let listed = schedules(&[status("a")], false, 4 << 20).schedules.remove(0);
        assert_eq!(listed, pb::ScheduleStatus { runs: Vec::new(), ..encoded });
    }

    #[test]
    fn an_encoded_definition_can_be_put_again() {
        let encoded = schedule(&status("a")).schedule;
        let decoded = crate::server::api::decode::schedule(encoded.clone()).unwrap();
        assert_eq!(decoded.enabled, Some(false));
        assert_eq!((decoded.overlap, decoded.catch_up), (Overlap::Replace, CatchUp::All(7)));
        let options = encoded.unwrap().task.unwrap().options.unwrap();
        assert_eq!(options.ttl, Some(prost_types::Duration { seconds: 60, nanos: 0 }));
        assert_eq!(decoded.task.options.unwrap().retries, Some(2));
    }

    #[test]
    fn the_next_page_begins_after_the_last_schedule_of_the_page() {
        let three = ["a", "b", "c"].map(status);
        let check =
            |statuses: &[ScheduleStatus], more, bytes, names: &[&str], next: Option<&str>| {
                let page = schedules(statuses, more, bytes);
                let found: Vec<&str> =
                    page.schedules.iter().map(|s| &*s.schedule.as_ref().unwrap().name).collect();
                assert_eq!(found, names);
                let token = &page.next_page_token;
                let after = page_token::SCHEDULES.decode(token).unwrap();
                assert_eq!(after.as_ref().map(Name::as_str), next);
            };
        check(&three, false, 4 << 20, &["a", "b", "c"], None);
        check(&three, true, 4 << 20, &["a", "b", "c"], Some("c"));
        check(&three, false, 0, &["a"], Some("a"));
        check(&[], false, 0, &[], None);
    }
}
