//! An estimate of the memory that an event keeps alive, for buffers that hold many events.

use super::{Event, Fact, TaskFact, payload};
use crate::models::{ArgValue, Ended, Task};

impl Event {
    /// An estimate of the heap memory that the event owns or shares, in bytes. Shared memory counts in
    /// full: the event can be the last owner.
    pub fn heap_bytes(&self) -> usize {
        match &self.fact {
            Fact::Task(task, TaskFact::Ended(ended) | TaskFact::Resolved(ended)) => {
                of_task(task) + of_result(ended)
            }
            Fact::Task(task, _) => of_task(task),
            Fact::Custom(custom) => of_task(&custom.task) + payload::size(&custom.payload),
            _ => 0,
        }
    }
}

fn of_task(task: &Task) -> usize {
    let args: usize = task.args.iter().map(ArgValue::heap_bytes).sum();
    let deps: usize = task.deps.iter().map(|id| id.as_str().len()).sum();
    size_of::<Task>() + args + task.args.capacity() * size_of::<ArgValue>() + deps
}

fn of_result(ended: &Ended) -> usize {
    size_of::<Ended>() + ended.outcome.result().map_or(0, ArgValue::heap_bytes)
}
