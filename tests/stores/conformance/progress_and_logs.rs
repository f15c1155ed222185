use task_scheduler::models::{Fence, LogLevel, LogLine, MAX_LOG_LINES, Sequence};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    the_latest_progress_is_read,
    log_lines_are_read_in_pages,
    repeated_log_lines_are_dropped,
    log_lines_beyond_the_limit_are_dropped,
    a_later_attempt_continues_the_line_numbers,
    log_lines_under_a_stale_fence_are_refused,
    an_unknown_task_has_no_log,
    log_lines_survive_the_process,
);

fn line(given: &Given, number: u32) -> LogLine {
    let text = format!("line {number}");
    LogLine { number, at: given.now(), level: LogLevel::Warn, attempt: 1, text }
}

fn log(
    given: &Given,
    sequence: Sequence,
    fence: Fence,
    numbers: impl IntoIterator<Item = u32>,
) -> Change {
    let lines = numbers.into_iter().map(|number| line(given, number)).collect();
    Change::Log { sequence, fence, lines }
}

async fn read(given: &Given, after: u32, limit: usize) -> Vec<u32> {
    let lines = given.store.logs(&name("a"), after, limit).await.expect("it reads");
    lines.into_iter().map(|line| line.number).collect()
}

async fn the_latest_progress_is_read(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    for (fraction, message) in [(0.25, "on"), (0.5, "half")] {
        let message = message.to_owned();
        let change = Change::Progress { sequence, fence, fraction, message: message.clone() };
        assert_eq!(given.commit(change).await, Applied::default());
        assert_eq!(given.find("a").await.progress, (fraction, message));
    }
    given.commit(complete(sequence, fence)).await;
    assert_eq!(given.find("a").await.progress, (0.5, "half".to_owned()));
}

async fn log_lines_are_read_in_pages(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    assert_eq!(given.commit(log(&given, sequence, fence, 1..=3)).await, Applied::default());
    given.wait(SECOND);
    given.commit(log(&given, sequence, fence, 4..=5)).await;
    assert_eq!(given.find("a").await.log_lines, 5);
    let pages = [(0, 2, vec![1, 2]), (2, 2, vec![3, 4]), (4, 2, vec![5]), (5, 2, vec![])];
    for (after, limit, page) in pages {
        assert_eq!(read(&given, after, limit).await, page);
    }
    let last = given.store.logs(&name("a"), 4, 9).await.expect("it reads");
    assert_eq!(last, [line(&given, 5)]);
}

async fn repeated_log_lines_are_dropped(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(log(&given, sequence, fence, [1, 2])).await;
    given.commit(log(&given, sequence, fence, [2, 3, 3, 1, 4])).await;
    assert_eq!(read(&given, 0, 9).await, [1, 2, 3, 4]);
    assert_eq!(given.find("a").await.log_lines, 4);
}

async fn log_lines_beyond_the_limit_are_dropped(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    for half in [1..=600, 601..=1_200] {
        given.commit(log(&given, sequence, fence, half)).await;
    }
    assert_eq!(given.find("a").await.log_lines, MAX_LOG_LINES);
    assert_eq!(read(&given, 0, usize::MAX).await.len(), MAX_LOG_LINES as usize);
    given.commit(log(&given, sequence, fence, [1_201])).await;
    assert_eq!(read(&given, 999, 9).await, [1_000]);
}

async fn a_later_attempt_continues_the_line_numbers(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(log(&given, sequence, fence, 1..=3)).await;
    given.commit(requeue(sequence, fence)).await;
    assert_eq!(given.claim(sequence).await.expect("it was released").log_lines, 3);
}

async fn log_lines_under_a_stale_fence_are_refused(given: Given) {
    let (sequence, stale) = given.run(task("a")).await;
    given.commit(requeue(sequence, stale)).await;
    given.claim(sequence).await.expect("it was released");
    let before = given.find("a").await;
    let message = String::from("late");
    let progress = Change::Progress { sequence, fence: stale, fraction: 0.5, message };
    for change in [progress, log(&given, sequence, stale, [1])] {
        let applied = given.commit(change).await;
        assert_eq!(applied, Applied { result: ChangeResult::Stale, ..Applied::default() });
    }
    assert_eq!((given.find("a").await, read(&given, 0, 9).await), (before, vec![]));
}

async fn an_unknown_task_has_no_log(given: Given) {
    assert!(read(&given, 0, 9).await.is_empty());
}

async fn log_lines_survive_the_process(mut given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(log(&given, sequence, fence, 1..=3)).await;
    given.restart().await;
    let kept = if given.store.properties().durable { vec![1, 2, 3] } else { vec![] };
    assert_eq!(read(&given, 0, 9).await, kept);
}
