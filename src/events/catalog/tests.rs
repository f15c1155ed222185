use std::collections::BTreeSet;

use super::*;
use crate::events::examples;
use crate::models::{Ending, Fact, NodeFact, QueueFact, ScheduleFact, ServerFact, TaskFact};

/// Every name that [`Event::name`] can say. A new variant does not compile before it stands here, and
/// then needs an example and an entry.
fn names_of(event: &Event) -> &'static str {
    match &event.fact {
        Fact::Task(_, fact) => match fact {
            TaskFact::Accepted(_) => "task.accepted",
            TaskFact::Queued => "task.queued",
            TaskFact::Started { .. } => "task.started",
            TaskFact::Progressed { .. } => "task.progressed",
            TaskFact::Retrying { .. } => "task.retrying",
            TaskFact::Snoozed { .. } => "task.snoozed",
            TaskFact::Requeued => "task.requeued",
            TaskFact::Rescued { .. } => "task.rescued",
            TaskFact::Expanded { .. } => "task.expanded",
            TaskFact::CancelRequested { .. } => "task.cancel_requested",
            TaskFact::Replaced => "task.replaced",
            TaskFact::Ended(ended) => match ended.outcome.ending {
                Ending::Succeeded(_) => "task.completed",
                Ending::Skipped => "task.skipped",
                Ending::Failed(_) => "task.failed",
                Ending::Cancelled(_) => "task.cancelled",
                Ending::Expired => "task.expired",
            },
            TaskFact::Retried => "task.retried",
            TaskFact::Resolved(_) => "task.resolved",
        },
        Fact::Queue(_, fact) => match fact {
            QueueFact::Paused => "queue.paused",
            QueueFact::Resumed => "queue.resumed",
            QueueFact::LimitsChanged(_) => "queue.limits_changed",
        },
        Fact::Schedule(_, fact) => match fact {
            ScheduleFact::Created { .. } => "schedule.created",
            ScheduleFact::Updated { .. } => "schedule.updated",
            ScheduleFact::Deleted => "schedule.deleted",
            ScheduleFact::Enabled { .. } => "schedule.enabled",
            ScheduleFact::Disabled => "schedule.disabled",
            ScheduleFact::Executed { .. } => "schedule.executed",
            ScheduleFact::Skipped { .. } => "schedule.skipped",
            ScheduleFact::Missed { .. } => "schedule.missed",
            ScheduleFact::Failed { .. } => "schedule.failed",
        },
        Fact::Node(fact) => match fact {
            NodeFact::Started { .. } => "node.started",
            NodeFact::Draining => "node.draining",
            NodeFact::Stopped { .. } => "node.stopped",
            NodeFact::Crashed { .. } => "node.crashed",
        },
        Fact::Server(fact) => match fact {
            ServerFact::Sampled { .. } => "observability.sampled",
            ServerFact::Lagged { .. } => "observability.lagged",
            ServerFact::ServiceFailed { .. } => "observability.service_failed",
            ServerFact::WebhookAbandoned { .. } => "observability.webhook_abandoned",
        },
        Fact::Custom(_) => CUSTOM,
    }
}

/// How many arms there are above.
const NAMES: usize = 39;

#[test]
fn the_catalogue_names_exactly_what_an_event_can_be_called() {
    let fired: BTreeSet<&str> = examples::all().iter().map(names_of).collect();
    let listed: BTreeSet<&str> = all().iter().map(|info| info.name).collect();
    assert_eq!(fired, listed);
    assert_eq!(fired.len(), NAMES, "there is an example of every kind");
    assert_eq!(all().len(), NAMES, "nothing is listed twice");
    for event in examples::all() {
        let name = names_of(&event);
        assert!(event.name() == name || (name == CUSTOM && is_custom(event.name())), "{event:?}");
    }
}

#[test]
fn every_payload_has_exactly_the_fields_that_are_listed() {
    for event in examples::all() {
        assert_catalogued(&event);
    }
    // What is called optional is left out, or null, in some payload; what is not, in none.
    for info in all() {
        let payloads: Vec<_> = examples::all()
            .iter()
            .filter(|event| find(event.name()) == Some(info))
            .map(Event::payload)
            .collect();
        for field in info.fields.iter().filter(|field| field.optional) {
            let gone = |payload: &Payload| payload.get(field.name).is_none_or(Value::is_null);
            // A task that was skipped or expired never started.
            let never = ["task.skipped", "task.expired"].contains(&info.name);
            assert!(
                never || payloads.iter().any(|payload| !gone(payload)),
                "{} {field:?}",
                info.name
            );
            assert!(
                payloads.iter().any(gone) || info.name == "task.completed",
                "{} {field:?}",
                info.name
            );
        }
    }
}

#[test]
fn what_is_not_listed_and_what_is_missing_is_found() {
    // An event whose payload is another's.
    let differences = |name: &str| {
        let info = find(name).unwrap();
        let event =
            examples::all().into_iter().find(|event| event.name() == "task.started").unwrap();
        let payload = event.payload();
        let missing = info.fields.iter().filter(|field| !payload.contains_key(field.name));
        missing.map(|field| field.name).collect::<Vec<_>>()
    };
    assert_eq!(differences("task.retrying"), ["due_at", "error_code", "error_message"]);
    let strange = examples::custom("Custom.Not");
    assert_eq!(super::differences(&strange), ["it is not in the catalogue"]);
    for (kind, bad) in [
        (FieldKind::Text, Value::from(1)),
        (FieldKind::Number, Value::from("1")),
        (FieldKind::Boolean, Value::Null),
        (FieldKind::ListOfText, serde_json::json!([1])),
        (FieldKind::Object, serde_json::json!([])),
        (FieldKind::Time, Value::from("yesterday")),
    ] {
        assert!(!kind.fits(&bad), "{kind:?}");
    }
}

#[test]
fn every_entry_is_complete() {
    for info in all() {
        assert!(!info.description.is_empty() && !info.fired_by.is_empty(), "{info:?}");
        assert!(!info.example().is_empty() || info.fields.is_empty(), "{info:?}");
        assert!(info.name.starts_with(info.category.as_str()), "{info:?}");
        let names: BTreeSet<_> = info.fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), info.fields.len(), "{info:?}");
    }
}

#[test]
fn an_event_that_cannot_be_is_refused_with_the_nearest_names() {
    let said = |written: &str| match check(&NamePattern::parse(written)) {
        Ok(()) => "known".to_owned(),
        Err(unknown) => unknown.to_string(),
    };
    for known in
        ["task.completed", "*", "t*", "task.*", "node.s*", "custom.*", "custom.paid", "cus*"]
    {
        assert_eq!(said(known), "known", "{known}");
    }
    for known in ["custom.orders.*", "custom.orders.paid*", "custom.a-b.c_1"] {
        assert_eq!(said(known), "known", "{known}");
    }
    for (written, expected) in [
        ("task.complete", r#"no event is called "task.complete"; did you mean task.completed?"#),
        ("tasks.*", r#"no event is called "tasks.*"; did you mean task.*?"#),
        ("qeue.paused", r#"no event is called "qeue.paused"; did you mean queue.paused?"#),
        ("", r#"no event is called ""; `task-scheduler events` lists them"#),
        ("custom.", r#"no event is called "custom."; `task-scheduler events` lists them"#),
        ("custom.Ä", r#"no event is called "custom.Ä"; `task-scheduler events` lists them"#),
        ("everything", r#"no event is called "everything"; `task-scheduler events` lists them"#),
    ] {
        assert_eq!(said(written), expected, "{written}");
    }
    assert!(said(&"x".repeat(10_000)).len() < 200);
}

#[test]
fn a_filter_is_bounded_and_its_mistakes_are_named_by_their_place() {
    let names = |names: Vec<&str>| EventFilter {
        names: names.into_iter().map(NamePattern::parse).collect(),
        ..EventFilter::default()
    };
    assert_eq!(check_filter(&names(vec!["task.*", "node.started"]), "filter"), Ok(()));
    let refused = check_filter(&names(vec!["task.*", "node.starte"]), "filter").unwrap_err();
    assert!(refused.message.starts_with("filter.names[1]: no event is called"), "{refused}");
    let refused = check_filter(&names(vec!["*"; 101]), "filter").unwrap_err();
    assert_eq!(refused.message, "filter.names: 101 of them; at most 100 are accepted");
}

#[test]
fn the_page_on_events_lists_the_catalogue() {
    let page = include_str!("../../../docs/events.md");
    assert!(page.contains(&table()), "docs/events.md lacks this table:\n{}", table());
}
