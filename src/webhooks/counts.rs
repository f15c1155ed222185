//! How deliveries went since this start.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::models::MAX_WEBHOOKS;

/// The longest error that is remembered, in bytes.
const MAX_ERROR_BYTES: usize = 512;

/// How the deliveries of one webhook went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Events that it took.
    pub(super) delivered: u64,
    /// Events that were given up.
    pub(super) abandoned: u64,
    /// What went wrong last; empty if nothing did.
    pub(super) last_error: String,
}

/// By the webhooks' names. At most [`MAX_WEBHOOKS`] are remembered.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<BTreeMap<String, Count>>);

impl Counts {
    /// This webhook is there: what becomes of its deliveries is counted.
    pub(super) fn remember(&self, webhook: &str) {
        let mut counts = self.0.lock();
        if counts.len() < MAX_WEBHOOKS && !counts.contains_key(webhook) {
            counts.insert(webhook.to_owned(), Count::default());
        }
    }

    /// How those of this one went.
    pub(super) fn of(&self, webhook: &str) -> Count {
        self.0.lock().get(webhook).cloned().unwrap_or_default()
    }

    /// An event was taken.
    pub(super) fn delivered(&self, webhook: &str) {
        self.change(webhook, |count| count.delivered += 1);
    }

    /// A request was for nothing.
    pub(super) fn failed(&self, webhook: &str, error: &str) {
        self.change(webhook, |count| count.last_error = cut(error));
    }

    /// An event was given up.
    pub(super) fn abandoned(&self, webhook: &str, error: &str) {
        self.change(webhook, |count| {
            count.abandoned += 1;
            count.last_error = cut(error);
        });
    }

    /// The webhook is no more.
    pub(super) fn forget(&self, webhook: &str) {
        self.0.lock().remove(webhook);
    }

    /// Nothing for one that is no more, whose last deliveries are still under way.
    fn change(&self, webhook: &str, change: impl FnOnce(&mut Count)) {
        if let Some(count) = self.0.lock().get_mut(webhook) {
            change(count);
        }
    }
}

fn cut(error: &str) -> String {
    error[..error.floor_char_boundary(MAX_ERROR_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_webhook_is_counted_for_itself() {
        let counts = Counts::default();
        counts.remember("crm");
        counts.remember("erp");
        counts.delivered("crm");
        counts.remember("crm");
        counts.failed("crm", "busy");
        counts.abandoned("erp", &"€".repeat(200));
        let crm = Count { delivered: 1, abandoned: 0, last_error: "busy".into() };
        assert_eq!(counts.of("crm"), crm);
        assert_eq!(counts.of("erp").last_error.len(), 510);
        assert_eq!((counts.of("erp").delivered, counts.of("erp").abandoned), (0, 1));
        assert_eq!(counts.of("nobody"), Count::default());
    }

    #[test]
    fn what_is_deleted_does_not_come_back_with_its_last_delivery() {
        let counts = Counts::default();
        counts.remember("crm");
        counts.delivered("crm");
        counts.forget("crm");
        counts.delivered("crm");
        counts.failed("crm", "busy");
        counts.abandoned("crm", "gone");
        assert_eq!(counts.of("crm"), Count::default());
        assert_eq!(counts.0.lock().len(), 0);
    }

    #[test]
    fn no_more_are_remembered_than_there_can_be() {
        let counts = Counts::default();
        for number in 0..2 * MAX_WEBHOOKS {
            counts.remember(&number.to_string());
        }
        assert_eq!(counts.0.lock().len(), MAX_WEBHOOKS);
        counts.delivered("0");
        assert_eq!(counts.of("0").delivered, 1);
    }
}
