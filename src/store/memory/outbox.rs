//! Webhooks and their outbox.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::models::{Event, Name, OutboxEntry, Webhook};

#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) webhooks: BTreeMap<Name, Arc<Webhook>>,
    entries: BTreeMap<u64, OutboxEntry>,
    /// The last position used.
    last: u64,
}

impl Outbox {
    pub(super) fn set(&mut self, webhook: &Arc<Webhook>) {
        self.webhooks.insert(webhook.name.clone(), webhook.clone());
    }

    pub(super) fn remove(&mut self, name: &Name) -> bool {
        self.entries.retain(|_, entry| entry.webhook != *name);
        self.webhooks.remove(name).is_some()
    }

    pub(super) fn enqueue_outbox(&mut self, webhook: &Name, event: &Event, payload: &str) {
        self.last += 1;
        let entry = OutboxEntry {
            position: self.last,
            webhook: webhook.clone(),
            event: event.name().to_owned(),
            at: event.at,
            payload: payload.to_owned(),
        };
        self.entries.insert(self.last, entry);
    }

    pub(super) fn holds(&self, position: u64) -> bool {
        self.entries.contains_key(&position)
    }

    pub(super) fn dequeue_outbox(&mut self, position: u64) {
        self.entries.remove(&position);
    }

    pub(super) fn after(&self, position: u64, limit: usize) -> Vec<OutboxEntry> {
        let behind = self.entries.range((Bound::Excluded(position), Bound::Unbounded));
        behind.take(limit).map(|(_, entry)| entry.clone()).collect()
    }

    /// Panics if an entry has no webhook.
    #[cfg(test)]
    pub(super) fn check(&self) {
        for (position, entry) in &self.entries {
            assert!(*position == entry.position && *position <= self.last, "{entry:?}");
            assert!(self.webhooks.contains_key(&entry.webhook), "{entry:?}");
        }
    }
}
