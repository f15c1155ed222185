//! Queries of concurrency keys: holders, and when a key is free.

use super::super::codec::time;
use super::super::error::{Result, SqliteError};
use super::Reader;
use super::queues::settings_of;
use crate::clock::Timestamp;
use crate::models::{QueueName, TaskId};
use crate::store::rules::Pace;

impl Reader<'_> {
    /// See [`Store::key_free_at`](crate::store::Store::key_free_at).
    pub(in super::super) fn key_free_at(
        &mut self,
        queue: &QueueName,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let sql = "SELECT q.settings, p.next FROM queues q JOIN paces p ON p.queue = q.number
            WHERE q.name = ?1 AND p.key = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((queue.as_str(), key))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let settings = settings_of(row.get_ref(0)?.as_blob_or_null()?)?;
        let next = time(row.get::<_, i64>(1)?.cast_unsigned())
            .map_err(|error| SqliteError::UndecodableTask(0, error.to_string()))?;
        let pace = Pace { next, wake: None };
        Ok(settings.limits.rate_per_key.and_then(|rate| pace.free_at(rate, now)))
    }

    /// See [`Store::holders`](crate::store::Store::holders).
    pub(in super::super) fn holders(
        &mut self,
        queue: &QueueName,
        key: &str,
        limit: usize,
    ) -> Result<Vec<TaskId>> {
        let Some(number) = self.queue_number(queue)? else { return Ok(Vec::new()) };
        let sql = "SELECT t.id FROM live l JOIN tasks t ON t.seq = l.seq
            WHERE l.holds = ?1 AND l.key = ?2 ORDER BY l.seq LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((number, key, limit))?;
        let mut holders = Vec::new();
        while let Some(row) = rows.next()? {
            let id = TaskId::parse(row.get_ref(0)?.as_str()?, "id");
            holders.push(id.map_err(|error| SqliteError::Undecodable("an id", error.to_string()))?);
        }
        Ok(holders)
    }
}
