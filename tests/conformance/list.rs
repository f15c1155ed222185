use task_scheduler::models::{Labels, Sequence, Task, TaskFilter};

use crate::given::*;

on_every_store!(
    tasks_are_found_by_tag_until_they_end,
    tagged_tasks_come_in_pages_newest_first,
    a_tag_is_matched_whole,
);

/// What has the tag `red` and has not ended.
fn red() -> TaskFilter {
    let states = TaskFilter::UNFINISHED.into();
    TaskFilter { states, tag: Some("red".into()), ..TaskFilter::default() }
}

fn with_tags(id: &str, tags: &[&str]) -> Task {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let labels = Labels { tags, ..Labels::default() };
    task_with(id, |options| options.labels = Some(Box::new(labels)))
}

/// One page: the ids, and where to go on.
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
