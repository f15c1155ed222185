use task_macro::sync_task;

#[sync_task]
struct Charge;

fn main() {}
