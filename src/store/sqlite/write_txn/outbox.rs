//! Webhooks, which all stay in memory, and their outbox, which does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::super::codec::{micros, write_webhook};
use super::super::decode;
use super::super::error::Result;
use super::statements::Statements;
use crate::models::{Event, Name, Webhook};

#[derive(Default)]
pub(super) struct Outbox {
    pub(super) webhooks: BTreeMap<Name, Arc<Webhook>>,
}

impl Outbox {
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let webhooks = decode::webhooks(connection)?;
        let by_name = webhooks.into_iter().map(|webhook| (webhook.name.clone(), webhook));
        Ok(Self { webhooks: by_name.collect() })
    }

    pub(super) fn set(&mut self, webhook: &Arc<Webhook>, sql: &mut Statements<'_>) -> Result<()> {
        sql.put_webhook.execute((webhook.name.as_str(), write_webhook(webhook)))?;
        self.webhooks.insert(webhook.name.clone(), webhook.clone());
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &Name, sql: &mut Statements<'_>) -> Result<bool> {
        if self.webhooks.remove(name).is_none() {
            return Ok(false);
        }
        sql.delete_webhook.execute([name.as_str()])?;
        sql.delete_outbox.execute([name.as_str()])?;
        Ok(true)
    }
}

pub(super) fn enqueue_outbox(
    position: u64,
    webhook: &Name,
    event: &Event,
    payload: &str,
    sql: &mut Statements<'_>,
) -> Result<()> {
    let position = position.cast_signed();
    let (webhook, at) = (webhook.as_str(), micros(event.at));
    sql.enqueue_outbox.execute((position, webhook, event.name(), at, payload))?;
    Ok(())
}
