use task_scheduler::models::{LogLevel, LogLine, State};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    what_ended_is_forgotten_with_its_log,
    what_has_not_ended_is_not_forgotten,
    what_somebody_unfinished_depends_on_is_not_forgotten,
    nobody_is_not_forgotten,
);

fn forget(id: &str) -> Change {
    Change::Purge { id: name(id) }
}

async fn what_ended_is_forgotten_with_its_log(given: Given) {
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

async fn what_has_not_ended_is_not_forgotten(given: Given) {
    given.enter(task("a")).await;
    let result = ChangeResult::WrongState(State::Queued);
    assert_eq!(given.commit(forget("a")).await, Applied { result, ..Applied::default() });
    assert_eq!(given.state("a").await, State::Queued);
}

async fn what_somebody_unfinished_depends_on_is_not_forgotten(given: Given) {
    given.succeed(task("parent")).await;
    given.enter(waits("a", &["parent"])).await;
    let result = ChangeResult::InUse;
    assert_eq!(given.commit(forget("parent")).await, Applied { result, ..Applied::default() });
    given.commit(cancel("a")).await;
    assert_eq!(given.commit(forget("parent")).await.result, ChangeResult::Done);
}

async fn nobody_is_not_forgotten(given: Given) {
    let result = ChangeResult::NotFound;
    assert_eq!(given.commit(forget("a")).await, Applied { result, ..Applied::default() });
}
