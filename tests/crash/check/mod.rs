//! Judges a ledger: a pure function of what was written down and of how things stand in the end.
//!
//! Each rule is a function that adds what it finds. `tests` shows every one of them a ledger that
//! breaks it.

mod attempts;
mod history;
mod order;
mod outcomes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::ledger::{Entry, Told};
use history::History;

/// How a task stands in the end, as GetTask says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// `None`: it has not ended.
    pub(crate) told: Option<Told>,
    pub(crate) attempts: u32,
    pub(crate) rescues: u32,
}

/// Every task that the server knows, by id.
pub(crate) type Standings = BTreeMap<String, Standing>;

/// How many findings are shown; one fault makes many.
const SHOWN: usize = 50;

/// Fails unless all is well.
#[track_caller]
pub(crate) fn assert_sound(entries: &[Entry], standings: &Standings) {
    let findings = check(entries, standings);
    let shown: Vec<&String> = findings.iter().take(SHOWN).collect();
    assert!(findings.is_empty(), "{} findings: {shown:#?}", findings.len());
}

/// Everything that is wrong, one a line; empty when all is well.
fn check(entries: &[Entry], standings: &Standings) -> Vec<String> {
    let history = History::of(entries);
    let mut findings = Vec::new();
    outcomes::what_was_acknowledged_is_there_and_has_ended(&history, standings, &mut findings);
    outcomes::everything_was_asked_for(&history, standings, &mut findings);
    outcomes::what_was_refused_is_not_there(&history, standings, &mut findings);
    outcomes::what_was_told_stays(&history, standings, &mut findings);
    outcomes::endings_have_a_reason(&history, standings, &mut findings);
    outcomes::one_death_quarantines_one_task(&history, standings, &mut findings);
    order::fences_are_used_once_and_grow(&history, entries, &mut findings);
    order::the_outcome_is_the_last_claims(&history, standings, &mut findings);
    order::nothing_runs_after_its_end(&history, &mut findings);
    order::dependants_come_after_their_parents(&history, standings, &mut findings);
    order::nothing_starts_before_its_time(&history, &mut findings);
    attempts::checkpoints_never_go_back(&history, &mut findings);
    attempts::stale_writes_are_refused(&history, &mut findings);
    attempts::attempts_are_numbered_one_by_one(&history, &mut findings);
    attempts::attempts_and_rescues_are_counted_apart(&history, standings, &mut findings);
    findings
}
