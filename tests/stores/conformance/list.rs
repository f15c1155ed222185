use task_scheduler::models::{Labels, Sequence, State, Task, TaskFilter};
use task_scheduler::store::{Change, LIST_BUDGET};

use super::given::*;

on_every_store!(
    tasks_are_found_by_tag_until_they_end,
    tagged_tasks_come_in_pages_newest_first,
    a_tag_is_matched_whole,
    every_filter_selects_its_tasks,
    pages_are_consistent_while_tasks_are_inserted_and_purged,
    a_page_looks_at_a_bounded_number_of_tasks,
);

/// Unfinished tasks with the tag `red`.
fn red() -> TaskFilter {
    let states = TaskFilter::UNFINISHED.into();
    TaskFilter { states, tag: Some("red".into()), ..TaskFilter::default() }
}

fn with_tags(id: &str, tags: &[&str]) -> Task {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let labels = Labels { tags, ..Labels::default() };
    task_with(id, |options| options.labels = Some(Box::new(labels)))
}

/// One page: the ids, and where the next page begins.
async fn page(
    given: &Given,
    filter: &TaskFilter,
    before: Option<Sequence>,
    limit: usize,
) -> (Vec<String>, Option<Sequence>) {
    let page = given.store.list(filter, before, limit).await.expect("it reads");
    (page.tasks.iter().map(|task| task.task.id.to_string()).collect(), page.next)
}

async fn tasks_are_found_by_tag_until_they_end(given: Given) {
    let due = given.after(SECOND);
    let mut later = with_tags("later", &["blue", "red"]);
    later.options.run_at = Some(due);
    given.enter_all([later, task("plain"), with_tags("queued", &["red"])]).await;
    given.run(with_tags("running", &["red"])).await;
    given.succeed(with_tags("ended", &["red"])).await;
    let (found, next) = page(&given, &red(), None, 9).await;
    assert_eq!((found, next), (["running", "queued", "later"].map(str::to_owned).into(), None));
}

async fn tagged_tasks_come_in_pages_newest_first(given: Given) {
    for number in 1..=5 {
        given.enter(with_tags(&format!("a{number}"), &["red"])).await;
    }
    let mut sizes = Vec::new();
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let (ids, next) = page(&given, &red(), before, 2).await;
        sizes.push(ids.len());
        found.extend(ids);
        let Some(next) = next else { break };
        before = Some(next);
    }
    let expected = ["a5", "a4", "a3", "a2", "a1"].map(str::to_owned);
    assert_eq!((sizes, found), (vec![2, 2, 1], expected.into()));
}

async fn a_tag_is_matched_whole(given: Given) {
    given.enter_all([with_tags("a", &["redder"]), with_tags("b", &["re"]), task("red")]).await;
    assert_eq!(page(&given, &red(), None, 9).await, (Vec::new(), None));
}

async fn every_filter_selects_its_tasks(given: Given) {
    let (start, none) = (given.now(), TaskFilter::default());
    let at = |task: Task| Task { submitted_at: given.now(), ..task };
    given.succeed(at(task("first"))).await;
    given.wait(2 * SECOND);
    let mut second = at(task("second"));
    (second.method, second.parent) = ("multiply".into(), Some(name("first")));
    given.enter(second).await;
    given.wait(2 * SECOND);
    given.fail(at(with_tags("third", &["red"]))).await;
    given.enter(at(task_with("fourth", |options| options.queue = queue("other")))).await;
    let when = |seconds: u32| Some(start.plus(seconds * SECOND));
    let filters: [(TaskFilter, &[&str]); 11] = [
        (none.clone(), &["fourth", "third", "second", "first"]),
        (TaskFilter { states: vec![State::Queued], ..none.clone() }, &["fourth", "second"]),
        (
            TaskFilter { states: vec![State::Failed, State::Succeeded], ..none.clone() },
            &["third", "first"],
        ),
        (TaskFilter { queue: Some(queue("other")), ..none.clone() }, &["fourth"]),
        (TaskFilter { method: Some("multiply".into()), ..none.clone() }, &["second"]),
        (TaskFilter { tag: Some("red".into()), ..none.clone() }, &["third"]),
        (TaskFilter { parent: Some(name("first")), ..none.clone() }, &["second"]),
        (TaskFilter { submitted_after: when(2), ..none.clone() }, &["fourth", "third"]),
        (TaskFilter { submitted_before: when(2), ..none.clone() }, &["first"]),
        (TaskFilter { ended_before: when(4), ..none.clone() }, &["first"]),
        (TaskFilter { tag: Some("red".into()), states: vec![State::Queued], ..none.clone() }, &[]),
    ];
    for (filter, expected) in filters {
        let (found, next) = page(&given, &filter, None, 9).await;
        assert_eq!((found.iter().map(String::as_str).collect(), next), (expected.to_vec(), None));
    }
}

async fn pages_are_consistent_while_tasks_are_inserted_and_purged(given: Given) {
    for number in 1..=6 {
        given.enter(task(&format!("a{number}"))).await;
    }
    let all = TaskFilter::default();
    let (found, next) = page(&given, &all, None, 2).await;
    assert_eq!(found, ["a6", "a5"]);
    given.enter(task("a7")).await;
    for id in ["a5", "a4"] {
        given.commit(cancel(id)).await;
        given.commit(Change::Purge { id: name(id) }).await;
    }
    let (found, next) = page(&given, &all, next, 2).await;
    assert_eq!(found, ["a3", "a2"]);
    let (found, next) = page(&given, &all, next, 2).await;
    assert_eq!((found, next), (vec!["a1".to_owned()], None));
}

async fn a_page_looks_at_a_bounded_number_of_tasks(given: Given) {
    given.enter(with_tags("a", &["red"])).await;
    given.enter_all((0..LIST_BUDGET).map(|number| task(&format!("b{number}")))).await;
    let (found, next) = page(&given, &red(), None, 9).await;
    assert!(found.is_empty() && next.is_some(), "{found:?} {next:?}");
    assert_eq!(page(&given, &red(), next, 9).await, (vec!["a".to_owned()], None));
}
