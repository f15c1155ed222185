//! The handle of a registered service.

use std::sync::Arc;

use tokio::sync::watch;

use super::{ExecutionStatus, SchedulerError, ServiceId, ServiceState};

/// Shows the state of one service. Cheap to clone; outlives the service.
#[derive(Clone, Debug)]
pub struct ServiceHandle {
    id: ServiceId,
    name: Arc<str>,
    state: watch::Receiver<ServiceState>,
}

impl ServiceHandle {
    pub(super) fn new(id: ServiceId, name: Arc<str>, state: watch::Receiver<ServiceState>) -> Self {
        Self { id, name, state }
    }

    /// The service's id.
    pub fn id(&self) -> ServiceId {
        self.id
    }

    /// The service's name when it was registered.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The service's position in its life cycle.
    pub fn status(&self) -> ExecutionStatus {
        self.state.borrow().status
    }

    /// The number of failed turns since the last successful one.
    pub fn failures(&self) -> u32 {
        self.state.borrow().failures
    }

    /// The last error. It stays after the service recovered.
    pub fn last_error(&self) -> Option<SchedulerError> {
        self.state.borrow().last_error.clone()
    }

    /// Status, failures and last error, read at one moment.
    pub fn state(&self) -> ServiceState {
        self.state.borrow().clone()
    }

    /// Waits until the state satisfies `wanted` or the service has ended, and returns the state. A
    /// state that lasts only briefly can be missed.
    pub async fn wait_for(&self, wanted: impl Fn(&ServiceState) -> bool) -> ServiceState {
        let mut state = self.state.clone();
        let found = state.wait_for(|state| state.status.is_over() || wanted(state)).await;
        match found {
            Ok(found) => found.clone(),
            // The loop is gone and published its last state before.
            Err(_) => self.state(),
        }
    }

    /// Waits until the service runs or has ended.
    pub async fn started(&self) -> ExecutionStatus {
        self.wait_for(|state| state.status != ExecutionStatus::Idle).await.status
    }

    /// Waits until the service has ended.
    pub async fn ended(&self) -> ExecutionStatus {
        self.wait_for(|_| false).await.status
    }
}
