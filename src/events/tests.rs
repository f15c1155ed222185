use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio_stream::Stream as _;

use super::examples::{self, custom, lagged, queued};
use super::{Announcer, EventCursor, EventStream, QUEUE_EVENTS, RECENT_EVENTS, StreamItem};
use crate::clock::now;
use crate::models::{
    Category, Event, EventFilter, Fact, NamePattern, QueueName, TaskFact, TaskId, TaskMaker,
};

/// The next item that is there already.
fn poll(stream: &mut EventStream) -> Option<(EventCursor, StreamItem)> {
    let mut cx = Context::from_waker(Waker::noop());
    match std::pin::Pin::new(stream).poll_next(&mut cx) {
        Poll::Ready(item) => Some(item.expect("it has not ended")),
        Poll::Pending => None,
    }
}

/// Every item that is there already, as text.
fn drain(stream: &mut EventStream) -> Vec<String> {
    std::iter::from_fn(|| poll(stream)).map(|(_, item)| text(&item)).collect()
}

fn text(item: &StreamItem) -> String {
    match item {
        StreamItem::Event(event) => match event.payload().get("missed") {
            Some(number) => format!("#{number}"),
            None => event.name().to_owned(),
        },
        StreamItem::Missed { count, reason } => format!("missed {count}: {reason}"),
    }
}

fn names(patterns: &[&str]) -> EventFilter {
    let names = patterns.iter().map(|pattern| NamePattern::parse(pattern)).collect();
    EventFilter { names, ..EventFilter::default() }
}

fn all() -> EventFilter {
    EventFilter::default()
}

#[test]
fn observers_get_every_event_in_order_even_if_one_panics() {
    let observed: Arc<Mutex<Vec<Event>>> = Arc::default();
    let events = observed.clone();
    let announcer = Announcer::default()
        .observer(Arc::new(|event: &Event| {
            assert_ne!(event.category(), Category::Task, "on purpose")
        }))
        .observer(Arc::new(move |event: &Event| events.lock().push(event.clone())));
    for event in examples::all() {
        announcer.announce(event);
    }
    assert_eq!(*observed.lock(), examples::all());
}

#[test]
fn an_announcer_has_subscribers_once_there_is_an_observer_or_a_stream() {
    let announcer = Announcer::default();
    assert!(!announcer.has_subscribers());
    let stream = announcer.subscribe(all(), None);
    assert!(announcer.has_subscribers());
    drop(stream);
    assert!(announcer.has_subscribers(), "a reader may resume with a cursor");
    assert!(Announcer::default().observer(Arc::new(|_: &Event| ())).has_subscribers());
}

#[test]
fn a_stream_returns_the_events_of_its_filter_in_order_from_now_on() {
    let announcer = Announcer::default();
    announcer.announce(lagged(0));
    let mut stream = announcer.subscribe(names(&["observability.lagged"]), None);
    for number in 1..=3 {
        announcer.announce(lagged(number));
        announcer.announce(queued("a", "mail", "eu"));
    }
    assert_eq!(drain(&mut stream), ["#1", "#2", "#3"]);
}

/// The index finds the same streams as checking every filter would.
#[test]
fn every_stream_gets_exactly_the_events_that_its_filter_matches() {
    let queue = |name: &str| Some(QueueName::parse(name, "queue").unwrap());
    let task = |id: &str| Some(TaskId::parse(id, "task").unwrap());
    let patterns: [&[&str]; 9] = [
        &[],
        &["*"],
        &["task.queued"],
        &["task.*"],
        &["task.queued", "task.*", "task.completed", "custom.*"],
        &["custom.order_paid"],
        &["custom.order*", "node.started"],
        &["t*"],
        &["observability.sampled_and_much_longer_than_any*"],
    ];
    let mut filters = Vec::new();
    for pattern in patterns {
        for categories in [&[][..], &[Category::Custom], &[Category::Task, Category::Queue]] {
            for queue in [None, queue("mail"), queue("post")] {
                for tag in [None, Some("eu".to_owned()), Some("us".to_owned())] {
                    for task in [None, task("t-1"), task("nightly-1"), task("other")] {
                        filters.push(EventFilter {
                            categories: categories.to_vec(),
                            queue: queue.clone(),
                            tag: tag.clone(),
                            task,
                            ..names(pattern)
                        });
                    }
                }
            }
        }
    }
    let announcer = Announcer::default();
    // Two streams with each filter, and one that is closed.
    let mut streams: Vec<_> =
        filters.iter().map(|filter| announcer.subscribe(filter.clone(), None)).collect();
    let closed: Vec<_> =
        filters.iter().map(|filter| announcer.subscribe(filter.clone(), None)).collect();
    streams.extend(filters.iter().map(|filter| announcer.subscribe(filter.clone(), None)));
    drop(closed);
    let mut events = examples::all();
    events.extend([queued("other", "post", "us"), queued("t-1", "post", "eu")]);
    events.extend([custom("custom.order"), custom("custom.order_paid.twice")]);
    for event in &events {
        announcer.announce(event.clone());
    }
    let mut matched = 0;
    for (filter, stream) in filters.iter().cycle().zip(&mut streams) {
        let wanted: Vec<_> = events.iter().filter(|event| filter.matches(event)).cloned().collect();
        matched += wanted.len();
        let got: Vec<_> = std::iter::from_fn(|| poll(stream))
            .map(|(_, item)| match item {
                StreamItem::Event(event) => (**event).clone(),
                missed @ StreamItem::Missed { .. } => panic!("{missed:?}"),
            })
            .collect();
        assert_eq!(got, wanted, "{filter:?}");
    }
    assert!(matched > 1_000, "the filters select events: {matched}");
}

#[test]
fn a_stream_that_overflows_reports_how_many_events_it_missed_and_goes_on() {
    let announcer = Announcer::default();
    let mut slow = announcer.subscribe(names(&["observability.*"]), None);
    let extra = 5;
    for number in 1..=(QUEUE_EVENTS + extra) as u64 {
        announcer.announce(lagged(number));
        announcer.announce(queued("a", "mail", "eu"));
    }
    let (_, first) = poll(&mut slow).expect("it is queued");
    assert_eq!(text(&first), "#1");
    // There is room again, but the gap stays in one piece.
    announcer.announce(lagged(0));
    let rest = drain(&mut slow);
    assert_eq!(rest.len(), QUEUE_EVENTS);
    assert_eq!(rest[QUEUE_EVENTS - 2], format!("#{QUEUE_EVENTS}"));
    assert_eq!(rest[QUEUE_EVENTS - 1], format!("missed {}: the reader was too slow", extra + 1));
    announcer.announce(lagged(9));
    assert_eq!(drain(&mut slow), ["#9"]);
}

#[test]
fn a_cursor_resumes_after_its_event_without_gap_or_repetition() {
    let announcer = Announcer::default();
    let mut stream = announcer.subscribe(names(&["observability.*"]), None);
    let mut cursors = Vec::new();
    for number in 1..=2_000 {
        announcer.announce(lagged(number));
        announcer.announce(queued("a", "mail", "eu"));
        cursors.push(poll(&mut stream).expect("it is there").0);
    }
    drop(stream);
    announcer.announce(lagged(2_001));
    let cursors = [(1, cursors[0]), (1_000, cursors[999]), (2_000, cursors[1_999])];
    for (turn, (seen, cursor)) in cursors.into_iter().enumerate() {
        let mut stream = announcer.subscribe(names(&["observability.*"]), Some(cursor));
        announcer.announce(lagged(0));
        let rest = drain(&mut stream);
        let mut expected: Vec<_> =
            (seen + 1..=2_001).map(|number: u64| format!("#{number}")).collect();
        expected.extend(vec!["#0".to_owned(); 2 * turn + 1]);
        assert_eq!(rest, expected);
        announcer.announce(custom("custom.a"));
        announcer.announce(lagged(0));
        assert_eq!(drain(&mut stream), ["#0"], "it is live");
    }
}

#[test]
fn a_cursor_that_is_too_old_or_of_another_process_reports_a_gap_and_goes_on() {
    let announcer = Announcer::default();
    let mut stream = announcer.subscribe(all(), None);
    announcer.announce(lagged(1));
    let (first, _) = poll(&mut stream).expect("it is there");
    drop(stream);
    announcer.announce(lagged(2));
    for number in 0..RECENT_EVENTS as u64 {
        announcer.announce(lagged(number));
    }
    let mut late = announcer.subscribe(all(), Some(first));
    let (cursor, item) = poll(&mut late).expect("it is there");
    assert_eq!(text(&item), "missed 0: the events after the cursor are not remembered any more");
    assert_eq!(drain(&mut late).len(), RECENT_EVENTS);
    // The gap's own cursor is valid.
    assert_eq!(drain(&mut announcer.subscribe(all(), Some(cursor))).len(), RECENT_EVENTS);

    let other = Announcer::default();
    let mut stream = other.subscribe(all(), Some(first));
    other.announce(lagged(7));
    assert_eq!(
        drain(&mut stream),
        ["missed 0: the cursor is from before the server's last start", "#7"]
    );
}

#[test]
fn queues_and_remembered_events_are_bounded_in_bytes() {
    let task = Arc::new(TaskMaker::new("large").arg("x".repeat(3 << 20)).make());
    let large = || examples::event(Fact::Task(task.clone(), TaskFact::Queued));
    let announcer = Announcer::default();
    let mut stream = announcer.subscribe(all(), None);
    announcer.announce(lagged(1));
    let (cursor, _) = poll(&mut stream).expect("it is there");
    for _ in 0..20 {
        announcer.announce(large());
    }
    let items = drain(&mut stream);
    assert_eq!(items, ["task.queued", "task.queued", "missed 18: the reader was too slow"]);
    let items = drain(&mut announcer.subscribe(all(), Some(cursor)));
    assert_eq!(items.len(), 1 + 10, "{items:?}");
    assert!(items[0].starts_with("missed 0"), "{items:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_catch_up_and_live_while_threads_announce() {
    let announcer = Arc::new(Announcer::default());
    let mut first = announcer.subscribe(all(), None);
    announcer.announce(lagged(0));
    let (mut cursor, _) = first.next().await.expect("it is there");
    let total = 4_000;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let announcer = announcer.clone();
            std::thread::spawn(move || {
                for _ in 0..total / 4 {
                    announcer.announce(queued("a", "mail", "eu"));
                    std::thread::yield_now();
                }
            })
        })
        .collect();
    let mut seen = 0;
    // Resumes again and again while events are announced.
    while seen < total {
        let mut stream = announcer.subscribe(names(&["task.*"]), Some(cursor));
        for _ in 0..37.min(total - seen) {
            let (next, item) = stream.next().await.expect("it goes on");
            assert!(matches!(item, StreamItem::Event(_)), "{item:?}");
            assert_eq!(next.position, cursor.position + 1);
            cursor = next;
            seen += 1;
        }
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it announces"));
}

#[tokio::test]
async fn a_waiting_reader_is_woken_and_a_dropped_announcer_ends_its_streams() {
    let announcer = Announcer::default();
    let mut stream = announcer.subscribe(names(&["custom.a"]), None);
    let mut late = announcer.subscribe(all(), Some(EventCursor { boot: 0, position: 0 }));
    let reader = tokio::spawn(async move {
        let mut items = Vec::new();
        while let Some((_, next)) = stream.next().await {
            items.push(text(&next));
        }
        items
    });
    tokio::task::yield_now().await;
    announcer.announce(custom("custom.a"));
    tokio::task::yield_now().await;
    drop(announcer);
    assert_eq!(reader.await.expect("it ends"), ["custom.a"]);
    let rest: Vec<_> = std::iter::from_fn(|| poll_to_end(&mut late)).collect();
    assert_eq!(rest.len(), 2, "remembered events come first: {rest:?}");
}

fn poll_to_end(stream: &mut EventStream) -> Option<String> {
    let mut cx = Context::from_waker(Waker::noop());
    match std::pin::Pin::new(stream).poll_next(&mut cx) {
        Poll::Ready(item) => item.map(|(_, item)| text(&item)),
        Poll::Pending => panic!("it neither returns an item nor ends"),
    }
}

#[test]
fn closed_streams_leave_nothing_in_the_index() {
    let announcer = Announcer::default();
    let count = AtomicUsize::new(0);
    for number in 0..100 {
        let filter = EventFilter { tag: Some(format!("tag-{number}")), ..names(&["task.*", "*"]) };
        let mut stream = announcer.subscribe(filter, None);
        announcer.announce(queued("a", "mail", &format!("tag-{number}")));
        count.fetch_add(drain(&mut stream).len(), Ordering::Relaxed);
    }
    assert_eq!(count.into_inner(), 100);
    assert_eq!(format!("{announcer:?}"), "Announcer { observers: 0, streams: 0 }");
    assert!(announcer.is_index_empty());
}

/// Waits until the steady clock has moved on.
fn let_time_pass() {
    let before = now().steady;
    while now().steady == before {
        std::hint::spin_loop();
    }
}

#[test]
fn events_are_remembered_for_a_while_after_the_last_stream_is_closed() {
    for (remember_for, remembers) in [(Duration::ZERO, false), (Duration::from_secs(600), true)] {
        let announcer = Announcer::remembering_for(remember_for);
        let mut stream = announcer.subscribe(all(), None);
        let_time_pass();
        announcer.announce(lagged(1));
        let (cursor, _) = poll(&mut stream).expect("an open stream gets events at any time");
        drop(stream);
        let_time_pass();
        announcer.announce(lagged(2));
        assert_eq!(announcer.has_subscribers(), remembers, "{remember_for:?}");
        let items = drain(&mut announcer.subscribe(all(), Some(cursor)));
        match remembers {
            true => assert_eq!(items, ["#2"]),
            false => assert!(items[0].starts_with("missed 0"), "{items:?}"),
        }
    }
}

#[test]
fn recording_starts_again_with_the_next_stream() {
    let announcer = Announcer::remembering_for(Duration::ZERO);
    drop(announcer.subscribe(all(), None));
    let_time_pass();
    announcer.announce(lagged(1));
    assert!(!announcer.has_subscribers());
    let mut stream = announcer.subscribe(all(), None);
    announcer.announce(lagged(2));
    assert_eq!(drain(&mut stream), ["#2"]);
}
