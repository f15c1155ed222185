//! How queues and keys stand: how many tasks there are, from the counters that commits keep, who
//! holds a place, and when the next may start.

use rusqlite::OptionalExtension as _;

use super::super::codec::{read_settings, state_of, time};
use super::super::problem::{Fault, Result};
use super::Reader;
use crate::clock::Timestamp;
use crate::models::{QueueName, QueueSettings, Sequence, TaskId};
use crate::store::QueueDepth;
use crate::store::depth::PRIORITIES;
use crate::store::rules::Pace;

impl Reader<'_> {
    /// See [`Store::depths`](crate::store::Store::depths).
    pub(in super::super) fn depths(&mut self) -> Result<Vec<QueueDepth>> {
        let sql = "SELECT number, name, settings FROM queues ORDER BY name";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut depths = Vec::new();
        while let Some(row) = rows.next()? {
            let unreadable = |error: String| Fault::Unreadable(0, error);
            let number: i64 = row.get(0)?;
            let queue = QueueName::parse(row.get_ref(1)?.as_str()?, "queue")
                .map_err(|error| unreadable(error.to_string()))?;
            let settings = settings_of(row.get_ref(2)?.as_blob_or_null()?)?;
            let mut depth = QueueDepth::of(queue);
            depth.paused = settings.paused;
            self.count(number, &mut depth)?;
            if depth.queued > 0 {
                depth.oldest_queued_at = self.oldest_queued(number)?;
            }
            if !depth.is_idle() || settings != QueueSettings::default() {
                depths.push(depth);
            }
        }
        Ok(depths)
    }

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
            .map_err(|error| Fault::Unreadable(0, error.to_string()))?;
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
            holders.push(id.map_err(|error| Fault::Illegible("an id", error.to_string()))?);
        }
        Ok(holders)
    }

    fn count(&self, number: i64, depth: &mut QueueDepth) -> Result<()> {
        let sql = "SELECT state, n FROM counts WHERE queue = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([number])?;
        while let Some(row) = rows.next()? {
            // Those that rest are counted once more, under a number that is no state's.
            if let Some(state) = state_of(row.get(0)?) {
                depth.add(state, row.get::<_, i64>(1)?.cast_unsigned());
            }
        }
        Ok(())
    }

    /// When the claimable task of a queue was accepted that has waited longest: the first of one
    /// priority after the other, each found in the index.
    fn oldest_queued(&self, number: i64) -> Result<Option<Timestamp>> {
        let sql = "SELECT priority, seq FROM live WHERE line = ?1 AND priority < ?2
            ORDER BY priority DESC, seq LIMIT 1";
        let mut first_below = self.connection.prepare_cached(sql)?;
        let (mut below, mut oldest) = (i64::MAX, None);
        for _ in 0..PRIORITIES {
            let first = first_below
                .query_one((number, below), |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
            let Some((priority, seq)) = first.optional()? else { break };
            below = priority;
            oldest = Some(oldest.map_or(seq, |oldest: i64| oldest.min(seq)));
        }
        let Some(seq) = oldest else { return Ok(None) };
        let sql = "SELECT submitted FROM tasks WHERE seq = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let submitted: i64 = statement.query_one([seq], |row| row.get(0))?;
        time(submitted.cast_unsigned())
            .map(Some)
            .map_err(|error| Fault::unreadable(Sequence(seq.cast_unsigned()), error))
    }
}

fn settings_of(written: Option<&[u8]>) -> Result<QueueSettings> {
    let Some(bytes) = written else { return Ok(QueueSettings::default()) };
    read_settings(bytes).map_err(|error| Fault::Unreadable(0, error.to_string()))
}
