//! How a service stands.

use super::SchedulerError;

/// How far a service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExecutionStatus {
    /// It has not begun.
    Idle,
    /// It works. A turn that failed does not change that: another follows.
    Running,
    /// It ended as it was told to.
    Stopped,
    /// It ended otherwise: it could not begin, or did not stop, or not well.
    Failed,
}

impl ExecutionStatus {
    /// Whether its life is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceState {
    /// How far it is.
    pub status: ExecutionStatus,
    /// How many turns failed in a row. 0: the last one was good.
    pub failures: u32,
    /// The last thing that went wrong, which may be over.
    pub last_error: Option<SchedulerError>,
}
