//! What a webhook is told of one event: as arguments of the task that delivers it, and as the body of
//! its requests.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::models::{ArgValue, Mismatch, OutboxEntry};

/// One event, as one webhook is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Who is told.
    pub(super) webhook: String,
    /// The same however often it is sent.
    pub(super) id: String,
    /// The event's name.
    pub(super) event: String,
    /// When it happened, as RFC 3339 has it.
    pub(super) at: String,
    /// The event's payload, as JSON.
    pub(super) payload: String,
}

/// Why arguments are no notice.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoNotice {
    /// There are more or fewer.
    #[error("{0} arguments; expected webhook, id, event, time and payload")]
    Count(usize),
    /// One is no text.
    #[error(transparent)]
    Type(#[from] Mismatch),
    /// The payload is no object.
    #[error("the payload is no JSON object: {0}")]
    Payload(#[from] serde_json::Error),
}

/// The body of a request; its fields stay in this order.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    event: &'a str,
    category: &'a str,
    at: &'a str,
    payload: Map<String, Value>,
}

impl Notice {
    /// Of something that was put aside. Its id follows from that alone, so that it is the same
    /// whenever somebody asks, and is no other event's, also if a store begins anew. Nobody can guess
    /// it who does not know what happened and when.
    pub(super) fn of(posted: &OutboxEntry) -> Self {
        let OutboxEntry { position, webhook, event, at, payload } = posted;
        let at = at.to_string();
        let mut hash = Sha256::new();
        hash.update(position.to_le_bytes());
        for part in [webhook.as_str(), event, &at, payload] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let mut id = "evt_".to_owned();
        for byte in &hash.finalize()[..16] {
            write!(id, "{byte:02x}").expect("text takes all that is written");
        }
        Self {
            webhook: webhook.as_str().to_owned(),
            id,
            event: event.clone(),
            at,
            payload: payload.clone(),
        }
    }

    /// As the delivering task has it.
    pub(super) fn into_args(self) -> Vec<ArgValue> {
        let Self { webhook, id, event, at, payload } = self;
        [webhook, id, event, at, payload].map(ArgValue::from).into()
    }

    /// From the delivering task.
    ///
    /// # Errors
    /// [`NoNotice`] for arguments that somebody else made up.
    pub(super) fn from_args(args: Vec<ArgValue>) -> Result<Self, NoNotice> {
        let args: [ArgValue; 5] =
            args.try_into().map_err(|args: Vec<_>| NoNotice::Count(args.len()))?;
        let [webhook, id, event, at, payload] = args;
        Ok(Self {
            webhook: webhook.try_into()?,
            id: id.try_into()?,
            event: event.try_into()?,
            at: at.try_into()?,
            payload: payload.try_into()?,
        })
    }

    /// The body of its requests: the same bytes every time.
    ///
    /// # Errors
    /// [`NoNotice::Payload`].
    pub(super) fn body(&self) -> Result<Vec<u8>, NoNotice> {
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

    fn posted(position: u64, webhook: &str) -> OutboxEntry {
        OutboxEntry {
            position,
            webhook: Name::parse(webhook, "name").unwrap(),
            event: "task.completed".into(),
            at: Timestamp::from_micros(1_000_001).unwrap(),
            payload: r#"{"task_id":"a","attempts":1}"#.into(),
        }
    }

    #[test]
    fn the_body_says_what_happened_and_when() {
        let notice = Notice { id: "evt_1".into(), ..Notice::of(&posted(1, "crm")) };
        assert_eq!(
            String::from_utf8(notice.body().unwrap()).unwrap(),
            r#"{"id":"evt_1","event":"task.completed","category":"task","at":"1970-01-01T00:00:01.000001Z","payload":{"attempts":1,"task_id":"a"}}"#
        );
    }

    #[test]
    fn the_category_is_what_an_event_s_name_begins_with() {
        let event = crate::models::Event {
            at: Timestamp::EPOCH,
            fact: crate::models::Fact::Node(NodeFact::Draining),
        };
        assert_eq!(event.name().split_once('.').unwrap().0, event.category().as_str());
        assert_eq!(event.category(), Category::Node);
    }

    #[test]
    fn an_event_has_one_id_for_each_webhook_however_often_it_is_read() {
        let id = |position, webhook| Notice::of(&posted(position, webhook)).id;
        assert_eq!(id(1, "crm"), id(1, "crm"));
        assert_ne!(id(1, "crm"), id(2, "crm"));
        assert_ne!(id(1, "crm"), id(1, "erp"));
        let again = OutboxEntry { at: Timestamp::EPOCH, ..posted(1, "crm") };
        assert_ne!(id(1, "crm"), Notice::of(&again).id, "a store that begins anew");
        assert_eq!(id(1, "crm").len(), "evt_".len() + 32);
    }

    #[test]
    fn a_notice_survives_the_way_through_a_task() {
        let notice = Notice::of(&posted(7, "crm"));
        assert_eq!(Notice::from_args(notice.clone().into_args()).unwrap(), notice);
    }

    #[test]
    fn arguments_that_are_no_notice_are_told_apart() {
        let check = |args: Vec<ArgValue>, expected: &str| {
            let said = Notice::from_args(args).and_then(|it| it.body()).expect_err("refused");
            assert_eq!(said.to_string(), expected);
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
