//! The semantics of every change: one set of rules for all stores with rows.
//!
//! A [`Transition`] applies one [`Change`] to [`Rows`], the tables of a store inside one
//! transaction, and collects what follows. No locks, clocks, I/O or chance: the simulation of the
//! engine runs the rules of production.
//!
//! | file | rules about |
//! |---|---|
//! | `insert`, `unique`, `children` | inserts, unique keys, spawned and expanded children |
//! | `attempt` | claims and their ends, checkpoints, logs |
//! | `end` | outcomes, and how long rows are kept |
//! | `dependants` | dependencies: waiting, notification, retry of failed dependants |
//! | `concurrency`, `quarantine` | limits per concurrency key; tasks that may crash the process |
//! | `queues` | limits, pause and resume |
//! | `admin` | cancel, retry, resolve, purge |
//! | `time` | due, expired and old tasks |
//! | `boot` | recovery after the last process |
//! | `events` | events, and the outbox for webhooks |
//! | `schedules` | definitions, firings, runs |
//! | `webhooks` | definitions, deliveries |

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

/// One change in progress.
pub(super) struct Transition<'a, R> {
    rows: &'a mut R,
    now: Timestamp,
    applied: Applied,
}

/// Applies one change.
///
/// # Errors
/// Those of the rows; then the transaction must be rolled back.
pub(crate) fn apply<R: Rows>(
    rows: &mut R,
    change: &Change,
    now: Timestamp,
) -> Result<Applied, R::Error> {
    let mut transition = Transition { rows, now, applied: Applied::default() };
    transition.make(change)?;
    Ok(transition.applied)
}

/// See [`Store::claim`](crate::store::Store::claim). The store fills in `due`.
///
/// # Errors
/// Those of the rows; then the transaction must be rolled back.
pub(crate) fn claim<R: Rows>(
    rows: &mut R,
    requests: &[ClaimRequest],
    now: Timestamp,
) -> Result<Claims, R::Error> {
    let mut transition = Transition { rows, now, applied: Applied::default() };
    let mut claimed = Vec::with_capacity(requests.len());
    for request in requests {
        claimed.push(transition.claim(request)?);
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
                self.notify_up_to((*limit).min(self.rows.notify_slice()))?;
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

    /// A row that exists: the caller has its sequence number from an index.
    fn row(&mut self, sequence: Sequence) -> Result<&Row, R::Error> {
        Ok(self.rows.get(sequence)?.expect("an index refers to existing rows"))
    }

    fn refuse_as_stale(&mut self) {
        self.applied.result = ChangeResult::Stale;
    }
}
