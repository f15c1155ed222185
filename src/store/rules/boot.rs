//! Boots: recovery of tasks that ran when the last process ended.

use std::time::Duration;

use super::{Rows, Transition};
use crate::error::Code;
use crate::models::{BlockedBy, Ending, Event, Fact, Failure, NodeFact, Sequence, TaskFact};
use crate::store::{Applied, OpenOptions};

/// A task that ran this long before its process ended is not taken for the cause.
const CRASH_RESET_AFTER: Duration = Duration::from_secs(10 * 60);

/// What a boot recovered.
#[derive(Debug, Default)]
pub(crate) struct Rescued {
    pub(crate) epoch: u64,
    /// Tasks that are queued again.
    pub(crate) rescued: u64,
    /// Tasks that failed as `QUARANTINED`.
    pub(crate) quarantined: u64,
    pub(crate) events: Vec<Event>,
}

/// See [`Store::open`](crate::store::Store::open).
///
/// # Errors
/// Those of the rows; then the boot did not begin.
pub(crate) fn open<R: Rows>(rows: &mut R, boot: OpenOptions) -> Result<Rescued, R::Error> {
    let before = rows.epoch()?;
    let crashed = before > 0 && rows.stopped()? != before;
    let mut rescued = Rescued { epoch: rows.next_epoch()?, ..Rescued::default() };
    let mut transition = Transition { rows, now: boot.now, applied: Applied::default() };
    for sequence in transition.rows.running()? {
        if transition.rescue(sequence, boot.quarantine_after)? {
            rescued.rescued += 1;
        } else {
            rescued.quarantined += 1;
        }
    }
    transition.clear_quarantine(boot.quarantine_after)?;
    if crashed {
        let last_alive = transition.rows.last_alive()?;
        transition.emit(Fact::Node(NodeFact::Crashed {
            epoch: before,
            last_alive,
            rescued: rescued.rescued,
            quarantined: rescued.quarantined,
        }))?;
    }
    rescued.events = transition.applied.events;
    Ok(rescued)
}

impl<R: Rows> Transition<'_, R> {
    /// Marks this boot as ended by a graceful shutdown. Later writes do not undo the mark.
    pub(super) fn stop(&mut self) -> Result<(), R::Error> {
        let epoch = self.rows.epoch()?;
        if self.rows.stopped()? == epoch {
            return Ok(());
        }
        self.rows.set_stopped()?;
        self.emit(Fact::Node(NodeFact::Stopped { epoch }))
    }

    /// Queues a task that ran when its process ended, or quarantines it if it ran at too many such
    /// ends. Returns whether it is rescued.
    fn rescue(&mut self, sequence: Sequence, quarantine_after: u32) -> Result<bool, R::Error> {
        let last_alive = self.rows.last_alive()?;
        let (crash_count, rescues, cancelled) = self.rows.update(sequence, |row| {
            let ran = row.started_at.map_or(Duration::ZERO, |at| last_alive.since(at));
            row.crash_count = match ran >= CRASH_RESET_AFTER {
                // System tasks are never quarantined: their work must be done.
                _ if row.task.is_system_task() => 0,
                true => 1,
                false => row.crash_count + 1,
            };
            row.quarantine_candidate = quarantine_after > 0 && row.crash_count >= quarantine_after;
            row.quarantine_slot &= row.quarantine_candidate;
            row.rescues += 1;
            row.attempts -= 1;
            row.fence = None;
            (row.crash_count, row.rescues, row.cancel_requested.take())
        })?;
        if let Some(reason) = cancelled {
            // The request to cancel holds, although the attempt never learned of it.
            self.end(sequence, Ending::Cancelled(reason))?;
            return Ok(true);
        }
        if quarantine_after > 0 && crash_count > quarantine_after {
            let message = format!(
                "it ran at {crash_count} process ends and may be their cause; retry it when it is fixed"
            );
            let failure = Failure { code: Code::Quarantined, message };
            self.end(sequence, Ending::Failed(failure))?;
            return Ok(false);
        }
        self.queue(sequence, None, TaskFact::Rescued { rescues })?;
        Ok(true)
    }

    /// Gives the quarantine slot to the next candidate; or, where quarantine is off, frees all of
    /// them.
    fn clear_quarantine(&mut self, quarantine_after: u32) -> Result<(), R::Error> {
        if quarantine_after > 0 {
            return self.give_quarantine_slot();
        }
        while let Some(next) = self.rows.next_quarantined()? {
            self.rows.update(next, |row| {
                debug_assert_eq!(row.blocked_by, Some(BlockedBy::Quarantine));
                row.blocked_by = None;
                row.quarantine_candidate = false;
            })?;
        }
        Ok(())
    }
}
