//! Queries of schedules.

use rusqlite::{OptionalExtension as _, Params};

use super::super::codec::{micros, time};
use super::super::decode;
use super::super::error::{Result, SqliteError};
use super::Reader;
use crate::clock::Timestamp;
use crate::models::{Name, ScheduleStatus};
use crate::store::DueSchedules;

/// The columns that a schedule is decoded from.
const SCHEDULE: &str = "SELECT s.name, s.due, s.standing, d.data
    FROM schedules s JOIN definitions d ON d.schedule = s.number";

impl Reader<'_> {
    /// See [`Store::schedule`](crate::store::Store::schedule).
    pub(in super::super) fn schedule(&mut self, name: &Name) -> Result<Option<ScheduleStatus>> {
        Ok(self.gather_schedules("WHERE s.name = ?1", [name.as_str()])?.pop())
    }

    /// See [`Store::schedules`](crate::store::Store::schedules).
    pub(in super::super) fn schedules(
        &mut self,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<ScheduleStatus>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // No name is empty.
        let after = after.map_or("", Name::as_str);
        self.gather_schedules("WHERE s.name > ?1 ORDER BY s.name LIMIT ?2", (after, limit))
    }

    /// See [`Store::due_schedules`](crate::store::Store::due_schedules).
    pub(in super::super) fn due_schedules(
        &mut self,
        now: Timestamp,
        limit: usize,
    ) -> Result<DueSchedules> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let due = self.gather_schedules(
            "WHERE s.due <= ?1 ORDER BY s.due, s.name LIMIT ?2",
            (micros(now), limit),
        )?;
        let sql = "SELECT due FROM schedules WHERE due IS NOT NULL ORDER BY due LIMIT 1 OFFSET ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let others = i64::try_from(due.len()).unwrap_or(i64::MAX);
        let next: Option<i64> = statement.query_one([others], |row| row.get(0)).optional()?;
        let next = next.map(|at| time(at.cast_unsigned())).transpose();
        let next =
            next.map_err(|error| SqliteError::Undecodable("a schedule", error.to_string()))?;
        Ok(DueSchedules { due, next })
    }

    fn gather_schedules(&self, which: &str, params: impl Params) -> Result<Vec<ScheduleStatus>> {
        let mut statement = self.connection.prepare_cached(&format!("{SCHEDULE} {which}"))?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(decode::schedule(row)?);
        }
        Ok(found)
    }
}
