//! The payload of a delivery: as arguments of the delivery task, and as the JSON body of its requests.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::models::{ArgValue, Mismatch, OutboxEntry};

/// One event for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeliveryPayload {
    /// The name of the webhook.
    pub(super) webhook: String,
    /// The idempotency key for the receiver: the same for every attempt.
    pub(super) id: String,
    /// The event's name.
    pub(super) event: String,
    /// The time of the event in RFC 3339.
    pub(super) at: String,
    /// The event's payload, as JSON.
    pub(super) payload: String,
}

/// Why the arguments of a task are no delivery.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadDelivery {
    /// Not five arguments.
    #[error("{0} arguments; expected webhook, id, event, time and payload")]
    Count(usize),
    /// An argument is no text.
    #[error(transparent)]
    Type(#[from] Mismatch),
    /// The payload is no JSON object.
    #[error("the payload is no JSON object: {0}")]
    Payload(#[from] serde_json::Error),
}

/// The JSON body of a request, with its fields in this order.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    event: &'a str,
    category: &'a str,
    at: &'a str,
    payload: Map<String, Value>,
}

impl DeliveryPayload {
    /// The payload for an outbox entry. Its id is a hash of the entry: the same at every read, unique also
    /// after the store is recreated, and not guessable without the event's content.
    pub(super) fn of(entry: &OutboxEntry) -> Self {
        let OutboxEntry { position, webhook, event, at, payload } = entry;
        let at = at.to_string();
        let mut hash = Sha256::new();
        hash.update(position.to_le_bytes());
        for part in [webhook.as_str(), event, &at, payload] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let mut id = "evt_".to_owned();
        for byte in &hash.finalize()[..16] {
            write!(id, "{byte:02x}").expect("writing to a string does not fail");
        }
        Self {
            webhook: webhook.as_str().to_owned(),
            id,
            event: event.clone(),
            at,
            payload: payload.clone(),
        }
    }

    /// The arguments of the delivery task. Stored tasks have this format.
    pub(super) fn into_args(self) -> Vec<ArgValue> {
        let Self { webhook, id, event, at, payload } = self;
        [webhook, id, event, at, payload].map(ArgValue::from).into()
    }

    /// Reads the arguments of a delivery task.
    ///
    /// # Errors
    /// [`BadDelivery`] for a task that the courier did not create.
    pub(super) fn from_args(args: Vec<ArgValue>) -> Result<Self, BadDelivery> {
        let args: [ArgValue; 5] =
            args.try_into().map_err(|args: Vec<_>| BadDelivery::Count(args.len()))?;
        let [webhook, id, event, at, payload] = args;
        Ok(Self {
            webhook: webhook.try_into()?,
            id: id.try_into()?,
            event: event.try_into()?,
            at: at.try_into()?,
            payload: payload.try_into()?,
        })
    }

    /// The JSON body: the same bytes for every attempt.
    ///
    /// # Errors
    /// [`BadDelivery::Payload`].
    pub(super) fn body(&self) -> Result<Vec<u8>, BadDelivery> {
        let category = self.event.split_once('.').map_or("", |(category, _)| category);
        let payload = serde_json::from_str(&self.payload)?;
        let Self { id, event, at, .. } = self;
        Ok(serde_json::to_vec(&Body { id, event, category, at, payload })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::models::{Category, Name, NodeFact};

    fn entry(position: u64, webhook: &str) -> OutboxEntry {
        OutboxEntry {
            position,
            webhook: Name::parse(webhook, "name").unwrap(),
            event: "task.completed".into(),
            at: Timestamp::from_micros(1_000_001).unwrap(),
            payload: r#"{"task_id":"a","attempts":1}"#.into(),
        }
    }

    #[test]
    fn the_body_contains_the_event() {
        let delivery =
            DeliveryPayload { id: "evt_1".into(), ..DeliveryPayload::of(&entry(1, "crm")) };
        assert_eq!(
            String::from_utf8(delivery.body().unwrap()).unwrap(),
            r#"{"id":"evt_1","event":"task.completed","category":"task","at":"1970-01-01T00:00:01.000001Z","payload":{"attempts":1,"task_id":"a"}}"#
        );
    }

    #[test]
    fn the_category_is_the_prefix_of_the_event_name() {
        let event = crate::models::Event {
            at: Timestamp::EPOCH,
            fact: crate::models::Fact::Node(NodeFact::Draining),
        };
        assert_eq!(event.name().split_once('.').unwrap().0, event.category().as_str());
        assert_eq!(event.category(), Category::Node);
    }

    #[test]
    fn an_event_has_one_stable_id_for_each_webhook() {
        let id = |position, webhook| DeliveryPayload::of(&entry(position, webhook)).id;
        assert_eq!(id(1, "crm"), id(1, "crm"));
        assert_ne!(id(1, "crm"), id(2, "crm"));
        assert_ne!(id(1, "crm"), id(1, "erp"));
        let again = OutboxEntry { at: Timestamp::EPOCH, ..entry(1, "crm") };
        assert_ne!(id(1, "crm"), DeliveryPayload::of(&again).id, "another store");
        assert_eq!(id(1, "crm").len(), "evt_".len() + 32);
    }

    #[test]
    fn a_payload_survives_the_conversion_to_arguments() {
        let delivery = DeliveryPayload::of(&entry(7, "crm"));
        assert_eq!(DeliveryPayload::from_args(delivery.clone().into_args()).unwrap(), delivery);
    }

    #[test]
    fn arguments_that_are_no_delivery_are_refused() {
        let check = |args: Vec<ArgValue>, expected: &str| {
            let error =
                DeliveryPayload::from_args(args).and_then(|it| it.body()).expect_err("refused");
            assert_eq!(error.to_string(), expected);
        };
        check(Vec::new(), "0 arguments; expected webhook, id, event, time and payload");
        let texts = |payload: &str| ["w", "i", "e", "t", payload].map(ArgValue::from).to_vec();
        let mut args = texts("{}");
        args[2] = 5.into();
        check(args, "expected text, got integer");
        check(
            texts("[]"),
            "the payload is no JSON object: invalid type: sequence, expected a map at line 1 column 0",
        );
    }
}
