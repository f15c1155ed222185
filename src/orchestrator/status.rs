//! The state of a service.

use super::SchedulerError;

/// The position of a service in its life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExecutionStatus {
    /// It has not begun.
    Idle,
    /// It runs. A failed turn does not change that: another turn follows.
    Running,
    /// It stopped as requested.
    Stopped,
    /// It could not begin, did not stop in time, or failed while it stopped.
    Failed,
}

impl ExecutionStatus {
    /// Whether the service has ended.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

/// The state of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceState {
    /// Its position in the life cycle.
    pub status: ExecutionStatus,
    /// The number of failed turns since the last successful one.
    pub failures: u32,
    /// The last error. It stays after the service recovered.
    pub last_error: Option<SchedulerError>,
}
