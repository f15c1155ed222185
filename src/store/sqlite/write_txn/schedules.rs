//! Writes and reads of schedules in a transaction. Nothing stays in memory: a schedule is read only
//! when it fires or one of its runs ends.

use rusqlite::OptionalExtension as _;

use super::super::codec::{micros, write_schedule, write_schedule_state};
use super::super::decode;
use super::super::error::Result;
use super::statements::Statements;
use crate::models::{Name, Schedule};
use crate::store::rules::ScheduleState;

pub(super) fn schedule_state(
    name: &Name,
    sql: &mut Statements<'_>,
) -> Result<Option<ScheduleState>> {
    let mut rows = sql.load_schedule_state.query([name.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let next: Option<i64> = row.get(0)?;
    decode::schedule_state(name.clone(), next, row.get_ref(1)?.as_blob()?).map(Some)
}

pub(super) fn set_schedule_state(
    schedule_state: &ScheduleState,
    sql: &mut Statements<'_>,
) -> Result<()> {
    let (name, due) = (schedule_state.name.as_str(), schedule_state.next.map(micros));
    sql.update_schedule_state.execute((name, due, write_schedule_state(schedule_state)))?;
    Ok(())
}

pub(super) fn define(
    schedule: &Schedule,
    schedule_state: &ScheduleState,
    sql: &mut Statements<'_>,
) -> Result<()> {
    let (name, due) = (schedule_state.name.as_str(), schedule_state.next.map(micros));
    let number: i64 = sql
        .put_schedule_state
        .query_one((name, due, write_schedule_state(schedule_state)), |row| row.get(0))?;
    sql.put_definition.execute((number, write_schedule(schedule)))?;
    Ok(())
}

pub(super) fn remove(name: &Name, sql: &mut Statements<'_>) -> Result<bool> {
    let deleted = sql.delete_schedule.query_one([name.as_str()], |row| row.get::<_, i64>(0));
    let Some(number) = deleted.optional()? else { return Ok(false) };
    sql.delete_definition.execute([number])?;
    Ok(true)
}
