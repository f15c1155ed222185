//! The estimated memory of an outcome; allocators round up.

use std::mem::size_of;

use crate::models::{ArgValue, Ended, Ending, Task, TaskId};

/// The memory of an entry in the cache itself: a list node, a slot of the table, the counts of Arcs.
const OVERHEAD: usize = 160;

/// The bytes of a task and its outcome. Arguments count in full although others may share them,
/// because the cache can be their last owner.
pub(super) fn weight(ended: &Ended) -> usize {
    let fixed = OVERHEAD + size_of::<Ended>() + size_of::<Task>();
    let ending = match &ended.outcome.ending {
        Ending::Succeeded(result) => size_of::<ArgValue>() + result.heap_bytes(),
        Ending::Failed(failure) => failure.message.capacity(),
        Ending::Cancelled(why) => why.capacity(),
        Ending::Skipped | Ending::Expired => 0,
    };
    fixed + of_task(&ended.task) + ending
}

fn of_task(task: &Task) -> usize {
    let args: usize = task.args.iter().map(ArgValue::heap_bytes).sum();
    let args = args + task.args.capacity() * size_of::<ArgValue>();
    let deps: usize = task.deps.iter().map(|id| id.as_str().len()).sum();
    let deps = deps + task.deps.capacity() * size_of::<TaskId>();
    let labels = task.options.labels.as_ref().map_or(0, |labels| {
        let words =
            [&labels.initiator, &labels.reason, &labels.source_system, &labels.correlation_id];
        let tags = labels.tags.iter().map(|tag| size_of::<String>() + tag.capacity());
        words.into_iter().map(String::capacity).chain(tags).sum()
    });
    task.id.as_str().len() + task.method.len() + args + deps + labels
}
