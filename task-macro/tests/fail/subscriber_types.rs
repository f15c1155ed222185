#![allow(unused)]

use task_macro::subscriber;
use task_scheduler::events::Announced;

struct NoDefault(u8);

#[subscriber(events("task.completed"))]
impl NoDefault {
    async fn handle_task_completed(&self, event: &Announced) {}
}

#[subscriber(events("task.completed"))]
async fn returns_a_number(event: &Announced) -> u8 {
    7
}

fn main() {}
