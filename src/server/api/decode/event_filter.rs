//! Decodes event filters.

use crate::error::Error;
use crate::models::{
    Category, EventFilter, MAX_EVENT_NAME_BYTES, MAX_FILTER_WORDS, MAX_LABEL_BYTES, NamePattern,
    QueueName, TaskId,
};
use crate::pb;
use crate::server::api::decode::at_most;
use crate::server::api::opaque_token::shortened;
use crate::wire::set;

/// Decodes the event filter in `field`; without one, every event matches. The catalogue checks
/// whether the named events exist.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn event_filter(
    message: Option<pb::EventFilter>,
    field: &str,
) -> Result<EventFilter, Error> {
    let Some(message) = message else { return Ok(EventFilter::default()) };
    let pb::EventFilter { names, categories, queue, tag, task_id } = message;
    at_most(names.len(), MAX_FILTER_WORDS, &format!("{field}.names"), "names")?;
    at_most(categories.len(), MAX_FILTER_WORDS, &format!("{field}.categories"), "categories")?;
    at_most(tag.len(), MAX_LABEL_BYTES, &format!("{field}.tag"), "bytes")?;
    for (at, name) in names.iter().enumerate() {
        at_most(name.len(), MAX_EVENT_NAME_BYTES, &format!("{field}.names[{at}]"), "bytes")?;
    }
    let categories = categories.iter().enumerate();
    let categories =
        categories.map(|(at, name)| category(name, &format!("{field}.categories[{at}]")));
    let queue = set(queue).map(|queue| QueueName::parse(&queue, &format!("{field}.queue")));
    let task = set(task_id).map(|id| TaskId::parse(&id, &format!("{field}.task_id")));
    Ok(EventFilter {
        names: names.iter().map(|name| NamePattern::parse(name)).collect(),
        categories: categories.collect::<Result<_, _>>()?,
        queue: queue.transpose()?,
        tag: set(tag),
        task: task.transpose()?,
    })
}

/// Decodes the category in `field`.
///
/// # Errors
/// `INVALID_ARGUMENT` when there is no such category.
pub(in crate::server::api) fn category(name: &str, field: &str) -> Result<Category, Error> {
    let known = Category::ALL.into_iter().find(|category| category.as_str() == name);
    known.ok_or_else(|| {
        let name = shortened(name);
        let names = Category::ALL.map(Category::as_str).join(", ");
        Error::invalid(field, format!("{name:?} is not a category; expected one of {names}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_filter_is_decoded() {
        let message = pb::EventFilter {
            names: vec!["task.completed".into(), "custom.*".into()],
            categories: vec!["task".into(), "custom".into()],
            queue: "mail".into(),
            tag: "vip".into(),
            task_id: "a".into(),
        };
        let expected = EventFilter {
            names: vec![
                NamePattern::Exactly("task.completed".into()),
                NamePattern::StartingWith("custom.".into()),
            ],
            categories: vec![Category::Task, Category::Custom],
            queue: Some(QueueName::parse("mail", "queue").unwrap()),
            tag: Some("vip".into()),
            task: Some(TaskId::parse("a", "id").unwrap()),
        };
        assert_eq!(event_filter(Some(message), "filter"), Ok(expected));
        assert_eq!(event_filter(None, "filter"), Ok(EventFilter::default()));
        let nothing = Some(pb::EventFilter::default());
        assert_eq!(event_filter(nothing, "filter"), Ok(EventFilter::default()));
    }

    #[test]
    fn an_invalid_filter_is_refused_by_field() {
        let check = |change: fn(&mut pb::EventFilter), expected: &str| {
            let mut message = pb::EventFilter::default();
            change(&mut message);
            let refused = event_filter(Some(message), "f").expect_err("refused");
            assert_eq!(refused.message, expected);
        };
        check(
            |it| it.categories = vec!["task".into(), "tasks".into()],
            "f.categories[1]: \"tasks\" is not a category; expected one of task, queue, schedule, node, observability, custom",
        );
        check(
            |it| it.names = vec![String::new(); 101],
            "f.names: 101 names; at most 100 are accepted",
        );
        check(
            |it| it.names = vec!["x".repeat(101)],
            "f.names[0]: 101 bytes; at most 100 are accepted",
        );
        check(|it| it.tag = "x".repeat(101), "f.tag: 101 bytes; at most 100 are accepted");
        check(
            |it| it.queue = "a/b".into(),
            "f.queue: \"a/b\" is no queue name; expected 1 to 100 letters, digits, `_`, `-` or `.`",
        );
        check(
            |it| it.task_id = "a\n".into(),
            "f.task_id: contains the control character '\\n'; printable text is accepted",
        );
    }
}
