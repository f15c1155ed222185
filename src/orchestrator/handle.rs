//! What others see of a service.

use std::sync::Arc;

use tokio::sync::watch;

use super::{ExecutionStatus, SchedulerError, ServiceState, TaskId};

/// What others see of a service. Cheap to clone; outlives it.
#[derive(Clone, Debug)]
pub struct TaskHandle {
    id: TaskId,
    name: Arc<str>,
    state: watch::Receiver<ServiceState>,
}

impl TaskHandle {
    pub(super) fn new(id: TaskId, name: Arc<str>, state: watch::Receiver<ServiceState>) -> Self {
        Self { id, name, state }
    }

    /// Which service it is.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The name that it had when it was registered.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How far it is.
    pub fn status(&self) -> ExecutionStatus {
        self.state.borrow().status
    }

    /// How many turns failed in a row. 0: the last one was good.
    pub fn failures(&self) -> u32 {
        self.state.borrow().failures
    }

    /// The last thing that went wrong, which may be over.
    pub fn last_error(&self) -> Option<SchedulerError> {
        self.state.borrow().last_error.clone()
    }

    /// All that at once.
    pub fn state(&self) -> ServiceState {
        self.state.borrow().clone()
    }

    /// Waits until its state is like that; answers the state. What is over before anybody looks may be
    /// missed. If its life ends otherwise, answers how.
    pub async fn wait_for(&self, wanted: impl Fn(&ServiceState) -> bool) -> ServiceState {
        let mut state = self.state.clone();
        let found = state.wait_for(|state| state.status.is_over() || wanted(state)).await;
        match found {
            Ok(found) => found.clone(),
            // Its loop is gone, and has said so before.
            Err(_) => self.state(),
        }
    }

    /// Waits until it works, or its life is over.
    pub async fn begun(&self) -> ExecutionStatus {
        self.wait_for(|state| state.status != ExecutionStatus::Idle).await.status
    }

    /// Waits until its life is over.
    pub async fn ended(&self) -> ExecutionStatus {
        self.wait_for(|_| false).await.status
    }
}
