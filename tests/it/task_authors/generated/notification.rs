//! Handles `task.completed`, `task.failed`.

use task_scheduler::events::{Announced, SubscriberError};
use task_scheduler::subscriber;

/// Created once, when the server starts. Handles one event after the other.
#[derive(Default)]
struct NotificationSubscriber;

#[subscriber(events("task.completed", "task.failed"))]
impl NotificationSubscriber {
    /// A task succeeded.
    async fn handle_task_completed(&self, event: &Announced) -> Result<(), SubscriberError> {
        let task_id = event.text("task_id").unwrap_or("unknown");
        println!("{} task.completed: {task_id}", event.at);
        Ok(())
    }

    /// A task failed and is not retried any more.
    async fn handle_task_failed(&self, event: &Announced) -> Result<(), SubscriberError> {
        let task_id = event.text("task_id").unwrap_or("unknown");
        let error_message = event.text("error_message").unwrap_or("unknown");
        println!("{} task.failed: {task_id}, {error_message}", event.at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use task_scheduler::testing::deliver_event;

    use super::*;

    #[test]
    fn every_event_is_handled() {
        for name in ["task.completed", "task.failed"] {
            let event = Announced::example(name).expect("it is in the catalogue");
            deliver_event(&NotificationSubscriber, &event).expect("it is handled");
        }
    }
}
