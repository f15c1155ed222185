#![allow(unused)]

use task_macro::subscriber;
use task_scheduler::events::Announced;

#[derive(Default)]
struct Mail;

#[subscriber(events("task.completed", "task.failed"))]
impl Mail {
    async fn handle_task_completed(&self, event: &Announced) {}
}

#[derive(Default)]
struct Wild;

#[subscriber(events("task.*"))]
impl Wild {
    async fn handle_task_completed(&self, event: &Announced) {}
}

#[derive(Default)]
struct Unlisted;

#[subscriber(events("task.completed"))]
impl Unlisted {
    async fn handle_task_completed(&self, event: &Announced) {}
    async fn handle_task_cancel_requested(&self, event: &Announced) {}
}

#[derive(Default)]
struct Shapes;

#[subscriber(events("task.completed"))]
impl Shapes {
    fn handle_task_completed(&self, event: &Announced) {}
}

#[derive(Default)]
struct Unshared;

#[derive(Default)]
struct Nobodys;

#[subscriber(events("task.completed"))]
impl Unshared {
    async fn handle_task_completed(&mut self, event: &Announced) {}
}

#[subscriber(events("task.completed"))]
impl Nobodys {
    async fn handle_task_completed(event: &Announced) {}
}

#[subscriber(events("task.completed"))]
async fn by_value(event: Announced) {}

#[subscriber(events("task.completed"))]
async fn two(event: &Announced, other: i64) {}

#[subscriber(events("task.completed"))]
async fn nothing() {}

#[subscriber(events("task.completed"))]
fn blocking(event: &Announced) {}

struct Generic<T>(T);

#[subscriber(events("task.completed"))]
impl<T> Generic<T> {
    async fn handle(&self, event: &Announced) {}
}

#[subscriber(events("task.completed"))]
impl Clone for Mail {
    fn clone(&self) -> Self {
        Self
    }
}

#[subscriber(events("task.completed"))]
struct NoBlock;

fn main() {}
