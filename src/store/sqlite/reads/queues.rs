//! Queries of queues: their counters, which every commit maintains, and their longest waiting task.

use rusqlite::{Connection, OptionalExtension as _};

use super::super::codec::{read_settings, state_of, time};
use super::super::error::{Result, SqliteError};
use super::super::write_txn::SUSPENDED;
use super::Reader;
use crate::clock::Timestamp;
use crate::models::{QueueName, QueueSettings, Sequence};
use crate::store::QueueState;
use crate::store::queue_state::MAX_PRIORITIES;

impl Reader<'_> {
    /// See [`Store::queues`](crate::store::Store::queues).
    pub(in super::super) fn queues(&mut self) -> Result<Vec<QueueState>> {
        queues(self.connection)
    }
}

/// See [`Store::queues`](crate::store::Store::queues).
pub(in super::super) fn queues(connection: &Connection) -> Result<Vec<QueueState>> {
    let sql = "SELECT number, name, settings FROM queues ORDER BY name";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let queue = QueueName::parse(row.get_ref(1)?.as_str()?, "queue")
            .map_err(|error| SqliteError::UndecodableTask(0, error.to_string()))?;
        let mut state = QueueState::empty(queue);
        state.settings = settings_of(row.get_ref(2)?.as_blob_or_null()?)?;
        count(connection, number, &mut state)?;
        if state.queued > 0 {
            state.oldest_queued_at = oldest_queued(connection, number)?;
        }
        if !state.is_empty() {
            states.push(state);
        }
    }
    Ok(states)
}

fn count(connection: &Connection, number: i64, found: &mut QueueState) -> Result<()> {
    let sql = "SELECT state, n FROM counts WHERE queue = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([number])?;
    while let Some(row) = rows.next()? {
        let (kind, count): (i64, i64) = (row.get(0)?, row.get(1)?);
        match state_of(kind) {
            Some(state) => found.add(state, count.cast_unsigned()),
            None if kind == SUSPENDED as i64 => found.suspended = count.cast_unsigned(),
            None => {}
        }
    }
    Ok(())
}

/// When the longest waiting claimable task of a queue was accepted: the earliest of the first tasks
/// of each priority, which the index finds.
fn oldest_queued(connection: &Connection, number: i64) -> Result<Option<Timestamp>> {
    let sql = "SELECT priority, seq FROM live WHERE line = ?1 AND priority < ?2
        ORDER BY priority DESC, seq LIMIT 1";
    let mut first_below = connection.prepare_cached(sql)?;
    let (mut below, mut oldest) = (i64::MAX, None);
    for _ in 0..MAX_PRIORITIES {
        let first =
            first_below.query_one((number, below), |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
        let Some((priority, seq)) = first.optional()? else { break };
        below = priority;
        oldest = Some(oldest.map_or(seq, |oldest: i64| oldest.min(seq)));
    }
    let Some(seq) = oldest else { return Ok(None) };
    let sql = "SELECT submitted FROM tasks WHERE seq = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let submitted: i64 = statement.query_one([seq], |row| row.get(0))?;
    time(submitted.cast_unsigned())
        .map(Some)
        .map_err(|error| SqliteError::undecodable(Sequence(seq.cast_unsigned()), error))
}

pub(super) fn settings_of(stored: Option<&[u8]>) -> Result<QueueSettings> {
    let Some(bytes) = stored else { return Ok(QueueSettings::default()) };
    read_settings(bytes).map_err(|error| SqliteError::UndecodableTask(0, error.to_string()))
}
