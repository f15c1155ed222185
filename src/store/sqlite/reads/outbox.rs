//! Queries of webhooks and their outbox.

use std::sync::Arc;

use super::super::codec::time;
use super::super::decode;
use super::super::error::{Result, SqliteError};
use super::Reader;
use crate::models::{Name, OutboxEntry, Webhook};

impl Reader<'_> {
    /// See [`Store::webhooks`](crate::store::Store::webhooks).
    pub(in super::super) fn webhooks(&mut self) -> Result<Vec<Arc<Webhook>>> {
        decode::webhooks(self.connection)
    }

    /// See [`Store::webhook`](crate::store::Store::webhook).
    pub(in super::super) fn webhook(&mut self, name: &Name) -> Result<Option<Arc<Webhook>>> {
        decode::webhook(self.connection, name)
    }

    /// See [`Store::outbox`](crate::store::Store::outbox).
    pub(in super::super) fn outbox(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        let sql = "SELECT position, webhook, event, at, payload FROM outbox
            WHERE position > ?1 ORDER BY position LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((after, limit))?;
        let mut posted = Vec::new();
        while let Some(row) = rows.next()? {
            let at = time(row.get::<_, i64>(3)?.cast_unsigned());
            posted.push(OutboxEntry {
                position: row.get::<_, i64>(0)?.cast_unsigned(),
                webhook: decode::name(row.get_ref(1)?.as_str()?)?,
                event: row.get(2)?,
                at: at
                    .map_err(|error| SqliteError::Undecodable("the outbox", error.to_string()))?,
                payload: row.get(4)?,
            });
        }
        Ok(posted)
    }
}
