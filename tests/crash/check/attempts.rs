//! Rules about attempts: their numbers, the checkpoints that they load, and the writes that they
//! may make.

use super::history::{History, Start, TaskHistory};
use super::{TaskStatus, TaskStatuses};
use crate::ledger::{Expected, HandlerResult, ProcessExit};

pub(super) fn checkpoints_never_go_back(history: &History<'_>, findings: &mut Vec<String>) {
    for (id, task) in &history.tasks {
        for start in &task.starts {
            let before = || task.saves.iter().filter(|save| save.position < start.position);
            let least = before().filter(|save| save.acknowledged).map(|save| save.value).max();
            let most = before().map(|save| save.value).max().unwrap_or(0);
            if start.found < least.unwrap_or(0) || start.found > most {
                let found = start.found;
                findings.push(format!(
                    "{id} finds the checkpoint {found} under {}, after {least:?} to {most} were saved",
                    start.fence
                ));
            }
        }
    }
}

/// A write that began after a later claim or after the outcome was reported must not be
/// acknowledged.
pub(super) fn stale_writes_are_refused(history: &History<'_>, findings: &mut Vec<String>) {
    for (id, task) in &history.tasks {
        let over = |position, fence| {
            task.starts.iter().any(|later| later.position < position && later.fence > fence)
                || task.outcomes.iter().any(|(outcome, _)| *outcome < position)
        };
        for save in task.saves.iter().filter(|save| save.acknowledged) {
            let first = task.saves.iter().find(|first| {
                !first.acknowledged && (first.fence, first.value) == (save.fence, save.value)
            });
            if first.is_none_or(|first| over(first.position, save.fence)) {
                let (value, fence) = (save.value, save.fence);
                findings.push(format!("{id} saves {value} under {fence}, which is stale"));
            }
        }
        for spawn in task.spawns.iter().filter(|spawn| spawn.acknowledged) {
            let first = task.spawns.iter().find(|first| {
                !first.acknowledged && (first.fence, first.child) == (spawn.fence, spawn.child)
            });
            if first.is_none_or(|first| over(first.position, spawn.fence)) {
                let (child, fence) = (spawn.child, spawn.fence);
                findings.push(format!("{id} spawns {child} under {fence}, which is stale"));
            }
        }
    }
}

pub(super) fn attempts_are_numbered_one_by_one(history: &History<'_>, findings: &mut Vec<String>) {
    for (id, task) in &history.tasks {
        if task.starts.first().is_some_and(|first| first.attempt != 1) && !may_time_out(task) {
            findings.push(format!("{id} begins with attempt {}", task.starts[0].attempt));
        }
        for pair in task.starts.windows(2) {
            let [before, after] = [pair[0], pair[1]];
            let how = task.end_of(before.fence).map(|end| end.how);
            let sound = match after.attempt.checked_sub(before.attempt) {
                // The process crashed, or the handler snoozed.
                Some(0) => {
                    how == Some(HandlerResult::Snoozed)
                        || history.exits_between(before.position, after.position).next().is_some()
                }
                Some(1) => how == Some(HandlerResult::Failed) || may_time_out(task),
                Some(_) => may_time_out(task),
                None => false,
            };
            if !sound {
                findings.push(format!(
                    "{id}: after attempt {} ({}, {how:?}) comes attempt {} ({})",
                    before.attempt, before.fence, after.attempt, after.fence
                ));
            }
        }
    }
}

/// Its attempts may end without a result of the handler, or before the handler writes its start.
fn may_time_out(task: &TaskHistory<'_>) -> bool {
    task.expected() == Expected::SucceededOrTimedOut
}

pub(super) fn attempts_and_rescues_are_counted_separately(
    history: &History<'_>,
    statuses: &TaskStatuses,
    findings: &mut Vec<String>,
) {
    for (id, task) in &history.tasks {
        let Some(TaskStatus { outcome: Some(last), attempts, rescues }) = statuses.get(*id) else {
            continue;
        };
        let most = task.requested.map_or(u32::MAX, |requested| requested.retries + 1);
        if *attempts > most {
            findings.push(format!("{id} had {attempts} attempts; the limit is {most}"));
        }
        let latest = task.starts.last().map_or(0, |start| start.attempt);
        if last.fence().is_some() && *attempts != latest {
            findings.push(format!("{id} counts {attempts} attempts; the last was {latest}"));
        }
        let (least, most) = rescues_within(history, task);
        let counted = *rescues as usize;
        if counted < least || counted > most {
            findings.push(format!("{id} counts {counted} rescues; there were {least} to {most}"));
        }
    }
}

/// How many rescues after a kill are certain, and how many are possible.
fn rescues_within(history: &History<'_>, task: &TaskHistory<'_>) -> (usize, usize) {
    let requested = task.requested.map_or(0, |requested| requested.position);
    let acknowledged = task.acknowledged.unwrap_or(usize::MAX);
    let sure = |pair: &&[Start]| {
        let [before, after] = [pair[0], pair[1]];
        let mut exits = history.exits_between(before.position, after.position);
        before.position > acknowledged
            && before.attempt == after.attempt
            && task.end_of(before.fence).is_none()
            && (exits.next(), exits.next()) == (Some(ProcessExit::Killed), None)
    };
    (task.starts.windows(2).filter(sure).count(), history.kills_after(requested))
}
