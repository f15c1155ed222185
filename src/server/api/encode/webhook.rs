//! How webhooks stand. Nothing here has a secret.

use prost::Message as _;

use crate::models::{EventFilter, Webhook};
use crate::pb;
use crate::server::api::encode::stamp;
use crate::server::api::page_token;
use crate::webhooks::Status;

/// What stands around one webhook in a page: the field's number and the length.
const FIELD_HEAD_BYTES: usize = 8;
/// Room for the token of the next page.
const MAX_TOKEN_ROOM: usize = 256;

/// To every call about webhooks.
pub(in crate::server::api) fn webhook(status: &Status) -> pb::WebhookStatus {
    pb::WebhookStatus {
        webhook: Some(definition(&status.webhook)),
        unfinished: status.unfinished,
        delivered: status.delivered,
        abandoned: status.abandoned,
        last_error: status.last_error.clone(),
        queue: status.queue.clone(),
    }
}

/// To ListWebhooks: so many as are on a page and as fit in so many bytes, at least one if there is one.
pub(in crate::server::api) fn webhooks(
    statuses: &[Status],
    limit: usize,
    max_bytes: usize,
) -> pb::ListWebhooksResponse {
    let mut room = max_bytes.saturating_sub(MAX_TOKEN_ROOM);
    let mut webhooks: Vec<pb::WebhookStatus> = Vec::with_capacity(limit.min(statuses.len()));
    for status in statuses.iter().take(limit) {
        let told = webhook(status);
        let bytes = told.encoded_len() + FIELD_HEAD_BYTES;
        if bytes > room && !webhooks.is_empty() {
            break;
        }
        room = room.saturating_sub(bytes);
        webhooks.push(told);
    }
    let last = webhooks.len().checked_sub(1).and_then(|last| statuses.get(last));
    let next = last.filter(|_| webhooks.len() < statuses.len());
    let next = next.map(|status| page_token::write_webhook(&status.webhook.name));
    pb::ListWebhooksResponse { webhooks, next_page_token: next.unwrap_or_default() }
}

fn definition(webhook: &Webhook) -> pb::Webhook {
    pb::Webhook {
        name: webhook.name.as_str().into(),
        description: webhook.description.clone(),
        url: webhook.url.clone(),
        filter: Some(event_filter(&webhook.filter)),
        secret: String::new(),
        timeout: Some(webhook.timeout.try_into().expect("a webhook has a minute at most")),
        retries: Some(webhook.retries),
        disabled: !webhook.enabled,
        updated_at: Some(stamp(webhook.updated_at)),
    }
}

fn event_filter(filter: &EventFilter) -> pb::EventFilter {
    pb::EventFilter {
        names: filter.names.iter().map(ToString::to_string).collect(),
        categories: filter.categories.iter().map(|it| it.as_str().to_owned()).collect(),
        queue: filter.queue.as_ref().map(|queue| queue.as_str().to_owned()).unwrap_or_default(),
        tag: filter.tag.clone().unwrap_or_default(),
        task_id: filter.task.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;
    use crate::models::{Category, Name, NamePattern, QueueName, Secret, TaskId};
    use crate::server::api::decode;
    use crate::webhooks::Draft;

    #[test]
    fn a_webhook_that_is_told_can_be_put_as_it_is_but_for_its_secret() {
        let filter = EventFilter {
            names: vec![NamePattern::parse("task.*"), NamePattern::parse("node.started")],
            categories: vec![Category::Task],
            queue: Some(QueueName::parse("mail", "queue").unwrap()),
            tag: Some("vip".into()),
            task: Some(TaskId::parse("a", "id").unwrap()),
        };
        let webhook = Webhook {
            name: Name::parse("crm", "name").unwrap(),
            description: "the CRM".into(),
            url: "http://h/".into(),
            filter: filter.clone(),
            secret: Secret::new("nobody may know this"),
            timeout: Duration::from_millis(1_500),
            retries: 0,
            enabled: false,
            updated_at: Timestamp::EPOCH,
        };
        let status = Status {
            webhook: Arc::new(webhook.clone()),
            unfinished: 1,
            delivered: 2,
            abandoned: 3,
            last_error: "h answered 500".into(),
            queue: "webhook.crm".into(),
        };
        let told = super::webhook(&status);
        assert_eq!((told.unfinished, told.delivered, told.abandoned), (1, 2, 3));
        assert_eq!((&*told.last_error, &*told.queue), ("h answered 500", "webhook.crm"));
        assert!(!format!("{told:?} {status:?}").contains("nobody may know"));
        let draft = decode::webhook(pb::PutWebhookRequest { webhook: told.webhook }).unwrap();
        let expected = Draft {
            name: webhook.name,
            description: webhook.description,
            url: webhook.url,
            filter,
            secret: None,
            timeout: Some(webhook.timeout),
            retries: Some(0),
            enabled: false,
        };
        assert_eq!(draft, expected);
    }

    #[test]
    fn a_page_goes_on_after_its_last_webhook_if_there_is_more() {
        let three = ["a", "b", "c"].map(|name| Status {
            webhook: Arc::new(Webhook {
                name: Name::parse(name, "name").unwrap(),
                description: String::new(),
                url: "http://h/".into(),
                filter: EventFilter::default(),
                secret: Secret::new("nobody may know this"),
                timeout: Duration::from_secs(1),
                retries: 0,
                enabled: true,
                updated_at: Timestamp::EPOCH,
            }),
            unfinished: 0,
            delivered: 0,
            abandoned: 0,
            last_error: String::new(),
            queue: format!("webhook.{name}"),
        });
        let check = |statuses: &[Status], limit, bytes, names: &[&str], next: Option<&str>| {
            let page = webhooks(statuses, limit, bytes);
            let told: Vec<&str> =
                page.webhooks.iter().map(|it| &*it.webhook.as_ref().unwrap().name).collect();
            assert_eq!(told, names);
            let token = &page.next_page_token;
            let after = (!token.is_empty()).then(|| page_token::read_webhook(token).unwrap());
            assert_eq!(after.as_ref().map(Name::as_str), next);
        };
        check(&three, 50, 4 << 20, &["a", "b", "c"], None);
        check(&three, 3, 4 << 20, &["a", "b", "c"], None);
        check(&three, 2, 4 << 20, &["a", "b"], Some("b"));
        check(&three, 50, 0, &["a"], Some("a"));
        check(&[], 50, 0, &[], None);
    }
}
