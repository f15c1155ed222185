//! Schedules: definitions, and their state.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::task::{Columns, id, nanos, read_task, write_task};
use super::{Malformed, state_number, state_of, time};
use crate::clock::Timestamp;
use crate::models::{
    CatchUp, Name, Overlap, QueueName, Rule, Schedule, ScheduleCounts, ScheduleRun,
};
use crate::store::rules::ScheduleState;

/// A definition. The name is a column; the overlap policy is in [`StoredScheduleState`], which is
/// read more often.
#[derive(Clone, PartialEq, Message)]
struct StoredSchedule {
    #[prost(string, tag = "1")]
    description: String,
    #[prost(message, optional, tag = "2")]
    cron: Option<StoredCron>,
    #[prost(message, optional, tag = "3")]
    every: Option<StoredInterval>,
    /// 0: none, 1: the last, 2: up to `catch_up_runs`.
    #[prost(uint32, tag = "4")]
    catch_up: u32,
    #[prost(uint32, tag = "5")]
    catch_up_runs: u32,
    #[prost(uint64, tag = "6")]
    jitter_nanos: u64,
    #[prost(message, optional, tag = "7")]
    task: Option<StoredTemplate>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredCron {
    #[prost(string, tag = "1")]
    expression: String,
    #[prost(string, tag = "2")]
    time_zone: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct StoredInterval {
    #[prost(uint64, tag = "1")]
    interval_nanos: u64,
    #[prost(uint64, tag = "2")]
    anchor: u64,
}

/// The task that runs are made from.
#[derive(Clone, PartialEq, Message)]
struct StoredTemplate {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    method: String,
    #[prost(string, tag = "3")]
    queue: String,
    #[prost(uint64, tag = "4")]
    submitted: u64,
    #[prost(string, optional, tag = "5")]
    parent: Option<String>,
    #[prost(bytes = "vec", tag = "6")]
    request: Vec<u8>,
}

/// The state of a schedule. The name and the next time are columns.
#[derive(Clone, PartialEq, Message)]
struct StoredScheduleState {
    /// 0: allow, 1: skip, 2: replace.
    #[prost(uint32, tag = "1")]
    overlap: u32,
    #[prost(uint64, tag = "2")]
    revision: u64,
    #[prost(bool, tag = "3")]
    enabled: bool,
    #[prost(uint64, tag = "4")]
    created_at: u64,
    #[prost(uint64, tag = "5")]
    updated_at: u64,
    #[prost(message, repeated, tag = "6")]
    runs: Vec<StoredRun>,
    #[prost(uint64, tag = "7")]
    executed: u64,
    #[prost(uint64, tag = "8")]
    failed: u64,
    #[prost(uint64, tag = "9")]
    skipped: u64,
    #[prost(uint64, tag = "10")]
    missed: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredRun {
    #[prost(uint64, tag = "1")]
    occurrence: u64,
    #[prost(uint64, tag = "2")]
    accepted_at: u64,
    #[prost(string, tag = "3")]
    task: String,
    #[prost(bool, tag = "4")]
    manual: bool,
    /// Missing until the run ends.
    #[prost(int64, optional, tag = "5")]
    state: Option<i64>,
    #[prost(uint64, tag = "6")]
    ended_at: u64,
}

pub(in super::super) fn write_schedule(schedule: &Schedule) -> Vec<u8> {
    let (cron, every) = match &schedule.rule {
        Rule::Cron { expression, time_zone } => {
            let (expression, time_zone) = (expression.clone(), time_zone.clone());
            (Some(StoredCron { expression, time_zone }), None)
        }
        Rule::Every { interval, anchor } => {
            let (interval_nanos, anchor) = (nanos(*interval), anchor.as_micros());
            (None, Some(StoredInterval { interval_nanos, anchor }))
        }
    };
    let (catch_up, catch_up_runs) = match schedule.catch_up {
        CatchUp::None => (0, 0),
        CatchUp::Last => (1, 0),
        CatchUp::All(runs) => (2, runs),
    };
    let task = &schedule.task;
    let mut request = Vec::new();
    write_task(task, &mut request);
    let template = StoredTemplate {
        id: task.id.as_str().to_owned(),
        method: task.method.to_string(),
        queue: task.options.queue.as_str().to_owned(),
        submitted: task.submitted_at.as_micros(),
        parent: task.parent.as_ref().map(|parent| parent.as_str().to_owned()),
        request,
    };
    StoredSchedule {
        description: schedule.description.clone(),
        cron,
        every,
        catch_up,
        catch_up_runs,
        jitter_nanos: nanos(schedule.jitter),
        task: Some(template),
    }
    .encode_to_vec()
}

/// Decodes a definition.
///
/// # Errors
/// [`Malformed`].
pub(in super::super) fn read_schedule(
    name: Name,
    overlap: Overlap,
    bytes: &[u8],
) -> Result<Schedule, Malformed> {
    let stored = StoredSchedule::decode(bytes)?;
    let rule = match (stored.cron, stored.every) {
        (Some(StoredCron { expression, time_zone }), None) => Rule::Cron { expression, time_zone },
        (None, Some(every)) => Rule::Every {
            interval: Duration::from_nanos(every.interval_nanos),
            anchor: time(every.anchor)?,
        },
        _ => return Err(Malformed::Wrong("unknown rule")),
    };
    let template = stored.task.ok_or(Malformed::Wrong("missing task"))?;
    let columns = Columns {
        id: &template.id,
        method: template.method.as_str().into(),
        queue: QueueName::parse(&template.queue, "queue")
            .map_err(|_| Malformed::Wrong("invalid queue name"))?,
        submitted: time(template.submitted)?,
        parent: template.parent.as_deref(),
    };
    Ok(Schedule {
        name,
        description: stored.description,
        rule,
        task: Arc::new(read_task(columns, &template.request)?),
        overlap,
        catch_up: match stored.catch_up {
            0 => CatchUp::None,
            1 => CatchUp::Last,
            2 => CatchUp::All(stored.catch_up_runs),
            _ => return Err(Malformed::Wrong("unknown catch-up policy")),
        },
        jitter: Duration::from_nanos(stored.jitter_nanos),
    })
}

pub(in super::super) fn write_schedule_state(schedule_state: &ScheduleState) -> Vec<u8> {
    let run = |run: &ScheduleRun| StoredRun {
        occurrence: run.occurrence.as_micros(),
        accepted_at: run.accepted_at.as_micros(),
        task: run.task.as_str().to_owned(),
        manual: run.manual,
        state: run.ended.map(|(state, _)| state_number(state)),
        ended_at: run.ended.map_or(0, |(_, at)| at.as_micros()),
    };
    StoredScheduleState {
        overlap: match schedule_state.overlap {
            Overlap::Allow => 0,
            Overlap::Skip => 1,
            Overlap::Replace => 2,
        },
        revision: schedule_state.revision,
        enabled: schedule_state.enabled,
        created_at: schedule_state.created_at.as_micros(),
        updated_at: schedule_state.updated_at.as_micros(),
        runs: schedule_state.runs.iter().map(run).collect(),
        executed: schedule_state.counts.executed,
        failed: schedule_state.counts.failed,
        skipped: schedule_state.counts.skipped,
        missed: schedule_state.counts.missed,
    }
    .encode_to_vec()
}

/// Decodes the state of a schedule.
///
/// # Errors
/// [`Malformed`].
pub(in super::super) fn read_schedule_state(
    name: Name,
    next: Option<Timestamp>,
    bytes: &[u8],
) -> Result<ScheduleState, Malformed> {
    let stored = StoredScheduleState::decode(bytes)?;
    Ok(ScheduleState {
        name,
        overlap: match stored.overlap {
            0 => Overlap::Allow,
            1 => Overlap::Skip,
            2 => Overlap::Replace,
            _ => return Err(Malformed::Wrong("unknown overlap policy")),
        },
        revision: stored.revision,
        enabled: stored.enabled,
        next,
        created_at: time(stored.created_at)?,
        updated_at: time(stored.updated_at)?,
        runs: stored.runs.into_iter().map(read_run).collect::<Result<_, _>>()?,
        counts: ScheduleCounts {
            executed: stored.executed,
            failed: stored.failed,
            skipped: stored.skipped,
            missed: stored.missed,
        },
    })
}

fn read_run(stored: StoredRun) -> Result<ScheduleRun, Malformed> {
    let ended = match stored.state {
        None => None,
        Some(state) => {
            let state = state_of(state).ok_or(Malformed::Wrong("unknown state"))?;
            Some((state, time(stored.ended_at)?))
        }
    };
    Ok(ScheduleRun {
        occurrence: time(stored.occurrence)?,
        accepted_at: time(stored.accepted_at)?,
        task: id(&stored.task)?,
        manual: stored.manual,
        ended,
    })
}
