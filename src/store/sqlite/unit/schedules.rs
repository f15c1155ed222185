//! Schedules, as the transaction under way reads and writes them. Nothing of them stays in memory: each
//! is looked at only when it fires or a run of it ends.

use rusqlite::OptionalExtension as _;

use super::super::codec::{micros, write_schedule, write_standing};
use super::super::problem::Result;
use super::super::stored;
use super::statements::Statements;
use crate::models::{Name, Schedule};
use crate::store::rules::Standing;

pub(super) fn standing(name: &Name, sql: &mut Statements<'_>) -> Result<Option<Standing>> {
    let mut rows = sql.load_standing.query([name.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let next: Option<i64> = row.get(0)?;
    stored::standing(name.clone(), next, row.get_ref(1)?.as_blob()?).map(Some)
}

pub(super) fn set_standing(standing: &Standing, sql: &mut Statements<'_>) -> Result<()> {
    let (name, due) = (standing.name.as_str(), standing.next.map(micros));
    sql.update_standing.execute((name, due, write_standing(standing)))?;
    Ok(())
}

pub(super) fn define(
    schedule: &Schedule,
    standing: &Standing,
    sql: &mut Statements<'_>,
) -> Result<()> {
    let (name, due) = (standing.name.as_str(), standing.next.map(micros));
    let number: i64 =
        sql.put_standing.query_one((name, due, write_standing(standing)), |row| row.get(0))?;
    sql.put_definition.execute((number, write_schedule(schedule)))?;
    Ok(())
}

pub(super) fn remove(name: &Name, sql: &mut Statements<'_>) -> Result<bool> {
    let deleted = sql.delete_schedule.query_one([name.as_str()], |row| row.get::<_, i64>(0));
    let Some(number) = deleted.optional()? else { return Ok(false) };
    sql.delete_definition.execute([number])?;
    Ok(true)
}
