use std::sync::Arc;

use async_trait::async_trait;

use super::*;
use crate::error::Code;
use crate::models::Location;

struct Named(&'static str, &'static [&'static str]);

#[async_trait]
impl Subscriber for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn filter(&self) -> EventFilter {
        filter_of(self.1)
    }

    async fn handle(&self, _: &Announced) -> Result<(), SubscriberError> {
        Ok(())
    }
}

fn at(line: u32) -> Location {
    Location { file: "src/mail.rs", line }
}

fn from(make: fn() -> Arc<dyn Subscriber>, replace: bool, line: u32) -> Registration {
    Registration { make, replace, declared_at: at(line) }
}

#[test]
fn subscribers_are_listed_by_name_and_a_replacement_wins_wherever_it_is_declared() {
    let all = Subscribers::from_registrations(vec![
        from(|| Arc::new(Named("mail", &["task.*"])), true, 1),
        from(|| Arc::new(Named("mail", &["task.failed"])), false, 2),
        from(|| Arc::new(Named("audit", &["*"])), false, 3),
    ])
    .unwrap();
    let listed: Vec<_> =
        all.list().iter().map(|one| (one.name.as_str(), one.declared_at)).collect();
    assert_eq!(listed, [("audit", at(3)), ("mail", at(1))]);
}

#[test]
fn all_bad_registrations_are_reported_together_with_their_places() {
    let refused = Subscribers::from_registrations(vec![
        from(|| Arc::new(Named("mail", &["task.failed"])), false, 1),
        from(|| Arc::new(Named("mail", &["task.failed"])), false, 2),
        from(|| Arc::new(Named("audit", &["task.*", "task.complete"])), false, 3),
        from(|| Arc::new(Named("no name", &[])), false, 4),
        from(|| Arc::new(Named("twice", &[])), true, 5),
        from(|| Arc::new(Named("twice", &[])), true, 6),
    ])
    .unwrap_err();
    let places: Vec<_> = refused.violations.iter().map(|one| &*one.field).collect();
    assert_eq!(places, ["src/mail.rs:2", "src/mail.rs:3", "src/mail.rs:4", "src/mail.rs:6"]);
    let expected = [
        "the subscriber mail is declared at src/mail.rs:1 and at src/mail.rs:2; give one of them \
         another name, or set `replace = true` on the one to keep",
        "the subscriber declared at src/mail.rs:3: audit.names[1]: no event is called \
         \"task.complete\"; did you mean task.completed?",
        "the subscriber declared at src/mail.rs:4: name: \"no name\" is no name; expected 1 to 80 \
         letters, digits, `_`, `-` or `.`",
        "the subscriber twice is declared at src/mail.rs:5 and at src/mail.rs:6; give one of them \
         another name, or set `replace = true` on the one to keep",
    ];
    assert_eq!(refused.message.lines().collect::<Vec<_>>(), expected);
}

/// A subscriber to `*` with these routes.
struct Routed(&'static [&'static str]);

#[async_trait]
impl Subscriber for Routed {
    fn name(&self) -> &str {
        "routed"
    }

    fn filter(&self) -> EventFilter {
        filter_of(&["*"])
    }

    fn routes(&self) -> &'static [&'static str] {
        self.0
    }

    async fn handle(&self, _: &Announced) -> Result<(), SubscriberError> {
        Ok(())
    }
}

#[test]
fn a_method_that_matches_no_event_is_refused_with_the_nearest_names() {
    let register = |routes| Subscribers::default().register(Arc::new(Routed(routes)), at(1));
    register(&["task_cancel_requested", "custom_order_paid"]).unwrap();
    for (routes, expected) in [
        (
            &["task_failed", "task_complete"],
            "`handle_task_complete` matches no event; did you mean `handle_task_completed`?",
        ),
        (
            &["task_failed", "zzz"],
            "`handle_zzz` matches no event; `task-scheduler events` lists them",
        ),
    ] {
        let refused = register(routes).unwrap_err();
        let expected = format!("the subscriber declared at src/mail.rs:1: {expected}");
        assert_eq!((refused.code, refused.message), (Code::InvalidArgument, expected));
    }
}

#[test]
fn a_name_can_be_registered_once_and_replaced() {
    let mut all = Subscribers::default();
    all.register(Arc::new(Named("mail", &["*"])), at(1)).unwrap();
    let refused = all.register(Arc::new(Named("mail", &["*"])), at(2)).unwrap_err();
    assert!(refused.message.contains("src/mail.rs:1 and at src/mail.rs:2"), "{refused}");
    all.replace(Arc::new(Named("mail", &["task.*"])), at(2)).unwrap();
    assert_eq!(all.list()[0].declared_at, at(2));
}

#[test]
fn a_tally_counts_and_keeps_the_last_error_within_bounds() {
    let mut all = Subscribers::default();
    all.register(Arc::new(Named("mail", &["*"])), at(1)).unwrap();
    let one = &all.list()[0];
    one.tally.handled();
    one.tally.failed("first");
    one.tally.failed(&"x".repeat(10_000));
    one.tally.missed(7);
    let status = one.status();
    assert_eq!((status.handled, status.failed, status.missed), (1, 2, 7));
    assert_eq!(status.last_error.len(), 1_000);
}
