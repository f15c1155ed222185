use task_scheduler::models::{LogLevel, LogLine, State};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    an_ended_task_is_purged_with_its_log,
    unfinished_tasks_cannot_be_purged,
    a_dependency_of_an_unfinished_task_cannot_be_purged,
    purging_an_unknown_task_finds_nothing,
);

fn forget(id: &str) -> Change {
    Change::Purge { id: name(id) }
}

async fn an_ended_task_is_purged_with_its_log(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let line = LogLine {
        number: 1,
        at: given.now(),
        level: LogLevel::Info,
        attempt: 1,
        text: "said".into(),
    };
    given.commit(Change::Log { sequence, fence, lines: vec![line] }).await;
    given.commit(complete(sequence, fence)).await;
    assert_eq!(given.commit(forget("a")).await, Applied::default());
    assert_eq!(given.known("a").await, None);
    assert_eq!(given.store.logs(&name("a"), 0, 9).await.expect("it reads"), []);
    let second = given.enter(task("a")).await;
    assert_eq!((given.state("a").await, given.find("a").await.log_lines), (State::Queued, 0));
    assert_ne!(second, sequence);
    assert_eq!(given.store.logs(&name("a"), 0, 9).await.expect("it reads"), []);
}

async fn unfinished_tasks_cannot_be_purged(given: Given) {
    given.enter(task("a")).await;
    let result = ChangeResult::WrongState(State::Queued);
    assert_eq!(given.commit(forget("a")).await, Applied { result, ..Applied::default() });
    assert_eq!(given.state("a").await, State::Queued);
}

async fn a_dependency_of_an_unfinished_task_cannot_be_purged(given: Given) {
    given.succeed(task("parent")).await;
    given.enter(waits("a", &["parent"])).await;
    let result = ChangeResult::InUse;
    assert_eq!(given.commit(forget("parent")).await, Applied { result, ..Applied::default() });
    given.commit(cancel("a")).await;
    assert_eq!(given.commit(forget("parent")).await.result, ChangeResult::Done);
}

async fn purging_an_unknown_task_finds_nothing(given: Given) {
    let result = ChangeResult::NotFound;
    assert_eq!(given.commit(forget("a")).await, Applied { result, ..Applied::default() });
}
