//! What every change means: the one set of rules that all stores with rows share.
//!
//! A [`Transition`] makes one [`Change`] in [`Rows`], which are a store's tables within one
//! transaction, and gathers what followed. No locks, clocks, I/O or chance: the simulation of the
//! engine runs the very rules that run in production.
//!
//! | file | rules about |
//! |---|---|
//! | `insert` | inserts, children, unique keys |
//! | `attempt` | claims and their ends, checkpoints, logs |
//! | `end` | outcomes, and what is kept |
//! | `relatives` | dependencies and children: who is told what became of whom |
//! | `keys` | limits per concurrency key; suspects |
//! | `by_hand` | cancel, run again, resolve, forget |
//! | `time` | what is due, over or old |
//! | `boot` | what a process that ended left behind |
//! | `events` | what is announced, and put aside for webhooks |
//! | `schedules` | definitions, firings, and what becomes of runs |
//! | `webhooks` | who is told, and what becomes of what was put aside |

mod admin;
mod attempt;
mod boot;
mod children;
mod concurrency;
mod dependants;
mod end;
mod events;
mod index_entry;
mod insert;
mod quarantine;
mod queues;
mod row;
mod rows;
mod schedules;
mod time;
mod unique;
mod webhooks;

pub(crate) use boot::open;
pub(crate) use index_entry::{IndexEntry, KeyState, QuarantineState};
pub(crate) use row::Row;
pub(crate) use rows::{Holders, Pace, Parent, Rows};
pub(crate) use schedules::ScheduleState;

use crate::clock::Timestamp;
use crate::models::{Ending, Sequence};
use crate::store::{Applied, Change, ChangeResult, ClaimRequest, Claims};

/// One change under way.
pub(super) struct Transition<'a, R> {
    rows: &'a mut R,
    now: Timestamp,
    applied: Applied,
}

/// Makes one change and says what followed.
///
/// # Errors
/// Those of the rows; then nothing of the transaction holds.
pub(crate) fn apply<R: Rows>(
    rows: &mut R,
    change: &Change,
    now: Timestamp,
) -> Result<Applied, R::Error> {
    let mut transition = Transition { rows, now, applied: Applied::default() };
    transition.make(change)?;
    Ok(transition.applied)
}

/// See [`Store::claim`](crate::store::Store::claim). When the next task is due is for the store to
/// say.
///
/// # Errors
/// Those of the rows; then nothing of the transaction holds.
pub(crate) fn claim<R: Rows>(
    rows: &mut R,
    wanted: &[ClaimRequest],
    now: Timestamp,
) -> Result<Claims, R::Error> {
    let mut transition = Transition { rows, now, applied: Applied::default() };
    let mut claimed = Vec::with_capacity(wanted.len());
    for wish in wanted {
        claimed.push(transition.claim(wish)?);
    }
    let Applied { ready, events, outbox_written, .. } = transition.applied;
    Ok(Claims { claimed, ready, events, outbox_written, due: None })
}

impl<R: Rows> Transition<'_, R> {
    fn make(&mut self, change: &Change) -> Result<(), R::Error> {
        match change {
            Change::Insert(insert) => self.applied.result = self.insert(insert, None)?,
            Change::Complete { sequence, fence, result } => {
                self.end_attempt(*sequence, *fence, Ending::Succeeded(result.clone()))?;
            }
            Change::Skip { sequence, fence } => {
                self.end_attempt(*sequence, *fence, Ending::Skipped)?;
            }
            Change::Fail { sequence, fence, failure } => {
                self.end_attempt(*sequence, *fence, Ending::Failed(failure.clone()))?;
            }
            Change::CancelAttempt { sequence, fence, reason } => {
                self.end_attempt(*sequence, *fence, Ending::Cancelled(reason.clone()))?;
            }
            Change::Retry { sequence, fence, failure, due } => {
                self.retry(*sequence, *fence, failure, *due)?;
            }
            Change::Snooze { sequence, fence, due } => self.snooze(*sequence, *fence, *due)?,
            Change::Requeue { sequence, fence } => self.requeue(*sequence, *fence)?,
            Change::SetArgs { sequence, fence, args } => self.set_args(*sequence, *fence, args)?,
            Change::Expand { sequence, fence, children } => {
                self.expand(*sequence, *fence, children)?;
            }
            Change::Spawn { sequence, fence, child } => self.spawn(*sequence, *fence, child)?,
            Change::Suspend { sequence, fence, suspended } => {
                self.suspend(*sequence, *fence, *suspended)?
            }
            Change::Checkpoint { sequence, fence, data } => {
                self.checkpoint(*sequence, *fence, data)?;
            }
            Change::Progress { sequence, fence, fraction, message } => {
                self.progress(*sequence, *fence, (*fraction, message.clone()))?;
            }
            Change::Log { sequence, fence, lines } => self.log(*sequence, *fence, lines)?,
            Change::Cancel { id, reason } => self.cancel(id, reason)?,
            Change::RetryEnded { id, reason } => self.retry_manually(id, reason)?,
            Change::Resolve { id, result, reason } => self.resolve(id, result, reason)?,
            Change::Purge { id } => self.applied.result = self.purge(id)?,
            Change::ForeignEnded { id, succeeded } => self.foreign_ended(id, *succeeded)?,
            Change::Promote { limit } => self.promote(*limit)?,
            Change::NotifyDependants { limit } => {
                self.notify_dependants(*limit)?;
            }
            Change::Prune { retention, limit } => self.prune(*retention, *limit)?,
            Change::SetQueue { queue, limits } => self.set_limits(queue, limits)?,
            Change::PauseQueue { queue, paused } => self.pause(queue, *paused)?,
            Change::Announce(event) => self.announce(event.clone())?,
            Change::Emit { sequence, fence, custom } => {
                self.emit_custom(*sequence, *fence, custom)?
            }
            Change::Stop => self.stop()?,
            Change::SetSchedule { schedule, enabled, next } => {
                self.set_schedule(schedule, *enabled, *next)?;
            }
            Change::RedefineSchedule { schedule, enabled, next, revision } => {
                self.redefine_schedule(schedule, *enabled, *next, *revision)?;
            }
            Change::EnableSchedule { name, enabled, next } => {
                self.enable_schedule(name, *enabled, *next)?;
            }
            Change::DeleteSchedule { name } => self.delete_schedule(name)?,
            Change::Fire(firing) => self.fire(firing)?,
            Change::Trigger { name, occurrence, run } => self.trigger(name, *occurrence, run)?,
            Change::SetWebhook(webhook) => self.set_webhook(webhook)?,
            Change::DeleteWebhook { name } => self.delete_webhook(name)?,
            Change::Deliver { position, delivery } => self.deliver(*position, delivery)?,
        }
        Ok(())
    }

    /// The row, which is there: the caller has its sequence from an index.
    fn row(&mut self, sequence: Sequence) -> Result<&Row, R::Error> {
        Ok(self.rows.get(sequence)?.expect("indexes point at rows"))
    }

    fn refuse_as_stale(&mut self) {
        self.applied.result = ChangeResult::Stale;
    }
}
