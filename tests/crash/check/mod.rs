//! Checks a ledger against the final status of every task: a pure function.
//!
//! Each rule is a function that adds its findings. `tests` holds, for every rule, a ledger that
//! breaks it.

mod attempts;
mod history;
mod order;
mod outcomes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::ledger::{Entry, Outcome};
use history::History;

/// The final status of a task, as GetTask reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskStatus {
    /// `None`: the task has not ended.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) attempts: u32,
    pub(crate) rescues: u32,
}

/// Every task that the server knows, by id.
pub(crate) type TaskStatuses = BTreeMap<String, TaskStatus>;

/// Most findings in a failure message: one fault causes many.
const MAX_SHOWN: usize = 50;

/// Fails if the ledger or the statuses break a rule.
#[track_caller]
pub(crate) fn assert_sound(entries: &[Entry], statuses: &TaskStatuses) {
    let findings = check(entries, statuses);
    let shown: Vec<&String> = findings.iter().take(MAX_SHOWN).collect();
    assert!(findings.is_empty(), "{} findings: {shown:#?}", findings.len());
}

/// One line per broken rule; empty when there is none.
fn check(entries: &[Entry], statuses: &TaskStatuses) -> Vec<String> {
    let history = History::of(entries);
    let mut findings = Vec::new();
    outcomes::acknowledged_tasks_exist_and_have_ended(&history, statuses, &mut findings);
    outcomes::every_task_was_requested(&history, statuses, &mut findings);
    outcomes::refused_tasks_do_not_exist(&history, statuses, &mut findings);
    outcomes::reported_outcomes_are_final(&history, statuses, &mut findings);
    outcomes::every_outcome_has_a_reason(&history, statuses, &mut findings);
    outcomes::one_crash_quarantines_at_most_one_task(&history, statuses, &mut findings);
    order::fences_are_used_once_and_grow(&history, entries, &mut findings);
    order::the_outcome_is_that_of_the_last_claim(&history, statuses, &mut findings);
    order::no_task_starts_after_its_end(&history, &mut findings);
    order::dependants_start_after_their_parents_end(&history, statuses, &mut findings);
    order::no_task_starts_before_its_start_time(&history, &mut findings);
    attempts::checkpoints_never_go_back(&history, &mut findings);
    attempts::stale_writes_are_refused(&history, &mut findings);
    attempts::attempts_are_numbered_one_by_one(&history, &mut findings);
    attempts::attempts_and_rescues_are_counted_separately(&history, statuses, &mut findings);
    findings
}
