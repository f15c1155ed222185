//! Questions about webhooks and what is put aside for them; and who holds a key.

use std::sync::Arc;

use super::super::codec::time;
use super::super::problem::{Fault, Result};
use super::super::stored;
use super::Reader;
use crate::models::{Name, Posted, QueueName, TaskId, Webhook};

impl Reader<'_> {
    /// See [`Store::webhooks`](crate::store::Store::webhooks).
    pub(in super::super) fn webhooks(&mut self) -> Result<Vec<Arc<Webhook>>> {
        stored::webhooks(self.connection)
    }

    /// See [`Store::webhook`](crate::store::Store::webhook).
    pub(in super::super) fn webhook(&mut self, name: &Name) -> Result<Option<Arc<Webhook>>> {
        stored::webhook(self.connection, name)
    }

    /// See [`Store::outbox`](crate::store::Store::outbox).
    pub(in super::super) fn outbox(&mut self, after: u64, limit: usize) -> Result<Vec<Posted>> {
        let sql = "SELECT position, webhook, event, at, payload FROM outbox
            WHERE position > ?1 ORDER BY position LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((after, limit))?;
        let mut posted = Vec::new();
        while let Some(row) = rows.next()? {
            let at = time(row.get::<_, i64>(3)?.cast_unsigned());
            posted.push(Posted {
                position: row.get::<_, i64>(0)?.cast_unsigned(),
                webhook: stored::name(row.get_ref(1)?.as_str()?)?,
                event: row.get(2)?,
                at: at.map_err(|error| Fault::Illegible("the outbox", error.to_string()))?,
                payload: row.get(4)?,
            });
        }
        Ok(posted)
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
}
