//! How webhooks stand. Nothing here has a secret.

use crate::models::{EventFilter, Webhook};
use crate::pb;
use crate::server::answer::stamp;
use crate::webhooks::Status;

/// To every call about webhooks.
pub(in crate::server) fn webhook(status: &Status) -> pb::WebhookStatus {
    pb::WebhookStatus {
        webhook: Some(definition(&status.webhook)),
        unfinished: status.unfinished,
        delivered: status.delivered,
        abandoned: status.abandoned,
        last_error: status.last_error.clone(),
        queue: status.queue.clone(),
    }
}

/// To ListWebhooks.
pub(in crate::server) fn webhooks(all: &[Status]) -> pb::ListWebhooksResponse {
    pb::ListWebhooksResponse { webhooks: all.iter().map(webhook).collect() }
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
    use crate::server::convert;
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
        let draft = convert::webhook(pb::PutWebhookRequest { webhook: told.webhook }).unwrap();
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
}
