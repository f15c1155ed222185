#![allow(unused)]

use task_macro::sync_task;

struct Service;

impl Service {
    #[sync_task]
    fn charge(&self, order: i64) -> i64 {
        order
    }
}

trait Charges {
    #[sync_task]
    fn charge(order: i64) -> i64;
}

fn main() {}
