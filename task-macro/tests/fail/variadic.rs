#![allow(unused)]

use task_macro::sync_task;

#[sync_task]
unsafe extern "C" fn variadic(first: i64, _: ...) {}

fn main() {}
