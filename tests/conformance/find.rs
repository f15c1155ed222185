use task_scheduler::models::{HistoryEntry, Labels, Sequence, Snapshot, State, TaskId};
use task_scheduler::store::Change;

use crate::given::*;

on_every_store!(
    everything_about_a_task_is_found,
    each_id_has_its_own_answer,
    an_id_that_is_surely_unknown_is_said_to_be,
    tasks_are_found_by_tag_until_they_end,
    tagged_tasks_come_in_pages,
    a_tag_is_matched_whole,
);

async fn everything_about_a_task_is_found(given: Given) {
    let now = given.now();
    let (run_at, expires_at) = (given.after(SECOND), given.after(9 * SECOND));
    given.enter(task("parent")).await;
    let mut asked = waits("a", &["parent"]);
    asked.options.run_at = Some(run_at);
    asked.options.expires_at = Some(expires_at);
    asked.options.labels = Some(Box::new(Labels {
        tags: vec!["red".into()],
        initiator: "me".into(),
        ..Labels::default()
    }));
    given.enter(asked.clone()).await;
    let mut expected = Snapshot {
        task: asked.into(),
        state: State::Pending,
        attempts: 0,
        rescues: 0,
        started_at: None,
        due_at: Some(run_at),
        unmet: 1,
        cancel_requested: false,
        outcome: None,
        history: vec![HistoryEntry { state: State::Pending, at: now, attempt: 0, error: None }],
        progress: (0.0, String::new()),
    };
    assert_eq!(given.find("a").await, expected);
    given.wait(2 * SECOND);
    given.commit(Change::Promote { limit: 9 }).await;
    given.commit(cancel("a")).await;
    let entry = HistoryEntry {
        state: State::Cancelled,
        at: given.now(),
        attempt: 0,
        error: Some("tired".into()),
    };
    expected.history.push(entry);
    (expected.state, expected.due_at, expected.unmet) = (State::Cancelled, None, 0);
    let found = given.find("a").await;
    expected.outcome = found.outcome.clone();
    assert_eq!(found, expected);
}

async fn each_id_has_its_own_answer(given: Given) {
    given.enter_all([task("a"), task("b")]).await;
    let asked: Vec<TaskId> = ["b", "nobody", "a", "b"].map(name).into();
    let found = given.store.find(&asked).await.expect("it reads");
    let found: Vec<Option<TaskId>> =
        found.into_iter().map(|it| it.map(|it| it.task.id.clone())).collect();
    assert_eq!(found, [Some(name("b")), None, Some(name("a")), Some(name("b"))]);
    assert_eq!(given.store.find(&[]).await.expect("it reads"), []);
}

async fn an_id_that_is_surely_unknown_is_said_to_be(given: Given) {
    assert!(!given.store.may_know(&name("a")));
    given.enter(task("a")).await;
    assert!(given.store.may_know(&name("a")));
    given.commit(cancel("a")).await;
    assert!(given.store.may_know(&name("a")));
    assert!(!given.store.may_know(&name("b")));
}

async fn tagged(given: &Given, after: Option<Sequence>, limit: usize) -> Vec<(u64, String)> {
    let page = given.store.tagged("red", after, limit).await.expect("it reads");
    page.into_iter().map(|(sequence, id)| (sequence.0, id.as_str().to_owned())).collect()
}

fn with_tags(id: &str, tags: &[&str]) -> task_scheduler::models::Task {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let labels = Labels { tags, ..Labels::default() };
    task_with(id, |options| options.labels = Some(Box::new(labels)))
}

async fn tasks_are_found_by_tag_until_they_end(given: Given) {
    let due = given.after(SECOND);
    let mut later = with_tags("later", &["blue", "red"]);
    later.options.run_at = Some(due);
    given.enter_all([later, task("plain"), with_tags("queued", &["red"])]).await;
    given.run(with_tags("running", &["red"])).await;
    given.succeed(with_tags("ended", &["red"])).await;
    let expected = [(1, "later"), (3, "queued"), (4, "running")];
    assert_eq!(tagged(&given, None, 9).await, expected.map(|(at, id)| (at, id.to_owned())));
}

async fn tagged_tasks_come_in_pages(given: Given) {
    for number in 1..=5 {
        given.enter(with_tags(&format!("a{number}"), &["red"])).await;
    }
    let mut after = None;
    let mut sizes = Vec::new();
    let mut found = Vec::new();
    loop {
        let page = tagged(&given, after, 2).await;
        let Some((last, _)) = page.last() else { break };
        after = Some(Sequence(*last));
        sizes.push(page.len());
        found.extend(page.into_iter().map(|(sequence, _)| sequence));
    }
    assert_eq!((sizes, found), (vec![2, 2, 1], vec![1, 2, 3, 4, 5]));
}

async fn a_tag_is_matched_whole(given: Given) {
    given.enter_all([with_tags("a", &["redder"]), with_tags("b", &["re"]), task("red")]).await;
    assert_eq!(tagged(&given, None, 9).await, []);
}
