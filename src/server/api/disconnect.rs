//! `cancel_on_disconnect`: cancels a task when its caller disconnects.

use tokio::runtime::Handle;
use tracing::debug;

use crate::models::{CancelRequest, TaskId};
use crate::system::TaskSystem;

/// Cancels a task when it is dropped before [`disarm`](Self::disarm): when the caller disconnected or
/// its deadline passed.
pub(super) struct CancelOnDrop {
    system: TaskSystem,
    id: Option<TaskId>,
}

impl CancelOnDrop {
    /// Guards the task `id`.
    pub(super) fn new(system: TaskSystem, id: TaskId) -> Self {
        Self { system, id: Some(id) }
    }

    /// Disables the guard: the task has ended.
    pub(super) fn disarm(mut self) {
        self.id = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        // When a worker stops, its calls are dropped, and the drain decides about their tasks; a
        // runtime that shuts down does not start this.
        let Ok(runtime) = Handle::try_current() else { return };
        let system = self.system.clone();
        runtime.spawn(async move {
            let reason = "the caller disconnected".into();
            let request = CancelRequest { ids: vec![id], matching: None, reason };
            match system.tasks().cancel(request).await {
                Ok(verdicts) => debug!(?verdicts, "cancelled a task whose caller disconnected"),
                Err(error) => debug!(%error, "cannot cancel a task whose caller disconnected"),
            }
        });
    }
}
