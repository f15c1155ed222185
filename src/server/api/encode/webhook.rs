//! Encodes webhooks. No answer here contains a secret.

use crate::models::{EventFilter, Webhook};
use crate::pb;
use crate::server::api::encode::fit;
use crate::server::api::page_token;
use crate::system::WebhookStatus;
use crate::wire::to_duration;

/// One webhook.
pub(in crate::server::api) fn webhook(status: &WebhookStatus) -> pb::WebhookStatus {
    pb::WebhookStatus {
        webhook: Some(definition(&status.webhook)),
        unfinished: status.unfinished,
        delivered: status.delivered,
        abandoned: status.abandoned,
        last_error: status.last_error.clone(),
        queue: status.queue.clone(),
    }
}

/// The answer to ListWebhooks: at most `limit` webhooks that fit into `max_bytes` together; one
/// fits in any case.
pub(in crate::server::api) fn webhooks(
    statuses: &[WebhookStatus],
    limit: usize,
    max_bytes: usize,
) -> pb::ListWebhooksResponse {
    let webhooks = fit(statuses.iter().take(limit), max_bytes, webhook);
    let last = webhooks.len().checked_sub(1).and_then(|last| statuses.get(last));
    let next = last.filter(|_| webhooks.len() < statuses.len());
    let next = next.map(|status| page_token::WEBHOOKS.encode(&status.webhook.name));
    pb::ListWebhooksResponse { webhooks, next_page_token: next.unwrap_or_default() }
}

fn definition(webhook: &Webhook) -> pb::Webhook {
    pb::Webhook {
        name: webhook.name.as_str().into(),
        description: webhook.description.clone(),
        url: webhook.url.clone(),
        filter: Some(event_filter(&webhook.filter)),
        secret: String::new(),
        timeout: Some(to_duration(webhook.timeout)),
        retries: Some(webhook.retries),
        disabled: !webhook.enabled,
        updated_at: Some(webhook.updated_at.into()),
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
    use crate::system::WebhookRequest;

    #[test]
    fn an_encoded_webhook_can_be_put_again_without_its_secret() {
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
            secret: Secret::new("a secret value"),
            timeout: Duration::from_millis(1_500),
            retries: 0,
            enabled: false,
            updated_at: Timestamp::EPOCH,
        };
        let status = WebhookStatus {
            webhook: Arc::new(webhook.clone()),
            unfinished: 1,
            delivered: 2,
            abandoned: 3,
            last_error: "h answered 500".into(),
            queue: "webhook.crm".into(),
        };
        let encoded = super::webhook(&status);
        assert_eq!((encoded.unfinished, encoded.delivered, encoded.abandoned), (1, 2, 3));
        assert_eq!((&*encoded.last_error, &*encoded.queue), ("h answered 500", "webhook.crm"));
        assert!(!format!("{encoded:?} {status:?}").contains("a secret"));
        let decoded = decode::webhook(pb::PutWebhookRequest { webhook: encoded.webhook }).unwrap();
        let expected = WebhookRequest {
            name: webhook.name,
            description: webhook.description,
            url: webhook.url,
            filter,
            secret: None,
            timeout: Some(webhook.timeout),
            retries: Some(0),
            enabled: false,
        };
        assert_eq!(decoded, expected);
    }

    #[test]
    fn the_next_page_begins_after_the_last_webhook_of_the_page() {
        let three = ["a", "b", "c"].map(|name| WebhookStatus {
            webhook: Arc::new(Webhook {
                name: Name::parse(name, "name").unwrap(),
                description: String::new(),
                url: "http://h/".into(),
                filter: EventFilter::default(),
                secret: Secret::new("a secret value"),
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
        let check =
            |statuses: &[WebhookStatus], limit, bytes, names: &[&str], next: Option<&str>| {
                let page = webhooks(statuses, limit, bytes);
                let found: Vec<&str> =
                    page.webhooks.iter().map(|it| &*it.webhook.as_ref().unwrap().name).collect();
                assert_eq!(found, names);
                let token = &page.next_page_token;
                let after = page_token::WEBHOOKS.decode(token).unwrap();
                assert_eq!(after.as_ref().map(Name::as_str), next);
            };
        check(&three, 50, 4 << 20, &["a", "b", "c"], None);
        check(&three, 3, 4 << 20, &["a", "b", "c"], None);
        check(&three, 2, 4 << 20, &["a", "b"], Some("b"));
        check(&three, 50, 0, &["a"], Some("a"));
        check(&[], 50, 0, &[], None);
    }
}
