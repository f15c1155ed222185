//! Decoding of result rows: columns and encoded parts together.

use std::sync::Arc;

use rusqlite::Connection;

use super::codec::{
    Columns, Malformed, SideTables, read_row, read_schedule, read_schedule_state, read_task,
    read_webhook, state_of, time,
};
use super::error::{Result, SqliteError};
use crate::models::{Name, QueueName, ScheduleStatus, Sequence, Webhook};
use crate::store::rules::{Row, ScheduleState};

/// The column of the queue's number, counted from the task's first.
pub(super) const QUEUE: usize = 1;
/// Decodes a row whose columns `id, queue, method, submitted, parent, asked, state, body` begin at
/// `first`, and tells which side tables have more.
pub(super) fn read(
    sequence: Sequence,
    queue: QueueName,
    stored: &rusqlite::Row<'_>,
    first: usize,
) -> Result<(Row, SideTables)> {
    let undecodable = |error: Malformed| SqliteError::undecodable(sequence, error);
    let columns = Columns {
        id: stored.get_ref(first)?.as_str()?,
        queue,
        method: stored.get_ref(first + 2)?.as_str()?.into(),
        submitted: time(stored.get::<_, i64>(first + 3)?.cast_unsigned()).map_err(undecodable)?,
        parent: stored.get_ref(first + 4)?.as_str_or_null()?,
    };
    let request = stored.get_ref(first + 5)?.as_blob()?;
    let task = Arc::new(read_task(columns, request).map_err(undecodable)?);
    let state = state_of(stored.get(first + 6)?).ok_or(Malformed::Wrong("unknown state"));
    let encoded = stored.get_ref(first + 7)?.as_blob()?;
    state.and_then(|state| read_row(sequence, task, state, encoded)).map_err(undecodable)
}

/// The size of the encoded parts.
pub(super) fn bytes(stored: &rusqlite::Row<'_>, first: usize) -> Result<usize> {
    let of = |at| Ok::<_, SqliteError>(stored.get_ref(at)?.as_blob()?.len());
    Ok(of(first + 5)? + of(first + 7)?)
}

/// The name of a schedule or a webhook.
pub(super) fn name(text: &str) -> Result<Name> {
    Name::parse(text, "name").map_err(|error| SqliteError::Undecodable("a name", error.to_string()))
}

/// Decodes the state of a schedule.
pub(super) fn schedule_state(name: Name, next: Option<i64>, bytes: &[u8]) -> Result<ScheduleState> {
    let next = next.map(|at| time(at.cast_unsigned())).transpose();
    let read = next.and_then(|next| read_schedule_state(name, next, bytes));
    read.map_err(|error| SqliteError::Undecodable("a schedule", error.to_string()))
}

/// Decodes a schedule from the columns `name, due, standing, data`.
pub(super) fn schedule(stored: &rusqlite::Row<'_>) -> Result<ScheduleStatus> {
    let name = name(stored.get_ref(0)?.as_str()?)?;
    let schedule_state =
        schedule_state(name.clone(), stored.get(1)?, stored.get_ref(2)?.as_blob()?)?;
    let defined = read_schedule(name, schedule_state.overlap, stored.get_ref(3)?.as_blob()?);
    let schedule =
        defined.map_err(|error| SqliteError::Undecodable("a schedule", error.to_string()))?;
    Ok(schedule_state.status(Arc::new(schedule)))
}

/// All webhooks, by name.
pub(super) fn webhooks(connection: &Connection) -> Result<Vec<Arc<Webhook>>> {
    let mut statement =
        connection.prepare_cached("SELECT name, data FROM webhooks ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut webhooks = Vec::new();
    while let Some(row) = rows.next()? {
        let name = name(row.get_ref(0)?.as_str()?)?;
        webhooks.push(decode_webhook(name, row.get_ref(1)?.as_blob()?)?);
    }
    Ok(webhooks)
}

/// The webhook with this name.
pub(super) fn webhook(connection: &Connection, name: &Name) -> Result<Option<Arc<Webhook>>> {
    let mut statement = connection.prepare_cached("SELECT data FROM webhooks WHERE name = ?1")?;
    let mut rows = statement.query([name.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    decode_webhook(name.clone(), row.get_ref(0)?.as_blob()?).map(Some)
}

fn decode_webhook(name: Name, data: &[u8]) -> Result<Arc<Webhook>> {
    let read = read_webhook(name, data);
    read.map(Arc::new).map_err(|error| SqliteError::Undecodable("a webhook", error.to_string()))
}
