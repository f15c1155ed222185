use std::collections::BTreeSet;

use super::*;
use crate::events::examples;

#[test]
fn the_examples_of_an_entry_are_events_of_its_name_and_category() {
    let names: BTreeSet<&str> = all().iter().map(|info| info.name).collect();
    assert_eq!(names.len(), all().len(), "each name is declared once");
    for info in all() {
        assert!(!info.examples.is_empty(), "{}", info.name);
        for event in &info.examples {
            assert_eq!(find(event.name()), Some(info), "{event:?}");
            assert_eq!(event.category(), info.category, "{event:?}");
        }
    }
    for (name, expected) in [("task.started", "task.started"), ("custom.a", CUSTOM)] {
        assert_eq!(find(name).map(|info| info.name), Some(expected));
    }
}

#[test]
fn every_payload_has_exactly_the_declared_fields() {
    for event in examples::all() {
        assert_catalogued(&event);
    }
}

#[test]
fn an_optional_field_is_null_in_one_example_and_set_in_another() {
    for info in all() {
        let payloads: Vec<_> = info.examples.iter().map(Event::payload).collect();
        for field in info.fields.iter().filter(|field| field.optional) {
            let is_null = |payload: &Payload| payload[field.name].is_null();
            // Tasks that were skipped or expired had no attempt; those that succeeded had one.
            let never_set = ["task.skipped", "task.expired"].contains(&info.name);
            let never_null = info.name == "task.completed";
            assert!(never_null || payloads.iter().any(is_null), "{} {field:?}", info.name);
            assert!(
                never_set || payloads.iter().any(|payload| !is_null(payload)),
                "{} {field:?}",
                info.name
            );
        }
    }
}

#[test]
fn a_payload_that_differs_from_the_declaration_is_found() {
    let differences = super::differences(&examples::custom("Custom.Not"));
    assert_eq!(differences, ["not in the catalogue"]);
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
fn an_unknown_event_is_refused_with_the_nearest_names() {
    let checked = |written: &str| match check(&NamePattern::parse(written)) {
        Ok(()) => "known".to_owned(),
        Err(unknown) => unknown.to_string(),
    };
    for known in
        ["task.completed", "*", "t*", "task.*", "node.s*", "custom.*", "custom.paid", "cus*"]
    {
        assert_eq!(checked(known), "known", "{known}");
    }
    for known in ["custom.orders.*", "custom.orders.paid*", "custom.a-b.c_1"] {
        assert_eq!(checked(known), "known", "{known}");
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
        assert_eq!(checked(written), expected, "{written}");
    }
    assert!(checked(&"x".repeat(10_000)).len() < 200);
}

#[test]
fn a_filter_is_bounded_and_its_errors_name_the_bad_part() {
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
fn the_table_in_the_documentation_is_the_catalogue() {
    let page = include_str!("../../../docs/events.md");
    assert!(page.contains(&table()), "docs/events.md lacks this table:\n{}", table());
}
