//! Delivery counts since the server started.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::models::MAX_WEBHOOKS;

/// The maximum length of a stored error, in bytes.
const MAX_ERROR_BYTES: usize = 512;

/// The delivery counts of one webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// The number of delivered events.
    pub(super) delivered: u64,
    /// The number of abandoned deliveries.
    pub(super) abandoned: u64,
    /// The last error; empty without one.
    pub(super) last_error: String,
}

/// The counts by webhook name, for at most [`MAX_WEBHOOKS`] webhooks.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<BTreeMap<String, Count>>);

impl Counts {
    /// Adds a webhook. Deliveries of unknown webhooks are not counted.
    pub(super) fn add(&self, webhook: &str) {
        let mut counts = self.0.lock();
        if counts.len() < MAX_WEBHOOKS && !counts.contains_key(webhook) {
            counts.insert(webhook.to_owned(), Count::default());
        }
    }

    /// The counts of a webhook.
    pub(super) fn of(&self, webhook: &str) -> Count {
        self.0.lock().get(webhook).cloned().unwrap_or_default()
    }

    /// Counts a delivered event.
    pub(super) fn delivered(&self, webhook: &str) {
        self.change(webhook, |count| count.delivered += 1);
    }

    /// Stores the error of a failed request.
    pub(super) fn failed(&self, webhook: &str, error: &str) {
        self.change(webhook, |count| count.last_error = truncate(error));
    }

    /// Counts an abandoned delivery and stores its error.
    pub(super) fn abandoned(&self, webhook: &str, error: &str) {
        self.change(webhook, |count| {
            count.abandoned += 1;
            count.last_error = truncate(error);
        });
    }

    /// Removes a deleted webhook.
    pub(super) fn remove(&self, webhook: &str) {
        self.0.lock().remove(webhook);
    }

    /// Does nothing for a deleted webhook, whose last deliveries may still run.
    fn change(&self, webhook: &str, change: impl FnOnce(&mut Count)) {
        if let Some(count) = self.0.lock().get_mut(webhook) {
            change(count);
        }
    }
}

fn truncate(error: &str) -> String {
    error[..error.floor_char_boundary(MAX_ERROR_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_webhook_has_its_own_counts() {
        let counts = Counts::default();
        counts.add("crm");
        counts.add("erp");
        counts.delivered("crm");
        counts.add("crm");
        counts.failed("crm", "busy");
        counts.abandoned("erp", &"€".repeat(200));
        let crm = Count { delivered: 1, abandoned: 0, last_error: "busy".into() };
        assert_eq!(counts.of("crm"), crm);
        assert_eq!(counts.of("erp").last_error.len(), 510);
        assert_eq!((counts.of("erp").delivered, counts.of("erp").abandoned), (0, 1));
        assert_eq!(counts.of("unknown"), Count::default());
    }

    #[test]
    fn the_last_delivery_of_a_deleted_webhook_does_not_add_it_again() {
        let counts = Counts::default();
        counts.add("crm");
        counts.delivered("crm");
        counts.remove("crm");
        counts.delivered("crm");
        counts.failed("crm", "busy");
        counts.abandoned("crm", "gone");
        assert_eq!(counts.of("crm"), Count::default());
        assert_eq!(counts.0.lock().len(), 0);
    }

    #[test]
    fn the_number_of_counted_webhooks_is_bounded() {
        let counts = Counts::default();
        for number in 0..2 * MAX_WEBHOOKS {
            counts.add(&number.to_string());
        }
        assert_eq!(counts.0.lock().len(), MAX_WEBHOOKS);
        counts.delivered("0");
        assert_eq!(counts.of("0").delivered, 1);
    }
}
