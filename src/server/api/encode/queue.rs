//! Encodes queues.

use crate::pb;
use crate::system::QueueState;

/// One queue, for ListQueues and for every change of a queue.
pub(in crate::server::api) fn queue(state: QueueState) -> pb::Queue {
    pb::Queue {
        name: state.queue.as_str().into(),
        paused: state.settings.paused,
        limits: Some((&state.settings.limits).into()),
        waiting: state.waiting(),
        // A suspended attempt has given back its slot, and the queue's limit counts slots.
        running: state.running - state.suspended,
    }
}
