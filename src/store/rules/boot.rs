//! What a process that ended left behind.

use std::time::Duration;

use super::{Rows, Transition};
use crate::error::Code;
use crate::models::{Ending, Failure, Held, Sequence};
use crate::store::{Applied, Boot};

/// A task that ran for so long before its process ended is not why it ended.
const INNOCENT_AFTER: Duration = Duration::from_secs(10 * 60);

/// What a boot found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rescued {
    pub(crate) epoch: u64,
    /// Put back into their queues.
    pub(crate) rescued: u64,
    /// Ended, because they ran at one end of a process too many.
    pub(crate) quarantined: u64,
}

/// See [`Store::open`](crate::store::Store::open).
///
/// # Errors
/// Those of the rows; then nothing was begun.
pub(crate) fn open<R: Rows>(rows: &mut R, boot: Boot) -> Result<Rescued, R::Error> {
    let mut rescued = Rescued { epoch: rows.next_epoch()?, ..Rescued::default() };
    let mut transition = Transition { rows, now: boot.now, applied: Applied::default() };
    for sequence in transition.rows.running()? {
        if transition.rescue(sequence, boot.suspect_after)? {
            rescued.rescued += 1;
        } else {
            rescued.quarantined += 1;
        }
    }
    transition.acquit(boot.suspect_after)?;
    Ok(rescued)
}

impl<R: Rows> Transition<'_, R> {
    /// Puts a task back that ran when its process ended. Answers whether that is what was done with it:
    /// it is quarantined if it was at too many such ends.
    fn rescue(&mut self, sequence: Sequence, suspect_after: u32) -> Result<bool, R::Error> {
        let last_alive = self.rows.last_alive()?;
        let (deaths, cancelled) = self.rows.update(sequence, |row| {
            let ran = row.started_at.map_or(Duration::ZERO, |at| last_alive.since(at));
            row.deaths = if ran >= INNOCENT_AFTER { 1 } else { row.deaths + 1 };
            row.suspect = suspect_after > 0 && row.deaths >= suspect_after;
            row.holds_suspicion &= row.suspect;
            row.rescues += 1;
            row.attempts -= 1;
            row.fence = None;
            (row.deaths, row.cancel_requested.take())
        })?;
        if let Some(reason) = cancelled {
            // What it was about to be told holds after all.
            self.end(sequence, Ending::Cancelled(reason))?;
            return Ok(true);
        }
        if suspect_after > 0 && deaths > suspect_after {
            let message = format!(
                "it ran at {deaths} ends of the process, and may be why; retry it when it is mended"
            );
            let failure = Failure { code: Code::Quarantined, message };
            self.end(sequence, Ending::Failed(failure))?;
            return Ok(false);
        }
        self.queue(sequence, None)?;
        Ok(true)
    }

    /// Suspects go free when nobody is to be a suspect any more.
    fn acquit(&mut self, suspect_after: u32) -> Result<(), R::Error> {
        if suspect_after > 0 {
            return self.free_suspicion();
        }
        while let Some(next) = self.rows.next_suspect()? {
            self.rows.update(next, |row| {
                debug_assert_eq!(row.held, Some(Held::AsSuspect));
                row.held = None;
                row.suspect = false;
            })?;
        }
        Ok(())
    }
}
