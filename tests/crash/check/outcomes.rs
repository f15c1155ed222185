//! Rules about how tasks end: all of them, once, for a reason, and as was told.

use task_scheduler::models::State;

use super::history::{History, Life};
use super::{Standing, Standings};
use crate::ledger::{Ends, Need};

/// A process can take only the suspect that ran alone with it; nobody is one before two deaths.
const DEATHS_TO_QUARANTINE: usize = 3;

pub(super) fn what_was_acknowledged_is_there_and_has_ended(
    history: &History<'_>,
    standings: &Standings,
    findings: &mut Vec<String>,
) {
    for (id, life) in &history.tasks {
        let standing = standings.get(*id);
        if standing.is_none() && life.acknowledged.is_some() {
            findings.push(format!("{id} was acknowledged, and is gone"));
        }
        if standing.is_some_and(|standing| standing.told.is_none()) {
            findings.push(format!("{id} has not ended"));
        }
        let acknowledged = life.acknowledged.unwrap_or(usize::MAX);
        if life.missing.iter().any(|place| *place > acknowledged) {
            findings.push(format!("{id} was acknowledged, and later GetResult did not know it"));
        }
    }
}

pub(super) fn everything_was_asked_for(
    history: &History<'_>,
    standings: &Standings,
    findings: &mut Vec<String>,
) {
    let started =
        history.tasks.iter().filter(|(_, life)| !life.starts.is_empty()).map(|(id, _)| *id);
    for id in started.chain(standings.keys().map(String::as_str)) {
        let life = history.tasks.get(id);
        if life.is_none_or(|life| life.asked.is_none() && life.parent.is_none()) {
            findings.push(format!("{id} is there, and nobody asked for it"));
        }
    }
}

pub(super) fn what_was_refused_is_not_there(
    history: &History<'_>,
    standings: &Standings,
    findings: &mut Vec<String>,
) {
    for (id, life) in &history.tasks {
        let Some((_, reason)) = life.refused else { continue };
        if life.acknowledged.is_none() && standings.contains_key(*id) {
            findings.push(format!("{id} was refused ({reason}), and is there"));
        }
    }
}

pub(super) fn what_was_told_stays(
    history: &History<'_>,
    standings: &Standings,
    findings: &mut Vec<String>,
) {
    for (id, life) in &history.tasks {
        let Some(Standing { told: Some(last), .. }) = standings.get(*id) else { continue };
        for (_, told) in &life.told {
            if *told != last {
                findings.push(format!("{id} was told to be {told}, and is {last} in the end"));
            }
        }
        for (_, verdict, state) in &life.verdicts {
            let held = match *verdict {
                "CANCELLED" => last.state == State::Cancelled,
                "ALREADY_ENDED" => *state == Some(last.state),
                _ => true,
            };
            if !held {
                findings.push(format!(
                    "{id}: who cancelled it was told {verdict} {state:?}, and it is {last} in the end"
                ));
            }
        }
    }
}

pub(super) fn endings_have_a_reason(
    history: &History<'_>,
    standings: &Standings,
    findings: &mut Vec<String>,
) {
    for (id, life) in &history.tasks {
        let Some(Standing { told: Some(last), .. }) = standings.get(*id) else { continue };
        let reasonable = match last.state {
            State::Succeeded => {
                let well = matches!(life.ends_as(), Ends::Well | Ends::WellOrTimedOut);
                well && needs_are_met(life, standings)
            }
            State::Cancelled => life.cancelling || parent_ended_badly(life, standings),
            State::Failed => failure_has_a_reason(history, life, standings, last.code()),
            _ => false,
        };
        if !reasonable {
            findings.push(format!("{id} is {last} for no reason"));
        }
    }
}

fn failure_has_a_reason(
    history: &History<'_>,
    life: &Life<'_>,
    standings: &Standings,
    code: Option<&str>,
) -> bool {
    let ends = life.ends_as();
    match code {
        Some("HANDLER_FAILED") => ends == Ends::Failed,
        Some("TIMED_OUT" | "STUCK") => ends == Ends::WellOrTimedOut,
        Some("DEPENDENCY_FAILED") => !needs_are_met(life, standings) && life.starts.is_empty(),
        Some("QUARANTINED") => {
            let since = life.asked.map_or(0, |asked| asked.place);
            history.kills_after(since) >= DEATHS_TO_QUARANTINE
        }
        _ => false,
    }
}

fn ended_well(id: &str, standings: &Standings) -> bool {
    let told = standings.get(id).and_then(|standing| standing.told.as_ref());
    told.is_some_and(|told| told.state == State::Succeeded)
}

fn needs_are_met(life: &Life<'_>, standings: &Standings) -> bool {
    life.needs.iter().all(|(parent, how)| *how == Need::Anyhow || ended_well(parent, standings))
}

fn parent_ended_badly(life: &Life<'_>, standings: &Standings) -> bool {
    life.parent.is_some_and(|parent| !ended_well(parent, standings))
}

pub(super) fn one_death_quarantines_one_task(
    history: &History<'_>,
    standings: &Standings,
    findings: &mut Vec<String>,
) {
    let quarantined: Vec<&String> = standings
        .iter()
        .filter(|(_, standing)| {
            standing.told.as_ref().is_some_and(|told| told.code() == Some("QUARANTINED"))
        })
        .map(|(id, _)| id)
        .collect();
    let kills = history.kills_after(0);
    if quarantined.len() > kills {
        findings.push(format!("{kills} deaths quarantined {quarantined:?}"));
    }
}
