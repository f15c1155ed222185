#![allow(unused)]

use std::rc::Rc;

use task_macro::async_task;

#[async_task]
async fn holds_an_rc_across_an_await() {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    drop(shared);
}

fn main() {}
