//! `events`: prints the event catalogue.

use super::Error;
use crate::events::catalog::{self, EventInfo};
use crate::models::NamePattern;

/// A list of all events, of those that match a pattern, or the description of one.
pub(super) fn events(name: Option<&str>) -> Result<String, Error> {
    let Some(name) = name else { return Ok(list(|_| true)) };
    let pattern = NamePattern::parse(name);
    catalog::check(&pattern).map_err(|unknown| Error::InvalidArgument(unknown.to_string()))?;
    // `custom.*` is an entry of the catalogue itself.
    match catalog::find(name) {
        Some(info) => Ok(one(info)),
        None => Ok(list(|info| {
            pattern.matches(info.name) || (pattern.is_custom() && info.name == catalog::CUSTOM)
        })),
    }
}

fn list(filter: impl Fn(&EventInfo) -> bool) -> String {
    let listed: Vec<_> = catalog::all().iter().filter(|info| filter(info)).collect();
    let width = listed.iter().map(|info| info.name.len()).max().unwrap_or(0);
    let lines = listed.iter().map(|info| format!("{:width$}  {}\n", info.name, info.description));
    lines.collect()
}

fn one(info: &EventInfo) -> String {
    let mut text = format!(
        "{}: {}\ncategory: {}\nfired by: {}\n",
        info.name,
        info.description,
        info.category.as_str(),
        info.fired_by
    );
    let kind = |optional: bool, kind: &str| match optional {
        true => format!("{kind}, or nothing"),
        false => kind.to_owned(),
    };
    let fields = info.fields.iter();
    let names = fields.clone().map(|field| field.name.len()).max().unwrap_or(0);
    let kinds = fields.clone().map(|field| kind(field.optional, field.kind.as_str()).len());
    let kinds = kinds.max().unwrap_or(0);
    for field in fields {
        let kind = kind(field.optional, field.kind.as_str());
        text.push_str(&format!("  {:names$}  {kind:kinds$}  {}\n", field.name, field.description));
    }
    let example = serde_json::Value::from(info.example());
    text + &format!("example: {example:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_is_described_with_all_its_fields() {
        let expected = "\
queue.limits_changed: An operator changed the limits of a queue
category: queue
fired by: the engine, for `PauseQueue`, `ResumeQueue` and `SetQueueLimits`
  queue                text                the queue
  paused               boolean             whether the queue is paused
  weight               number              its share of starts among busy queues
  concurrency          number, or nothing  how many of its tasks may run at once; null: no limit
  max_length           number, or nothing  how many of its tasks may wait; null: the server's limit
  rate                 object, or nothing  its rate limit; null: none
  concurrency_per_key  number              how many tasks with one concurrency key may run at once
  rate_per_key         object, or nothing  the rate limit for each concurrency key; null: none
example: {
  \"concurrency\": null,
  \"concurrency_per_key\": 1,
  \"max_length\": null,
  \"paused\": false,
  \"queue\": \"mail\",
  \"rate\": null,
  \"rate_per_key\": null,
  \"weight\": 1
}
";
        assert_eq!(events(Some("queue.limits_changed")).expect("a known event"), expected);
    }

    #[test]
    fn patterns_list_the_matching_events() {
        let names = |pattern| {
            let text = events(pattern).expect("a known event");
            text.lines().map(|line| line.split(' ').next().unwrap_or("").to_owned()).collect()
        };
        let listed: Vec<String> = names(Some("queue.*"));
        assert_eq!(listed, ["queue.limits_changed", "queue.paused", "queue.resumed"]);
        let listed: Vec<String> = names(Some("custom.orders.*"));
        assert_eq!(listed, ["custom.*"]);
        let listed: Vec<String> = names(None);
        assert_eq!(listed.len(), catalog::all().len());
        for name in ["custom.*", "custom.order_paid"] {
            assert!(events(Some(name)).expect(name).starts_with("custom.*: "), "{name}");
        }
    }

    #[test]
    fn an_unknown_event_is_refused_with_the_nearest_names() {
        let refused = events(Some("queue.pause")).expect_err("unknown").to_string();
        assert_eq!(refused, "no event is called \"queue.pause\"; did you mean queue.paused?");
    }
}
