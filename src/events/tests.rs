use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio_stream::Stream as _;

use super::examples::{self, custom, lagged, queued};
use super::{Announcer, EventCursor, EventStream, QUEUE_EVENTS, RECENT_EVENTS, StreamItem};
use crate::models::{
    Category, Event, EventFilter, Fact, NamePattern, QueueName, TaskFact, TaskId, TaskMaker,
};

/// What the stream says now, if anything.
fn poll(stream: &mut EventStream) -> Option<(EventCursor, StreamItem)> {
    let mut cx = Context::from_waker(Waker::noop());
    match std::pin::Pin::new(stream).poll_next(&mut cx) {
        Poll::Ready(said) => Some(said.expect("it has not ended")),
        Poll::Pending => None,
    }
}

/// Everything that it says now, in words.
fn said(stream: &mut EventStream) -> Vec<String> {
    std::iter::from_fn(|| poll(stream)).map(|(_, told)| words(&told)).collect()
}

fn words(told: &StreamItem) -> String {
    match told {
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
fn taps_hear_everything_in_order_also_when_one_panics() {
    let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
    let hears = heard.clone();
    let announcer = Announcer::default()
        .observer(Arc::new(|event: &Event| {
            assert_ne!(event.category(), Category::Task, "on purpose")
        }))
        .observer(Arc::new(move |event: &Event| hears.lock().push(event.clone())));
    for event in examples::all() {
        announcer.announce(event);
    }
    assert_eq!(*heard.lock(), examples::all());
}

#[test]
fn nobody_listens_until_there_is_a_tap_or_a_stream() {
    let announcer = Announcer::default();
    assert!(!announcer.is_heard());
    let stream = announcer.subscribe(all(), None);
    assert!(announcer.is_heard());
    drop(stream);
    assert!(announcer.is_heard(), "he may come back with a cursor");
    assert!(Announcer::default().observer(Arc::new(|_: &Event| ())).is_heard());
}

#[test]
fn a_stream_tells_what_its_filter_wants_in_order_and_from_now_on() {
    let announcer = Announcer::default();
    announcer.announce(lagged(0));
    let mut stream = announcer.subscribe(names(&["observability.lagged"]), None);
    for number in 1..=3 {
        announcer.announce(lagged(number));
        announcer.announce(queued("a", "mail", "eu"));
    }
    assert_eq!(said(&mut stream), ["#1", "#2", "#3"]);
}

/// What the index finds is what asking everybody would find.
#[test]
fn every_filter_finds_exactly_what_it_matches() {
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
    // Two with each filter, and one that leaves.
    let mut streams: Vec<_> =
        filters.iter().map(|filter| announcer.subscribe(filter.clone(), None)).collect();
    let more: Vec<_> =
        filters.iter().map(|filter| announcer.subscribe(filter.clone(), None)).collect();
    streams.extend(filters.iter().map(|filter| announcer.subscribe(filter.clone(), None)));
    drop(more);
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
            .map(|(_, told)| match told {
                StreamItem::Event(event) => (**event).clone(),
                missed @ StreamItem::Missed { .. } => panic!("{missed:?}"),
            })
            .collect();
        assert_eq!(got, wanted, "{filter:?}");
    }
    assert!(matched > 1_000, "the filters want something: {matched}");
}

#[test]
fn whoever_is_too_slow_is_told_how_many_he_missed_and_goes_on() {
    let announcer = Announcer::default();
    let mut slow = announcer.subscribe(names(&["observability.*"]), None);
    let extra = 5;
    for number in 1..=(QUEUE_EVENTS + extra) as u64 {
        announcer.announce(lagged(number));
        announcer.announce(queued("a", "mail", "eu"));
    }
    let (_, first) = poll(&mut slow).expect("it waits");
    assert_eq!(words(&first), "#1");
    // There is room again, but what was missed stays in one piece.
    announcer.announce(lagged(0));
    let rest = said(&mut slow);
    assert_eq!(rest.len(), QUEUE_EVENTS);
    assert_eq!(rest[QUEUE_EVENTS - 2], format!("#{QUEUE_EVENTS}"));
    assert_eq!(rest[QUEUE_EVENTS - 1], format!("missed {}: the reader was too slow", extra + 1));
    announcer.announce(lagged(9));
    assert_eq!(said(&mut slow), ["#9"]);
}

#[test]
fn a_cursor_goes_on_after_its_event_without_a_gap_or_a_repetition() {
    let announcer = Announcer::default();
    let mut stream = announcer.subscribe(names(&["observability.*"]), None);
    let mut cursors = Vec::new();
    for number in 1..=2_000 {
        announcer.announce(lagged(number));
        announcer.announce(queued("a", "mail", "eu"));
        cursors.push(poll(&mut stream).expect("it is told").0);
    }
    drop(stream);
    announcer.announce(lagged(2_001));
    let places = [(1, cursors[0]), (1_000, cursors[999]), (2_000, cursors[1_999])];
    for (turn, (seen, cursor)) in places.into_iter().enumerate() {
        let mut stream = announcer.subscribe(names(&["observability.*"]), Some(cursor));
        announcer.announce(lagged(0));
        let rest = said(&mut stream);
        let mut expected: Vec<_> =
            (seen + 1..=2_001).map(|number: u64| format!("#{number}")).collect();
        expected.extend(vec!["#0".to_owned(); 2 * turn + 1]);
        assert_eq!(rest, expected);
        announcer.announce(custom("custom.a"));
        announcer.announce(lagged(0));
        assert_eq!(said(&mut stream), ["#0"], "it is live");
    }
}

#[test]
fn a_cursor_that_is_too_old_or_of_another_boot_is_told_so_and_goes_on() {
    let announcer = Announcer::default();
    let mut stream = announcer.subscribe(all(), None);
    announcer.announce(lagged(1));
    let (first, _) = poll(&mut stream).expect("it is told");
    drop(stream);
    announcer.announce(lagged(2));
    for number in 0..RECENT_EVENTS as u64 {
        announcer.announce(lagged(number));
    }
    let mut late = announcer.subscribe(all(), Some(first));
    let (cursor, told) = poll(&mut late).expect("it is told");
    assert_eq!(
        words(&told),
        "missed 0: what came right after the cursor is not remembered any more"
    );
    assert_eq!(said(&mut late).len(), RECENT_EVENTS);
    // Where that left off is a place to go on from.
    assert_eq!(said(&mut announcer.subscribe(all(), Some(cursor))).len(), RECENT_EVENTS);

    let other = Announcer::default();
    let mut stream = other.subscribe(all(), Some(first));
    other.announce(lagged(7));
    assert_eq!(
        said(&mut stream),
        ["missed 0: the cursor is from before the server's last start", "#7"]
    );
}

#[test]
fn large_events_push_others_out_of_memory_and_a_queue_holds_few_of_them() {
    let task = Arc::new(TaskMaker::new("large").arg("x".repeat(3 << 20)).make());
    let large = || examples::event(Fact::Task(task.clone(), TaskFact::Queued));
    let announcer = Announcer::default();
    let mut stream = announcer.subscribe(all(), None);
    announcer.announce(lagged(1));
    let (cursor, _) = poll(&mut stream).expect("it is told");
    for _ in 0..20 {
        announcer.announce(large());
    }
    let told = said(&mut stream);
    assert_eq!(told, ["task.queued", "task.queued", "missed 18: the reader was too slow"]);
    let told = said(&mut announcer.subscribe(all(), Some(cursor)));
    assert_eq!(told.len(), 1 + 10, "{told:?}");
    assert!(told[0].starts_with("missed 0"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_catching_up_and_live_while_many_announce() {
    let announcer = Arc::new(Announcer::default());
    let mut first = announcer.subscribe(all(), None);
    announcer.announce(lagged(0));
    let (mut cursor, _) = first.next().await.expect("it is told");
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
    // Comes back again and again, while events come in.
    while seen < total {
        let mut stream = announcer.subscribe(names(&["task.*"]), Some(cursor));
        for _ in 0..37.min(total - seen) {
            let (next, told) = stream.next().await.expect("it goes on");
            assert!(matches!(told, StreamItem::Event(_)), "{told:?}");
            assert_eq!(next.position, cursor.position + 1);
            cursor = next;
            seen += 1;
        }
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it announces"));
}

#[tokio::test]
async fn a_reader_that_waits_is_woken_and_an_announcer_that_goes_ends_its_streams() {
    let announcer = Announcer::default();
    let mut stream = announcer.subscribe(names(&["custom.a"]), None);
    let mut late = announcer.subscribe(all(), Some(EventCursor { boot: 0, position: 0 }));
    let reader = tokio::spawn(async move {
        let mut told = Vec::new();
        while let Some((_, next)) = stream.next().await {
            told.push(words(&next));
        }
        told
    });
    tokio::task::yield_now().await;
    announcer.announce(custom("custom.a"));
    tokio::task::yield_now().await;
    drop(announcer);
    assert_eq!(reader.await.expect("it ends"), ["custom.a"]);
    let rest: Vec<_> = std::iter::from_fn(|| poll_to_end(&mut late)).collect();
    assert_eq!(rest.len(), 2, "what is remembered is told first: {rest:?}");
}

fn poll_to_end(stream: &mut EventStream) -> Option<String> {
    let mut cx = Context::from_waker(Waker::noop());
    match std::pin::Pin::new(stream).poll_next(&mut cx) {
        Poll::Ready(said) => said.map(|(_, told)| words(&told)),
        Poll::Pending => panic!("it neither goes on nor ends"),
    }
}

#[test]
fn streams_that_left_leave_nothing_behind() {
    let announcer = Announcer::default();
    let heard = AtomicUsize::new(0);
    for number in 0..100 {
        let filter = EventFilter { tag: Some(format!("tag-{number}")), ..names(&["task.*", "*"]) };
        let mut stream = announcer.subscribe(filter, None);
        announcer.announce(queued("a", "mail", &format!("tag-{number}")));
        heard.fetch_add(said(&mut stream).len(), Ordering::Relaxed);
    }
    assert_eq!(heard.into_inner(), 100);
    assert_eq!(format!("{announcer:?}"), "Announcer { taps: 0, streams: 0 }");
    assert!(announcer.is_index_empty());
}
