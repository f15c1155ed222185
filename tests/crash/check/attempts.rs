//! Rules about attempts: how they are numbered, what they find, and what they may still write.

use super::history::{History, Life, Start};
use super::{Standing, Standings};
use crate::ledger::{Death, Ending, Ends};

pub(super) fn checkpoints_never_go_back(history: &History<'_>, findings: &mut Vec<String>) {
    for (id, life) in &history.tasks {
        for start in &life.starts {
            let before = || life.saves.iter().filter(|save| save.place < start.place);
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

/// A write that was begun after a later claim, or after the end was told, must not be acknowledged.
pub(super) fn stale_writes_are_refused(history: &History<'_>, findings: &mut Vec<String>) {
    for (id, life) in &history.tasks {
        let over = |place, fence| {
            life.starts.iter().any(|later| later.place < place && later.fence > fence)
                || life.told.iter().any(|(told, _)| *told < place)
        };
        for save in life.saves.iter().filter(|save| save.acknowledged) {
            let begun = life.saves.iter().find(|begun| {
                !begun.acknowledged && (begun.fence, begun.value) == (save.fence, save.value)
            });
            if begun.is_none_or(|begun| over(begun.place, save.fence)) {
                let (value, fence) = (save.value, save.fence);
                findings.push(format!("{id} saves {value} under {fence}, which is over"));
            }
        }
        for spawn in life.spawns.iter().filter(|spawn| spawn.acknowledged) {
            let begun = life.spawns.iter().find(|begun| {
                !begun.acknowledged && (begun.fence, begun.child) == (spawn.fence, spawn.child)
            });
            if begun.is_none_or(|begun| over(begun.place, spawn.fence)) {
                let (child, fence) = (spawn.child, spawn.fence);
                findings.push(format!("{id} spawns {child} under {fence}, which is over"));
            }
        }
    }
}

pub(super) fn attempts_are_numbered_one_by_one(history: &History<'_>, findings: &mut Vec<String>) {
    for (id, life) in &history.tasks {
        if life.starts.first().is_some_and(|first| first.attempt != 1) && !may_time_out(life) {
            findings.push(format!("{id} begins with attempt {}", life.starts[0].attempt));
        }
        for pair in life.starts.windows(2) {
            let [before, after] = [pair[0], pair[1]];
            let how = life.end_of(before.fence).map(|end| end.how);
            let sound = match after.attempt.checked_sub(before.attempt) {
                // Somebody ended it, or it asked for it.
                Some(0) => {
                    how == Some(Ending::Snoozed)
                        || history.deaths_between(before.place, after.place).next().is_some()
                }
                Some(1) => how == Some(Ending::Failed) || may_time_out(life),
                Some(_) => may_time_out(life),
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

/// Its attempts may end without a word from the body, or before it has begun to write.
fn may_time_out(life: &Life<'_>) -> bool {
    life.ends_as() == Ends::WellOrTimedOut
}

pub(super) fn attempts_and_rescues_are_counted_apart(
    history: &History<'_>,
    standings: &Standings,
    findings: &mut Vec<String>,
) {
    for (id, life) in &history.tasks {
        let Some(Standing { told: Some(last), attempts, rescues }) = standings.get(*id) else {
            continue;
        };
        let most = life.asked.map_or(u32::MAX, |asked| asked.retries + 1);
        if *attempts > most {
            findings.push(format!("{id} had {attempts} attempts, and might have {most}"));
        }
        let latest = life.starts.last().map_or(0, |start| start.attempt);
        if last.fence().is_some() && *attempts != latest {
            findings.push(format!("{id} counts {attempts} attempts; the last was {latest}"));
        }
        let (least, most) = rescues_within(history, life);
        let counted = *rescues as usize;
        if counted < least || counted > most {
            findings.push(format!("{id} counts {counted} rescues; there were {least} to {most}"));
        }
    }
}

/// How often it was surely, and can at most have been, put back after a kill.
fn rescues_within(history: &History<'_>, life: &Life<'_>) -> (usize, usize) {
    let asked = life.asked.map_or(0, |asked| asked.place);
    let acknowledged = life.acknowledged.unwrap_or(usize::MAX);
    let sure = |pair: &&[Start]| {
        let [before, after] = [pair[0], pair[1]];
        let mut deaths = history.deaths_between(before.place, after.place);
        before.place > acknowledged
            && before.attempt == after.attempt
            && life.end_of(before.fence).is_none()
            && (deaths.next(), deaths.next()) == (Some(Death::Killed), None)
    };
    (life.starts.windows(2).filter(sure).count(), history.kills_after(asked))
}
