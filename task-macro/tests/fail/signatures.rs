#![allow(unused)]

use std::fmt::Display;
use std::future::{Future, ready};

use task_macro::{async_task, sync_task};
use task_scheduler::tasks::{Rest, TaskContext};

#[sync_task]
async fn async_under_sync() {}

#[sync_task]
fn a_future_under_sync() -> impl Future<Output = String> {
    ready(String::new())
}

#[async_task]
fn sync_under_async() -> String {
    String::new()
}

#[async_task]
async fn a_future_of_a_future() -> impl Future<Output = String> {
    ready(String::new())
}

#[sync_task]
fn generic<T>(value: T) -> T {
    value
}

#[sync_task]
fn borrows_for_a_lifetime<'a>(text: &'a str) -> &'a str {
    text
}

#[sync_task]
unsafe fn not_safe() {}

#[sync_task]
extern "C" fn foreign() {}

#[sync_task]
fn borrows(text: &str, list: &[i64], number: &i64, nested: Vec<&str>) {}

#[sync_task]
fn borrows_its_context(ctx: &TaskContext) {}

#[sync_task]
fn context_is_not_first(number: i64, ctx: TaskContext) {}

#[sync_task]
fn any_display(value: impl Display) {}

#[sync_task]
fn some_display() -> impl Display {
    1
}

#[sync_task]
fn never() -> ! {
    panic!()
}

#[async_task]
async fn fails_with_text() -> Result<(), String> {
    Ok(())
}

#[sync_task]
fn required_after_optional(note: Option<String>, order: i64) {}

#[sync_task]
fn rest_is_not_last(numbers: Rest<i64>, last: i64) {}

#[sync_task]
fn taken_apart((a, b): (i64, i64)) {}

fn main() {}
