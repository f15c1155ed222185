//! Webhooks and their outbox.

use std::sync::Arc;

use super::{Rows, Transition};
use crate::models::{MAX_WEBHOOKS, Name, Webhook};
use crate::store::{ChangeResult, Insert};

impl<R: Rows> Transition<'_, R> {
    /// Creates or replaces a webhook. Outbox entries of an earlier one with its name stay.
    pub(super) fn set_webhook(&mut self, webhook: &Arc<Webhook>) -> Result<(), R::Error> {
        let webhooks = self.rows.webhooks();
        if webhooks.len() >= MAX_WEBHOOKS && !webhooks.contains_key(&webhook.name) {
            self.applied.result = ChangeResult::LimitReached;
            return Ok(());
        }
        self.rows.set_webhook(webhook)
    }

    pub(super) fn delete_webhook(&mut self, name: &Name) -> Result<(), R::Error> {
        if !self.rows.drop_webhook(name)? {
            self.applied.result = ChangeResult::NotFound;
        }
        Ok(())
    }

    /// Turns an outbox entry into a delivery task. An id that is taken means that this was done
    /// before.
    pub(super) fn deliver(&mut self, position: u64, delivery: &Insert) -> Result<(), R::Error> {
        if !self.rows.is_in_outbox(position)? {
            self.applied.result = ChangeResult::NotFound;
            return Ok(());
        }
        self.applied.result = self.insert(delivery, None)?;
        if let ChangeResult::Inserted(_) | ChangeResult::IdConflict(_) = self.applied.result {
            self.rows.dequeue_outbox(position)?;
        }
        Ok(())
    }
}
