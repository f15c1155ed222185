use task_macro::sync_task;

#[sync_task]
unsafe extern "C" fn variadic(first: i64, ...) {}

fn main() {}
