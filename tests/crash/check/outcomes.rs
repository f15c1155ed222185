//! Rules about outcomes: every task has one, with a reason, and reports of it agree.

use task_scheduler::models::State;

use super::history::{History, TaskHistory};
use super::{TaskStatus, TaskStatuses};
use crate::ledger::{Condition, Expected};

/// A task is quarantined after three crashes while it ran. After two it is a suspect and runs
/// alone.
const CRASHES_TO_QUARANTINE: usize = 3;

pub(super) fn acknowledged_tasks_exist_and_have_ended(
    history: &History<'_>,
    statuses: &TaskStatuses,
    findings: &mut Vec<String>,
) {
    for (id, task) in &history.tasks {
        let status = statuses.get(*id);
        if status.is_none() && task.acknowledged.is_some() {
            findings.push(format!("{id} was acknowledged and is missing"));
        }
        if status.is_some_and(|status| status.outcome.is_none()) {
            findings.push(format!("{id} has not ended"));
        }
        let acknowledged = task.acknowledged.unwrap_or(usize::MAX);
        if task.missing.iter().any(|position| *position > acknowledged) {
            findings.push(format!("{id} was acknowledged, and a later GetResult did not find it"));
        }
    }
}

pub(super) fn every_task_was_requested(
    history: &History<'_>,
    statuses: &TaskStatuses,
    findings: &mut Vec<String>,
) {
    let started =
        history.tasks.iter().filter(|(_, task)| !task.starts.is_empty()).map(|(id, _)| *id);
    for id in started.chain(statuses.keys().map(String::as_str)) {
        let task = history.tasks.get(id);
        if task.is_none_or(|task| task.requested.is_none() && task.parent.is_none()) {
            findings.push(format!("{id} exists and was never requested"));
        }
    }
}

pub(super) fn refused_tasks_do_not_exist(
    history: &History<'_>,
    statuses: &TaskStatuses,
    findings: &mut Vec<String>,
) {
    for (id, task) in &history.tasks {
        let Some((_, reason)) = task.refused else { continue };
        if task.acknowledged.is_none() && statuses.contains_key(*id) {
            findings.push(format!("{id} was refused ({reason}) but exists"));
        }
    }
}

pub(super) fn reported_outcomes_are_final(
    history: &History<'_>,
    statuses: &TaskStatuses,
    findings: &mut Vec<String>,
) {
    for (id, task) in &history.tasks {
        let Some(TaskStatus { outcome: Some(last), .. }) = statuses.get(*id) else { continue };
        for (_, outcome) in &task.outcomes {
            if *outcome != last {
                findings.push(format!("{id} was reported as {outcome} but ends as {last}"));
            }
        }
        for (_, verdict, state) in &task.verdicts {
            let held = match *verdict {
                "CANCELLED" => last.state == State::Cancelled,
                "ALREADY_ENDED" => *state == Some(last.state),
                _ => true,
            };
            if !held {
                findings.push(format!(
                    "{id}: CancelTasks answered {verdict} {state:?}, but the task ends as {last}"
                ));
            }
        }
    }
}

pub(super) fn every_outcome_has_a_reason(
    history: &History<'_>,
    statuses: &TaskStatuses,
    findings: &mut Vec<String>,
) {
    for (id, task) in &history.tasks {
        let Some(TaskStatus { outcome: Some(last), .. }) = statuses.get(*id) else { continue };
        let reasonable = match last.state {
            State::Succeeded => {
                let well =
                    matches!(task.expected(), Expected::Succeeded | Expected::SucceededOrTimedOut);
                well && needs_are_met(task, statuses)
            }
            State::Cancelled => task.cancelling || parent_failed(task, statuses),
            State::Failed => failure_has_a_reason(history, task, statuses, last.code()),
            _ => false,
        };
        if !reasonable {
            findings.push(format!("{id} is {last} for no reason"));
        }
    }
}

fn failure_has_a_reason(
    history: &History<'_>,
    task: &TaskHistory<'_>,
    statuses: &TaskStatuses,
    code: Option<&str>,
) -> bool {
    let expected = task.expected();
    match code {
        Some("HANDLER_FAILED") => expected == Expected::Failed,
        Some("TIMED_OUT" | "STUCK") => expected == Expected::SucceededOrTimedOut,
        Some("DEPENDENCY_FAILED") => !needs_are_met(task, statuses) && task.starts.is_empty(),
        Some("QUARANTINED") => {
            let since = task.requested.map_or(0, |requested| requested.position);
            history.kills_after(since) >= CRASHES_TO_QUARANTINE
        }
        _ => false,
    }
}

fn succeeded(id: &str, statuses: &TaskStatuses) -> bool {
    let outcome = statuses.get(id).and_then(|status| status.outcome.as_ref());
    outcome.is_some_and(|outcome| outcome.state == State::Succeeded)
}

fn needs_are_met(task: &TaskHistory<'_>, statuses: &TaskStatuses) -> bool {
    task.needs.iter().all(|(parent, how)| *how == Condition::Ended || succeeded(parent, statuses))
}

fn parent_failed(task: &TaskHistory<'_>, statuses: &TaskStatuses) -> bool {
    task.parent.is_some_and(|parent| !succeeded(parent, statuses))
}

pub(super) fn one_crash_quarantines_at_most_one_task(
    history: &History<'_>,
    statuses: &TaskStatuses,
    findings: &mut Vec<String>,
) {
    let quarantined: Vec<&String> = statuses
        .iter()
        .filter(|(_, status)| {
            status.outcome.as_ref().is_some_and(|outcome| outcome.code() == Some("QUARANTINED"))
        })
        .map(|(id, _)| id)
        .collect();
    let kills = history.kills_after(0);
    if quarantined.len() > kills {
        findings.push(format!("{kills} crashes quarantined {quarantined:?}"));
    }
}
