//! `cancel_on_disconnect`: a task that stops when nobody waits for it any more.

use tokio::runtime::Handle;
use tracing::debug;

use crate::models::{CancelRequest, TaskId};
use crate::system::TaskSystem;

/// Cancels a task when it is dropped before [`disarm`](Self::disarm): when the caller went away, or
/// its deadline passed.
pub(super) struct CancelOnDrop {
    system: TaskSystem,
    id: Option<TaskId>,
}

impl CancelOnDrop {
    /// Watches over the task `id`.
    pub(super) fn new(system: TaskSystem, id: TaskId) -> Self {
        Self { system, id: Some(id) }
    }

    /// The answer is there.
    pub(super) fn disarm(mut self) {
        self.id = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        // A serving thread that stops takes its calls with it; what becomes of their tasks is the
        // drain's decision, and a runtime that shuts down does not start this.
        let Ok(runtime) = Handle::try_current() else { return };
        let system = self.system.clone();
        runtime.spawn(async move {
            let reason = "its caller went away".into();
            let request = CancelRequest { ids: vec![id], matching: None, reason };
            match system.tasks().cancel(request).await {
                Ok(verdicts) => debug!(?verdicts, "cancelled a task whose caller went away"),
                Err(error) => debug!(%error, "could not cancel a task whose caller went away"),
            }
        });
    }
}
