//! Webhooks, with their signing secrets: read access to the file is enough to sign.

use std::time::Duration;

use prost::Message;

use super::task::{id, nanos};
use super::{Malformed, time};
use crate::models::{Category, EventFilter, Name, NamePattern, QueueName, Secret, Webhook};

/// A webhook. The name is a column.
#[derive(Clone, PartialEq, Message)]
struct StoredWebhook {
    #[prost(string, tag = "1")]
    description: String,
    #[prost(string, tag = "2")]
    url: String,
    #[prost(message, repeated, tag = "3")]
    names: Vec<StoredPattern>,
    #[prost(string, repeated, tag = "4")]
    categories: Vec<String>,
    #[prost(string, optional, tag = "5")]
    queue: Option<String>,
    #[prost(string, optional, tag = "6")]
    tag: Option<String>,
    #[prost(string, optional, tag = "7")]
    task: Option<String>,
    #[prost(string, tag = "8")]
    secret: String,
    #[prost(uint64, tag = "9")]
    timeout_nanos: u64,
    #[prost(uint32, tag = "10")]
    retries: u32,
    #[prost(bool, tag = "11")]
    enabled: bool,
    #[prost(uint64, tag = "12")]
    updated_at: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPattern {
    #[prost(string, tag = "1")]
    text: String,
    /// Whether the text is only the beginning of the name.
    #[prost(bool, tag = "2")]
    starts: bool,
}

pub(in super::super) fn write_webhook(webhook: &Webhook) -> Vec<u8> {
    let filter = &webhook.filter;
    let pattern = |pattern: &NamePattern| match pattern {
        NamePattern::Exactly(text) => StoredPattern { text: text.clone(), starts: false },
        NamePattern::StartingWith(text) => StoredPattern { text: text.clone(), starts: true },
    };
    StoredWebhook {
        description: webhook.description.clone(),
        url: webhook.url.clone(),
        names: filter.names.iter().map(pattern).collect(),
        categories: filter.categories.iter().map(|it| it.as_str().to_owned()).collect(),
        queue: filter.queue.as_ref().map(|queue| queue.as_str().to_owned()),
        tag: filter.tag.clone(),
        task: filter.task.as_ref().map(|task| task.as_str().to_owned()),
        secret: webhook.secret.reveal().to_owned(),
        timeout_nanos: nanos(webhook.timeout),
        retries: webhook.retries,
        enabled: webhook.enabled,
        updated_at: webhook.updated_at.as_micros(),
    }
    .encode_to_vec()
}

/// Decodes a webhook.
///
/// # Errors
/// [`Malformed`].
pub(in super::super) fn read_webhook(name: Name, bytes: &[u8]) -> Result<Webhook, Malformed> {
    let stored = StoredWebhook::decode(bytes)?;
    let pattern = |StoredPattern { text, starts }| match starts {
        true => NamePattern::StartingWith(text),
        false => NamePattern::Exactly(text),
    };
    let category = |name: &String| {
        let known = Category::ALL.into_iter().find(|category| category.as_str() == name);
        known.ok_or(Malformed::Wrong("unknown category"))
    };
    let queue = |name: String| {
        QueueName::parse(&name, "queue").map_err(|_| Malformed::Wrong("invalid queue name"))
    };
    Ok(Webhook {
        name,
        description: stored.description,
        url: stored.url,
        filter: EventFilter {
            names: stored.names.into_iter().map(pattern).collect(),
            categories: stored.categories.iter().map(category).collect::<Result<_, _>>()?,
            queue: stored.queue.map(queue).transpose()?,
            tag: stored.tag,
            task: stored.task.as_deref().map(id).transpose()?,
        },
        secret: Secret::new(stored.secret),
        timeout: Duration::from_nanos(stored.timeout_nanos),
        retries: stored.retries,
        enabled: stored.enabled,
        updated_at: time(stored.updated_at)?,
    })
}
