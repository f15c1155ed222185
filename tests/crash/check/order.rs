//! Rules about order: fences, claims and outcomes, parents and dependants, start times.

use std::collections::BTreeMap;

use task_scheduler::models::{Fence, State};

use super::history::{History, TaskHistory};
use super::{TaskStatus, TaskStatuses};
use crate::ledger::{Condition, Entry, HandlerResult};

/// Most difference between the clocks of two processes on one machine.
const CLOCK_SLACK_MS: u64 = 5;

pub(super) fn fences_are_used_once_and_grow(
    history: &History<'_>,
    entries: &[Entry],
    findings: &mut Vec<String>,
) {
    let mut users: BTreeMap<Fence, &str> = BTreeMap::new();
    let mut past = 0;
    let mut present = 0;
    for entry in entries {
        match entry {
            Entry::Start { id, fence, .. } => {
                if let Some(other) = users.insert(*fence, id) {
                    findings.push(format!("{id} starts under {fence}, as {other} did"));
                }
                if fence.epoch <= past {
                    findings.push(format!("{id} starts under {fence}, of an earlier process"));
                }
                present = present.max(fence.epoch);
            }
            Entry::Exited { .. } => past = present,
            _ => {}
        }
    }
    for (id, task) in &history.tasks {
        for pair in task.starts.windows(2) {
            if pair[1].fence <= pair[0].fence {
                let (first, then) = (pair[0].fence, pair[1].fence);
                findings.push(format!("{id} starts under {first} and then under {then}"));
            }
        }
    }
}

/// A start after the commit of an outcome would have a later claim than the outcome.
pub(super) fn the_outcome_is_that_of_the_last_claim(
    history: &History<'_>,
    statuses: &TaskStatuses,
    findings: &mut Vec<String>,
) {
    for (id, task) in &history.tasks {
        let Some(TaskStatus { outcome: Some(last), .. }) = statuses.get(*id) else { continue };
        let how = match last.state {
            State::Succeeded => HandlerResult::Succeeded,
            State::Failed if last.code() == Some("HANDLER_FAILED") => HandlerResult::Failed,
            _ => continue,
        };
        let Some(fence) = last.fence() else {
            findings.push(format!("{id} is {last}, which no handler returned"));
            continue;
        };
        let latest = task.starts.last().map(|start| start.fence);
        if let Some(latest) = latest.filter(|latest| *latest != fence) {
            findings.push(format!("{id} is {last}, and was last started under {latest}"));
        }
        if task.end_of(fence).is_none_or(|end| end.how != how) {
            findings.push(format!("{id} is {last}, but its handler did not return that"));
        }
    }
}

pub(super) fn no_task_starts_after_its_end(history: &History<'_>, findings: &mut Vec<String>) {
    for (id, task) in &history.tasks {
        let Some(last) = task.starts.last() else { continue };
        if task.outcomes.iter().any(|(position, _)| *position < last.position) {
            findings
                .push(format!("{id} starts under {} after its outcome was reported", last.fence));
        }
        for (position, verdict, _) in &task.verdicts {
            let late = task.starts.iter().filter(|start| start.position > *position).count();
            let allowed = match *verdict {
                // The server may have claimed the task before the handler wrote its start.
                "REQUESTED" => {
                    usize::from(history.exits_between(*position, last.position).count() == 0)
                }
                "CANCELLED" | "ALREADY_ENDED" => 0,
                _ => continue,
            };
            if late > allowed {
                findings.push(format!("{id} starts under {} after {verdict}", last.fence));
            }
        }
    }
}

pub(super) fn dependants_start_after_their_parents_end(
    history: &History<'_>,
    statuses: &TaskStatuses,
    findings: &mut Vec<String>,
) {
    for (id, task) in &history.tasks {
        let Some(first) = task.starts.first() else { continue };
        for (parent, how) in &task.needs {
            let outcome = statuses.get(*parent).and_then(|status| status.outcome.as_ref());
            let Some(outcome) = outcome else {
                findings.push(format!("{id} starts, and {parent} has not ended"));
                continue;
            };
            if *how == Condition::Succeeded && outcome.state != State::Succeeded {
                findings.push(format!("{id} starts, and {parent} is {outcome}"));
            }
            let Some(parents) = history.tasks.get(parent) else { continue };
            if parents.starts.iter().any(|start| start.position > first.position) {
                findings.push(format!("{id} starts before {parent} starts"));
            }
            let end = outcome.fence().and_then(|fence| parents.end_of(fence));
            if end.is_some_and(|end| end.position > first.position) {
                findings.push(format!("{id} starts before {parent} ends"));
            }
        }
    }
}

pub(super) fn no_task_starts_before_its_start_time(
    history: &History<'_>,
    findings: &mut Vec<String>,
) {
    for (id, task) in &history.tasks {
        let due = task.requested.map_or(0, |requested| requested.due);
        if let Some(early) = task.starts.iter().find(|start| start.at + CLOCK_SLACK_MS < due) {
            findings.push(format!("{id} starts {} ms early", due - early.at));
        }
        for (start, wait) in waits(history, task) {
            if start + CLOCK_SLACK_MS < wait {
                findings.push(format!("{id} starts again {} ms too early", wait - start));
            }
        }
    }
}

/// The time of each start after a snooze or failure, and the time at which it was due. Pairs with a
/// crash between are left out: the result may be lost, and then the task runs again at once.
fn waits<'a>(
    history: &'a History<'_>,
    task: &'a TaskHistory<'_>,
) -> impl Iterator<Item = (u64, u64)> + 'a {
    task.starts.windows(2).filter_map(|pair| {
        let end = task.end_of(pair[0].fence)?;
        let exited = history.exits_between(end.position, pair[1].position).next().is_some();
        (!exited).then_some((pair[1].at, end.at + end.wait))
    })
}
