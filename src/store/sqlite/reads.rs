//! Queries of tasks.

mod keys;
mod outbox;
pub(super) mod queues;
mod schedules;

use ahash::{HashMap, HashMapExt};
use rusqlite::{Connection, OptionalExtension as _, Row as Stored};

use super::codec::{level_of, micros, state_number, time};
use super::decode;
use super::error::{Result, SqliteError};
use super::id_key::Keys;
use crate::models::{LogLine, QueueName, Sequence, Snapshot, State, TaskFilter, TaskId, TaskPage};
use crate::store::{ClaimableTask, LIST_BUDGET, Position};

/// A connection, and the names of queues that it has read.
pub(super) struct Reader<'c> {
    connection: &'c Connection,
    keys: Keys,
    /// Names of queues never change.
    names: HashMap<i64, QueueName>,
}

/// The columns that a task is decoded from.
pub(super) const TASK: &str = "t.seq, t.id, t.queue, t.method, t.submitted, t.parent, t.asked,
    coalesce(l.state, e.state), coalesce(l.body, e.body), e.at";
const OUTCOMES: &str = "LEFT JOIN live l ON l.seq = t.seq LEFT JOIN ended e ON e.seq = t.seq";

impl<'c> Reader<'c> {
    pub(super) fn new(connection: &'c Connection, keys: Keys) -> Self {
        Self { connection, keys, names: HashMap::new() }
    }

    /// Runs a query in one snapshot of the file.
    pub(super) fn in_snapshot<T>(
        &mut self,
        query: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let moment = self.connection.unchecked_transaction()?;
        let answer = query(self);
        moment.finish()?;
        answer
    }

    fn sequence_of(&self, id: &TaskId, pending: &[Sequence]) -> Result<Option<Sequence>> {
        let key = self.keys.of(id);
        let mut id_matches =
            self.connection.prepare_cached("SELECT 1 FROM tasks WHERE seq = ?1 AND id = ?2")?;
        for sequence in pending {
            if id_matches.exists((sequence.0.cast_signed(), id.as_str()))? {
                return Ok(Some(*sequence));
            }
        }
        let sql = "SELECT t.seq FROM ids i JOIN tasks t ON t.seq = i.seq
            WHERE i.key = ?1 AND t.id = ?2";
        let mut of_key = self.connection.prepare_cached(sql)?;
        let found = of_key.query_one((key, id.as_str()), |row| row.get::<_, i64>(0)).optional()?;
        Ok(found.map(|seq| Sequence(seq.cast_unsigned())))
    }

    /// The tasks with these ids. `pending` has, for each id, the tasks whose ids were not in the
    /// table of ids before the snapshot.
    pub(super) fn find(
        &mut self,
        ids: &[TaskId],
        pending: &[Vec<Sequence>],
    ) -> Result<Vec<Option<Snapshot>>> {
        let sql = format!("SELECT {TASK} FROM tasks t {OUTCOMES} WHERE t.seq = ?1");
        let mut snapshots = Vec::with_capacity(ids.len());
        for (id, pending) in ids.iter().zip(pending) {
            let Some(sequence) = self.sequence_of(id, pending)? else {
                snapshots.push(None);
                continue;
            };
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([sequence.0.cast_signed()])?;
            snapshots.push(match rows.next()? {
                Some(row) => Some(self.snapshot(row)?),
                None => None,
            });
        }
        Ok(snapshots)
    }

    pub(super) fn queue_name(&mut self, number: i64) -> Result<QueueName> {
        if let Some(name) = self.names.get(&number) {
            return Ok(name.clone());
        }
        let mut statement =
            self.connection.prepare_cached("SELECT name FROM queues WHERE number = ?1")?;
        let name: String = statement.query_one([number], |row| row.get(0))?;
        let name = QueueName::parse(&name, "queue")
            .map_err(|error| SqliteError::UndecodableTask(0, error.to_string()))?;
        self.names.insert(number, name.clone());
        Ok(name)
    }

    /// The task whose [`TASK`] columns these are.
    fn snapshot(&mut self, row: &Stored<'_>) -> Result<Snapshot> {
        let sequence = Sequence(row.get::<_, i64>(0)?.cast_unsigned());
        let queue = self.queue_name(row.get(1 + decode::QUEUE)?)?;
        let (row, side_tables) = decode::read(sequence, queue, row, 1)?;
        let mut snapshot = row.snapshot();
        if side_tables.checkpoint {
            let sql = "SELECT length(data) FROM checkpoints WHERE seq = ?1";
            let mut statement = self.connection.prepare_cached(sql)?;
            let bytes: i64 = statement.query_one([sequence.0.cast_signed()], |row| row.get(0))?;
            snapshot.checkpoint_bytes = usize::try_from(bytes).unwrap_or(0);
        }
        Ok(snapshot)
    }

    fn queue_number(&self, queue: &QueueName) -> Result<Option<i64>> {
        let sql = "SELECT number FROM queues WHERE name = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_one([queue.as_str()], |row| row.get(0)).optional()?)
    }

    /// See [`Store::window`](crate::store::Store::window).
    pub(super) fn window(
        &mut self,
        queue: &QueueName,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<ClaimableTask>> {
        let Some(number) = self.queue_number(queue)? else { return Ok(Vec::new()) };
        let mut ready = Vec::new();
        // First those of the same priority, then those of lower ones.
        let (priority, after) = match after {
            Some(position) => {
                let sql = "SELECT l.seq, l.priority, t.method
                    FROM live l JOIN tasks t ON t.seq = l.seq
                    WHERE l.line = ?1 AND l.priority = ?2 AND l.seq > ?3 ORDER BY l.seq LIMIT ?4";
                let from = (number, position.priority, position.sequence.0.cast_signed());
                self.gather(sql, queue, from, limit, &mut ready)?;
                (i64::from(position.priority), position.sequence.0.cast_signed())
            }
            None => (i64::MAX, 0),
        };
        if ready.len() < limit {
            let sql = "SELECT l.seq, l.priority, t.method
                FROM live l JOIN tasks t ON t.seq = l.seq
                WHERE l.line = ?1 AND l.priority < ?2 AND ?3 = ?3
                ORDER BY l.priority DESC, l.seq LIMIT ?4";
            self.gather(sql, queue, (number, priority, after), limit - ready.len(), &mut ready)?;
        }
        Ok(ready)
    }

    fn gather(
        &self,
        sql: &str,
        queue: &QueueName,
        (number, priority, after): (i64, impl rusqlite::ToSql, i64),
        limit: usize,
        ready: &mut Vec<ClaimableTask>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((number, priority, after, limit))?;
        while let Some(row) = rows.next()? {
            let sequence = Sequence(row.get::<_, i64>(0)?.cast_unsigned());
            ready.push(ClaimableTask {
                queue: queue.clone(),
                position: Position { priority: row.get(1)?, sequence },
                method: row.get_ref(2)?.as_str()?.into(),
            });
        }
        Ok(())
    }

    /// See [`Store::list`](crate::store::Store::list).
    pub(super) fn list(
        &mut self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<TaskPage> {
        let mut page = TaskPage::default();
        let queue = match &filter.queue {
            None => None,
            Some(queue) => match self.queue_number(queue)? {
                Some(number) => Some(number),
                None => return Ok(page),
            },
        };
        let sql = format!(
            "SELECT {TASK} FROM {} WHERE t.seq < ?1 ORDER BY t.seq DESC LIMIT ?2",
            // Unfinished tasks are often few.
            match unfinished_only(filter) {
                true =>
                    "live l CROSS JOIN tasks t ON t.seq = l.seq LEFT JOIN ended e ON e.seq = -1",
                false =>
                    "tasks t LEFT JOIN live l ON l.seq = t.seq LEFT JOIN ended e ON e.seq = t.seq",
            }
        );
        let sql = if unfinished_only(filter) {
            sql.replace("t.seq < ?1 ORDER BY t.seq", "l.seq < ?1 ORDER BY l.seq")
        } else {
            sql
        };
        let before = before.map_or(i64::MAX, |before| before.0.cast_signed());
        let mut statement = self.connection.prepare_cached(&sql)?;
        // One more row than the budget tells whether there are more.
        let mut rows = statement.query((before, LIST_BUDGET as i64 + 1))?;
        let mut scanned = 0;
        while let Some(row) = rows.next()? {
            if scanned == LIST_BUDGET || page.tasks.len() == limit {
                return Ok(page);
            }
            scanned += 1;
            page.next = Some(Sequence(row.get::<_, i64>(0)?.cast_unsigned()));
            if columns_match(filter, queue, row)? {
                let snapshot = self.snapshot(row)?;
                let ended_at = snapshot.outcome.as_ref().map(|outcome| outcome.ended_at);
                if filter.matches(&snapshot.task, snapshot.state, ended_at) {
                    page.tasks.push(snapshot);
                }
            }
        }
        page.next = None;
        Ok(page)
    }

    /// See [`Store::logs`](crate::store::Store::logs).
    pub(super) fn logs(
        &mut self,
        id: &TaskId,
        pending: &[Sequence],
        after: u32,
        limit: usize,
    ) -> Result<Vec<LogLine>> {
        let Some(sequence) = self.sequence_of(id, pending)? else { return Ok(Vec::new()) };
        let sql = "SELECT number, at, level, attempt, text FROM logs
            WHERE seq = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((sequence.0.cast_signed(), after, limit))?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            lines.push(LogLine {
                number: row.get(0)?,
                at: time(row.get::<_, i64>(1)?.cast_unsigned())
                    .map_err(|error| SqliteError::undecodable(sequence, error))?,
                level: level_of(row.get(2)?),
                attempt: row.get(3)?,
                text: row.get(4)?,
            });
        }
        Ok(lines)
    }
}

fn unfinished_only(filter: &TaskFilter) -> bool {
    !filter.states.is_empty() && !filter.states.iter().any(|state| state.has_ended())
}

/// Whether a row can match, judged by its columns.
fn columns_match(filter: &TaskFilter, queue: Option<i64>, row: &Stored<'_>) -> Result<bool> {
    let state: i64 = row.get(7)?;
    let is = |wanted: &State| state_number(*wanted) == state;
    if !filter.states.is_empty() && !filter.states.iter().any(is) {
        return Ok(false);
    }
    if let Some(queue) = queue
        && row.get::<_, i64>(2)? != queue
    {
        return Ok(false);
    }
    if let Some(method) = &filter.method
        && row.get_ref(3)?.as_str()? != method
    {
        return Ok(false);
    }
    let submitted: i64 = row.get(4)?;
    if filter.submitted_after.is_some_and(|at| submitted <= micros(at))
        || filter.submitted_before.is_some_and(|at| submitted >= micros(at))
    {
        return Ok(false);
    }
    if let Some(parent) = &filter.parent
        && row.get_ref(5)?.as_str_or_null()? != Some(parent.as_str())
    {
        return Ok(false);
    }
    if let Some(before) = filter.ended_before {
        let ended: Option<i64> = row.get(9)?;
        return Ok(ended.is_some_and(|at| at < micros(before)));
    }
    Ok(true)
}
