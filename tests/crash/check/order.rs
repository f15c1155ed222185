//! Rules about what comes before what: fences, claims and their outcomes, parents and dependants,
//! times.

use std::collections::BTreeMap;

use task_scheduler::models::{Fence, State};

use super::history::{History, Life};
use super::{Standing, Standings};
use crate::ledger::{Ending, Entry, Need};

/// By how much the clocks of two processes on one machine may differ when both say milliseconds.
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
                    findings.push(format!("{id} starts under {fence}, of a boot that is over"));
                }
                present = present.max(fence.epoch);
            }
            Entry::Died { .. } => past = present,
            _ => {}
        }
    }
    for (id, life) in &history.tasks {
        for pair in life.starts.windows(2) {
            if pair[1].fence <= pair[0].fence {
                let (first, then) = (pair[0].fence, pair[1].fence);
                findings.push(format!("{id} starts under {first} and then under {then}"));
            }
        }
    }
}

/// Had anything run after the commit of an outcome, a claim would be later than the outcome's.
pub(super) fn the_outcome_is_the_last_claims(
    history: &History<'_>,
    standings: &Standings,
    findings: &mut Vec<String>,
) {
    for (id, life) in &history.tasks {
        let Some(Standing { told: Some(last), .. }) = standings.get(*id) else { continue };
        let how = match last.state {
            State::Succeeded => Ending::Well,
            State::Failed if last.code() == Some("HANDLER_FAILED") => Ending::Failed,
            _ => continue,
        };
        let Some(fence) = last.fence() else {
            findings.push(format!("{id} is {last}, which no body said"));
            continue;
        };
        let latest = life.starts.last().map(|start| start.fence);
        if let Some(latest) = latest.filter(|latest| *latest != fence) {
            findings.push(format!("{id} is {last}, and was last started under {latest}"));
        }
        if life.end_of(fence).is_none_or(|end| end.how != how) {
            findings.push(format!("{id} is {last}, and its body did not say so"));
        }
    }
}

pub(super) fn nothing_runs_after_its_end(history: &History<'_>, findings: &mut Vec<String>) {
    for (id, life) in &history.tasks {
        let Some(last) = life.starts.last() else { continue };
        if life.told.iter().any(|(place, _)| *place < last.place) {
            findings.push(format!("{id} starts under {} after its outcome was told", last.fence));
        }
        for (place, verdict, _) in &life.verdicts {
            let late = life.starts.iter().filter(|start| start.place > *place).count();
            let allowed = match *verdict {
                // It may have been claimed, and its body not have begun to write.
                "REQUESTED" => usize::from(history.deaths_between(*place, last.place).count() == 0),
                "CANCELLED" | "ALREADY_ENDED" => 0,
                _ => continue,
            };
            if late > allowed {
                findings.push(format!("{id} starts under {} after {verdict}", last.fence));
            }
        }
    }
}

pub(super) fn dependants_come_after_their_parents(
    history: &History<'_>,
    standings: &Standings,
    findings: &mut Vec<String>,
) {
    for (id, life) in &history.tasks {
        let Some(first) = life.starts.first() else { continue };
        for (parent, how) in &life.needs {
            let outcome = standings.get(*parent).and_then(|standing| standing.told.as_ref());
            let Some(outcome) = outcome else {
                findings.push(format!("{id} starts, and {parent} has not ended"));
                continue;
            };
            if *how == Need::Well && outcome.state != State::Succeeded {
                findings.push(format!("{id} starts, and {parent} is {outcome}"));
            }
            let Some(parents) = history.tasks.get(parent) else { continue };
            if parents.starts.iter().any(|start| start.place > first.place) {
                findings.push(format!("{id} starts before {parent} starts"));
            }
            let end = outcome.fence().and_then(|fence| parents.end_of(fence));
            if end.is_some_and(|end| end.place > first.place) {
                findings.push(format!("{id} starts before {parent} ends"));
            }
        }
    }
}

pub(super) fn nothing_starts_before_its_time(history: &History<'_>, findings: &mut Vec<String>) {
    for (id, life) in &history.tasks {
        let due = life.asked.map_or(0, |asked| asked.due);
        if let Some(early) = life.starts.iter().find(|start| start.at + CLOCK_SLACK_MS < due) {
            findings.push(format!("{id} starts {} ms before its time", due - early.at));
        }
        for (start, wait) in waits(history, life) {
            if start + CLOCK_SLACK_MS < wait {
                findings.push(format!("{id} starts again {} ms too early", wait - start));
            }
        }
    }
}

/// When it started again after it had asked for time, and when that was over. Not across a death:
/// what asked for time may not have been stored, and then it runs again at once.
fn waits<'a>(
    history: &'a History<'_>,
    life: &'a Life<'_>,
) -> impl Iterator<Item = (u64, u64)> + 'a {
    life.starts.windows(2).filter_map(|pair| {
        let end = life.end_of(pair[0].fence)?;
        let died = history.deaths_between(end.place, pair[1].place).next().is_some();
        (!died).then_some((pair[1].at, end.at + end.wait))
    })
}
