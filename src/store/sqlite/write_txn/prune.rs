//! Selection of ended tasks that exceed the retention.
//!
//! There is no index on end times: every task would pay for what only the oldest need. A scan walks
//! through `ended` in the order of acceptance, a bounded number of rows a call, and stops where
//! tasks are so young that none after them can be old. What it passed and left (tasks of a kind
//! that is kept longer) it remembers as a number and a time; when that time has come it starts
//! again, at most once in [`RESTART_AFTER`] if there are many.

use std::time::Duration;

use super::super::codec::{SUCCEEDED, micros, time};
use super::super::error::{Result, SqliteError};
use super::statements::Statements;
use crate::clock::Timestamp;
use crate::models::Sequence;
use crate::store::{Retention, RetentionLimit};

/// How many rows a call looks at, for each that it may return, and at least.
const SCANNED_PER_RESULT: usize = 4;
const MIN_SCANNED: usize = 2_048;
/// With so few rows behind it the scan starts again as soon as one may be old.
const RESTART_BELOW: u64 = 8 << 10;
/// With more, at most so often.
const RESTART_AFTER: Duration = Duration::from_secs(60);
/// How often the scan checks whether the rest is too young: once in so many rows.
const CHECK_AGE_EVERY: usize = 64;

/// Whether a task succeeded, and when it ended; `None`: it has not ended, or a task needs it.
type Spent = Option<(bool, Timestamp)>;

#[derive(Default)]
pub(super) struct PruneScan {
    after: u64,
    retention: Option<Retention>,
    /// Unneeded rows behind the scan: those that succeeded, and the others.
    passed: [u64; 2],
    /// When the first of those exceeds its age.
    earliest: Option<Timestamp>,
    started: Timestamp,
}

/// A row as the scan sees it.
struct ScannedRow {
    seq: u64,
    kind: usize,
    at: Timestamp,
    spent: bool,
    keep_until: Option<Timestamp>,
}

impl PruneScan {
    /// Updates the scan for a row that changed behind it.
    pub(super) fn row_changed(&mut self, sequence: Sequence, before: Spent, after: Spent) {
        if sequence.0 > self.after || before == after {
            return;
        }
        if let (Some((succeeded, at)), Some(retention)) = (after, self.retention) {
            let (kind, keep) = kind(succeeded, retention);
            self.pass(kind, at.plus(keep.max_age));
        }
    }

    fn pass(&mut self, kind: usize, old_at: Timestamp) {
        self.passed[kind] += 1;
        self.earliest = Some(self.earliest.map_or(old_at, |earliest| earliest.min(old_at)));
    }

    fn must_restart(&self, retention: Retention, surplus: [i64; 2], now: Timestamp) -> bool {
        if self.retention != Some(retention) {
            return true;
        }
        let old = self.earliest.is_some_and(|earliest| earliest < now)
            || (0..2).any(|kind| surplus[kind] > 0 && self.passed[kind] > 0);
        let few = self.passed.iter().sum::<u64>() <= RESTART_BELOW;
        old && (few || now.since(self.started) >= RESTART_AFTER)
    }

    /// See [`Rows::prunable`](crate::store::rules::Rows::prunable).
    pub(super) fn prunable(
        &mut self,
        retention: Retention,
        spent: [i64; 2],
        limit: usize,
        now: Timestamp,
        sql: &mut Statements<'_>,
    ) -> Result<(Vec<Sequence>, bool)> {
        let keeps = [retention.succeeded, retention.others];
        let max_count = |keep: RetentionLimit| i64::try_from(keep.max_count).unwrap_or(i64::MAX);
        let mut surplus =
            [0, 1].map(|kind| spent[kind].saturating_sub(max_count(keeps[kind])).max(0));
        if self.must_restart(retention, surplus, now) {
            *self = Self { retention: Some(retention), started: now, ..Self::default() };
        }
        let max_age = retention.succeeded.max_age.min(retention.others.max_age);
        let budget = MIN_SCANNED.max(SCANNED_PER_RESULT * limit);
        let mut old = Vec::new();
        let looked_at = (self.after.cast_signed(), i64::try_from(budget).unwrap_or(i64::MAX));
        let mut rows = sql.old.query(looked_at)?;
        let mut scanned = 0;
        while let Some(row) = rows.next()? {
            if old.len() == limit {
                return Ok((old, true));
            }
            let row = read(row)?;
            let no_surplus = surplus == [0, 0];
            if scanned % CHECK_AGE_EVERY == 0 && no_surplus {
                let seq = row.seq.cast_signed();
                let submitted: i64 = sql.submitted.query_one([seq], |row| row.get(0))?;
                if submitted > micros(now) - i64::try_from(max_age.as_micros()).unwrap_or(i64::MAX)
                {
                    return Ok((old, false));
                }
            }
            scanned += 1;
            self.after = row.seq;
            if !row.spent {
                continue;
            }
            let old_at = row.at.plus(keeps[row.kind].max_age);
            let kept = row.keep_until.is_some_and(|until| until > now);
            if !kept && (surplus[row.kind] > 0 || old_at < now) {
                surplus[row.kind] -= i64::from(surplus[row.kind] > 0);
                old.push(Sequence(row.seq));
            } else {
                self.pass(row.kind, row.keep_until.map_or(old_at, |until| until.max(old_at)));
            }
        }
        let more = scanned == budget || old.len() == limit;
        Ok((old, more))
    }
}

fn kind(succeeded: bool, retention: Retention) -> (usize, RetentionLimit) {
    if succeeded { (0, retention.succeeded) } else { (1, retention.others) }
}

fn read(row: &rusqlite::Row<'_>) -> Result<ScannedRow> {
    let at = |at: i64| {
        time(at.cast_unsigned()).map_err(|error| SqliteError::UndecodableTask(0, error.to_string()))
    };
    let succeeded = row.get::<_, i64>(1)? == SUCCEEDED;
    Ok(ScannedRow {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        kind: if succeeded { 0 } else { 1 },
        at: at(row.get(2)?)?,
        spent: row.get(3)?,
        keep_until: row.get::<_, Option<i64>>(4)?.map(at).transpose()?,
    })
}
