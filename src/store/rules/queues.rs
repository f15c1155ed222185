//! Queue settings: limits, pause and resume.

use super::{Rows, Transition};
use crate::models::{Fact, QueueFact, QueueLimits, QueueName, QueueSettings};

impl<R: Rows> Transition<'_, R> {
    /// Sets the limits of a queue.
    pub(super) fn set_limits(
        &mut self,
        queue: &QueueName,
        limits: &QueueLimits,
    ) -> Result<(), R::Error> {
        let settings = self.rows.settings(queue)?;
        let before = settings.limits;
        let settings = QueueSettings { limits: *limits, ..settings };
        self.rows.set_settings(queue, settings)?;
        if before != *limits {
            let limited = QueueFact::LimitsChanged(Box::new(settings));
            self.emit(Fact::Queue(queue.clone(), limited))?;
        }
        if before.concurrency_per_key < limits.concurrency_per_key
            || before.rate_per_key != limits.rate_per_key
        {
            self.rows.wake_keys(queue, self.now)?;
            self.wake_due_keys(self.rows.notify_slice())?;
        }
        Ok(())
    }

    /// Pauses or resumes a queue.
    pub(super) fn pause(&mut self, queue: &QueueName, paused: bool) -> Result<(), R::Error> {
        let settings = self.rows.settings(queue)?;
        if settings.paused == paused {
            return Ok(());
        }
        self.rows.set_settings(queue, QueueSettings { paused, ..settings })?;
        let fact = if paused { QueueFact::Paused } else { QueueFact::Resumed };
        self.emit(Fact::Queue(queue.clone(), fact))
    }
}
